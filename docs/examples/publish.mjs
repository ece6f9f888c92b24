// A backend service that publishes to clients: through RabbitMQ with confirms, and through the HTTP API.
//
//   npm install amqplib
//   node publish.mjs --amqp amqp://localhost/%2f --gateway http://localhost:4000 --api-key KEY --user alice --clan clan123
//
// Prints one JSON line for each event once it is confirmed. With --amqp alone, or --gateway alone, it uses that only.

import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { parseArgs } from "node:util";

const EXCHANGE = "gateway.inbound";

/** An identifier as part of a routing key: percent-encoded outside [A-Za-z0-9_-], so that a dot separates nothing. */
const word = (identifier) =>
  encodeURIComponent(identifier).replace(/[.!~*'()]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** Publishes events and resolves when the broker has taken responsibility for them. */
class Publisher {
  #url;
  #amqp;
  #connection;
  #channel;

  constructor(amqp, url) {
    this.#amqp = amqp;
    this.#url = url;
  }

  async #open() {
    this.#connection = await this.#amqp.connect(this.#url);
    // A connection that is lost is opened again by the next attempt.
    this.#connection.on("error", () => {});
    this.#connection.on("close", () => (this.#channel = undefined));
    const channel = await this.#connection.createConfirmChannel();
    channel.on("error", () => (this.#channel = undefined));
    // The gateway declares the exchange. Asking whether it is there says early that no gateway ever was.
    await channel.checkExchange(EXCHANGE);
    this.#channel = channel;
  }

  /** Publishes one event, again and again with the same id: what comes twice is delivered once. */
  async publish(routingKey, event, attempts = 10) {
    const body = { id: randomUUID(), ...event };
    const options = { contentType: "application/json", persistent: true, messageId: body.id, mandatory: true };
    let problem;
    for (let attempt = 0; attempt < attempts; attempt++) {
      try {
        if (!this.#channel) await this.#open();
        const channel = this.#channel;
        let returned;
        const onReturn = (message) => (returned ||= message.properties.messageId === body.id);
        channel.on("return", onReturn);
        await new Promise((resolve, reject) => {
          const confirmed = (error) => (error ? reject(error) : resolve());
          channel.publish(EXCHANGE, routingKey, Buffer.from(JSON.stringify(body)), options, confirmed);
        }).finally(() => channel.off("return", onReturn));
        // What the broker has no queue for is confirmed all the same, and returned before that.
        if (!returned) return body.id;
        problem = new Error("no queue takes it");
      } catch (error) {
        if (error.code === 404) throw new Error(`${error.message}; has a gateway been connected to this broker?`);
        problem = error;
      }
      await wait(Math.min(250 * 2 ** attempt, 5000));
    }
    throw new Error(`not published after ${attempts} attempts: ${problem.message}`);
  }

  async close() {
    await this.#connection?.close();
  }
}

/** One call of the HTTP API; 202 means stored. */
async function post(gateway, apiKey, path, body) {
  const response = await fetch(`${gateway}/api/v1/${path}`, {
    method: "POST",
    headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${response.status}: ${answer.detail}`);
  return answer;
}

const { values: chosen } = parseArgs({
  options: {
    amqp: { type: "string" },
    gateway: { type: "string" },
    "api-key": { type: "string", default: "" },
    user: { type: "string", default: "alice" },
    clan: { type: "string", default: "clan123" },
  },
});
const say = (event) => console.log(JSON.stringify(event));

if (chosen.amqp) {
  const publisher = new Publisher((await import("amqplib")).default, chosen.amqp);
  const notification = { title: "Quest", message: "The gate is open.", data: { quest: 7 }, ttlSeconds: 3600 };
  const id = await publisher.publish(`notification.${word(chosen.user)}`, notification);
  say({ published: "notification", by: "amqp", id });
  const message = { content: "Hello from the backend, by RabbitMQ" };
  say({ published: "clan_chat", by: "amqp", id: await publisher.publish(`clan_chat.${word(chosen.clan)}`, message) });
  await publisher.close();
}
if (chosen.gateway) {
  const notification = { userId: chosen.user, title: "War", message: "It begins at noon.", id: randomUUID() };
  const { ids } = await post(chosen.gateway, chosen["api-key"], "notifications", notification);
  say({ published: "notification", by: "http", id: ids[0] });
  const message = { content: "Hello from the backend, by HTTP", id: randomUUID() };
  const path = `clans/${encodeURIComponent(chosen.clan)}/messages`;
  const { messageId } = await post(chosen.gateway, chosen["api-key"], path, message);
  say({ published: "clan_chat", by: "http", id: messageId });
}
