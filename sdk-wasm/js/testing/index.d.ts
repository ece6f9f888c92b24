/** A gateway in memory, for the unit tests of an app: no server, no network, no clock. */

import type { ClientOptions } from "../index.js";
import type { Chat, ChatDeleted, ClientMessage, ErrorCode, Notification, Presence, TopicMessage } from "../messages.js";

/** What a fake gateway is made with. */
export interface FakeGatewayOptions {
  /** The declared services that there are; none by default. */
  services?: string[];
  /** How many sessions a user may have before the oldest is replaced; 1 by default, as for the real gateway. */
  sessionsPerUser?: number;
}

/** What a token permits; everything by default. */
export interface Claims {
  /** The clans that are permitted; `["*"]` for all. */
  clans?: string[];
  /** The topics that are permitted, by service; `["*"]` for all. */
  topics?: Record<string, string[]>;
  /** When the token ends, in seconds since 1970; an hour from now by default. */
  exp?: number;
}

/** A command that the gateway has accepted. A token in it is left out. */
export interface ReceivedCommand<T extends ClientMessage["type"] = ClientMessage["type"]> {
  /** Who sent it; absent for the first `authenticate` of a connection. */
  userId?: string;
  message: Omit<Extract<ClientMessage, { type: T }>, "token" | "requestId">;
}

/** Why a command is refused. */
export interface Fault {
  code: ErrorCode;
  message?: string;
  retryAfterMs?: number;
  details?: unknown;
}

/** Which log is meant: a clan's chat, or a topic of a declared service. */
export type TopicOf = { clanId: string } | { service: string; topic: string };

/** A gateway in memory. It answers as the real one does, by the same rules; a test scripts the rest. */
export class FakeGateway {
  constructor(options?: FakeGatewayOptions);
  /** The WebSocket class whose connections end here: the client's option `webSocket`. */
  readonly WebSocket: new (url: string, protocols?: string | string[]) => unknown;
  /** An address for the client's option `url`. */
  readonly url: string;
  /** Every command that was accepted, the oldest first. */
  readonly commands: ReceivedCommand[];

  /** The options of a client of this user: `new GatewayClient(fake.clientOptions("ada"))`. */
  clientOptions(userId: string, options?: Partial<ClientOptions> & { claims?: Claims }): ClientOptions;
  /** A token of this user, for an app that makes its client itself. */
  token(userId: string, claims?: Claims): string;

  /** Sends a notification, as a backend service does. One with the `id` of another is not sent twice. */
  notify(userId: string, notification: { title: string; message: string; data?: unknown; id?: string }): Notification;
  /** Says something in a clan: as another user, or without `userId` as a backend service. */
  chat(clanId: string, message: {
    content: string; userId?: string; messageType?: string; data?: Record<string, unknown>; clientMessageId?: string;
  }): Chat;
  /** Deletes a message. */
  deleteChat(clanId: string, messageId: string): ChatDeleted;
  /** Publishes to a topic of a declared service. */
  publish(service: string, topic: string, data: unknown, options?: { userId?: string; clientMessageId?: string }): TopicMessage;
  /** Another user begins or stops typing. */
  typing(clanId: string, userId: string, isTyping?: boolean): void;
  /** Another user comes to a clan. */
  join(clanId: string, userId: string): void;
  /** Another user disconnects. `offline` is sent without the delay that a real gateway waits for a reconnect. */
  leave(clanId: string, userId: string): void;

  /** The messages of a clan. */
  messages(clanId: string): Chat[];
  /** A user's notifications that wait for an acknowledgement. */
  pending(userId: string): Notification[];
  /** Who is present in a clan. */
  presence(clanId: string): Presence;

  /** Connections are lost: all, or those of one user. The client connects again by itself. */
  disconnect(options?: { userId?: string; code?: number; reason?: string }): void;
  /** Every connection is lost, and none can be made. */
  goOffline(): void;
  /** Connections can be made again. */
  goOnline(): void;
  /** The next commands of this type are refused. */
  refuse(type: ClientMessage["type"], fault: Fault, options?: { times?: number }): void;
  /** The next command of this type is carried out, but the connection is lost before its reply. */
  loseReply(type: ClientMessage["type"]): void;
  /** Commands of this type wait, and those behind them, until the returned function is called. */
  hold(type: ClientMessage["type"]): () => void;
  /** The first command of this type that no earlier call has returned; it may still have to come. */
  received<T extends ClientMessage["type"]>(type: T): Promise<ReceivedCommand<T>>;
  /** Asks every client to connect again, as a gateway that shuts down does. */
  drain(options?: { reason?: "draining" | "rebalancing"; afterMs?: number }): void;
  /** The user's token ends; the client gives a fresh one. */
  expireToken(userId: string): void;
  /** The user's tokens are refused from now on. */
  revoke(userId: string): void;
  /** The user's tokens are accepted again. */
  allow(userId: string): void;
  /** Ends a subscription: of notifications, a clan's chat, or a topic. */
  endSubscription(
    userId: string, topic: { service: "notifications" } | TopicOf, fault?: { code?: ErrorCode; message?: string },
  ): void;
  /** All logs are lost, as when a store was replaced: streams get a gap. */
  loseStore(): void;
  /** Only the newest entries of a log are kept: a client that was away for longer gets a gap. */
  trim(topic: TopicOf, keep?: number): void;
  /** Ends every connection. */
  close(): void;
}
