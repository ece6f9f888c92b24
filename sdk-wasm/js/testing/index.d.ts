/** A gateway in memory, for the unit tests of an app: no server, no network, no clock. */

import type { ClientOptions } from "../index.js";
import type { Chat, ChatDeleted, ClientMessage, EphemeralEvent, ErrorCode, Notification, Presence, TopicMessage } from "../messages.js";

/** The options of a fake gateway. */
export interface FakeGatewayOptions {
  /** The declared services; none by default. */
  services?: string[];
  /** How many sessions a user may have before the oldest is replaced; 1 by default, as for the real gateway. */
  sessionsPerUser?: number;
  /** Whether a topic of a declared service has a history; by default all have. */
  keepsHistory?: (service: string, topic: string) => boolean;
}

/** The claims of a token; everything is permitted by default. */
export interface Claims {
  /** The clans that are permitted; `["*"]` for all. */
  clans?: string[];
  /** The topics that are permitted, by service; `["*"]` for all. */
  topics?: Record<string, string[]>;
  /** When the token expires, in seconds since 1970; an hour from now by default. */
  exp?: number;
}

/** A command that the gateway has accepted. A token in it is left out. */
export interface ReceivedCommand<T extends ClientMessage["type"] = ClientMessage["type"]> {
  /** The user who sent it; absent for the first `authenticate` of a connection. */
  userId?: string;
  message: Omit<Extract<ClientMessage, { type: T }>, "token" | "requestId">;
}

/** The refusal of a command. */
export interface Fault {
  code: ErrorCode;
  message?: string;
  retryAfterMs?: number;
  details?: unknown;
}

/** Selects a log: a clan's chat, or a topic of a declared service. */
export type TopicOf = { clanId: string } | { service: string; topic: string };

/** A gateway in memory. It follows the rules of the real gateway, and a test scripts the rest. */
export class FakeGateway {
  constructor(options?: FakeGatewayOptions);
  /** The WebSocket class that connects to this gateway, for the client's option `webSocket`. */
  readonly WebSocket: new (url: string, protocols?: string | string[]) => unknown;
  /** The URL for the client's option `url`. */
  readonly url: string;
  /** All accepted commands, oldest first. */
  readonly commands: ReceivedCommand[];

  /** Returns the options of a client of this user: `new GatewayClient(fake.clientOptions("ada"))`. */
  clientOptions(userId: string, options?: Partial<ClientOptions> & { claims?: Claims }): ClientOptions;
  /** Returns a token of this user, for an app that creates its client itself. */
  token(userId: string, claims?: Claims): string;

  /** Sends a notification, as a backend service does. One with the `id` of another is not sent twice. */
  notify(userId: string, notification: { title: string; message: string; data?: unknown; id?: string }): Notification;
  /** Sends a message to a clan as another user, or without `userId` as a backend service. */
  chat(clanId: string, message: {
    content: string; userId?: string; messageType?: string; data?: Record<string, unknown>; clientMessageId?: string;
  }): Chat;
  /** Deletes a message. */
  deleteChat(clanId: string, messageId: string): ChatDeleted;
  /** Publishes to a topic of a declared service. */
  publish(service: string, topic: string, data: unknown, options?: { userId?: string; clientMessageId?: string }): TopicMessage | EphemeralEvent;
  /**
   * Answers the calls of a service, as its backend does. What the function throws is the error: `code` (`call_failed` by
   * default), `message` and `details`.
   */
  answer(
    service: string, method: string, handler: (data: any, call: { userId: string; callId?: string }) => unknown,
  ): void;
  /** Reports that another user begins or stops typing. */
  typing(clanId: string, userId: string, isTyping?: boolean): void;
  /** Makes another user present in a clan. */
  join(clanId: string, userId: string): void;
  /** Disconnects another user. `offline` is sent without the delay with which a real gateway waits for a reconnect. */
  leave(clanId: string, userId: string): void;

  /** Returns the messages of a clan. */
  messages(clanId: string): Chat[];
  /** Returns the unacknowledged notifications of a user. */
  pending(userId: string): Notification[];
  /** Returns the users who are present in a clan. */
  presence(clanId: string): Presence;

  /** Drops all connections, or those of one user. The client connects again by itself. */
  disconnect(options?: { userId?: string; code?: number; reason?: string }): void;
  /** Drops all connections, and refuses new ones. */
  goOffline(): void;
  /** Accepts connections again. */
  goOnline(): void;
  /** Refuses the next commands of this type. */
  refuse(type: ClientMessage["type"], fault: Fault, options?: { times?: number }): void;
  /** Carries out the next command of this type, and drops the connection before its reply. */
  loseReply(type: ClientMessage["type"]): void;
  /** Delays commands of this type, and those behind them, until the returned function is called. */
  hold(type: ClientMessage["type"]): () => void;
  /** Resolves with the first command of this type that no earlier call has returned. Waits if there is none yet. */
  received<T extends ClientMessage["type"]>(type: T): Promise<ReceivedCommand<T>>;
  /** Asks all clients to connect again, as a gateway does that shuts down. */
  drain(options?: { reason?: "draining" | "rebalancing"; afterMs?: number }): void;
  /** Expires the token of a user. The client sends a fresh one. */
  expireToken(userId: string): void;
  /** Refuses the tokens of a user from now on. */
  revoke(userId: string): void;
  /** Accepts the tokens of a user again. */
  allow(userId: string): void;
  /** Ends a subscription: of notifications, a clan's chat, or a topic. */
  endSubscription(
    userId: string, topic: { service: "notifications" } | TopicOf, fault?: { code?: ErrorCode; message?: string },
  ): void;
  /** Loses all logs, as if the store was replaced. Streams get a gap. */
  loseStore(): void;
  /** Keeps only the newest entries of a log. A client that was away for longer gets a gap. */
  trim(topic: TopicOf, keep?: number): void;
  /** Closes all connections. */
  close(): void;
}
