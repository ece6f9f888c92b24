// Composables for Vue. The logic is in the views, which the hooks for React share.

import { computed, getCurrentInstance, getCurrentScope, onMounted, shallowRef, toValue, watch } from "vue";
import { CallView, NO_CALL } from "../views/call-view.js";
import { NO_CHAT, chatSource } from "../views/chat-view.js";
import { ConnectionSource, NO_CONNECTION } from "../views/connection-source.js";
import { NO_NOTIFICATIONS, notificationsSource } from "../views/notifications-view.js";
import { NoSource } from "../views/sources.js";
import { NO_TOPIC, topicKey, topicSource } from "../views/topic-view.js";

/** Returns the state of the connection, and connects nothing. */
export function useConnection(gateway) {
  const source = computed(() => new ConnectionSource(toValue(gateway)));
  return useSource(source, NO_CONNECTION, ["connect"]);
}

/** Returns the chat of a clan, and sends messages. */
export function useClanChat(gateway, clanId, options) {
  const [client, id] = [computed(() => toValue(gateway)), computed(() => toValue(clanId))];
  const source = computed(() => (id.value ? chatSource(client.value, id.value) : new NoSource(NO_CHAT)));
  return useSource(source, NO_CHAT, ["send", "repeat", "discard", "loadOlder", "setTyping", "retry"], options);
}

/** Returns the notifications that wait for an acknowledgement. */
export function useNotifications(gateway) {
  const client = computed(() => toValue(gateway));
  const source = computed(() => (client.value ? notificationsSource(client.value) : new NoSource(NO_NOTIFICATIONS)));
  return useSource(source, NO_NOTIFICATIONS, ["ack", "retry"]);
}

/** Returns the events of a topic, and publishes. The topic is one of the SDK or of generated code. */
export function useTopic(topic, options) {
  const [handle, from] = [computed(() => toValue(topic)), computed(() => toValue(options)?.from)];
  const [client, key] = [
    computed(() => handle.value?.gateway),
    computed(() => handle.value && topicKey(handle.value, from.value)),
  ];
  // Generated code makes another handle for each evaluation.
  const source = computed(() => (client.value && key.value ? topicSource(handle.value, from.value) : new NoSource(NO_TOPIC)));
  return useSource(source, NO_TOPIC, ["publish", "repeat", "discard", "loadOlder", "retry"], options);
}

/** Returns a function that calls the backend, and the state of the last call. */
export function useCall(call) {
  const view = new CallView(call);
  const source = { snapshot: () => view.snapshot(), subscribe: listener => view.subscribe(listener), view: () => view };
  return useSource(shallowRef(source), NO_CALL, ["call", "repeat", "reset"]);
}

/** Returns a ref for each field, and the actions. A ref changes only if its field does. */
function useSource(source, initial, actions, options) {
  const refs = Object.fromEntries(Object.keys(initial).map(name => [name, shallowRef(initial[name])]));
  const show = fields => {
    for (const name of Object.keys(refs)) refs[name].value = fields[name];
  };
  const wants = computed(() => JSON.stringify(toValue(options)));
  const begin = () => watch([source, wants], ([source, wants], _, onCleanup) => {
    onCleanup(source.subscribe(() => show(source.snapshot()), wants && JSON.parse(wants)));
    show(source.snapshot());
  }, { immediate: true });
  // A server mounts no component and has no document, so it connects nothing.
  const scope = getCurrentScope();
  if (getCurrentInstance()) onMounted(() => scope.run(begin));
  else if (globalThis.document) begin();
  const action = name => (...values) => source.value.view()[name](...values);
  return { ...refs, ...Object.fromEntries(actions.map(name => [name, action(name)])) };
}
