// Hooks for React. The logic is in the views, which the composables for Vue share.

import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { CallView, NO_CALL } from "../views/call-view.js";
import { NO_CHAT, chatSource } from "../views/chat-view.js";
import { ConnectionSource, NO_CONNECTION } from "../views/connection-source.js";
import { NO_NOTIFICATIONS, notificationsSource } from "../views/notifications-view.js";
import { NoSource } from "../views/sources.js";
import { NO_TOPIC, topicKey, topicSource } from "../views/topic-view.js";
import { Reading } from "./reading.js";

/** Returns the state of the connection, and connects nothing. */
export function useConnection(gateway) {
  const source = useMemo(() => new ConnectionSource(gateway), [gateway]);
  return useSource(source, NO_CONNECTION, ["connect"]);
}

/** Returns the chat of a clan, and sends messages. */
export function useClanChat(gateway, clanId, options) {
  const source = useMemo(() => (clanId ? chatSource(gateway, clanId) : new NoSource(NO_CHAT)), [gateway, clanId]);
  return useSource(source, NO_CHAT, ["send", "repeat", "discard", "loadOlder", "setTyping", "retry"], options);
}

/** Returns the notifications that wait for an acknowledgement. */
export function useNotifications(gateway) {
  const source = useMemo(() => (gateway ? notificationsSource(gateway) : new NoSource(NO_NOTIFICATIONS)), [gateway]);
  return useSource(source, NO_NOTIFICATIONS, ["ack", "retry"]);
}

/** Returns the events of a topic, and publishes. The topic is one of the SDK or of generated code. */
export function useTopic(topic, options) {
  // Generated code makes another handle for each rendering.
  const key = topic && topicKey(topic, options?.from);
  const source = useMemo(() => (topic ? topicSource(topic, options?.from) : new NoSource(NO_TOPIC)), [topic?.gateway, key]);
  return useSource(source, NO_TOPIC, ["publish", "repeat", "discard", "loadOlder", "retry"], options);
}

/** Returns a function that calls the backend, and the state of the last call. */
export function useCall(call) {
  const [view] = useState(() => new CallView(call));
  useEffect(() => {
    view.handle = call;
  });
  const source = useMemo(() => ({ snapshot: () => view.snapshot(), subscribe: listener => view.subscribe(listener), view: () => view }), [view]);
  return useSource(source, NO_CALL, ["call", "repeat", "reset"]);
}

/** Renders the component again when a field that it has read changes. */
function useSource(source, initial, actions, options) {
  const wants = JSON.stringify(options);
  const [used] = useState(() => new Set());
  const reading = useMemo(() => new Reading(source, initial, actions, used), [source, used]);
  const subscribe = useCallback(listener => source.subscribe(listener, wants && JSON.parse(wants)), [source, wants]);
  const read = useSyncExternalStore(subscribe, reading.read, reading.readOnServer);
  return useMemo(() => reading.shown(read), [reading, read]);
}
