// Generated from the types of the protocol crate by `cargo run -p realtime-gateway-protocol --example export`.

/** Why a command was refused, for programs. A later version may add words. */
export type ErrorCode =
  | "invalid_json"
  | "invalid_message"
  | "unknown_type"
  | "unknown_service"
  | "message_too_large"
  | "conflict"
  | "unauthorized"
  | "token_expired"
  | "forbidden"
  | "subscription_limit"
  | "session_limit"
  | "rate_limited"
  | "unavailable"
  | "internal"
  | (string & {});

/** What a chat message holds. A later version may add words. */
export type MessageType =
  | "TEXT"
  | "IMAGE"
  | "FILE"
  | "SYSTEM"
  | (string & {});

/** Whether a user came or went. A later version may add words. */
export type PresenceStatus =
  | "online"
  | "offline"
  | (string & {});

/** Why the node asks the client to move. A later version may add words. */
export type ReconnectReason =
  | "draining"
  | "rebalancing"
  | (string & {});

/** Why entries were lost. A later version may add words. */
export type ResetReason =
  | "epoch_changed"
  | "trimmed"
  | "lost"
  | (string & {});

/** Whether a subscription began or ended. A later version may add words. */
export type SubscriptionStatus =
  | "subscribed"
  | "unsubscribed"
  | (string & {});

/** Gives or renews the identity. */
export interface Authenticate {
  type: "authenticate";
  /** The JSON Web Token (RFC 7519). */
  token: string;
  /** Names the device. */
  deviceId?: string;
  /** Names the client library. */
  client?: {
    /** Its name, such as `realtime-gateway-sdk`. */
    name: string;
    /** Its version. */
    version: string;
    /** Made once by a client that reconnects by itself. */
    instance?: string;
    /** Rises with each attempt of the instance: a lower one never replaces a higher one. */
    attempt?: number;
  };
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Asks for the user's notifications. */
export interface SubscribeNotifications {
  type: "subscribe_notifications";
  /** Accepted and ignored: notifications have pending ones instead of a history. */
  recover?: {
    /** The last offset seen, 0 being before the first entry. */
    offset: number;
    /** The epoch that the offset belongs to. */
    epoch: string;
  };
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Ends the subscription to notifications. */
export interface UnsubscribeNotifications {
  type: "unsubscribe_notifications";
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Asks for a clan's chat. */
export interface SubscribeClanChat {
  type: "subscribe_clan_chat";
  /** The clan. */
  clanId: string;
  /** The last position seen: everything after it is sent, when it is within retention. */
  recover?: {
    /** The last offset seen, 0 being before the first entry. */
    offset: number;
    /** The epoch that the offset belongs to. */
    epoch: string;
  };
  /** How many of the last entries to send when nothing is recovered, 0 to 100. */
  history?: number;
  /** Whether to be told who comes and goes. */
  presence?: boolean;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Ends the subscription to a clan's chat. */
export interface UnsubscribeClanChat {
  type: "unsubscribe_clan_chat";
  /** The clan. */
  clanId: string;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Says something in a clan. */
export interface SendChat {
  type: "chat";
  /** The clan. */
  clanId: string;
  /** What is said, 1 to 4,000 characters. */
  content: string;
  /** `TEXT` when absent; a client may send `TEXT`, `IMAGE` and `FILE`. */
  messageType?: "TEXT" | "IMAGE" | "FILE";
  /** Replies, mentions, attachments: an object of at most 8 KiB. */
  data?: Record<string, unknown>;
  /** Makes the command safe to repeat. */
  clientMessageId?: string;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Tells that the user began or stopped typing. */
export interface SendTyping {
  type: "typing";
  /** The clan. */
  clanId: string;
  /** Whether the user is typing; true is repeated every 3 s and ends by itself after 6 s. */
  isTyping: boolean;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Acknowledges notifications, which are then not sent again. At least one of the two fields is needed. */
export interface NotificationAck {
  type: "notification_ack";
  /** One notification. */
  notificationId?: string;
  /** Up to 1,000 notifications. */
  notificationIds?: string[];
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Asks for a page of a clan's past: the end of it, or what lies before or after an offset (not both). */
export interface GetChatHistory {
  type: "chat_history";
  /** The clan. */
  clanId: string;
  /** The page ends before this offset. */
  before?: number;
  /** The page begins after this offset. */
  after?: number;
  /** How many messages, 1 to 100, 50 when absent. */
  limit?: number;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Asks who is present in a clan. */
export interface GetPresence {
  type: "presence";
  /** The clan. */
  clanId: string;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Asks for a topic of a declared service. */
export interface Subscribe {
  type: "subscribe";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** The last position seen: everything after it is sent, when it is within retention. */
  recover?: {
    /** The last offset seen, 0 being before the first entry. */
    offset: number;
    /** The epoch that the offset belongs to. */
    epoch: string;
  };
  /** How many of the last entries to send when nothing is recovered, 0 to 100. */
  history?: number;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Ends the subscription to a topic of a declared service. */
export interface Unsubscribe {
  type: "unsubscribe";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Publishes to a topic of a declared service. */
export interface Publish {
  type: "publish";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** Any JSON. */
  data: unknown;
  /** Makes the command safe to repeat. */
  clientMessageId?: string;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Asks for a `pong`. */
export interface Ping {
  type: "ping";
  /** Chosen by the client; the one reply to its command echoes it. */
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
  | Ping;

/** The connection has an identity and may be used. */
export interface Connected {
  type: "connected";
  /** Who the token says this is. */
  userId: string;
  /** A greeting: `Connected to WebSocket Gateway`. */
  message: string;
  /** Names this session in the gateway's log and API. */
  sessionId: string;
  /** The version of this protocol: 1. */
  protocolVersion: number;
  /** Names of additions to this version that the gateway offers. */
  features: string[];
  /** Names of the services that this gateway has. */
  services: string[];
  /** When the token's life ends. */
  expiresAt: string;
  /** How often the gateway sends a WebSocket ping, in milliseconds. */
  heartbeatIntervalMs: number;
  /** What a client may send in one message, in bytes. */
  maxMessageBytes: number;
  /** Bounds of this session. */
  limits: {
    /** Sustained rate of commands, a second. */
    messagesPerSecond: number;
    /** Commands that may come at once. */
    burst: number;
    /** Subscriptions at a time. */
    subscriptions: number;
  };
  /** The gateway's clock. */
  serverTime: string;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** The identity was renewed. */
export interface Authenticated {
  type: "authenticated";
  /** Who the token says this is: the same as before. */
  userId: string;
  /** When the token's life ends. */
  expiresAt: string;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** A subscription began or ended as asked. */
export interface SubscriptionConfirmed {
  type: "subscription_confirmed";
  /** `notifications`, `clan_chat` or a declared service. */
  service: string;
  /** Whether it is live. */
  status: SubscriptionStatus;
  /** The clan, for `clan_chat`. */
  clanId?: string;
  /** The topic, for a declared service. */
  topic?: string;
  /** The log's head at that moment (when subscribed). */
  offset?: number;
  /** The store's epoch (when subscribed). */
  epoch?: string;
  /** Whether every entry after `recover.offset` follows (when subscribed). */
  recovered?: boolean;
  /** How many notifications wait for an acknowledgement. */
  pending?: number;
  /** Chosen by the client; the one reply to its command echoes it. */
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
  /** Why. */
  code: ErrorCode;
  /** Why, for people. */
  message: string;
}

/** Entries were lost to this subscription; it goes on from `offset`. */
export interface SubscriptionReset {
  type: "subscription_reset";
  /** `notifications`, `clan_chat` or a declared service. */
  service: string;
  /** The clan, for `clan_chat`. */
  clanId?: string;
  /** The topic, for a declared service. */
  topic?: string;
  /** The epoch from here on. */
  epoch: string;
  /** The position from which it goes on. */
  offset: number;
  /** Why. */
  reason: ResetReason;
}

/** A notification for the user. */
export interface Notification {
  type: "notification";
  /** Tells copies apart. */
  id: string;
  /** A headline. */
  title: string;
  /** The text. */
  message: string;
  /** Whatever the backend added. */
  data?: unknown;
  /** When the gateway accepted it. */
  createdAt: string;
  /** Its place among the user's notifications. */
  offset: number;
  /** A hint that it was sent before. */
  redelivered?: boolean;
}

/** Another session of the user acknowledged these. */
export interface NotificationAcked {
  type: "notification_acked";
  /** The notifications. */
  notificationIds: string[];
}

/** Somebody said something in a clan. */
export interface Chat {
  type: "chat";
  /** Who. */
  userId: string;
  /** What. */
  content: string;
  /** Where. */
  clanId: string;
  /** Names the message. */
  messageId: string;
  /** `TEXT`, `IMAGE`, `FILE` or `SYSTEM`. */
  messageType: MessageType;
  /** Replies, mentions, attachments. */
  data?: Record<string, unknown>;
  /** When the gateway accepted it. */
  sentAt: string;
  /** Its place in the clan's log. */
  offset: number;
  /** The sender's own name for it. */
  clientMessageId?: string;
}

/** A chat message was deleted. */
export interface ChatDeleted {
  type: "chat_deleted";
  /** The clan. */
  clanId: string;
  /** The message whose content is gone. */
  messageId: string;
  /** The place of this entry in the clan's log. */
  offset: number;
}

/** Somebody began or stopped typing. */
export interface Typing {
  type: "typing";
  /** Who. */
  userId: string;
  /** Where. */
  clanId: string;
  /** Whether they are typing. */
  isTyping: boolean;
}

/** A `chat` or `publish` is stored. */
export interface MessageSent {
  type: "message_sent";
  /** Names the message. */
  messageId: string;
  /** The clan, for a `chat`. */
  clanId?: string;
  /** The service, for a `publish`. */
  service?: string;
  /** The topic, for a `publish`. */
  topic?: string;
  /** Its place in the topic's log. */
  offset: number;
  /** The sender's own name for it. */
  clientMessageId?: string;
  /** True when this repeats an earlier send, which was not sent twice. */
  duplicate?: boolean;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Notifications are acknowledged. */
export interface AckConfirmed {
  type: "ack_confirmed";
  /** The notifications, also those acknowledged before. */
  notificationIds: string[];
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** A page of a clan's past. */
export interface ChatHistory {
  type: "chat_history";
  /** The clan. */
  clanId: string;
  /** The store's epoch. */
  epoch: string;
  /** Messages in ascending offset; fewer than asked for where the reply would grow over 256 KiB. */
  messages: {
    /** Who. */
    userId: string;
    /** What. */
    content: string;
    /** Where. */
    clanId: string;
    /** Names the message. */
    messageId: string;
    /** `TEXT`, `IMAGE`, `FILE` or `SYSTEM`. */
    messageType: MessageType;
    /** Replies, mentions, attachments. */
    data?: Record<string, unknown>;
    /** When the gateway accepted it. */
    sentAt: string;
    /** Its place in the clan's log. */
    offset: number;
    /** The sender's own name for it. */
    clientMessageId?: string;
  }[];
  /** Whether there are more in the direction that was asked for. */
  hasMore: boolean;
  /** Present and true when entries are missing: the log no longer keeps those after `after`, or cannot read some. */
  trimmed?: boolean;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Who is present in a clan. */
export interface Presence {
  type: "presence";
  /** The clan. */
  clanId: string;
  /** The first 200. */
  users: {
    /** Who. */
    userId: string;
    /** How many of their sessions subscribe to the clan; 0 during the grace after the last. */
    sessions: number;
  }[];
  /** How many users in all. */
  count: number;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** Somebody came or went. */
export interface PresenceChanged {
  type: "presence_changed";
  /** The clan. */
  clanId: string;
  /** Who. */
  userId: string;
  /** Which of the two. */
  status: PresenceStatus;
}

/** Something was published to a topic of a declared service. */
export interface TopicMessage {
  type: "event";
  /** The service. */
  service: string;
  /** The topic. */
  topic: string;
  /** What was published. */
  data: unknown;
  /** Its place in the topic's log. */
  offset: number;
  /** When the gateway accepted it. */
  publishedAt: string;
  /** Who published it; absent when a backend service did. */
  userId?: string;
  /** The publisher's own name for it. */
  clientMessageId?: string;
}

/** This node will close the connection; it works until then. */
export interface ReconnectHint {
  type: "reconnect";
  /** Why. */
  reason: ReconnectReason;
  /** When this node will close the connection, in milliseconds from now. */
  afterMs: number;
}

/** A command was refused, or the session must know of a fault. */
export interface ErrorReply {
  type: "error";
  /** Why, for people: no token, no stack, no internal address. */
  message: string;
  /** Why, for programs. */
  code: ErrorCode;
  /** The `type` of the command that was refused. */
  inReplyTo?: string;
  /** The clan that it was about. */
  clanId?: string;
  /** The topic that it was about. */
  topic?: string;
  /** When to try again, in milliseconds. */
  retryAfterMs?: number;
  /** More for programs, such as the `field` that was wrong or an `errorId`. */
  details?: unknown;
  /** Chosen by the client; the one reply to its command echoes it. */
  requestId?: string;
}

/** The answer to `ping`. */
export interface Pong {
  type: "pong";
  /** The gateway's clock. */
  timestamp: string;
  /** Chosen by the client; the one reply to its command echoes it. */
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
  | ReconnectHint
  | ErrorReply
  | Pong;
