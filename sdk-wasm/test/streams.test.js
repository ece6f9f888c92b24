// Iterators: aborting, sharing, buffering.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Gateway, first, sent } from "./harness.js";

test("aborting ends an iterator quietly, also one that waits", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  const off = new AbortController();
  const iterator = client.clanChat("c").subscribe({ signal: off.signal });
  await iterator.ready;
  const waiting = iterator.next();
  off.abort();
  assert.deepEqual(await waiting, { done: true, value: undefined });
  for await (const _ of client.clanChat("c").subscribe({ signal: off.signal })) assert.fail("it is over already");
  await assert.rejects(client.clanChat("c").send("x", { signal: off.signal }), { name: "AbortError" });
});

test("aborting a call rejects it with the signal's reason", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada", { token: () => new Promise(() => {}) });
  const off = new AbortController();
  const call = client.clanChat("c").history({ signal: off.signal });
  const reason = new Error("gone elsewhere");
  off.abort(reason);
  await assert.rejects(call, reason);
});

test("a view that is mounted twice subscribes once", async t => {
  const gateway = await Gateway.start(t);
  const { client, frames } = gateway.client(t, "ada");
  await client.clanChat("c").send("before");
  const mount = () => {
    const off = new AbortController();
    const seen = [];
    const reading = (async () => {
      for await (const event of client.clanChat("c").subscribe({ signal: off.signal, history: 10 })) seen.push(event);
    })();
    return { unmount: () => off.abort(), reading, seen };
  };
  // React's StrictMode mounts, unmounts and mounts again immediately.
  const one = mount();
  one.unmount();
  await one.reading;
  const two = mount();
  await client.clanChat("c").send("after");
  const watch = client.clanChat("c").subscribe();
  await client.clanChat("c").send("last");
  await first(watch, 1);
  assert.deepEqual(two.seen.map(event => event.content), ["before", "after", "last"]);
  assert.equal(sent(frames, "subscribe_clan_chat").length, 1);
  assert.equal(sent(frames, "unsubscribe_clan_chat").length, 0);
  two.unmount();
});

test("a subscription lingers, and then ends", async t => {
  const gateway = await Gateway.start(t);
  const { client, frames } = gateway.client(t, "ada");
  const iterator = client.clanChat("c").subscribe();
  await iterator.ready;
  const ended = new Promise(resolve => client.on("frame", ({ text }) => text.includes("unsubscribed") && resolve()));
  await iterator.return();
  assert.equal(sent(frames, "unsubscribe_clan_chat").length, 0, "not immediately");
  const left = Date.now();
  await ended;
  assert.ok(Date.now() - left >= 900, "after a second");
});

test("an iterator that is not read gets a gap, and its history", async t => {
  const gateway = await Gateway.start(t, "limits.messages_per_second = 10000\nlimits.burst = 10000");
  const { client } = gateway.client(t, "ada", { bufferSize: 3 });
  const slow = client.clanChat("c").subscribe();
  await slow.ready;
  for (const text of ["1", "2", "3", "4", "5"]) await client.clanChat("c").send(text);
  assert.deepEqual((await first(slow, 3)).map(chat => chat.content), ["1", "2", "3"]);
  const [gap] = await first(slow, 1, "gap");
  assert.deepEqual([gap.reason, gap.before, gap.after.offset], ["slow", 3, 5]);
  assert.deepEqual((await gap.history()).map(chat => chat.content), ["1", "2", "3", "4", "5"]);
  await client.clanChat("c").send("6");
  assert.deepEqual((await first(slow, 1)).map(chat => chat.content), ["6"]);
});

test("two readers of one clan share its subscription", async t => {
  const gateway = await Gateway.start(t);
  const { client, frames } = gateway.client(t, "ada");
  const [one, two] = [client.clanChat("c").subscribe(), client.clanChat("c").subscribe()];
  await client.clanChat("c").send("x");
  assert.deepEqual((await Promise.all([first(one, 1), first(two, 1)])).flat().map(chat => chat.content), ["x", "x"]);
  assert.equal(sent(frames, "subscribe_clan_chat").length, 1);
});
