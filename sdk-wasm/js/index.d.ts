/** The browser's client of the realtime gateway. Importing it does nothing; it is safe under server-side rendering. */

import type {
  Chat, ChatDeleted, ChatHistory, ClientMessage, Connected, ErrorCode, MessageSent, Notification, NotificationAcked, Presence,
  PresenceChanged, ServerMessage, TopicMessage, Typing,
} from "./messages.js";

export * from "./messages.js";

/** A place in a topic's log: it can be stored, and given back as `from`. */
export interface Position {
  /** The offset of the last entry seen; 0 is before the first. */
  offset: number;
  /** The epoch of the store that the offset belongs to. */
  epoch: string;
}

/** What became of the call that failed: it never left, the gateway did not do it, or nobody knows. */
export type Outcome = "not_sent" | "refused" | "unknown";

/** Why a call failed, or why a stream or the client ended. Aborting is no error of this kind. */
export class GatewayError extends Error {
  /**
   * For programs: an error code of the gateway, or one of the SDK's own (`invalid`, `timed_out`, `queue_full`,
   * `disconnected`, `connection`, `token`, `replaced`, `closed`, `load_failed`, `blocked_by_csp`, `trap`).
   */
  readonly code:
    | ErrorCode | "invalid" | "timed_out" | "queue_full" | "disconnected" | "connection" | "token" | "replaced"
    | "closed" | "load_failed" | "blocked_by_csp" | "trap";
  /** What became of the call. After `unknown`, repeat a send only under the same `clientMessageId`. */
  readonly outcome: Outcome;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** How long the gateway asked to wait before trying again, in milliseconds. */
  readonly retryAfterMs?: number;
  /** The close code, when the client has ended. */
  readonly closeCode?: number;
  /** The name of the send that failed. */
  readonly clientMessageId?: string;
  /** Of `timed_out`: what kept the connection from working last. Of `load_failed`: what the browser says. */
  readonly cause?: Error;
}

/**
 * What a token provider throws when the user is signed out: the client becomes `unauthorized` and asks for no token until
 * `connect()`. Any error of this name will do.
 */
export class UnauthorizedError extends Error {
  constructor(message?: string, options?: { cause?: unknown });
}

/**
 * - `idle`: nothing was asked of the client yet.
 * - `connecting`: the first connection is being made.
 * - `online`: commands reach the gateway. With a `cause`, the token could not be renewed: the session ends with it.
 * - `reconnecting`: the connection is lost or could not be made; the SDK tries again by itself.
 * - `replaced`: another device of this user took over, from all tabs. `connect()` takes it back.
 * - `unauthorized`: the token was refused, and a fresh one too, or the user is signed out. `connect()` tries again.
 * - `failed`: it ended for another reason, see `cause`. `connect()` tries again.
 *
 * In these three calls are refused, and subscriptions wait: they go on when the client is online again.
 * - `closed`: the app called `close()`, or `signOut()` in any tab.
 */
export type Status =
  | "idle" | "connecting" | "online" | "reconnecting" | "replaced" | "unauthorized" | "failed" | "closed";

/** What an app can be told about the connection. */
export interface State {
  status: Status;
  /** Who the gateway says this is, until when, and within which limits; while `online`. */
  session?: Connected;
  /** What went wrong, when something did. */
  cause?: GatewayError;
  /** When the next attempt is made, in milliseconds since 1970; while one is waited for. */
  nextAttemptAt?: number;
}

/** One frame, as it went over the wire for any tab; a token in it is shown as `"…"`. */
export interface Frame {
  direction: "in" | "out";
  /** The JSON text. */
  text: string;
  /** Which connection, counted from 1. */
  connection: number;
  /** When, in milliseconds since 1970. */
  at: number;
}

/** Every call takes one; aborting ends an iterator quietly and rejects a promise with the signal's reason. */
export interface CallOptions {
  signal?: AbortSignal;
  /** How long to wait for a connection and an answer, in milliseconds; the client's `timeoutMs` by default. */
  timeoutMs?: number;
}

/** What a client is made with. */
export interface ClientOptions {
  /** `/ws`, or a whole `ws:`, `wss:`, `http:` or `https:` URL; what is relative is relative to the page. */
  url: string | URL;
  /**
   * A token, or how to get a fresh one: asked at each need, never stored. While tabs share a connection, one tab is
   * asked, and where it fails or takes longer than 5 s another. It is asked again with backoff when it fails, unless it
   * throws an `UnauthorizedError`.
   */
  token: string | ((context: { signal: AbortSignal }) => string | Promise<string>);
  /** Names the device; where it is given, tabs share a connection only with those of the same name. */
  deviceId?: string;
  /** How long a call may take, in milliseconds; 10,000 by default. */
  timeoutMs?: number;
  /** How many messages an iterator buffers before it gets a gap; 1,000 by default. */
  bufferSize?: number;
  /**
   * Within which bounds to wait before trying again, in milliseconds: 0 and 30,000 by default. The waits grow from one to
   * the other, at random. What the gateway asks for may be longer, and a device that has a network again does not wait.
   */
  reconnect?: { minMs?: number; maxMs?: number };
  /** Sees every frame. Also `on("frame", …)`. */
  onFrame?: (frame: Frame) => void;
  /** The WebSocket to use, in the tab that has the connection; the global one by default. Node 20 needs `ws`. */
  webSocket?: new (url: string, protocols?: string | string[]) => unknown;
  /** Where the `.wasm` file is, when it should not be taken from inside the package. */
  wasmUrl?: string | URL;
  /**
   * Whether all tabs and workers of a browser profile share one connection, as far as url, user, `deviceId` and the SDK's major
   * version are the same; true by default. It takes Web Locks and BroadcastChannel, so a secure context (https, or
   * localhost), and a token with a `sub` that can be read; elsewhere each client has a connection of its own.
   */
  shareTabs?: boolean;
}

/** What happens to the client. */
export interface ClientEvents {
  state: State;
  frame: Frame;
  /**
   * Notifications were acknowledged: in this tab, in another, or on another device. Comes while something subscribes to
   * notifications.
   */
  notification_acked: Pick<NotificationAcked, "notificationIds">;
}

/** A hole in a stream: entries after `before`, up to and including `after`, were not delivered. */
export interface Gap {
  type: "gap";
  /** The offset of the last entry before the hole. */
  before: number;
  /** Where the stream goes on. */
  after: Position;
  /** `trimmed` (beyond retention), `epoch_changed` (confirmed entries may be lost), `slow` (the buffer was full). */
  reason: "trimmed" | "epoch_changed" | "slow" | (string & {});
}

/** A gap in a clan's chat. */
export interface ChatGap extends Gap {
  /**
   * The newest messages up to where the stream goes on, oldest first: what a view shows in place of what it has.
   * `limit` is 1 to 100, 50 by default.
   */
  history(options?: CallOptions & { limit?: number }): Promise<Chat[]>;
}

/** What happens in a clan's chat. Leave aside a `type` that you do not know: a later version may add some. */
export type ChatEvent = Chat | ChatDeleted | Typing | Presence | PresenceChanged | ChatGap;

/** What happens in a topic of a declared service. */
export type TopicEvent<T = unknown> = (Omit<TopicMessage, "data"> & { data: T }) | Gap;

/** A notification that can be acknowledged. */
export type NotificationEvent = Notification & {
  /** Acknowledges it: it is not shown again, here or on any other device. Repeated after a lost connection. */
  ack(options?: CallOptions): Promise<void>;
};

/**
 * An iterator of one subscription. It ends quietly when aborted, returned from, or closed by the app, and with an error
 * when the gateway refuses or withdraws the subscription. Whatever else ends the client, it waits and goes on when the
 * client is online again, with a `gap` where something is missing.
 */
export interface Subscription<T> extends AsyncIterableIterator<T> {
  /** The position of the last entry that was handed over, to be saved and given back as `from`. */
  readonly position: Position | undefined;
  /** Settles once the gateway has confirmed or refused the subscription. */
  readonly ready: Promise<void>;
  /** Ends it. */
  return(): Promise<IteratorReturnResult<undefined>>;
  [Symbol.asyncIterator](): Subscription<T>;
}

/** How a log is subscribed to. Without `timeoutMs` it waits for a connection as long as that takes. */
export interface SubscribeOptions extends CallOptions {
  /** Begin with the last so many entries, 0 to 100. */
  history?: number;
  /** Go on after a position that an earlier subscription told. */
  from?: Position;
}

/** What `send` and `publish` give at once: the message's name, and the promise of its confirmation. */
export interface Sending extends Promise<MessageSent> {
  /** Comes back in `chat.clientMessageId`, so an optimistic bubble finds its message. */
  readonly clientMessageId: string;
}

/** How something is sent. */
export interface SendOptions extends CallOptions {
  /** The name that makes repeating safe; made by the SDK by default. */
  clientMessageId?: string;
}

/** A page of a clan's past. */
export type ChatPage = Omit<ChatHistory, "messages"> & {
  /** In ascending offset. */
  messages: Chat[];
};

/** The chat of a clan. */
export interface ClanChat {
  readonly clanId: string;
  /** Each message once and in order, or an explicit gap. `presence` asks who comes and goes. */
  subscribe(options?: SubscribeOptions & { presence?: boolean }): Subscription<ChatEvent>;
  /** Sends; it survives reconnecting, and is stored once however often it is repeated. */
  send(content: string, options?: SendOptions & {
    messageType?: "TEXT" | "IMAGE" | "FILE";
    /** Replies, mentions, attachments: at most 8 KiB of JSON. */
    data?: object;
  }): Sending;
  /** May be called at every key; the gateway hears of it every three seconds. */
  typing(isTyping?: boolean): void;
  /** A page of the past. `limit` is 1 to 100, 50 by default. */
  history(options?: CallOptions & { before?: number; after?: number; limit?: number }): Promise<ChatPage>;
  /** Who is present. */
  presence(options?: CallOptions): Promise<Presence>;
}

/** The user's notifications. */
export interface Notifications {
  /** First every one that waits for an acknowledgement, then live ones, each once. */
  subscribe(options?: CallOptions & NotificationHandlers & { onNotification?: undefined }): Subscription<NotificationEvent>;
  /**
   * The same, handed to a callback. Ends with its signal; what the callback throws goes to `onError`, or else is
   * reported like any uncaught error.
   */
  subscribe(options: CallOptions & NotificationHandlers & {
    onNotification: (notification: NotificationEvent) => void | Promise<void>;
  }): Subscription<NotificationEvent>;
  /** Acknowledges by id. */
  ack(ids: string | string[], options?: CallOptions): Promise<void>;
}

/** Callbacks of a subscription of notifications. */
export interface NotificationHandlers {
  /** How many wait for an acknowledgement, each time that changes: for a badge. */
  onPending?: (count: number) => void;
  /** Why the gateway refused or ended the subscription, or what a callback threw. */
  onError?: (error: unknown) => void;
}

/** A topic of a declared service. */
export interface ServiceTopic<T = unknown> {
  readonly service: string;
  readonly topic: string;
  /** Each event once and in order, or an explicit gap. */
  subscribe(options?: SubscribeOptions): Subscription<TopicEvent<T>>;
  /** Publishes any JSON; it survives reconnecting, and is stored once. */
  publish(data: T, options?: SendOptions): Sending;
}

/** A client of one gateway. Making one does nothing: it connects at first use, or by `connect()`. */
export class GatewayClient {
  constructor(options: ClientOptions);
  /** Whether it is connected. */
  readonly state: State;
  /** Tells what happens; the returned function stops it, and so does the signal. */
  on<K extends keyof ClientEvents>(
    event: K, listener: (value: ClientEvents[K]) => void, options?: { signal?: AbortSignal },
  ): () => void;
  /** Connects, and waits until that has succeeded. Starts afresh where the client has ended; subscriptions go on. */
  connect(options?: CallOptions): Promise<void>;
  /** The user's notifications. */
  notifications(): Notifications;
  /** The chat of a clan. */
  clanChat(clanId: string): ClanChat;
  /** A topic of a declared service. */
  topic<T = unknown>(service: string, topic: string): ServiceTopic<T>;
  /** Any command, never repeated; resolves with its reply. Its outcome is `unknown` where the tab that sent it is gone. */
  request(type: ClientMessage["type"] | (string & {}), fields?: object, options?: CallOptions): Promise<ServerMessage>;
  /** Ends this tab's use of the client: iterators end quietly, and calls that wait are rejected. Other tabs go on. */
  close(): void;
  /**
   * The same in every connected tab of this user, all of which become `closed`. A tab that has not connected yet asks
   * its token provider whose tabs are meant.
   */
  signOut(): void;
}
