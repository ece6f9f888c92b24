// The adapter of the TypeScript SDK for `gateway conformance`, in Node: carries out commands from stdin, and writes what
// happens to stdout. docs/conformance.md has the protocol.

import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import { WebSocket } from "ws";
import { GatewayClient, UnauthorizedError } from "../../pkg/index.js";
import { Reader } from "./reader.js";
import { emit, failure } from "./output.js";

const { version } = JSON.parse(readFileSync(new URL("../../pkg/package.json", import.meta.url), "utf8"));
const digest = readFileSync(new URL("../../../sdk-core/src/digest.rs", import.meta.url), "utf8");

/** The gateway does not compress, and the package `ws` offers it unless an option says no. */
const socketOf = ca =>
  class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { perMessageDeflate: false, ca });
    }
  };

const clients = new Map();
const streams = new Map();
/** The questions of token providers without an answer. */
const questions = new Map();
/** The calls that wait, by the id of their command. */
const running = new Map();
let lastQuestion = 0;

function open({ client: name, url, deviceId, timeoutMs, buffer, caFile }) {
  const token = () => new Promise((resolve, reject) => {
    const ask = ++lastQuestion;
    questions.set(ask, { resolve, reject });
    emit({ event: "token", client: name, ask });
  });
  const webSocket = socketOf(caFile && readFileSync(caFile));
  const client = new GatewayClient({ url, token, deviceId, timeoutMs, bufferSize: buffer, webSocket, shareTabs: false });
  clients.set(name, client);
  client.on("state", ({ status, cause }) => emit({ event: "state", client: name, status, error: cause && failure(cause) }));
}

/** What a command is about. */
function about({ client, topic }) {
  const own = clients.get(client);
  if (own === undefined) throw new Error(`there is no client ${client}`);
  if (topic === "notifications") return own.notifications();
  return topic.clan === undefined ? own.topic(topic.service, topic.topic) : own.clanChat(topic.clan);
}

async function subscribe(command, signal) {
  const { client, stream, topic, history, from, presence, timeoutMs, read } = command;
  const onPending = topic === "notifications" ? count => emit({ event: "pending", client, count }) : undefined;
  const subscription = about(command).subscribe({ history, from, presence, timeoutMs, onPending, signal });
  await subscription.ready;
  // An aborted subscription ends without an error.
  signal.throwIfAborted();
  streams.set(stream, new Reader(stream, subscription, read ?? Infinity));
  return subscription.position;
}

function send(command, signal) {
  const { topic, data, clientMessageId, timeoutMs } = command;
  const options = { clientMessageId, timeoutMs, signal };
  if (topic.clan === undefined) return about(command).publish(data, options);
  const { content, ...more } = data;
  return about(command).send(content, { ...options, ...more });
}

/** A page as the gateway has sent it: the SDK adds the type to each entry. */
async function history(command, signal) {
  const { before, after, limit, timeoutMs } = command;
  const page = await about(command).history({ before, after, limit, timeoutMs, signal });
  const entries = page.messages ? "messages" : "events";
  return { ...page, [entries]: page[entries].map(({ type: _, ...entry }) => entry) };
}

async function reset() {
  for (const client of clients.values()) client.close();
  clients.clear();
  streams.clear();
  questions.clear();
  // What ends by it is reported first.
  await new Promise(setImmediate);
}

const COMMANDS = {
  open,
  subscribe,
  send,
  history,
  reset,
  connect: ({ client, timeoutMs }, signal) => clients.get(client).connect({ timeoutMs, signal }),
  read: ({ stream, count }) => streams.get(stream).read(count),
  leave: ({ stream }) => streams.get(stream).leave(),
  ack: ({ client, ids, timeoutMs }, signal) => clients.get(client).notifications().ack(ids, { timeoutMs, signal }),
  presence: (command, signal) => about(command).presence({ signal }),
  typing: command => about(command).typing(command.isTyping),
  call: ({ client, service, call, data, timeoutMs }, signal) =>
    clients.get(client).call(service, call, data, { timeoutMs, signal }),
  request: ({ client, type, fields, timeoutMs }, signal) => clients.get(client).request(type, fields, { timeoutMs, signal }),
  token({ ask, token, error, signedOut }) {
    const question = questions.get(ask);
    questions.delete(ask);
    if (token !== undefined) question?.resolve(token);
    else question?.reject(signedOut ? new UnauthorizedError() : new Error(error));
  },
  cancel: ({ of }) => running.get(of)?.abort(),
  wake: ({ client }) => clients.get(client).wake(),
  close: ({ client }) => clients.get(client).close(),
};

async function carryOut(command) {
  const { id } = command;
  const call = new AbortController();
  running.set(id, call);
  try {
    if (!Object.hasOwn(COMMANDS, command.do)) throw { code: "unsupported", outcome: "not_sent", retryable: false };
    const value = await COMMANDS[command.do](command, call.signal);
    emit({ event: "done", id, value });
  } catch (error) {
    const canceled = { code: "canceled", outcome: "unknown", retryable: true };
    emit({ event: "done", id, error: call.signal.aborted ? canceled : failure(error) });
  } finally {
    running.delete(id);
  }
}

emit({
  event: "hello", protocol: 1, name: "gateway-typescript", version, core: /"([0-9a-f]{64})"/.exec(digest)[1], skip: [],
});
const input = createInterface({ input: process.stdin });
// A call begins when it is made, so the order of the lines is the order of the calls.
input.on("line", line => void carryOut(JSON.parse(line)));
input.on("close", () => void reset());
