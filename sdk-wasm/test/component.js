// What the tests of views share: a fake gateway, and a component that shows a view.

import { FakeGateway } from "../pkg/testing/index.js";
import { GatewayClient } from "./sdk.js";

/** A fake gateway, and a client of it that ends with the test. */
export function stage(t, options = {}) {
  const fake = new FakeGateway({ services: ["scores"], keepsHistory: (service, topic) => !topic.startsWith("live-") });
  const client = new GatewayClient(fake.clientOptions("ada", options));
  t.after(() => {
    client.close();
    fake.close();
  });
  return { fake, client };
}

/** What a component does with a source: it shows the newest fields, and waits for a condition. */
export class Component {
  notified = 0;
  #waiting = [];

  constructor(source, wants) {
    this.source = source;
    this.unmount = source.subscribe(() => {
      this.notified += 1;
      this.#check();
    }, wants);
  }

  get fields() {
    return this.source.snapshot();
  }

  get view() {
    return this.source.view();
  }

  /** Resolves with the fields once they meet the condition. */
  until(condition) {
    return new Promise(resolve => {
      this.#waiting.push({ condition, resolve });
      this.#check();
    });
  }

  #check() {
    const fields = this.source.snapshot();
    const isMet = ({ condition }) => condition(fields);
    this.#waiting.filter(isMet).forEach(({ resolve }) => resolve(fields));
    this.#waiting = this.#waiting.filter(waiter => !isMet(waiter));
  }
}
