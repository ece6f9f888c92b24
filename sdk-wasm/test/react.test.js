// The hooks for React, rendered in Node with the fake gateway of the package.

import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { StrictMode, createElement, memo, useState } from "react";
import { createRoot, hydrateRoot } from "react-dom/client";
import { flushSync } from "react-dom";
import { renderToString } from "react-dom/server";
import { useCall, useClanChat, useConnection, useNotifications, useTopic } from "../pkg/react/index.js";
import { FakeGateway } from "../pkg/testing/index.js";
import { root, until } from "./dom.js";
import { GatewayClient } from "./sdk.js";

/** A fake gateway, a client, and `render`, which shows a component and ends it with the test. */
function stage(t) {
  const fake = new FakeGateway({ services: ["orders"] });
  const gateway = new GatewayClient(fake.clientOptions("ada"));
  const element = root();
  const app = createRoot(element);
  t.after(() => {
    app.unmount();
    gateway.close();
    fake.close();
  });
  const render = (component, { strict = false } = {}) => app.render(strict ? createElement(StrictMode, null, component) : component);
  return { fake, gateway, element, app, render, text: () => element.textContent };
}

const sent = (fake, type) => fake.commands.filter(({ message }) => message.type === type);

/** A component that counts its renderings, and gives what the hook returned to the test. */
function counted(use, show = () => null) {
  const component = () => {
    component.renderings += 1;
    component.result = use();
    return show(component.result);
  };
  component.renderings = 0;
  return component;
}

test("a component in StrictMode subscribes once and shows what comes", async t => {
  const { fake, gateway, render, text } = stage(t);
  fake.chat("c", { content: "hello", userId: "bob" });
  const Chat = ({ clan }) => useClanChat(gateway, clan).messages.map(({ key, content }) => createElement("li", { key }, content));
  render(createElement(Chat, { clan: "c" }), { strict: true });
  await until(() => text() === "hello");
  fake.chat("c", { content: "!", userId: "bob" });
  await until(() => text() === "hello!");
  // A component that is mounted again, as after a hot reload, continues.
  render(createElement(Chat, { clan: "c", key: "again" }), { strict: true });
  await until(() => text() === "hello!");
  assert.equal(sent(fake, "subscribe_clan_chat").length, 1);
  assert.equal(sent(fake, "unsubscribe_clan_chat").length, 0);
  assert.equal(sent(fake, "chat_history").length, 1);
});

test("another clan swaps the subscription, and shows nothing of the first one", async t => {
  const { fake, gateway, render, element, text } = stage(t);
  fake.chat("a", { content: "in a", userId: "bob" });
  fake.chat("b", { content: "in b", userId: "bob" });
  const shown = [];
  const Chat = ({ clan }) => {
    const { messages, status } = useClanChat(gateway, clan);
    shown.push([clan, ...messages.map(({ content }) => content)].join());
    return `${status}: ${messages.map(({ content }) => content).join()}`;
  };
  render(createElement(Chat));
  await until(() => text() === "loading: ");
  for (const clan of ["a", "b", "a"]) {
    render(createElement(Chat, { clan }));
    await until(() => element.textContent === `live: in ${clan}`);
  }
  assert.deepEqual([...new Set(shown)].sort(), ["", "a", "a,in a", "b", "b,in b"]);
  assert.deepEqual(sent(fake, "subscribe_clan_chat").map(({ message }) => message.clanId), ["a", "b"]);
  await fake.received("unsubscribe_clan_chat");
  assert.deepEqual(sent(fake, "unsubscribe_clan_chat").map(({ message }) => message.clanId), ["b"]);
});

test("two components share a subscription", async t => {
  const { fake, gateway, render, text } = stage(t);
  const Chat = counted(() => useClanChat(gateway, "c"), ({ messages, status }) => `${status} ${messages.map(({ content }) => content)} `);
  render([createElement(Chat, { key: 1 }), createElement(Chat, { key: 2 })], { strict: true });
  await until(() => text() === "live  live  ");
  fake.chat("c", { content: "x", userId: "bob" });
  await until(() => text() === "live x live x ");
  assert.equal(sent(fake, "subscribe_clan_chat").length, 1);
});

test("a component is rendered only for what it has read", async t => {
  const { fake, gateway, render } = stage(t);
  const Messages = counted(() => useClanChat(gateway, "c", { presence: true }), ({ messages }) => messages.length);
  const Input = counted(() => useClanChat(gateway, "c"));
  const Online = counted(() => useClanChat(gateway, "c", { presence: true }), ({ online }) => online.length);
  const Row = memo(({ message }) => {
    rows.push(message.content);
    return message.content;
  });
  const rows = [];
  const Rows = () => useClanChat(gateway, "c").messages.map(message => createElement(Row, { key: message.key, message }));
  render([Messages, Input, Online, Rows].map((component, key) => createElement(component, { key })));
  await until(() => Online.result?.online.length === 1);
  fake.join("c", "eve");
  fake.typing("c", "eve");
  await until(() => Online.result.online.length === 2);
  const before = Messages.renderings;
  fake.join("c", "bob");
  await until(() => Online.result.online.length === 3);
  assert.deepEqual([Messages.renderings, Input.renderings], [before, 1]);
  for (const content of ["1", "2"]) {
    fake.chat("c", { content, userId: "bob" });
    await until(() => Messages.result.messages.length === Number(content));
  }
  await until(() => rows.length === 2);
  assert.deepEqual([rows, Input.renderings], [["1", "2"], 1]);
  // A field that is read later, in an event handler, is up to date.
  assert.deepEqual(Input.result.messages.map(({ content }) => content), ["1", "2"]);
  assert.ok(Messages.renderings <= before + 2, `${Messages.renderings}`);
});

test("results are returned, and actions stay the same functions", async t => {
  const { fake, gateway, render, text } = stage(t);
  fake.refuse("chat", { code: "rate_limited", retryAfterMs: 5 });
  const Chat = counted(
    () => useClanChat(gateway, "c"), ({ messages }) => messages.map(({ content, status, error }) => `${content} ${status} ${error?.code}`).join(),
  );
  render(createElement(Chat));
  await until(() => Chat.result);
  const { send } = Chat.result;
  const release = fake.hold("chat");
  const sending = send("hello");
  await until(() => text().startsWith("hello pending"));
  release();
  // The SDK repeats it.
  assert.equal((await sending).ok, true);
  await until(() => text() === "hello sent undefined");
  assert.strictEqual(Chat.result.send, send);
  fake.refuse("chat", { code: "forbidden" });
  assert.equal((await send("again")).error.code, "forbidden");
  await until(() => text().endsWith("again refused forbidden"));
});

test("a topic of generated code and a call, whose handles are new for each rendering", async t => {
  const { fake, gateway, render, text } = stage(t);
  // What `gateway codegen` writes.
  const orders = gateway => ({
    order: id => ({
      gateway, service: "orders", topic: `order-${id}`,
      subscribe: options => gateway.topic("orders", `order-${id}`).subscribe(options),
    }),
    cancel: (data, options) => gateway.call("orders", "cancel", data, options),
  });
  fake.publish("orders", "order-42", { status: "received" });
  fake.answer("orders", "cancel", ({ orderId }) => ({ refunded: orderId === "42" }));
  const Order = counted(() => ({ topic: useTopic(orders(gateway).order("42")), cancel: useCall(orders(gateway).cancel) }), ({ topic, cancel }) =>
    `${topic.events.at(-1)?.data.status} ${cancel.status} ${cancel.data?.refunded}`);
  render(createElement(Order), { strict: true });
  await until(() => text() === "received idle undefined");
  const { call } = Order.result.cancel;
  assert.deepEqual(await call({ orderId: "42" }), { ok: true, value: { refunded: true } });
  await until(() => text() === "received done true");
  fake.publish("orders", "order-42", { status: "shipped" });
  await until(() => text() === "shipped done true");
  assert.equal(sent(fake, "subscribe").length, 1);
  assert.strictEqual(Order.result.cancel.call, call);
});

test("a connection is shown and not made", async t => {
  const { fake, gateway, render, text } = stage(t);
  const Banner = counted(() => useConnection(gateway), ({ status, session }) => `${status} ${session?.userId}`);
  render(createElement(Banner));
  await until(() => text() === "idle undefined");
  assert.equal(fake.commands.length, 0);
  assert.deepEqual(await Banner.result.connect(), { ok: true, value: undefined });
  await until(() => text() === "online ada");
  gateway.close();
  await until(() => text() === "closed undefined");
});

test("notifications are shown until they are acknowledged", async t => {
  const { fake, gateway, render, text } = stage(t);
  fake.notify("ada", { id: "n1", title: "one", message: "m" });
  const Inbox = counted(() => useNotifications(gateway), ({ notifications, pending }) => `${pending}: ${notifications.map(({ title }) => title)}`);
  render(createElement(Inbox), { strict: true });
  await until(() => text() === "1: one");
  assert.equal((await Inbox.result.ack("n1")).ok, true);
  await until(() => text() === "0: ");
});

/** The timers that the SDK has set. */
const ours = ({ calls }) => calls.map(({ stack }) => stack.stack).filter(stack => stack.includes("/pkg/"));

test("a server renders without a connection, and the page continues from that", async t => {
  const { fake, gateway } = stage(t);
  fake.chat("c", { content: "hello", userId: "bob" });
  const All = () => {
    const [chat, topic] = [useClanChat(gateway, "c"), useTopic(gateway.topic("orders", "order-1"))];
    const [inbox, connection] = [useNotifications(gateway), useConnection(gateway)];
    const call = useCall(async () => 1);
    return createElement("p", null, [
      chat.status, chat.messages.length, topic.status, inbox.pending, connection.status, call.status,
    ].join(" "));
  };
  const timers = t.mock.method(globalThis, "setTimeout").mock;
  const html = renderToString(createElement(StrictMode, null, createElement(All)));
  assert.equal(html, "<p>loading 0 loading 0 idle idle</p>");
  assert.deepEqual([gateway.state.status, ours(timers), fake.commands], ["idle", [], []]);
  const element = root();
  element.innerHTML = html;
  const problems = [];
  const page = hydrateRoot(element, createElement(StrictMode, null, createElement(All)), { onRecoverableError: error => problems.push(error) });
  t.after(() => page.unmount());
  await until(() => element.textContent === "live 1 live 0 online idle");
  assert.deepEqual(problems, []);
  assert.equal(sent(fake, "subscribe_clan_chat").length, 1);
});

test("a component that shows many clans in turn leaves one subscription", async t => {
  const { fake, gateway, app, text } = stage(t);
  let show;
  const Chat = ({ clan }) => `${clan} ${useClanChat(gateway, clan).status}`;
  const App = () => {
    const [clan, set] = useState("c0");
    show = set;
    return createElement(StrictMode, null, createElement(Chat, { clan }));
  };
  app.render(createElement(App));
  await until(() => show);
  for (let i = 1; i <= 30; i += 1) flushSync(() => show(`c${i % 3}`));
  await until(() => text() === "c0 live");
  // The clans that were shown before have lingered.
  const left = () => {
    const clans = new Set();
    for (const { message: { type, clanId } } of fake.commands) {
      if (type === "subscribe_clan_chat") clans.add(clanId);
      if (type === "unsubscribe_clan_chat") clans.delete(clanId);
    }
    return [...clans];
  };
  await until(() => left().length === 1);
  assert.deepEqual(left(), ["c0"]);
});
