// The views below the hooks for React and the composables for Vue, with the fake gateway of the package.

import assert from "node:assert/strict";
import { test } from "node:test";
import { CallView } from "../pkg/views/call-view.js";
import { chatSource } from "../pkg/views/chat-view.js";
import { Log } from "../pkg/views/log.js";
import { notificationsSource } from "../pkg/views/notifications-view.js";
import { topicSource } from "../pkg/views/topic-view.js";
import { becomes } from "./harness.js";
import { Component, stage } from "./component.js";
import { GatewayClient } from "./sdk.js";

const contents = ({ messages }) => messages.map(message => message.content);
const isLive = ({ status }) => status === "live";
const sent = (fake, type) => fake.commands.filter(({ message }) => message.type === type).map(({ message }) => message);

test("a chat begins with the newest messages, in one step, and older ones can be loaded", async t => {
  const { fake, client } = stage(t);
  for (let i = 1; i <= 120; i += 1) fake.chat("c", { content: `${i}`, userId: "bob" });
  const chat = new Component(chatSource(client, "c"));
  assert.deepEqual([chat.fields.status, chat.fields.messages], ["loading", []]);
  const loaded = await chat.until(({ messages }) => messages.length > 0);
  assert.deepEqual([loaded.status, loaded.messages.length, loaded.hasOlder], ["live", 50, true]);
  assert.equal(contents(loaded)[0], "71");
  fake.chat("c", { content: "live", userId: "bob" });
  await chat.until(fields => contents(fields).at(-1) === "live");
  assert.deepEqual(await chat.view.loadOlder(), { ok: true, value: undefined });
  assert.equal(chat.fields.messages.length, 101);
  assert.ok(chat.fields.hasOlder && !chat.fields.isLoadingOlder);
  await chat.view.loadOlder(100);
  assert.deepEqual([chat.fields.messages.length, chat.fields.hasOlder], [121, false]);
  assert.deepEqual(contents(chat.fields), [...Array.from({ length: 120 }, (_, i) => `${i + 1}`), "live"]);
  assert.equal(new Set(chat.fields.messages.map(({ key }) => key)).size, 121);
});

test("a view that is mounted, unmounted and mounted again subscribes once and loses nothing", async t => {
  const { fake, client } = stage(t);
  const source = chatSource(client, "c");
  new Component(source).unmount();
  const first = new Component(source);
  await first.until(isLive);
  first.unmount();
  fake.chat("c", { content: "meanwhile" });
  // Nothing is loaded again, so that nothing disappears for a moment.
  await new Promise(resolve => setTimeout(resolve, 50));
  const second = new Component(chatSource(client, "c"));
  assert.deepEqual([second.fields.status, ...contents(second.fields)], ["live", "meanwhile"]);
  // Ends a moment after the last component.
  second.unmount();
  await fake.received("unsubscribe_clan_chat");
  assert.equal(sent(fake, "subscribe_clan_chat").length, 1);
  assert.equal(second.fields.status, "loading");
  const third = new Component(source);
  assert.deepEqual(contents(await third.until(isLive)), ["meanwhile"]);
});

test("components on one topic share a subscription, and each gets what it wants", async t => {
  const { fake, client } = stage(t);
  fake.join("c", "eve");
  const [one, other] = [new Component(chatSource(client, "c")), new Component(chatSource(client, "c"), { history: 3 })];
  await one.until(isLive);
  assert.strictEqual(one.fields, other.fields);
  assert.deepEqual(one.fields.online, []);
  assert.equal(sent(fake, "subscribe_clan_chat").length, 1);
  // Presence is wanted later: the view subscribes again and continues.
  fake.chat("c", { content: "before" });
  const third = new Component(chatSource(client, "c"), { presence: true });
  await third.until(fields => fields.online.length === 2);
  fake.chat("c", { content: "after" });
  assert.deepEqual(contents(await one.until(fields => fields.messages.length === 2)), ["before", "after"]);
  assert.deepEqual(third.fields.online.map(({ userId }) => userId).sort(), ["ada", "eve"]);
  fake.leave("c", "eve");
  assert.deepEqual((await third.until(fields => fields.onlineCount === 1)).online.map(({ userId }) => userId), ["ada"]);
  assert.equal(sent(fake, "unsubscribe_clan_chat").length, 0);
});

test("a component that wants more history gets it later", async t => {
  const { fake, client } = stage(t);
  for (let i = 1; i <= 30; i += 1) fake.chat("c", { content: `${i}`, userId: "bob" });
  const badge = new Component(chatSource(client, "c"), { history: 1 });
  const [newest] = (await badge.until(isLive)).messages;
  assert.deepEqual([newest.content, badge.fields.hasOlder], ["30", true]);
  const list = new Component(chatSource(client, "c"), { history: 20 });
  const { messages, hasOlder } = await list.until(fields => fields.messages.length > 1);
  assert.deepEqual([messages.length, messages[0].content, hasOlder], [20, "11", true]);
  assert.strictEqual(messages.at(-1), newest);
});

test("a message is shown immediately and keeps its key, and only it changes", async t => {
  const { fake, client } = stage(t);
  fake.chat("c", { content: "first", userId: "bob" });
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  const [first] = chat.fields.messages;
  const release = fake.hold("chat");
  const sending = chat.view.send("mine", { data: { mood: "good" } });
  const [, pending] = chat.fields.messages;
  assert.deepEqual([pending.status, pending.content, pending.data], ["pending", "mine", { mood: "good" }]);
  fake.chat("c", { content: "between", userId: "bob" });
  // What is not confirmed stays at the end.
  assert.deepEqual(contents(await chat.until(fields => fields.messages.length === 3)), ["first", "between", "mine"]);
  release();
  const result = await sending;
  assert.equal(result.ok && result.value.offset, 3);
  const { messages } = await chat.until(fields => fields.messages[2]?.status === "sent" && fields.messages[2].sentAt);
  assert.deepEqual(messages.map(message => [message.key === pending.key, message.status]), [[false, "sent"], [false, "sent"], [true, "sent"]]);
  assert.strictEqual(messages[0], first);
  assert.equal(messages[2].userId, "ada");
});

test("a refused message says why, and can be repeated or discarded", async t => {
  const { fake, client } = stage(t);
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  fake.refuse("chat", { code: "forbidden", message: "not here" }, { times: 2 });
  const result = await chat.view.send("mine");
  assert.deepEqual([result.ok, result.error.code, result.error.outcome], [false, "forbidden", "refused"]);
  const [refused] = chat.fields.messages;
  assert.deepEqual([refused.status, refused.error], ["refused", result.error]);
  assert.equal((await chat.view.repeat(refused.key)).ok, false);
  assert.equal((await chat.view.repeat(refused.key)).ok, true);
  const names = sent(fake, "chat").map(({ clientMessageId }) => clientMessageId);
  assert.deepEqual([names.length, new Set(names).size], [3, 1]);
  const after = await chat.until(fields => fields.messages[0].status === "sent");
  assert.equal(after.messages[0].key, refused.key);
  assert.equal(after.messages[0].error, undefined);
  assert.equal((await chat.view.repeat(refused.key)).error.code, "invalid");
  assert.equal((await chat.view.send("")).error.code, "invalid");
  chat.view.discard(chat.fields.messages.at(-1).key);
  assert.equal(chat.fields.messages.length, 1);
});

test("an unknown outcome keeps its name, and stays unknown until the message is found", async t => {
  const { fake, client } = stage(t);
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  const release = fake.hold("chat");
  const { error } = await chat.view.send("mine", { timeoutMs: 500 });
  assert.equal(error.outcome, "unknown");
  const [unknown] = chat.fields.messages;
  assert.equal(unknown.status, "unknown");
  // A later refusal says nothing about the first attempt.
  fake.refuse("chat", { code: "forbidden" });
  fake.disconnect();
  release();
  await becomes(client, "online");
  await chat.view.repeat(unknown.key);
  assert.equal(chat.fields.messages[0].status, "unknown");
  assert.equal((await chat.view.repeat(unknown.key)).ok, true);
  assert.equal(fake.messages("c").length, 1);
  const { messages } = await chat.until(fields => fields.messages[0].status === "sent");
  assert.deepEqual(messages.map(({ key }) => key), [unknown.key]);
});

test("a message whose outcome is unknown is confirmed when it arrives", async t => {
  const { fake, client } = stage(t);
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  fake.loseReply("chat");
  fake.goOnline();
  const sending = chat.view.send("mine");
  await fake.received("chat");
  assert.deepEqual((await chat.until(fields => fields.messages[0]?.status === "sent")).messages.length, 1);
  assert.equal((await sending).ok, true);
  assert.equal(chat.fields.messages.length, 1);
});

test("another user's message under the same name confirms nothing", async t => {
  const { fake, client } = stage(t);
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  const release = fake.hold("chat");
  const sending = chat.view.send("mine", { clientMessageId: "same" });
  fake.chat("c", { content: "theirs", userId: "mallory", clientMessageId: "same" });
  const { messages } = await chat.until(fields => fields.messages.length === 2);
  assert.deepEqual(messages.map(({ content, status }) => [content, status]), [["theirs", "sent"], ["mine", "pending"]]);
  release();
  await sending;
});

test("what was sent before the last component left is there again", async t => {
  const { fake, client } = stage(t);
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  fake.refuse("chat", { code: "forbidden" });
  await chat.view.send("mine");
  const [{ key }] = chat.fields.messages;
  chat.unmount();
  await fake.received("unsubscribe_clan_chat");
  const again = new Component(chatSource(client, "c"));
  await again.until(isLive);
  assert.deepEqual(again.fields.messages.map(message => [message.key, message.status]), [[key, "refused"]]);
  again.view.discard(key);
  assert.deepEqual(again.fields.messages, []);
});

test("a gap is filled from the history, without what was deleted in it", async t => {
  const { fake, client } = stage(t);
  const bad = fake.chat("c", { content: "bad", userId: "bob" });
  fake.chat("c", { content: "good", userId: "bob" });
  const chat = new Component(chatSource(client, "c"));
  const { messages: [, good] } = await chat.until(isLive);
  fake.goOffline();
  for (let i = 0; i < 130; i += 1) fake.chat("c", { content: `${i}`, userId: "bob" });
  fake.deleteChat("c", bad.messageId);
  // The gateway cannot replay all of it.
  fake.log("clan_chat", "c").floor = 5;
  fake.goOnline();
  const { messages, hasOlder } = await chat.until(fields => contents(fields).at(-1) === "129");
  assert.deepEqual(messages.map(({ content }) => content), ["good", ...Array.from({ length: 130 }, (_, i) => `${i}`)]);
  assert.strictEqual(messages[0], good);
  assert.equal(hasOlder, false);
});

test("a store that was replaced shows what it has", async t => {
  const { fake, client } = stage(t);
  for (const content of ["1", "2", "3"]) fake.chat("c", { content, userId: "bob" });
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  fake.loseStore();
  fake.chat("c", { content: "later", userId: "bob" });
  assert.deepEqual(contents(await chat.until(fields => contents(fields).includes("later"))), ["later"]);
});

test("a store that is replaced during the first load shows what it has", async t => {
  const { fake, client } = stage(t);
  for (const content of ["1", "2", "3"]) fake.chat("c", { content, userId: "bob" });
  const release = fake.hold("chat_history");
  const chat = new Component(chatSource(client, "c"));
  await fake.received("chat_history");
  fake.loseStore();
  fake.chat("c", { content: "later", userId: "bob" });
  await chat.until(fields => contents(fields).includes("later"));
  release();
  assert.deepEqual(contents(await chat.until(isLive)), ["later"]);
});

test("a message that is deleted while its page is on the way is not shown", async t => {
  const { fake, client } = stage(t);
  const { messageId } = fake.chat("c", { content: "bad", userId: "bob" });
  fake.chat("c", { content: "good", userId: "bob" });
  const release = fake.hold("chat_history");
  const chat = new Component(chatSource(client, "c"));
  await fake.received("chat_history");
  // The page was read before the deletion, and its reply arrives later.
  const history = fake.messages("c");
  fake.deleteChat("c", messageId);
  fake.log("clan_chat", "c").entries.unshift(history[0]);
  fake.chat("c", { content: "live", userId: "bob" });
  await chat.until(fields => contents(fields).includes("live"));
  release();
  assert.deepEqual(contents(await chat.until(isLive)), ["good", "live"]);
});

test("an entry that comes twice stays the same object, and one that was only confirmed is replaced", () => {
  const log = new Log();
  const entry = { key: "2", offset: 2 };
  for (const added of [{ key: "3", offset: 3 }, entry, { key: "x", offset: 2 }]) log.add(added);
  const [first] = log.list();
  log.add({ key: "y", offset: 2 });
  assert.strictEqual(log.list()[0], first);
  log.add({ key: "mine", offset: 1 }, { provisional: true });
  log.add({ key: "1", offset: 1, content: "whole" });
  assert.deepEqual(log.list(), [{ key: "mine", offset: 1, content: "whole" }, entry, { key: "3", offset: 3 }]);
});

test("a burst of messages causes few renderings", async t => {
  const { fake, client } = stage(t);
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  const before = chat.notified;
  for (let i = 0; i < 500; i += 1) fake.chat("c", { content: `${i}`, userId: "bob" });
  await chat.until(fields => fields.messages.length === 500);
  assert.ok(chat.notified - before < 50, `${chat.notified - before} notifications`);
});

test("a view keeps a bounded number of entries", async t => {
  const { fake, client } = stage(t);
  const chat = new Component(chatSource(client, "c"), { limit: 20, history: 5 });
  await chat.until(isLive);
  for (let i = 0; i < 100; i += 1) fake.chat("c", { content: `${i}`, userId: "bob" });
  const { messages, hasOlder } = await chat.until(fields => contents(fields).at(-1) === "99");
  assert.deepEqual([messages.length, hasOlder], [20, true]);
  await chat.view.loadOlder(10);
  assert.deepEqual(contents(chat.fields).slice(0, 2), ["70", "71"]);
  fake.chat("c", { content: "100", userId: "bob" });
  assert.equal((await chat.until(fields => contents(fields).at(-1) === "100")).messages.length, 30);
});

test("a refused subscription is an error of the view, and can be tried again", async t => {
  const { fake, client } = stage(t);
  fake.refuse("subscribe_clan_chat", { code: "forbidden", message: "not a member" });
  const chat = new Component(chatSource(client, "c"));
  const { error } = await chat.until(({ status }) => status === "failed");
  assert.equal(error.code, "forbidden");
  await chat.view.retry();
  assert.equal((await chat.until(isLive)).error, undefined);
  fake.endSubscription("ada", { clanId: "c" });
  await chat.until(({ status }) => status === "failed");
  fake.chat("c", { content: "missed", userId: "bob" });
  await chat.view.retry();
  assert.deepEqual(contents(await chat.until(fields => fields.messages.length > 0)), ["missed"]);
});

test("a history that is refused for a moment is requested again", async t => {
  const { fake, client } = stage(t);
  fake.chat("c", { content: "1", userId: "bob" });
  fake.refuse("chat_history", { code: "unavailable", retryAfterMs: 5 }, { times: 2 });
  const chat = new Component(chatSource(client, "c"));
  assert.deepEqual(contents(await chat.until(isLive)), ["1"]);
});

test("nothing of a user stays after the client was closed, and the view continues with the next session", async t => {
  const { fake, client } = stage(t);
  fake.chat("c", { content: "secret", userId: "bob" });
  const [chat, inbox] = [new Component(chatSource(client, "c")), new Component(notificationsSource(client))];
  fake.notify("ada", { title: "one", message: "m" });
  await Promise.all([chat.until(isLive), inbox.until(fields => fields.notifications.length === 1)]);
  client.close();
  assert.deepEqual([chat.fields.status, chat.fields.messages], ["closed", []]);
  assert.deepEqual([inbox.fields.status, inbox.fields.notifications, inbox.fields.pending], ["closed", [], 0]);
  await client.connect();
  assert.deepEqual(contents(await chat.until(fields => fields.messages.length > 0)), ["secret"]);
  assert.equal((await inbox.until(isLive)).status, "live");
});

test("what one user has not sent is not shown to another", async t => {
  const { fake } = stage(t);
  let userId = "ada";
  const client = new GatewayClient({ ...fake.clientOptions("ada"), token: () => fake.token(userId) });
  t.after(() => client.close());
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  fake.refuse("chat", { code: "forbidden" });
  await chat.view.send("of ada");
  chat.unmount();
  await fake.received("unsubscribe_clan_chat");
  client.close();
  userId = "eve";
  await client.connect();
  const other = new Component(chatSource(client, "c"));
  assert.deepEqual((await other.until(isLive)).messages, []);
});

test("another user of the same client sees nothing of the first one", async t => {
  const { fake } = stage(t);
  let userId = "ada";
  const client = new GatewayClient({ ...fake.clientOptions("ada"), token: () => fake.token(userId) });
  t.after(() => client.close());
  fake.notify("ada", { title: "of ada", message: "m" });
  fake.notify("eve", { title: "of eve", message: "m" });
  const inbox = new Component(notificationsSource(client));
  await inbox.until(fields => fields.notifications[0]?.title === "of ada");
  userId = "eve";
  fake.revoke("ada");
  await becomes(client, "online");
  const { notifications } = await inbox.until(fields => fields.notifications.some(({ title }) => title === "of eve"));
  assert.deepEqual(notifications.map(({ title }) => title), ["of eve"]);
});

test("notifications are acknowledged here and elsewhere, and come back if that fails", async t => {
  const { fake, client } = stage(t, { timeoutMs: 10 });
  for (const title of ["1", "2", "3"]) fake.notify("ada", { id: `n${title}`, title, message: "m" });
  const inbox = new Component(notificationsSource(client));
  const titles = () => inbox.fields.notifications.map(({ title }) => title);
  await inbox.until(fields => fields.notifications.length === 3 && fields.pending === 3);
  assert.deepEqual(titles(), ["1", "2", "3"]);
  const acked = inbox.view.ack("n2");
  assert.deepEqual(titles(), ["1", "3"]);
  assert.deepEqual(await acked, { ok: true, value: undefined });
  assert.deepEqual(fake.pending("ada").map(({ id }) => id), ["n1", "n3"]);
  const [first] = inbox.fields.notifications;
  fake.refuse("notification_ack", { code: "invalid_message" });
  assert.equal((await inbox.view.ack(["n1"])).error.code, "invalid_message");
  assert.deepEqual(titles(), ["1", "3"]);
  assert.strictEqual(inbox.fields.notifications[0], first);
  fake.goOffline();
  const later = inbox.view.ack(["n3"]);
  assert.deepEqual(titles(), ["1"]);
  // Longer than the time limit of the client.
  await assert.rejects(client.clanChat("c").history());
  assert.deepEqual(titles(), ["1"]);
  fake.goOnline();
  assert.equal((await later).ok, true);
  // Another device acknowledges.
  fake.acknowledge({ userId: "ada" }, ["n1"]);
  assert.deepEqual((await inbox.until(fields => fields.notifications.length === 0)).notifications, []);
});

test("a topic shows events, publications and presence data", async t => {
  const { fake, client } = stage(t);
  fake.publish("scores", "m7", { home: 0 });
  const topic = new Component(topicSource(client.topic("scores", "m7")), { presenceData: { colour: "red" } });
  await topic.until(fields => isLive(fields) && fields.online.length === 1);
  assert.deepEqual(topic.fields.online[0].data, { colour: "red" });
  const release = fake.hold("publish");
  const publishing = topic.view.publish({ home: 1 });
  assert.deepEqual(topic.fields.events.map(({ data, status }) => [data.home, status]), [[0, "sent"], [1, "pending"]]);
  release();
  assert.equal((await publishing).ok, true);
  await topic.until(fields => fields.events.every(({ status }) => status === "sent"));
  assert.deepEqual(topic.fields.events.map(({ offset, data }) => [offset, data.home]), [[1, 0], [2, 1]]);
  // JSON that cannot be written is an error too.
  const circular = {};
  circular.self = circular;
  assert.equal((await topic.view.publish(circular)).error.code, "invalid");
});

test("a topic without history shows what comes, in order and up to the limit", async t => {
  const { fake, client } = stage(t);
  fake.publish("scores", "live-7", { home: 0 });
  const topic = new Component(topicSource(client.topic("scores", "live-7")), { limit: 3 });
  await topic.until(isLive);
  for (const home of [1, 2]) fake.publish("scores", "live-7", { home });
  const publishing = topic.view.publish({ home: 3 });
  const { key } = topic.fields.events.at(-1);
  const { value } = await publishing;
  assert.equal(value.type, "publish_accepted");
  await topic.until(({ events }) => events.length === 3 && events.every(({ status }) => status === "sent"));
  assert.equal(topic.fields.events.at(-1).key, key, "an own event keeps its key");
  await fake.received("subscribe");
  fake.disconnect();
  await fake.received("subscribe");
  await client.topic("scores", "live-7").subscribe().ready;
  fake.publish("scores", "live-7", { home: 4 });
  const { events, hasOlder } = await topic.until(fields => fields.events.at(-1).data.home === 4);
  assert.deepEqual(events.map(({ data }) => data.home), [2, 3, 4]);
  assert.equal(new Set(events.map(({ key }) => key)).size, 3);
  assert.equal(hasOlder, false, "there is nothing to load");
  assert.equal(sent(fake, "topic_history").length, 0);
});

test("a topic whose history is refused is live with what comes", async t => {
  const { fake, client } = stage(t);
  fake.publish("scores", "m7", { home: 0 });
  fake.refuse("topic_history", { code: "invalid_message" });
  const topic = new Component(topicSource(client.topic("scores", "m7")));
  await topic.until(isLive);
  fake.publish("scores", "m7", { home: 1 });
  const { events } = await topic.until(fields => fields.events.length > 0);
  assert.deepEqual(events.map(({ data }) => data.home), [1]);
});

test("a call shows its outcome, and a repeat has the same id", async t => {
  const { fake, client } = stage(t);
  const ids = [];
  fake.answer("scores", "reset", (data, { callId }) => {
    ids.push(callId);
    if (data.fail) throw { code: data.fail, message: "no", details: { status: 409 } };
    return { was: data.match };
  });
  const view = new CallView((data, options) => client.call("scores", "reset", data, options));
  const calling = view.call({ match: 7 });
  assert.equal(view.snapshot().status, "pending");
  assert.deepEqual(await calling, { ok: true, value: { was: 7 } });
  assert.deepEqual(view.snapshot(), { status: "done", data: { was: 7 }, error: undefined });
  assert.equal((await view.repeat()).error.code, "invalid");
  const { error } = await view.call({ fail: "call_failed" });
  assert.deepEqual([error.code, error.details], ["call_failed", { status: 409 }]);
  assert.deepEqual([view.snapshot().status, view.snapshot().error], ["refused", error]);
  await view.call({ fail: "call_unknown" });
  assert.equal(view.snapshot().status, "unknown");
  fake.refuse("call", { code: "rate_limited" });
  await view.repeat();
  assert.equal(view.snapshot().status, "unknown");
  await view.repeat();
  assert.deepEqual([ids.length, ids[2] === ids[3], ids[1] === ids[2]], [4, true, false]);
  view.reset();
  assert.equal(view.snapshot().status, "idle");
});

test("typing ends with the message, and by itself", async t => {
  const { fake, client } = stage(t);
  const chat = new Component(chatSource(client, "c"));
  await chat.until(isLive);
  fake.typing("c", "bob");
  fake.typing("c", "eve");
  await chat.until(fields => fields.typing.length === 2);
  fake.chat("c", { content: "said", userId: "bob" });
  assert.deepEqual((await chat.until(fields => fields.messages.length === 1)).typing, ["eve"]);
  fake.typing("c", "eve", false);
  await chat.until(fields => fields.typing.length === 0);
  chat.view.setTyping();
  assert.equal((await fake.received("typing")).message.isTyping, true);
});
