// Streams outlive what ends the client: only the app, or the gateway's "forbidden", ends them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { UnauthorizedError } from "./sdk.js";
import { Gateway, becomes, first, shortLived } from "./harness.js";

const texts = events => events.map(event => event.content);

/** One session of a user replaces the other, and the other has been informed. */
async function takesOver(one, other) {
  const replaced = becomes(other, "replaced");
  await one.connect();
  await replaced;
}

test("streams pause while another session has the connection, and continue with what they missed", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  const { client: bob } = gateway.client(t, "bob");
  const [chat, notes] = [client.clanChat("c").subscribe(), client.notifications().subscribe()];
  const badge = [];
  client.notifications().subscribe({ onPending: count => badge.push(count), onNotification: () => {} });
  await Promise.all([chat.ready, notes.ready]);
  await bob.clanChat("c").send("1");
  assert.deepEqual(texts(await first(chat, 1)), ["1"]);
  await gateway.notify("ada", "one");
  assert.equal((await notes.next()).value.title, "one");
  const { client: phone } = gateway.client(t, "ada");
  await takesOver(phone, client);
  const waiting = first(chat, 1);
  // A view that is shown meanwhile waits too, and one that is gone does not come back.
  const later = client.clanChat("d").subscribe();
  const gone = new AbortController();
  const left = client.clanChat("c").subscribe({ signal: gone.signal });
  const impatient = client.clanChat("e").subscribe({ timeoutMs: 20 });
  gone.abort();
  assert.equal((await left.next()).done, true);
  await assert.rejects(impatient.next(), error => error.code === "timed_out" && error.cause.code === "replaced");
  await assert.rejects(client.clanChat("c").send("x"), { code: "replaced", outcome: "not_sent" });
  for (const text of ["2", "3"]) await bob.clanChat("c").send(text);
  await gateway.notify("ada", "two");
  await takesOver(client, phone);
  assert.deepEqual(texts([...(await waiting), ...(await first(chat, 1))]), ["2", "3"]);
  assert.equal((await notes.next()).value.title, "two");
  await later.ready;
  await bob.clanChat("d").send("d");
  assert.deepEqual(texts(await first(later, 1)), ["d"]);
  // Again, and again: it is no matter of the first time.
  for (const text of ["4", "5"]) {
    await takesOver(phone, client);
    await bob.clanChat("c").send(text);
    await takesOver(client, phone);
    assert.deepEqual(texts(await first(chat, 1)), [text]);
  }
  client.close();
  assert.equal((await chat.next()).done, true);
  assert.equal((await notes.next()).done, true);
  assert.equal(badge.at(-1), 2);
});

test("what a paused stream can no longer get is a gap", async t => {
  const settings = "history.max_entries = 2\nlimits.messages_per_second = 10000\nlimits.burst = 10000";
  const gateway = await Gateway.start(t, settings);
  const { client } = gateway.client(t, "ada");
  const { client: bob } = gateway.client(t, "bob");
  const chat = client.clanChat("c").subscribe();
  await chat.ready;
  await bob.clanChat("c").send("0");
  await first(chat, 1);
  const { client: phone } = gateway.client(t, "ada");
  await takesOver(phone, client);
  for (let i = 1; i < 400; i += 1) await bob.clanChat("c").send(`${i}`);
  await client.connect();
  const { value: gap } = await chat.next();
  assert.deepEqual([gap.type, gap.reason, gap.before, gap.after.offset], ["gap", "trimmed", 1, 400]);
  await bob.clanChat("c").send("after");
  assert.deepEqual(texts(await first(chat, 1)), ["after"]);
});

test("a refused token pauses streams, reports the gateway's reason, and a good one lets them continue", async t => {
  const gateway = await Gateway.start(t);
  let good = false;
  const { client, states } = gateway.client(t, "ada", { token: () => (good ? gateway.token("ada") : "nonsense") });
  const chat = client.clanChat("c").subscribe();
  const error = await client.connect().catch(error => error);
  assert.deepEqual([error.code, error.closeCode], ["unauthorized", 4401]);
  const refusal = states.find(({ cause }) => cause?.code === "unauthorized" && cause.closeCode === undefined);
  const [, words] = /refused: (.*) \(unauthorized\)/.exec(refusal.cause.message);
  assert.ok(words.length > 5 && error.message.includes(words), `${error.message}: ${words}`);
  good = true;
  await client.connect();
  await chat.ready;
  await client.clanChat("c").send("x");
  assert.deepEqual(texts(await first(chat, 1)), ["x"]);
});

test("a token provider that says the user is signed out is called no more, and streams wait", async t => {
  const gateway = await Gateway.start(t);
  let [out, requested] = [false, 0];
  const token = async () => {
    requested += 1;
    if (out) throw new UnauthorizedError("signed out elsewhere");
    return gateway.token("ada");
  };
  // At a renewal.
  const { client } = gateway.client(t, "ada", { token, webSocket: shortLived() });
  const chat = client.clanChat("c").subscribe();
  await chat.ready;
  const ended = becomes(client, "unauthorized");
  out = true;
  assert.match((await ended).cause.message, /signed out elsewhere/);
  assert.equal(requested, 2);
  await assert.rejects(client.clanChat("c").send("x"), { code: "unauthorized" });
  out = false;
  await client.connect();
  await client.clanChat("c").send("y");
  assert.deepEqual(texts(await first(chat, 1)), ["y"]);
  // At first.
  out = true;
  requested = 0;
  const { client: other } = gateway.client(t, "ada", { token });
  const waiting = other.clanChat("c").subscribe();
  await assert.rejects(other.connect(), { code: "unauthorized", closeCode: 4401, retryable: false, message: /signed out elsewhere/ });
  assert.equal(requested, 1);
  out = false;
  await other.connect();
  await waiting.ready;
});

test("forbidden ends a stream, at its beginning and after a pause", async t => {
  const gateway = await Gateway.start(t);
  let clans = ["c"];
  const { client } = gateway.client(t, "ada", { token: () => gateway.token("ada", clans) });
  await assert.rejects(client.clanChat("elsewhere").subscribe().next(), { code: "forbidden" });
  const chat = client.clanChat("c").subscribe();
  await chat.ready;
  const { client: phone } = gateway.client(t, "ada");
  await takesOver(phone, client);
  clans = ["elsewhere"];
  await client.connect();
  await assert.rejects(chat.next(), { code: "forbidden" });
  assert.equal((await chat.next()).done, true);
});

test("signing out while paused ends streams quietly", async t => {
  const gateway = await Gateway.start(t);
  const { client } = gateway.client(t, "ada");
  const chat = client.clanChat("c").subscribe();
  await chat.ready;
  const next = chat.next();
  const { client: phone } = gateway.client(t, "ada");
  await takesOver(phone, client);
  client.signOut();
  assert.equal((await next).done, true);
  assert.equal(client.state.status, "closed");
});
