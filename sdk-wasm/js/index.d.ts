/**
 * The browser SDK of the realtime gateway. Importing it has no side effects, so it is safe under server-side rendering.
 */

import type {
  Chat, ChatDeleted, ChatHistory, ClientMessage, Connected, EphemeralEvent, ErrorCode, MessageSent, Notification, NotificationAcked,
  Presence, PresenceChanged, PublishAccepted, ServerMessage, SubscriptionConfirmed, SubscriptionEnded, TopicHistory, TopicMessage, TopicPresence,
  TopicPresenceChanged, Typing,
} from "./messages.js";

export * from "./messages.js";

/** A position in the log of a topic. It can be stored, and passed as `from` later. */
export interface Position {
  /** The offset of the last received entry; 0 is before the first entry. */
  offset: number;
  /** The epoch of the store that the offset belongs to. */
  epoch: string;
}

/** The outcome of a call that failed: it was not sent, the gateway refused it, or its effect is unknown. */
export type Outcome = "not_sent" | "refused" | "unknown";

/** The error of a failed call, of a stream or of the client. Aborting a call does not cause a `GatewayError`. */
export class GatewayError extends Error {
  /**
   * The error code: one of the gateway, or one of the SDK (`invalid`, `timed_out`, `queue_full`,
   * `disconnected`, `connection`, `token`, `replaced`, `closed`, `load_failed`, `blocked_by_csp`, `trap`).
   */
  readonly code:
    | ErrorCode | "invalid" | "timed_out" | "queue_full" | "disconnected" | "connection" | "token" | "replaced"
    | "closed" | "load_failed" | "blocked_by_csp" | "trap";
  /** The outcome of the call. After `unknown`, repeat a send only with the same `clientMessageId`. */
  readonly outcome: Outcome;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How long to wait before another attempt, as requested by the gateway, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The `details` of the gateway's error. For `call_failed`: `status`, `code` and `message` of the backend. */
  readonly details?: { readonly [name: string]: unknown };
  /** The close code, if the client has ended. */
  readonly closeCode?: number;
  /** The `clientMessageId` of the failed send. */
  readonly clientMessageId?: string;
  /** For `timed_out`: the last problem of the connection. For `load_failed`: the error of the browser. */
  readonly cause?: Error;
}

/**
 * Thrown by a token provider if the user is signed out. The client becomes `unauthorized` and requests no token until
 * `connect()`. Any error with this `name` has this effect.
 */
export class UnauthorizedError extends Error {
  constructor(message?: string, options?: { cause?: unknown });
}

/**
 * - `idle`: the app has made no request yet.
 * - `connecting`: the first connection is being opened.
 * - `online`: commands reach the gateway. With a `cause`, the token could not be renewed: the session ends with it.
 * - `reconnecting`: the connection was lost or could not be opened. The SDK tries again by itself.
 * - `replaced`: another device of this user took over, from all tabs. `connect()` takes it back.
 * - `unauthorized`: the token was refused, and a fresh one too, or the user is signed out. `connect()` tries again.
 * - `failed`: the client ended for another reason, see `cause`. `connect()` tries again.
 *
 * In the last three states calls are refused, and subscriptions wait until the client is online again.
 * - `closed`: the app called `close()`, or `signOut()` in any tab.
 */
export type Status =
  | "idle" | "connecting" | "online" | "reconnecting" | "replaced" | "unauthorized" | "failed" | "closed";

/** The state of the connection. */
export interface State {
  status: Status;
  /** The identity of the session, its expiry and its limits; while `online`. */
  session?: Connected;
  /** The last error, if there was one. */
  cause?: GatewayError;
  /** The time of the next attempt, in milliseconds since 1970; while the client waits for it. */
  nextAttemptAt?: number;
}

/** One frame of the connection, for any tab. A token in it is shown as `"…"`. */
export interface Frame {
  direction: "in" | "out";
  /** The JSON text. */
  text: string;
  /** The number of the connection, from 1. */
  connection: number;
  /** The time, in milliseconds since 1970. */
  at: number;
}

/**
 * The options of every call. Aborting the signal ends an iterator without an error, and rejects a promise with the
 * signal's reason.
 */
export interface CallOptions {
  signal?: AbortSignal;
  /** The time limit for the connection and the reply together, in milliseconds; the client's `timeoutMs` by default. */
  timeoutMs?: number;
}

/** The options of a client. */
export interface ClientOptions {
  /** The URL of the gateway: `ws:`, `wss:`, `http:`, `https:`, or relative to the page, such as `/ws`. */
  url: string | URL;
  /**
   * A token, or a function that returns a fresh one. It is called whenever a token is needed. While tabs share a
   * connection, the provider of one tab is called, and if it fails or takes longer than 5 s that of another. It is
   * called again with backoff after it failed, unless it throws an `UnauthorizedError`.
   */
  token: string | ((context: { signal: AbortSignal }) => string | Promise<string>);
  /** The id of the device. Tabs share a connection only if they have the same `deviceId`. */
  deviceId?: string;
  /** How long a call may take, in milliseconds; 10,000 by default. */
  timeoutMs?: number;
  /** How many messages an iterator buffers before it gets a gap; 1,000 by default. */
  bufferSize?: number;
  /**
   * The bounds of the backoff between attempts, in milliseconds: 0 and 30,000 by default. The waits grow at random from
   * one to the other. The gateway may request a longer wait. A device that comes online again does not wait.
   */
  reconnect?: { minMs?: number; maxMs?: number };
  /** Called with every frame, like `on("frame", …)`. */
  onFrame?: (frame: Frame) => void;
  /** The WebSocket class of the tab with the connection; the global one by default. Node 20 needs `ws`. */
  webSocket?: new (url: string, protocols?: string | string[]) => unknown;
  /** The URL of the `.wasm` file, if the one inside the package should not be used. */
  wasmUrl?: string | URL;
  /**
   * Whether tabs and workers of a browser profile share one connection if url, user, `deviceId` and the SDK's major
   * version are the same; true by default. Sharing requires Web Locks and BroadcastChannel, so a secure context (https,
   * or localhost), and a token with a readable `sub`. Otherwise each client has its own connection.
   */
  shareTabs?: boolean;
}

/** The events of a client. */
export interface ClientEvents {
  state: State;
  frame: Frame;
  /**
   * Notifications were acknowledged in this tab, in another tab, or on another device. Sent while the app is subscribed
   * to notifications.
   */
  notification_acked: Pick<NotificationAcked, "notificationIds">;
}

/** A gap in a stream: entries after `before`, up to and including `after`, were not delivered. */
export interface Gap {
  type: "gap";
  /** The offset of the last entry before the gap. */
  before: number;
  /** The position at which the stream continues. */
  after: Position;
  /** `trimmed` (beyond retention), `epoch_changed` (confirmed entries may be lost), `slow` (the buffer was full). */
  reason: "trimmed" | "epoch_changed" | "slow" | (string & {});
}

/** A gap in a clan's chat. */
export interface ChatGap extends Gap {
  /**
   * Returns the newest messages up to where the stream continues, oldest first. A view shows them instead of its
   * messages. `limit` is 1 to 100, 50 by default.
   */
  history(options?: CallOptions & { limit?: number }): Promise<Chat[]>;
}

/** An event of a clan's chat. Ignore unknown values of `type`, because a later version may add some. */
export type ChatEvent = Chat | ChatDeleted | Typing | Presence | PresenceChanged | ChatGap;

/** An event of a topic of a declared service. */
export type TopicEvent<T = unknown> = (Omit<TopicMessage, "data"> & { data: T }) | Gap;

/** An event of a topic without history. Nothing says what was missed. */
export type EphemeralTopicEvent<T = unknown> = Omit<EphemeralEvent, "data"> & { data: T };

/** The number of items that were dropped because the app reads too slowly. Load the state of all topics again. */
export interface Missed {
  type: "missed";
  count: number;
}

/**
 * An item of the subscriptions that the server makes: a new subscription, an event, a gap of one topic, the end of a
 * subscription, or items that were dropped. Ignore unknown values of `type`, because a later version may add some.
 */
export type ServerSideEvent =
  | (SubscriptionConfirmed & { topic: string; origin: "server" })
  | TopicMessage
  | EphemeralEvent
  | (Gap & { service: string; topic: string })
  | SubscriptionEnded
  | Missed;

/** A notification that can be acknowledged. */
export type NotificationEvent = Notification & {
  /** Acknowledges the notification, so that no device gets it again. Repeated after a lost connection. */
  ack(options?: CallOptions): Promise<void>;
};

/**
 * An iterator of one subscription. It ends without an error if the app aborts it, returns from it or closes the client,
 * and with an error if the gateway refuses or withdraws the subscription. If the client ends for another reason, the
 * iterator waits and continues when the client is online again, with a `gap` if entries are missing.
 */
export interface Subscription<T> extends AsyncIterableIterator<T> {
  /** The position of the last delivered entry. It can be stored, and passed as `from` later. */
  readonly position: Position | undefined;
  /** Settles once the gateway has confirmed or refused the subscription. */
  readonly ready: Promise<void>;
  /** Ends the subscription. */
  return(): Promise<IteratorReturnResult<undefined>>;
  [Symbol.asyncIterator](): Subscription<T>;
}

/** The options of a subscription to a log. Without `timeoutMs` it waits indefinitely for a connection. */
export interface SubscribeOptions extends CallOptions {
  /** Begin with this many past entries, 0 to 100. A topic without history ignores it, and `from`. */
  history?: number;
  /** Continue after the position of an earlier subscription. */
  from?: Position;
}

/**
 * The immediate result of `send` and `publish`: the id of the message, and a promise of its confirmation. That of a topic
 * without history is `PublishAccepted`.
 */
export interface Sending<R = MessageSent> extends Promise<R> {
  /** Returned in `chat.clientMessageId`, so that an app can match an optimistically shown message. */
  readonly clientMessageId: string;
}

/** The immediate result of `publish` in a topic without history. */
export type EphemeralSending = Sending<PublishAccepted>;

/** The options of a send. */
export interface SendOptions extends CallOptions {
  /** The idempotency key, which makes repeating safe; generated by default. */
  clientMessageId?: string;
}

/** The options of a page of the history: before or after an offset. `limit` is 1 to 100, 50 by default. */
export interface HistoryOptions extends CallOptions {
  before?: number;
  after?: number;
  limit?: number;
}

/** A page of a clan's history. */
export type ChatPage = Omit<ChatHistory, "messages"> & {
  /** In ascending order of offsets. */
  messages: Chat[];
};

/** The chat of a clan. */
export interface ClanChat {
  readonly clanId: string;
  /**
   * Returns each message once and in order, or an explicit gap. `presence` adds events of users who become present or
   * absent.
   */
  subscribe(options?: SubscribeOptions & { presence?: boolean }): Subscription<ChatEvent>;
  /** Sends a message. It is repeated after a reconnect if necessary, and stored once. */
  send(content: string, options?: SendOptions & {
    messageType?: "TEXT" | "IMAGE" | "FILE";
    /** Replies, mentions, attachments: at most 8 KiB of JSON. */
    data?: object;
  }): Sending;
  /** Reports typing. May be called for every key press; the gateway gets it every three seconds. */
  typing(isTyping?: boolean): void;
  /** Returns a page of the history. `limit` is 1 to 100, 50 by default. */
  history(options?: HistoryOptions): Promise<ChatPage>;
  /** Returns the users who are present. */
  presence(options?: CallOptions): Promise<Presence>;
}

/** The user's notifications. */
export interface Notifications {
  /** Returns all unacknowledged notifications first, then new ones, each once. */
  subscribe(options?: CallOptions & NotificationHandlers & { onNotification?: undefined }): Subscription<NotificationEvent>;
  /**
   * Subscribes with a callback. Ends with the signal. Errors of the callback are passed to `onError`, or otherwise
   * reported like uncaught errors.
   */
  subscribe(options: CallOptions & NotificationHandlers & {
    onNotification: (notification: NotificationEvent) => void | Promise<void>;
  }): Subscription<NotificationEvent>;
  /** Acknowledges by id. */
  ack(ids: string | string[], options?: CallOptions): Promise<void>;
}

/** Callbacks of a subscription of notifications. */
export interface NotificationHandlers {
  /** Called with the number of unacknowledged notifications when it changes, for a badge. */
  onPending?: (count: number) => void;
  /** Called if the gateway refuses or ends the subscription, or if a callback throws. */
  onError?: (error: unknown) => void;
}

/** A page of a topic's history. */
export type TopicPage<T = unknown> = Omit<TopicHistory, "events"> & {
  /** In ascending order of offsets. */
  events: (Omit<TopicMessage, "data"> & { data: T })[];
};

/** The users who are present in a topic, with the data that each of them shows. */
export type PresenceOf<D = unknown> = Omit<TopicPresence, "users"> & {
  /** The first 200 users. */
  users: (Omit<TopicPresence["users"][number], "data"> & { data?: D })[];
};

/** A user became present in a topic, left it, or shows other data. */
export type PresenceChangeOf<D = unknown> = Omit<TopicPresenceChanged, "data"> & { data?: D };

/** A topic of a declared service. For one without history, `E` is `EphemeralTopicEvent<T>`. */
export interface ServiceTopic<T = unknown, E extends TopicEvent<T> | EphemeralTopicEvent<T> = TopicEvent<T>> {
  /** The client that the topic belongs to. */
  readonly gateway: GatewayClient;
  readonly service: string;
  readonly topic: string;
  /**
   * Returns each event once and in order, or an explicit gap. `presence` adds the users who are present and their
   * changes. `presenceData` is what others see of the user: JSON of at most 1 KiB, which replaces earlier data.
   */
  subscribe(options: SubscribeOptions & { presence: true; presenceData?: unknown }):
    Subscription<E | TopicPresence | TopicPresenceChanged>;
  subscribe(options?: SubscribeOptions & { presence?: false; presenceData?: unknown }): Subscription<E>;
  /**
   * Publishes any JSON. It is repeated after a reconnect if necessary, and stored once. In a topic without history, a
   * repeat may arrive as a copy with the same `clientMessageId`.
   */
  publish(data: T, options?: SendOptions): E extends EphemeralTopicEvent ? EphemeralSending : Sending;
  /** Returns a page of the history, if the topic has one. `limit` is 1 to 100, 50 by default. */
  history(options?: HistoryOptions): Promise<TopicPage<T>>;
  /** Returns the users who are present. */
  presence(options?: CallOptions): Promise<TopicPresence>;
}

/** The options of a call to the backend of a declared service. */
export interface BackendCallOptions extends CallOptions {
  /** The id of the call, which makes repeating safe; generated by default. */
  callId?: string;
}

/** A client of one gateway. It connects at first use, or with `connect()`. */
export class GatewayClient {
  constructor(options: ClientOptions);
  /** The state of the connection. */
  readonly state: State;
  /** Calls the listener for each event. The returned function and the signal remove the listener. */
  on<K extends keyof ClientEvents>(
    event: K, listener: (value: ClientEvents[K]) => void, options?: { signal?: AbortSignal },
  ): () => void;
  /** Connects, and waits until that has succeeded. Starts again after the client has ended; subscriptions continue. */
  connect(options?: CallOptions): Promise<void>;
  /** The user's notifications. */
  notifications(): Notifications;
  /** The chat of a clan. */
  clanChat(clanId: string): ClanChat;
  /** A topic of a declared service. */
  topic<T = unknown, E extends TopicEvent<T> | EphemeralTopicEvent<T> = TopicEvent<T>>(
    service: string,
    topic: string,
  ): ServiceTopic<T, E>;
  /**
   * Returns the subscriptions that the server makes, by a claim of the token or through its HTTP API, and the events of all
   * their topics: each once and in the order of its topic, or an explicit gap. It begins with the subscriptions that
   * exist, and continues after a reconnection. Open it before `connect()`, and keep it.
   */
  serverSubscriptions(options?: { signal?: AbortSignal }): AsyncIterableIterator<ServerSideEvent>;
  /**
   * Calls the backend of a declared service, and resolves with the data of its response. A call is never repeated. After
   * `call_unknown`, or any error whose outcome is `unknown`, the backend may have carried it out: repeat it only with the
   * same `callId`.
   */
  call<T = unknown>(service: string, method: string, data: unknown, options?: BackendCallOptions): Promise<T>;
  /**
   * Sends any command, which is never repeated. Resolves with the reply. The outcome is `unknown` if the tab that sent
   * it is gone.
   */
  request(type: ClientMessage["type"] | (string & {}), fields?: object, options?: CallOptions): Promise<ServerMessage>;
  /**
   * Tells the client that the network or the app is back: it checks its connection, or connects now instead of waiting.
   * In browsers it notices this by itself.
   */
  wake(): void;
  /**
   * Closes the client in this tab: iterators end without an error, and pending calls are rejected. Other tabs continue.
   */
  close(): void;
  /**
   * Closes the client in all connected tabs of this user, which become `closed`. A tab that has not connected yet calls
   * its token provider to find out the user.
   */
  signOut(): void;
}
