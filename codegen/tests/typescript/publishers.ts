// A backend with the generated publisher of the contract `codegen/tests/contracts/orders.service.toml`.

import type { MessageAccepted, PublishClient } from "realtime-gateway/publish";
import { ordersPublisher, type OrderEvent, type OrderSummary, type OrdersPublisher } from "./publishers/gateway.gen.js";

/** Publishes an event to each kind of topics, and repeats one. */
export async function publishAll(client: PublishClient): Promise<{ first: MessageAccepted; again: MessageAccepted; order: number }> {
  const orders: OrdersPublisher = ordersPublisher(client);
  const summary: OrderSummary = { orderId: "42", status: "shipped" };
  const first = await orders.news(summary, { id: "e1" });
  const again = await orders.news(summary, { id: "e1", signal: AbortSignal.timeout(10_000) });
  const nothing: void = await orders.depot("eu", "1", { lat: 52.5, lon: 13.4 });
  const event: OrderEvent = { type: "comment", text: "Please ring." };
  const { offset } = await orders.order("42", event);
  return { first, again, order: nothing === undefined ? offset : 0 };
}

/** Publishes to a topic that no values have, and returns the error. */
export async function publishToWrongTopic(client: PublishClient): Promise<unknown> {
  return ordersPublisher(client).depot("eu-", "1", { lat: 0, lon: 0 }).catch((error: unknown) => error);
}

/** Publishes data outside of its bounds, and returns the error. */
export async function publishWrongData(client: PublishClient): Promise<unknown> {
  return ordersPublisher(client).depot("eu", "1", { lat: 100, lon: 0 }).catch((error: unknown) => error);
}

// @ts-expect-error A status is one of the words of the contract, or the text of a newer one.
export const wrong: OrderSummary = { orderId: "42", status: 7 };
