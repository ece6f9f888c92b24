/**
 * Hooks for React 18 and 19. Components with the same clan or topic share one subscription, which begins when the first is
 * mounted and ends a second after the last. A component is rendered again only when a field changes that it has read. On
 * a server nothing is connected.
 */

import type { GatewayClient } from "../index.js";
import type {
  CallActions, CallFields, CallHandle, ClanChatActions, ClanChatFields, ConnectionActions, ConnectionFields, EventData,
  LogViewOptions, NotificationActions, NotificationFields, PresenceData, PublishData, TopicActions, TopicFields, TopicHandle,
  TopicViewOptions,
} from "../views/index.js";

export * from "../views/index.js";

/** Returns the state of the connection, and connects nothing by itself. */
export function useConnection(gateway: GatewayClient): ConnectionFields & ConnectionActions;

/** Returns the chat of a clan. Without a clan, `status` is `loading`. */
export function useClanChat(
  gateway: GatewayClient, clanId: string | null | undefined, options?: LogViewOptions,
): ClanChatFields & ClanChatActions;

/** Returns the notifications that wait for an acknowledgement. Without a client, `status` is `loading`. */
export function useNotifications(gateway: GatewayClient | null | undefined): NotificationFields & NotificationActions;

/** Returns the events of a topic. Without a topic, `status` is `loading`. */
export function useTopic<H extends TopicHandle>(
  topic: H | null | undefined, options?: TopicViewOptions<PresenceData<H>>,
): TopicFields<EventData<H>, PublishData<H>, PresenceData<H>> & TopicActions<PublishData<H>>;

/** Returns an action that calls the backend, and the state of the last call. */
export function useCall<D, R>(call: CallHandle<D, R>): CallFields<R> & CallActions<D, R>;
