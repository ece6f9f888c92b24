// The composables for Vue, rendered in Node with the fake gateway of the package.

import "./dom.js";
import assert from "node:assert/strict";
import { test } from "node:test";
import { createApp, createSSRApp, effectScope, h, nextTick, ref } from "vue";
import { renderToString } from "vue/server-renderer";
import { FakeGateway } from "../pkg/testing/index.js";
import { useCall, useClanChat, useConnection, useNotifications, useTopic } from "../pkg/vue/index.js";
import { root, until } from "./dom.js";
import { GatewayClient } from "./sdk.js";

/** A fake gateway, a client, and `mount`, which shows a component and ends it with the test. */
function stage(t) {
  const fake = new FakeGateway({ services: ["orders"] });
  const gateway = new GatewayClient(fake.clientOptions("ada"));
  const element = root();
  const apps = [];
  t.after(() => {
    apps.forEach(app => app.unmount());
    gateway.close();
    fake.close();
  });
  const mount = (setup, at = element) => {
    const app = createApp({ setup });
    apps.push(app);
    app.mount(at);
    return () => apps.splice(apps.indexOf(app), 1)[0].unmount();
  };
  return { fake, gateway, element, mount, text: () => element.textContent };
}

const sent = (fake, type) => fake.commands.filter(({ message }) => message.type === type);

test("a component that is mounted again subscribes once and shows what comes", async t => {
  const { fake, gateway, mount, text } = stage(t);
  fake.chat("c", { content: "hello", userId: "bob" });
  const setup = () => {
    const { messages } = useClanChat(gateway, "c");
    return () => messages.value.map(({ key, content }) => h("li", { key }, content));
  };
  mount(setup)();
  const unmount = mount(setup);
  await until(() => text() === "hello");
  unmount();
  fake.chat("c", { content: "!", userId: "bob" });
  mount(setup);
  await until(() => text() === "hello!");
  assert.deepEqual([sent(fake, "subscribe_clan_chat").length, sent(fake, "unsubscribe_clan_chat").length], [1, 0]);
});

test("another clan swaps the subscription, and shows nothing of the first one", async t => {
  const { fake, gateway, mount, text } = stage(t);
  fake.chat("a", { content: "in a", userId: "bob" });
  fake.chat("b", { content: "in b", userId: "bob" });
  const [clan, shown] = [ref(), []];
  mount(() => {
    const { messages, status } = useClanChat(gateway, clan);
    return () => {
      shown.push([clan.value, ...messages.value.map(({ content }) => content)].join());
      return `${status.value}: ${messages.value.map(({ content }) => content).join()}`;
    };
  });
  await until(() => text() === "loading: ");
  for (const name of ["a", "b", "a"]) {
    clan.value = name;
    await until(() => text() === `live: in ${name}`);
  }
  assert.deepEqual([...new Set(shown)].sort(), ["", "a", "a,in a", "b", "b,in b"]);
  await fake.received("unsubscribe_clan_chat");
  assert.deepEqual(sent(fake, "unsubscribe_clan_chat").map(({ message }) => message.clanId), ["b"]);
});

test("a ref changes only if its field does", async t => {
  const { fake, gateway, mount } = stage(t);
  const renderings = {};
  let chat;
  mount(() => {
    chat = useClanChat(gateway, () => "c", { presence: true });
    return () => {
      renderings.messages = (renderings.messages ?? 0) + 1;
      return h("p", chat.messages.value.length);
    };
  });
  mount(() => {
    const { messages } = useClanChat(gateway, "c");
    return () => messages.value.length;
  }, root());
  await until(() => chat.online.value.length === 1);
  const before = renderings.messages;
  fake.join("c", "eve");
  fake.typing("c", "eve");
  await until(() => chat.typing.value.length === 1 && chat.online.value.length === 2);
  await nextTick();
  assert.equal(renderings.messages, before);
  const [old] = [chat.online.value];
  fake.chat("c", { content: "1", userId: "bob" });
  await until(() => chat.messages.value.length === 1);
  await nextTick();
  assert.equal(renderings.messages, before + 1);
  assert.strictEqual(chat.online.value, old);
  assert.equal(sent(fake, "subscribe_clan_chat").length, 1);
});

test("sends, calls and acknowledgements return their results", async t => {
  const { fake, gateway, mount } = stage(t);
  const order = ref("42");
  let all;
  mount(() => {
    all = {
      chat: useClanChat(gateway, "c"), inbox: useNotifications(gateway), connection: useConnection(gateway),
      topic: useTopic(() => gateway.topic("orders", `order-${order.value}`), { presenceData: { page: "a" } }),
      cancel: useCall((data, options) => gateway.call("orders", "cancel", data, options)),
    };
    return () => null;
  });
  await until(() => all.chat.status.value === "live" && all.inbox.status.value === "live" && all.topic.online.value.length === 1);
  assert.deepEqual(all.topic.online.value[0].data, { page: "a" });
  assert.deepEqual([all.connection.status.value, all.connection.session.value.userId], ["online", "ada"]);
  fake.refuse("chat", { code: "forbidden" });
  assert.equal((await all.chat.send("hello")).error.code, "forbidden");
  const [{ key }] = all.chat.messages.value;
  assert.equal((await all.chat.repeat(key)).ok, true);
  fake.notify("ada", { id: "n1", title: "one", message: "m" });
  await until(() => all.inbox.notifications.value.length === 1);
  assert.deepEqual(await all.inbox.ack("n1"), { ok: true, value: undefined });
  assert.equal((await all.topic.publish({ status: "shipped" })).ok, true);
  await until(() => all.topic.events.value[0]?.publishedAt);
  fake.answer("orders", "cancel", () => ({ refunded: true }));
  assert.deepEqual(await all.cancel.call({ orderId: "42" }), { ok: true, value: { refunded: true } });
  assert.deepEqual([all.cancel.status.value, all.cancel.data.value], ["done", { refunded: true }]);
  order.value = "43";
  await until(() => all.topic.status.value === "live" && all.topic.events.value.length === 0);
  assert.deepEqual(sent(fake, "subscribe").map(({ message }) => message.topic), ["order-42", "order-43"]);
});

test("a composable outside of a component ends with its scope", async t => {
  const { fake, gateway } = stage(t);
  const scope = effectScope();
  const chat = scope.run(() => useClanChat(gateway, "c"));
  await until(() => chat.status.value === "live");
  scope.stop();
  await fake.received("unsubscribe_clan_chat");
});

/** The timers that the SDK has set. Vue sets one for its developer tools. */
const ours = ({ calls }) => calls.map(({ stack }) => stack.stack).filter(stack => stack.includes("/pkg/"));

test("a server renders without a connection, and the page continues from that", async t => {
  const { fake, gateway, element } = stage(t);
  fake.chat("c", { content: "hello", userId: "bob" });
  const component = {
    setup() {
      const [chat, topic] = [useClanChat(gateway, "c"), useTopic(gateway.topic("orders", "order-1"))];
      const [inbox, connection] = [useNotifications(gateway), useConnection(gateway)];
      return () => h("p", [chat.status, topic.status, inbox.status, connection.status, chat.messages].map(({ value }) => (Array.isArray(value) ? value.length : value)).join());
    },
  };
  const timers = t.mock.method(globalThis, "setTimeout").mock;
  const html = await renderToString(createSSRApp(component));
  assert.deepEqual([gateway.state.status, ours(timers), fake.commands], ["idle", [], []]);
  element.innerHTML = html;
  const warnings = [];
  const app = createSSRApp(component);
  app.config.warnHandler = warning => warnings.push(warning);
  app.mount(element);
  t.after(() => app.unmount());
  await until(() => element.textContent === "live,live,live,online,1");
  assert.deepEqual(warnings, []);
  assert.equal(sent(fake, "subscribe_clan_chat").length, 1);
});
