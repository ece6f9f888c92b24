// Uses the types that json-schema-to-typescript writes: every kind of message is a type of its own.

import type { NewNotification, Inbound } from "./inbound.js";
import type { ChatMessageStored, Outbound } from "./outbound.js";
import type { ClientMessage, SendChat } from "./client.js";
import type { ServerMessage, ChatHistory } from "./server.js";

const notification: NewNotification = { title: "Quest", message: "Done", ttlSeconds: 60 };
export const inbound: Inbound = notification;
// @ts-expect-error The message is needed.
export const incomplete: NewNotification = { title: "Quest" };

export const contentOf = (event: ChatMessageStored): string => event.content;
export const idOf = (event: Outbound): string => event.id;

const chat: SendChat = { type: "chat", clanId: "clan", content: "hello" };
export const command: ClientMessage = chat;

export function messages(message: ServerMessage): ChatHistory["messages"] {
  return message.type === "chat_history" ? message.messages : [];
}
