/** What the hooks for React and the composables for Vue show, and what their actions return. */

import type {
  BackendCallOptions, CallOptions, Chat, Connected, GatewayClient, GatewayError, MessageSent, Notification, Position,
  PublishAccepted, SendOptions, Sending, Status, SubscribeOptions, Subscription, TopicMessage,
} from "../index.js";

/** The result of an action. An action never throws, and its promise is never rejected. */
export type Result<T = void> =
  | { readonly ok: true; readonly value: T; readonly error?: undefined }
  | { readonly ok: false; readonly error: GatewayError; readonly value?: undefined };

/**
 * - `loading`: the subscription and the newest entries are being loaded.
 * - `live`: everything is shown, and new entries are added. It stays so while a lost connection is replaced.
 * - `failed`: the gateway has refused or ended the subscription, see `error`. `retry()` tries again.
 * - `closed`: the app has closed its client. Nothing is shown until the client connects again.
 */
export type ViewStatus = "loading" | "live" | "failed" | "closed";

/**
 * What the user has sent and the gateway has not confirmed.
 *
 * - `pending`: on its way. It survives lost connections.
 * - `refused`: not stored, see `error`. `repeat(key)` sends it again, `discard(key)` removes it.
 * - `unknown`: it may have been stored. `repeat(key)` sends it under the same `clientMessageId`, so it is stored once.
 */
export interface Unsent {
  /** The key of the item in a list. It stays the same when the item is confirmed. */
  readonly key: string;
  readonly status: "pending" | "refused" | "unknown";
  readonly clientMessageId: string;
  readonly error?: GatewayError;
}

/** A message of a clan, as the gateway has stored it. */
export interface SentMessage extends Readonly<Chat> {
  /** The key of the message in a list. */
  readonly key: string;
  readonly status: "sent";
  readonly error?: undefined;
}

/** A message of the user that is not confirmed. */
export interface UnsentMessage extends Unsent {
  readonly content: string;
  readonly messageType: "TEXT" | "IMAGE" | "FILE";
  readonly data?: Record<string, unknown>;
  readonly userId?: undefined;
  readonly sentAt?: undefined;
}

/** A message in a chat. Its `status` says which of the two it is. */
export type ChatMessage = SentMessage | UnsentMessage;

/** A user who is present, with data of `D`. */
export interface PresentUser<D = unknown> {
  readonly userId: string;
  /** The number of the user's sessions that subscribe. 0 during the grace period after the last one. */
  readonly sessions: number;
  /** The `presenceData` of the user. */
  readonly data?: D;
}

/** The options of every view of a log. Components that show the same log share the larger value of each. */
export interface LogViewOptions {
  /** The number of past entries to begin with; 50 by default. */
  readonly history?: number;
  /** The number of entries that are kept, 1,000 by default. Loading older ones raises it. */
  readonly limit?: number;
  /** Whether `online` is wanted. */
  readonly presence?: boolean;
}

/** The options of a topic whose users show data of `D`. */
export interface TopicViewOptions<D = unknown> extends LogViewOptions {
  /** What others see of the user: JSON of at most 1 KiB. Implies `presence`. */
  readonly presenceData?: D;
  /**
   * The position after which `events` begins, instead of with `history`: that of the data which the page has loaded, such
   * as a row of a database. Components with another position have events of their own. Keep it until the page loads its
   * data again: another position begins again.
   */
  readonly from?: Position | undefined;
}

/** The fields of every view of a log, whose users show data of `D`. */
export interface LogFields<D = unknown> {
  readonly status: ViewStatus;
  /** Why the gateway has refused or ended the subscription. */
  readonly error: GatewayError | undefined;
  /** Whether there are older entries for `loadOlder()`. */
  readonly hasOlder: boolean;
  readonly isLoadingOlder: boolean;
  /** The users who are present, at most the first 200; with the option `presence`. */
  readonly online: readonly PresentUser<D>[];
  /** The number of all users who are present. */
  readonly onlineCount: number;
}

/** The actions of every view of a log. */
export interface LogActions {
  /** Sends an unconfirmed item again, under the same `clientMessageId`. */
  repeat(key: string): Promise<Result<MessageSent>>;
  /** Removes an item that was refused, or whose outcome is unknown. */
  discard(key: string): void;
  /** Loads a page of older entries: 1 to 100, 50 by default. */
  loadOlder(limit?: number): Promise<Result>;
  /** Subscribes again after `failed`. */
  retry(): Promise<Result>;
}

/** The fields of a clan's chat. */
export interface ClanChatFields extends LogFields {
  /** The messages in their order, then those that are not confirmed. Each object stays the same until it changes. */
  readonly messages: readonly ChatMessage[];
  /** The ids of the users who are typing. */
  readonly typing: readonly string[];
}

/** The actions of a clan's chat. */
export interface ClanChatActions extends LogActions {
  /** Sends a message, which is shown immediately. */
  send(content: string, options?: Omit<SendOptions, "signal"> & {
    messageType?: "TEXT" | "IMAGE" | "FILE";
    /** Replies, mentions, attachments: at most 8 KiB of JSON. */
    data?: object;
  }): Promise<Result<MessageSent>>;
  /** Reports typing. May be called for every key press. */
  setTyping(isTyping?: boolean): void;
}

/** The fields of the user's notifications. */
export interface NotificationFields {
  readonly status: ViewStatus;
  readonly error: GatewayError | undefined;
  /** The notifications that no device has acknowledged, oldest first. */
  readonly notifications: readonly Readonly<Notification>[];
  /** Their number, for a badge. */
  readonly pending: number;
}

/** The actions of the user's notifications. */
export interface NotificationActions {
  /**
   * Acknowledges by id. The notifications disappear immediately, and come back if the gateway refuses. Without a
   * connection, the result waits for one.
   */
  ack(ids: string | readonly string[]): Promise<Result>;
  /** Subscribes again after `failed`. */
  retry(): Promise<Result>;
}

/** A topic of the SDK (`gateway.topic(…)`) or of generated code (`orders(gateway).order("42")`). */
export interface TopicHandle {
  readonly gateway: GatewayClient;
  readonly service: string;
  readonly topic: string;
  subscribe(options?: SubscribeOptions): Subscription<any>;
  publish?(data: never, options?: SendOptions): Sending<any>;
}

/** The data of the events of a topic. */
export type EventData<H> =
  H extends { subscribe(options?: SubscribeOptions): Subscription<infer E> }
    ? Extract<E, { type: "event" | "ephemeral_event" }> extends { data: infer D } ? D : unknown
    : unknown;

/** The data that clients may publish to a topic, or `never`. */
export type PublishData<H> = H extends { publish(data: infer D, options?: SendOptions): Sending<any> } ? D : never;

/** The `presenceData` of a topic. */
export type PresenceData<H> = H extends { presence(options?: CallOptions): Promise<{ users: { data?: infer D }[] }> } ? D : unknown;

/** An event of a topic, as the gateway has stored it. */
export interface SentEvent<T = unknown> extends Readonly<Omit<TopicMessage, "data" | "type">> {
  /** In a topic without history it is `ephemeral_event`, and `offset` is only the place in the list. */
  readonly type: "event" | "ephemeral_event";
  /** The key of the event in a list. */
  readonly key: string;
  readonly status: "sent";
  readonly data: T;
  readonly error?: undefined;
}

/** An event of the user that is not confirmed. */
export interface UnsentEvent<P = unknown> extends Unsent {
  readonly data: P;
  readonly userId?: undefined;
  readonly publishedAt?: undefined;
}

/** The fields of a topic with events of `T`, to which clients publish `P`, and whose users show `D`. */
export interface TopicFields<T = unknown, P = T, D = unknown> extends LogFields<D> {
  /** The events in their order, then those that are not confirmed. Each object stays the same until it changes. */
  readonly events: readonly ([P] extends [never] ? SentEvent<T> : SentEvent<T> | UnsentEvent<P>)[];
  /**
   * Whether no event was lost: `false` when events after `from`, or events of a longer outage, are no longer in the
   * history. Data to which the page adds the events is then out of date. Load it again, with its new position.
   */
  readonly isComplete: boolean;
}

/** The actions of a topic to which clients publish `P`. */
export interface TopicActions<P = unknown> extends LogActions {
  /** Publishes, which is shown immediately. */
  publish(data: P, options?: Omit<SendOptions, "signal">): Promise<Result<MessageSent | PublishAccepted>>;
}

/** A call of generated code (`orders(gateway).cancel`), or a function that makes one. */
export type CallHandle<D, R> = (data: D, options?: BackendCallOptions) => Promise<R>;

/**
 * The fields of the last call.
 *
 * - `refused`: the backend or the gateway refused it, or it was not sent; see `error`.
 * - `unknown`: the backend may have carried it out. `repeat()` makes it again under the same `callId`.
 */
export interface CallFields<R = unknown> {
  readonly status: "idle" | "pending" | "done" | "refused" | "unknown";
  /** The data of the response, when `done`. */
  readonly data: R | undefined;
  readonly error: GatewayError | undefined;
}

/** The actions of a call. */
export interface CallActions<D = unknown, R = unknown> {
  /** Calls the backend. */
  call(data: D, options?: Omit<BackendCallOptions, "signal">): Promise<Result<R>>;
  /** Makes the last call again under the same `callId`, after `refused` or `unknown`. */
  repeat(): Promise<Result<R>>;
  /** Forgets the last call. */
  reset(): void;
}

/** The fields of the connection. */
export interface ConnectionFields {
  readonly status: Status;
  /** The identity of the session, its expiry and its limits; while `online`. */
  readonly session: Connected | undefined;
  /** The last error, if there was one. */
  readonly cause: GatewayError | undefined;
  /** The time of the next attempt, in milliseconds since 1970; while the client waits for it. */
  readonly nextAttemptAt: number | undefined;
}

/** The actions of the connection. */
export interface ConnectionActions {
  /** Connects, also after `replaced`, `unauthorized`, `failed` and `closed`. */
  connect(options?: { timeoutMs?: number }): Promise<Result>;
}
