// What the hooks and composables promise for generated code, held by the compiler.

import type { GatewayClient, MessageSent, PublishAccepted } from "realtime-gateway";
import * as react from "realtime-gateway/react";
import type { ChatMessage, Result } from "realtime-gateway/react";
import * as vue from "realtime-gateway/vue";
import {
  knownOrderEvent, orders, type CancelRequest, type CancelResult, type CourierPosition, type OrderComment, type OrderEvent, type OrderSummary, type Viewer,
} from "./orders/gateway.gen.js";

declare const gateway: GatewayClient;

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <T extends true>(): T | undefined => undefined;

export function inReact(orderId: string | undefined): void {
  const order = react.useTopic(orderId === undefined ? undefined : orders(gateway).order(orderId), { history: 10, presence: true });
  for (const event of order.events) {
    if (event.status === "sent") {
      holds<Equal<typeof event.data, OrderEvent>>();
      knownOrderEvent(event.data)?.type.toUpperCase();
      event.offset.toFixed();
    } else {
      holds<Equal<typeof event.data, OrderComment>>();
      void order.repeat(event.key);
      event.error?.retryAfterMs?.toFixed();
      // @ts-expect-error it has no offset yet
      event.offset.toFixed();
    }
  }
  const viewer = order.online[0]?.data;
  holds<Equal<typeof viewer, Viewer | undefined>>();
  // @ts-expect-error not what the contract says
  react.useTopic(orders(gateway).order("42"), { presenceData: { page: 7 } });
  const published: Promise<Result<MessageSent | PublishAccepted>> = order.publish({ type: "comment", text: "hello" });
  // @ts-expect-error only comments are published
  void order.publish({ type: "placed", items: [] });
  // @ts-expect-error fields are read-only
  order.events = [];
  const mine = react.useTopic(orders(gateway).mine("anna"));
  holds<Equal<(typeof mine.events)[number]["data"], OrderSummary>>();
  // @ts-expect-error clients do not publish to it
  void mine.publish({ orderId: "42", status: "shipped" });
  const depot = react.useTopic(orders(gateway).depot("eu", "1"));
  holds<Equal<(typeof depot.events)[number]["data"], CourierPosition>>();
  void depot.publish({ lat: 1, lon: 2 });
  const cancel = react.useCall(orders(gateway).cancel);
  holds<Equal<typeof cancel.data, CancelResult | undefined>>();
  void cancel.call({ orderId: "42", reason: { kind: "changed_mind" } }).then(result => {
    if (result.ok) result.value.refunded?.valueOf();
    else result.error.outcome.toUpperCase();
    // @ts-expect-error it may have failed
    result.value.refunded?.valueOf();
  });
  // @ts-expect-error no such reason
  void cancel.call({ orderId: "42", reason: { kind: "other" } });
  void published;
}

export function inVue(): void {
  const order = vue.useTopic(() => orders(gateway).order("42"), { presenceData: { page: "a" } });
  const [event] = order.events.value;
  if (event?.status === "sent") holds<Equal<typeof event.data, OrderEvent>>();
  // @ts-expect-error refs are read-only
  order.events.value = [];
  const cancel = vue.useCall(orders(gateway).cancel);
  holds<Equal<typeof cancel.data.value, CancelResult | undefined>>();
  holds<Equal<Parameters<typeof cancel.call>[0], CancelRequest>>();
  const { messages, send, typing } = vue.useClanChat(gateway, () => "wolves", { history: 20 });
  const shown: readonly ChatMessage[] = messages.value;
  void send(shown[0]?.content ?? "").then(({ ok }) => ok && typing.value.length);
}

export function untyped(): void {
  interface Score { home: number; away: number }
  const scores = react.useTopic(gateway.topic<Score>("scores", "match-7"), { presenceData: { any: 1 } });
  holds<Equal<(typeof scores.events)[number]["data"], Score>>();
  void scores.publish({ home: 1, away: 0 });
  // @ts-expect-error no such member
  void scores.publish({ home: 1, draw: true });
  const call = react.useCall((data: { orderId: string }, options) => gateway.call<{ amount: number }>("orders", "cancel", data, options));
  call.data?.amount.toFixed();
  const { messages } = react.useClanChat(gateway, null);
  for (const message of messages) message.status === "sent" ? message.sentAt.length : message.error?.code;
  const { notifications, ack } = react.useNotifications(gateway);
  void ack(notifications.map(({ id }) => id));
  const { status, session, connect } = react.useConnection(gateway);
  if (status === "replaced") void connect().then(({ error }) => error?.code);
  session?.userId.length;
}
