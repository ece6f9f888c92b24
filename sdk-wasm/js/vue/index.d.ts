/**
 * Composables for Vue 3.3 and later. Components with the same clan or topic share one subscription, which begins when the
 * first is mounted and ends a second after the last. Each field is a shallow ref, which changes only if the field does.
 * On a server nothing is connected.
 */

import type { MaybeRefOrGetter, ShallowRef } from "vue";
import type { GatewayClient } from "../index.js";
import type {
  CallActions, CallFields, CallHandle, ClanChatActions, ClanChatFields, ConnectionActions, ConnectionFields, EventData,
  LogViewOptions, NotificationActions, NotificationFields, PresenceData, PublishData, TopicActions, TopicFields, TopicHandle,
  TopicViewOptions,
} from "../views/index.js";

export * from "../views/index.js";

/** A shallow ref for each field. */
export type Refs<T> = { readonly [K in keyof T]: Readonly<ShallowRef<T[K]>> };

/** Returns the state of the connection, and connects nothing by itself. */
export function useConnection(gateway: MaybeRefOrGetter<GatewayClient>): Refs<ConnectionFields> & ConnectionActions;

/** Returns the chat of a clan. Without a clan, `status` is `loading`. */
export function useClanChat(
  gateway: MaybeRefOrGetter<GatewayClient>, clanId: MaybeRefOrGetter<string | null | undefined>,
  options?: MaybeRefOrGetter<LogViewOptions | undefined>,
): Refs<ClanChatFields> & ClanChatActions;

/** Returns the notifications that wait for an acknowledgement. Without a client, `status` is `loading`. */
export function useNotifications(
  gateway: MaybeRefOrGetter<GatewayClient | null | undefined>,
): Refs<NotificationFields> & NotificationActions;

/** Returns the events of a topic. Without a topic, `status` is `loading`. */
export function useTopic<H extends TopicHandle>(
  topic: MaybeRefOrGetter<H | null | undefined>, options?: MaybeRefOrGetter<TopicViewOptions<PresenceData<H>> | undefined>,
): Refs<TopicFields<EventData<H>, PublishData<H>, PresenceData<H>>> & TopicActions<PublishData<H>>;

/** Returns an action that calls the backend, and the state of the last call. */
export function useCall<D, R>(call: CallHandle<D, R>): Refs<CallFields<R>> & CallActions<D, R>;
