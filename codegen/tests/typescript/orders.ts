// What generated code promises, held by the compiler.

import type { GatewayClient } from "realtime-gateway";
import {
  knownOrderEvent, orders, type CancelResult, type Currency, type Money, type OrderComment, type OrderEvent,
  type OrderPlaced, type Status,
} from "./orders/gateway.gen.js";

declare const gateway: GatewayClient;

function described(event: OrderEvent): string {
  switch (event.type) {
    case "placed":
      return event.items.map(item => item.sku).join();
    case "status":
      return event.status;
    case "comment":
      return event.text;
    case "split":
      return event.parcels.map(parcel => parcel.id).join();
    default:
      return `later: ${event.type}`;
  }
}

function exhausted(event: OrderEvent): string {
  switch (event.type) {
    case "placed":
    case "status":
    case "comment":
    case "split":
      return event.type;
    default: {
      // @ts-expect-error an open union has unknown branches too
      const never: never = event;
      return never;
    }
  }
}

function known(event: OrderEvent): string | undefined {
  const found = knownOrderEvent(event);
  switch (found?.type) {
    case "placed":
      return found.total.currency;
    case "status":
    case "comment":
    case "split":
    case undefined:
      return undefined;
    default: {
      const never: never = found;
      return never;
    }
  }
}

async function run(): Promise<void> {
  for await (const item of orders(gateway).order("42").subscribe({ history: 10 })) {
    if (item.type === "event") described(item.data);
    else item.after.offset.toFixed();
  }
  const result: CancelResult = await orders(gateway).cancel({ orderId: "42", reason: { kind: "changed_mind" } });
  const sent: string = orders(gateway).order("42").publish({ type: "comment", text: "hello" }).clientMessageId;
  orders(gateway).depot("eu", "1").publish({ lat: 1, lon: 2 }, { clientMessageId: sent });
  const { events } = await orders(gateway).order("42").history({ before: 7, limit: 10 });
  events.map(event => described(event.data));
  for await (const item of orders(gateway).order("42").subscribe({ presence: true, presenceData: { page: "a" } })) {
    if (item.type === "event") described(item.data);
    else if (item.type === "topic_presence_changed") item.data?.page?.length;
  }
  // @ts-expect-error not what the contract says
  orders(gateway).order("42").subscribe({ presence: true, presenceData: { page: 7 } });
  // @ts-expect-error the topic has no presence
  orders(gateway).mine("anna").subscribe({ presence: true });
  const { users } = await orders(gateway).order("42").presence();
  users.map(user => user.data?.page?.length);
  for await (const item of orders(gateway).depot("eu", "1").subscribe()) {
    if (item.type === "ephemeral_event") item.data.lat.toFixed();
    // @ts-expect-error it has no offset
    item.offset.toFixed();
  }
  const { topic } = await orders(gateway).depot("eu", "1").publish({ lat: 1, lon: 2 });
  topic.toUpperCase();
  // @ts-expect-error the topic has no history
  await orders(gateway).depot("eu", "1").history();
  // @ts-expect-error the topic has no presence
  await orders(gateway).mine("anna").presence();
  // @ts-expect-error only comments are published
  orders(gateway).order("42").publish({ type: "placed", items: [] });
  // @ts-expect-error clients do not publish to it
  orders(gateway).mine("anna").publish({});
  // @ts-expect-error no such reason: the union is closed
  await orders(gateway).cancel({ orderId: "42", reason: { kind: "other" } });
  result.refunded?.valueOf();
}

const later: Status = "a word of a later version";
// @ts-expect-error a closed enumeration
const other: Currency = "CHF";
const total: Money = { cents: 1, currency: "EUR" };
const placed: OrderPlaced = { type: "placed", items: [], total, note: null };
// @ts-expect-error optional is not undefined
const absent: OrderPlaced = { type: "placed", items: [], total, note: undefined };
// @ts-expect-error a member that is misspelled
const misspelled: OrderComment = { type: "comment", text: "", replys: [] };
export { absent, described, exhausted, known, later, misspelled, other, placed, run };
