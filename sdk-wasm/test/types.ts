// What the types promise, held by the compiler.

import { GatewayClient, GatewayError, UnauthorizedError, type ChatEvent, type ErrorCode, type ServerMessage, type Sending } from "realtime-gateway";

import { GatewayClient as WithoutWasm } from "realtime-gateway/no-wasm";
import { useClanChat } from "realtime-gateway/react";
import { PublishClient, Verifier, type MessageAccepted } from "realtime-gateway/publish";
import { FakeGateway } from "realtime-gateway/testing";
import { useTopic } from "realtime-gateway/vue";

const same: GatewayClient = new WithoutWasm({ url: "/ws", token: "t" });
const gateway = new GatewayClient({ url: new URL("wss://gateway.test/ws"), token: "t" });

function exhausted(event: ChatEvent): number {
  switch (event.type) {
    case "chat":
      return event.offset;
    case "chat_deleted":
      return event.offset;
    case "typing":
      return Number(event.isTyping);
    case "presence":
      return event.count;
    case "presence_changed":
      return event.status.length;
    case "gap":
      return event.after.offset;
    default: {
      const never: never = event;
      return never;
    }
  }
}

const off: () => void = gateway.on("notification_acked", ({ notificationIds }) => notificationIds.map(id => id.length));
const next: number | undefined = gateway.state.nextAttemptAt;
new GatewayClient({
  url: "/ws",
  token: () => Promise.reject(new UnauthorizedError("signed out", { cause: new Error("401") })),
  reconnect: { maxMs: 5_000 },
});

// An enumeration is open: a later word is no error.
const later: ErrorCode = "a_word_of_a_later_version";
const sending: Sending = gateway.clanChat("c").send("x");
const name: string = sending.clientMessageId;
const error: Error = null as unknown as GatewayError;
const replied: Promise<ServerMessage> = gateway.request("ping");
declare const message: ServerMessage;
if (message.type === "chat_history") exhausted({ type: "chat", ...message.messages[0]! });
// @ts-expect-error a message type that no client may send
gateway.clanChat("c").send("x", { messageType: "SYSTEM" });
// @ts-expect-error the token is not optional
new GatewayClient({ url: "/ws" });
const fake = new FakeGateway({ services: ["scores"] });
const faked: GatewayClient = new GatewayClient(fake.clientOptions("ada", { claims: { clans: ["c"] }, bufferSize: 3 }));
const content: Promise<string> = fake.received("chat").then(({ message }) => message.content);
const published = fake.publish("scores", "match-7", { home: 1 });
if (published.type === "event") published.offset.toFixed();
// Hooks and composables, also for those who require them.
const shown: string[] = useClanChat(gateway, "c", { history: 10 }).messages.map(message => message.content);
const scores: number | undefined = useTopic(gateway.topic<number>("scores", "match-7")).events.value[0]?.data;
// @ts-expect-error no such command
fake.refuse("shout", { code: "forbidden" });
// Publishing from a backend.
const publisher = new PublishClient({ url: "https://gateway.example.com", apiKey: "k" });
const accepted: Promise<MessageAccepted> = publisher.postMessage("c", { content: "x" });
const event: Promise<MessageAccepted | undefined> = publisher.publishEvent("scores", "match-7", { data: { home: 1 } });
// @ts-expect-error a notification has a title
publisher.sendNotification({ userId: "ada", message: "m" });
const verified: Promise<void> = new Verifier("whsec_AAAA").verify(new Headers(), "{}");
export { accepted, event, verified };
export { later, name, error, same, off, next, faked, content, shown, scores };
