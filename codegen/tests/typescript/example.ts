// Generated code of the example service, used with a running gateway by `sdk-wasm/test/generated.test.js`.

import { GatewayError, type GatewayClient, type Subscription } from "realtime-gateway";
import { orders, type CancelResult, type OrderEvent, type Viewer } from "./example/gateway.gen.js";

function described(event: OrderEvent): string {
  switch (event.type) {
    case "placed":
      return `placed ${event.items.join()}`;
    case "status":
      return `status ${event.status}`;
    case "comment":
      return `comment ${event.text}`;
    default:
      return `unknown ${JSON.stringify(event)}`;
  }
}

/** Returns the next item that a function has a value for. */
async function next<T, V>(stream: Subscription<T>, read: (item: T) => V | undefined): Promise<V> {
  for (;;) {
    const { value, done } = await stream.next();
    if (done) throw new Error("the subscription has ended");
    const found = read(value);
    if (found !== undefined) return found;
  }
}

/** Reads events from the beginning of an order. */
export async function readEvents(gateway: GatewayClient, orderId: string, count: number): Promise<string[]> {
  const events: string[] = [];
  const stream = orders(gateway).order(orderId).subscribe({ history: count });
  while (events.length < count) {
    events.push(await next(stream, item => (item.type === "event" ? described(item.data) : undefined)));
  }
  await stream.return();
  return events;
}

/** What a user did with an order, and saw. */
export interface Report {
  first: string;
  joined: string | undefined;
  present: (string | undefined)[];
  page: string[];
  refundCents: number;
  refusal: string | undefined;
  events: string[];
}

/** Places an order, discusses and cancels it. */
export async function useService(alice: GatewayClient, bob: GatewayClient): Promise<Report> {
  const { orderId } = await orders(alice).place({ items: ["tea"] });
  const order = orders(alice).order(orderId);
  const presenceData: Viewer = { name: "Alice" };
  const stream = order.subscribe({ history: 10, presence: true, presenceData });
  const first = await next(stream, item => (item.type === "event" ? described(item.data) : undefined));

  const seenByBob = orders(bob).order(orderId).subscribe({ presence: true, presenceData: { name: "Bob" } });
  const joined = await next(stream, item => (item.type === "topic_presence_changed" ? item.data?.name : undefined));
  const { users } = await orders(bob).order(orderId).presence();
  const present = users.map(user => user.data?.name);
  const { offset } = await orders(bob).order(orderId).publish({ type: "comment", text: "Please ring." });
  const page = await order.history({ before: offset + 1, limit: 1 });

  const cancelled: CancelResult = await orders(alice).cancel({ orderId }, { callId: "cancel-1" });
  const refused: unknown = await orders(alice).cancel({ orderId: "43" }).catch((error: unknown) => error);
  const events: string[] = [];
  while (events.length < 2) {
    events.push(await next(seenByBob, item => (item.type === "event" ? described(item.data) : undefined)));
  }
  await Promise.all([stream.return(), seenByBob.return()]);
  return {
    first,
    joined,
    present,
    page: page.events.map(event => described(event.data)),
    refundCents: cancelled.refundCents,
    refusal: refused instanceof GatewayError ? refused.code : undefined,
    events,
  };
}
