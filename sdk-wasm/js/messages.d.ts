// Generated from the types of the protocol crate by `cargo run -p realtime-gateway-protocol --example export`.

/** The reason why a command failed, for programs. A later version may add values. */
export type ErrorCode =
  | "invalid_json"
  | "invalid_message"
  | "unknown_type"
  | "unknown_service"
  | "unknown_method"
  | "message_too_large"
  | "conflict"
  | "unauthorized"
  | "token_expired"
  | "forbidden"
  | "subscription_limit"
  | "session_limit"
  | "rate_limited"
  | "unavailable"
  | "call_failed"
  | "call_unknown"
  | "internal"
  | (string & {});

/** The type of a chat message. A later version may add values. */
export type MessageType =
  | "TEXT"
  | "IMAGE"
  | "FILE"
  | "SYSTEM"
  | (string & {});

/** Whether a user became present or left. A later version may add values. */
export type PresenceStatus =
  | "online"
  | "offline"
  | (string & {});

/** The reason why the node asks the client to reconnect. A later version may add values. */
export type ReconnectReason =
  | "draining"
  | "rebalancing"
  | (string & {});

/** The reason why a subscription has missed entries. A later version may add values. */
export type ResetReason =
  | "epoch_changed"
  | "trimmed"
  | "lost"
  | (string & {});

/** Whether a subscription exists. A later version may add values. */
export type SubscriptionStatus =
  | "subscribed"
  | "unsubscribed"
  | (string & {});

/** Sets or renews the identity of the connection. */
export interface Authenticate {
  type: "authenticate";
  /** The JSON Web Token (RFC 7519). */
  token: string;
  /** The id of the device. */
  deviceId?: string;
  /** The client library. */
  client?: {
    /** The name, such as `realtime-gateway-sdk`. */
    name: string;
    /** The version. */
    version: string;
    /** A random id of the running client, which a client that reconnects automatically generates once. */
    instance?: string;
    /** The number of the connection attempt of the instance. It increases with each attempt, and a session with a lower number never replaces one with a higher number. */
    attempt?: number;
  };
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Subscribes to the user's notifications. */
export interface SubscribeNotifications {
  type: "subscribe_notifications";
  /** Accepted and ignored, because all pending notifications are sent in any case. */
  recover?: {
    /** The last received offset. 0 is the position before the first entry. */
    offset: number;
    /** The epoch that the offset belongs to. */
    epoch: string;
  };
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Ends the subscription to notifications. */
export interface UnsubscribeNotifications {
  type: "unsubscribe_notifications";
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Subscribes to a clan's chat. */
export interface SubscribeClanChat {
  type: "subscribe_clan_chat";
  /** The clan. */
  clanId: string;
  /** The last received position. All later entries are sent if they are still retained. */
  recover?: {
    /** The last received offset. 0 is the position before the first entry. */
    offset: number;
    /** The epoch that the offset belongs to. */
    epoch: string;
  };
  /** The number of latest entries to send when nothing is recovered, 0 to 100. */
  history?: number;
  /** Whether to send presence changes of the clan. */
  presence?: boolean;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Ends the subscription to a clan's chat. */
export interface UnsubscribeClanChat {
  type: "unsubscribe_clan_chat";
  /** The clan. */
  clanId: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Sends a chat message to a clan. */
export interface SendChat {
  type: "chat";
  /** The clan. */
  clanId: string;
  /** The text, 1 to 4,000 characters. */
  content: string;
  /** The type. Clients may send `TEXT`, `IMAGE` and `FILE`. `TEXT` when absent. */
  messageType?: "TEXT" | "IMAGE" | "FILE";
  /** Replies, mentions, attachments: an object of at most 8 KiB. */
  data?: Record<string, unknown>;
  /** The idempotency key, which makes it safe to repeat the command. */
  clientMessageId?: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Reports that the user started or stopped typing. */
export interface SendTyping {
  type: "typing";
  /** The clan. */
  clanId: string;
  /** Whether the user is typing. Clients repeat true every 3 s; it expires after 6 s. */
  isTyping: boolean;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Acknowledges notifications, so that they are not sent again. At least one of the two fields is required. */
export interface NotificationAck {
  type: "notification_ack";
  /** One notification. */
  notificationId?: string;
  /** Up to 1,000 notifications. */
  notificationIds?: string[];
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Requests a page of a clan's history: the latest messages, or those before or after an offset (not both). */
export interface GetChatHistory {
  type: "chat_history";
  /** The clan. */
  clanId: string;
  /** The page ends before this offset. */
  before?: number;
  /** The page starts after this offset. */
  after?: number;
  /** The maximum number of messages, 1 to 100. 50 when absent. */
  limit?: number;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Requests the users who are present in a clan. */
export interface GetPresence {
  type: "presence";
  /** The clan. */
  clanId: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Subscribes to a topic of a declared service. */
export interface Subscribe {
  type: "subscribe";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** The last received position. All later entries are sent if they are still retained. */
  recover?: {
    /** The last received offset. 0 is the position before the first entry. */
    offset: number;
    /** The epoch that the offset belongs to. */
    epoch: string;
  };
  /** The number of latest entries to send when nothing is recovered, 0 to 100. */
  history?: number;
  /** Whether to send the users who are present, and their changes. For topics with presence only. */
  presence?: boolean;
  /** What the others see of the user in this topic: any JSON value of at most 1 KiB. It replaces that of an earlier subscription of the user. For topics whose presence has data only. */
  presenceData?: unknown;
  /** Whether this replays a subscription that the server has made, and makes none of the client's own. It needs no permission, and is `forbidden` if the server has made none. */
  serverSide?: boolean;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Ends the subscription to a topic of a declared service. */
export interface Unsubscribe {
  type: "unsubscribe";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Publishes to a topic of a declared service. */
export interface Publish {
  type: "publish";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** The data: any JSON value. */
  data: unknown;
  /** The idempotency key, which makes it safe to repeat the command. */
  clientMessageId?: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Requests a page of a topic's history: the latest events, or those before or after an offset (not both). */
export interface GetTopicHistory {
  type: "topic_history";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** The page ends before this offset. */
  before?: number;
  /** The page starts after this offset. */
  after?: number;
  /** The maximum number of events, 1 to 100. 50 when absent. */
  limit?: number;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Requests the users who are present in a topic. */
export interface GetTopicPresence {
  type: "topic_presence";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Calls a method of a declared service: a request to its backend. */
export interface Call {
  type: "call";
  /** The service. */
  service: string;
  /** The call, as the contract of the service names it. */
  method: string;
  /** The request: any JSON value. */
  data: unknown;
  /** The name of this call, which a repeat of it has too. The backend can recognise the repeat by it. */
  callId?: string;
  /** How long to wait for the backend, in milliseconds. At most, and by default, the time limit of the service. */
  timeoutMs?: number;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Requests a `pong`. */
export interface Ping {
  type: "ping";
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Every command that a client may send. */
export type ClientMessage =
  | Authenticate
  | SubscribeNotifications
  | UnsubscribeNotifications
  | SubscribeClanChat
  | UnsubscribeClanChat
  | SendChat
  | SendTyping
  | NotificationAck
  | GetChatHistory
  | GetPresence
  | Subscribe
  | Unsubscribe
  | Publish
  | GetTopicHistory
  | GetTopicPresence
  | Call
  | Ping;

/** The client is authenticated, and the connection may be used. */
export interface Connected {
  type: "connected";
  /** The user of the token. */
  userId: string;
  /** A greeting: `Connected to WebSocket Gateway`. */
  message: string;
  /** The id of this session in the log and in the HTTP API of the gateway. */
  sessionId: string;
  /** The version of this protocol: 1. */
  protocolVersion: number;
  /** The names of the optional features that the gateway supports. */
  features: string[];
  /** The names of the services of this gateway. */
  services: string[];
  /** When the token expires. */
  expiresAt: string;
  /** The interval of the gateway's WebSocket pings, in milliseconds. */
  heartbeatIntervalMs: number;
  /** The maximum size of a message from the client, in bytes. */
  maxMessageBytes: number;
  /** The limits of this session. */
  limits: {
    /** The sustained rate of commands per second. */
    messagesPerSecond: number;
    /** The maximum number of commands in a burst. */
    burst: number;
    /** The maximum number of subscriptions. */
    subscriptions: number;
  };
  /** The time of the gateway's clock. */
  serverTime: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** The identity was renewed. */
export interface Authenticated {
  type: "authenticated";
  /** The user of the token, which is the same as before. */
  userId: string;
  /** When the token expires. */
  expiresAt: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** A subscription was started or ended as requested, or was made by the server. */
export interface SubscriptionConfirmed {
  type: "subscription_confirmed";
  /** `notifications`, `clan_chat` or a declared service. */
  service: string;
  /** Whether the subscription exists now. */
  status: SubscriptionStatus;
  /** The clan, for `clan_chat`. */
  clanId?: string;
  /** The topic, for a declared service. */
  topic?: string;
  /** The head of the log when the subscription started (when subscribed). */
  offset?: number;
  /** The epoch of the store (when subscribed). */
  epoch?: string;
  /** Whether every entry after `recover.offset` follows (when subscribed). */
  recovered?: boolean;
  /** The number of notifications that are not acknowledged (for `notifications`, when subscribed). */
  pending?: number;
  /** `server` when the server has made the subscription (for a declared service). Absent for one of the client's own. */
  origin?: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** A subscription was ended by the gateway. */
export interface SubscriptionEnded {
  type: "subscription_ended";
  /** `notifications`, `clan_chat` or a declared service. */
  service: string;
  /** The clan, for `clan_chat`. */
  clanId?: string;
  /** The topic, for a declared service. */
  topic?: string;
  /** The reason, for programs. */
  code: ErrorCode;
  /** The reason, for people. */
  message: string;
}

/** The subscription has missed entries; it continues from `offset`. */
export interface SubscriptionReset {
  type: "subscription_reset";
  /** `notifications`, `clan_chat` or a declared service. */
  service: string;
  /** The clan, for `clan_chat`. */
  clanId?: string;
  /** The topic, for a declared service. */
  topic?: string;
  /** The new epoch. */
  epoch: string;
  /** The position from which the subscription continues. */
  offset: number;
  /** The reason. */
  reason: ResetReason;
}

/** A notification for the user. */
export interface Notification {
  type: "notification";
  /** The id, by which clients detect duplicates. */
  id: string;
  /** The headline. */
  title: string;
  /** The text. */
  message: string;
  /** Additional data of the backend service. */
  data?: unknown;
  /** When the gateway accepted the notification. */
  createdAt: string;
  /** The offset in the user's log of notifications. */
  offset: number;
  /** Present and true when the notification was probably sent before. */
  redelivered?: boolean;
}

/** Another session of the user acknowledged notifications. */
export interface NotificationAcked {
  type: "notification_acked";
  /** The notifications. */
  notificationIds: string[];
}

/** A chat message in a clan. */
export interface Chat {
  type: "chat";
  /** The author. */
  userId: string;
  /** The text. */
  content: string;
  /** The clan. */
  clanId: string;
  /** The id of the message. */
  messageId: string;
  /** `TEXT`, `IMAGE`, `FILE` or `SYSTEM`. */
  messageType: MessageType;
  /** Replies, mentions, attachments. */
  data?: Record<string, unknown>;
  /** When the gateway accepted the message. */
  sentAt: string;
  /** The offset in the clan's log. */
  offset: number;
  /** The idempotency key that the sender chose. */
  clientMessageId?: string;
}

/** A chat message was deleted. */
export interface ChatDeleted {
  type: "chat_deleted";
  /** The clan. */
  clanId: string;
  /** The deleted message. */
  messageId: string;
  /** The offset of this entry in the clan's log. */
  offset: number;
}

/** A user started or stopped typing. */
export interface Typing {
  type: "typing";
  /** The user. */
  userId: string;
  /** The clan. */
  clanId: string;
  /** Whether the user is typing. */
  isTyping: boolean;
}

/** A `chat` or `publish` is stored. */
export interface MessageSent {
  type: "message_sent";
  /** The id of the message. */
  messageId: string;
  /** The clan, for a `chat`. */
  clanId?: string;
  /** The service, for a `publish`. */
  service?: string;
  /** The topic, for a `publish`. */
  topic?: string;
  /** The offset in the topic's log. */
  offset: number;
  /** The idempotency key that the sender chose. */
  clientMessageId?: string;
  /** Present and true when this repeats an earlier command. The message was stored only once. */
  duplicate?: boolean;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Notifications are acknowledged. */
export interface AckConfirmed {
  type: "ack_confirmed";
  /** The notifications, including those that had been acknowledged before. */
  notificationIds: string[];
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** A page of a clan's history. */
export interface ChatHistory {
  type: "chat_history";
  /** The clan. */
  clanId: string;
  /** The epoch of the store. */
  epoch: string;
  /** The messages in order of their offsets. Fewer than requested if the reply would exceed 256 KiB. */
  messages: {
    /** The author. */
    userId: string;
    /** The text. */
    content: string;
    /** The clan. */
    clanId: string;
    /** The id of the message. */
    messageId: string;
    /** `TEXT`, `IMAGE`, `FILE` or `SYSTEM`. */
    messageType: MessageType;
    /** Replies, mentions, attachments. */
    data?: Record<string, unknown>;
    /** When the gateway accepted the message. */
    sentAt: string;
    /** The offset in the clan's log. */
    offset: number;
    /** The idempotency key that the sender chose. */
    clientMessageId?: string;
  }[];
  /** Whether there are more messages in the requested direction. */
  hasMore: boolean;
  /** Present and true when entries are missing, because the entries after `after` are no longer retained or some entries cannot be read. */
  trimmed?: boolean;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** The users who are present in a clan. */
export interface Presence {
  type: "presence";
  /** The clan. */
  clanId: string;
  /** The first 200 users. */
  users: {
    /** The user. */
    userId: string;
    /** The number of the user's sessions that subscribe to the clan. 0 during the grace period after the last one. */
    sessions: number;
  }[];
  /** The total number of users. */
  count: number;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** A user became present in a clan or left it. */
export interface PresenceChanged {
  type: "presence_changed";
  /** The clan. */
  clanId: string;
  /** The user. */
  userId: string;
  /** The new status. */
  status: PresenceStatus;
}

/** An event that was published to a topic of a declared service. */
export interface TopicMessage {
  type: "event";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** The published data. */
  data: unknown;
  /** The offset in the topic's log. */
  offset: number;
  /** When the gateway accepted the message. */
  publishedAt: string;
  /** The user who published the event. Absent when a backend service published it. */
  userId?: string;
  /** The idempotency key that the publisher chose. */
  clientMessageId?: string;
}

/** A page of a topic's history. */
export interface TopicHistory {
  type: "topic_history";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** The epoch of the store. */
  epoch: string;
  /** The events in order of their offsets. Fewer than requested if the reply would exceed 256 KiB. */
  events: {
    /** The service. */
    service: string;
    /** The topic. */
    topic: string;
    /** The published data. */
    data: unknown;
    /** The offset in the topic's log. */
    offset: number;
    /** When the gateway accepted the message. */
    publishedAt: string;
    /** The user who published the event. Absent when a backend service published it. */
    userId?: string;
    /** The idempotency key that the publisher chose. */
    clientMessageId?: string;
  }[];
  /** Whether there are more events in the requested direction. */
  hasMore: boolean;
  /** Present and true when entries are missing, because the entries after `after` are no longer retained or some entries cannot be read. */
  trimmed?: boolean;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** The users who are present in a topic. */
export interface TopicPresence {
  type: "topic_presence";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** The first 200 users. Fewer if the message would exceed 256 KiB. */
  users: {
    /** The user. */
    userId: string;
    /** The number of the user's sessions that subscribe to the topic. 0 during the grace period after the last one. */
    sessions: number;
    /** The `presenceData` that a session of the user sent last. */
    data?: unknown;
  }[];
  /** The total number of users. */
  count: number;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** A user became present in a topic, left it, or has other presence data. */
export interface TopicPresenceChanged {
  type: "topic_presence_changed";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** The user. */
  userId: string;
  /** The new status. */
  status: string;
  /** The data of the user, when online or updated. */
  data?: unknown;
}

/** The backend of a service has answered a call. */
export interface CallResult {
  type: "call_result";
  /** The service. */
  service: string;
  /** The method. */
  method: string;
  /** The response: any JSON value. */
  data: unknown;
  /** The `callId` of the call. */
  callId?: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** The node will close the connection, which works until then. */
export interface ReconnectHint {
  type: "reconnect";
  /** The reason. */
  reason: ReconnectReason;
  /** The time until the node closes the connection, in milliseconds. */
  afterMs: number;
}

/** A command failed, or an error concerns the session. */
export interface ErrorReply {
  type: "error";
  /** The reason, for people. It contains no token, stack trace or internal address. */
  message: string;
  /** The reason, for programs. */
  code: ErrorCode;
  /** The `type` of the command that failed. */
  inReplyTo?: string;
  /** The clan of the command. */
  clanId?: string;
  /** The topic of the command. */
  topic?: string;
  /** The service of the call. */
  service?: string;
  /** The method of the call. */
  method?: string;
  /** The time after which to try again, in milliseconds. */
  retryAfterMs?: number;
  /** Additional data for programs, such as the invalid `field` or an `errorId`. */
  details?: unknown;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** The reply to `ping`. */
export interface Pong {
  type: "pong";
  /** The time of the gateway's clock. */
  timestamp: string;
  /** Chosen by the client and repeated in the reply to its command. */
  requestId?: string;
}

/** Every message that the gateway may send. */
export type ServerMessage =
  | Connected
  | Authenticated
  | SubscriptionConfirmed
  | SubscriptionEnded
  | SubscriptionReset
  | Notification
  | NotificationAcked
  | Chat
  | ChatDeleted
  | Typing
  | MessageSent
  | AckConfirmed
  | ChatHistory
  | Presence
  | PresenceChanged
  | TopicMessage
  | TopicHistory
  | TopicPresence
  | TopicPresenceChanged
  | CallResult
  | ReconnectHint
  | ErrorReply
  | Pong;
