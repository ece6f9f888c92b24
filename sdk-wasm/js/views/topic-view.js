// The view of a topic of a declared service.

import { LogView } from "./log-view.js";
import { Source } from "./sources.js";

const NONE = Object.freeze([]);

/** The fields before there is a subscription. */
export const NO_TOPIC = Object.freeze({
  status: "loading", error: undefined, events: NONE, hasOlder: false, isLoadingOlder: false, online: NONE, onlineCount: 0,
  isComplete: true,
});

/** Returns the source of a topic, given by the SDK or by generated code. A view that begins elsewhere is another one. */
export const topicSource = ({ gateway, service, topic }, from) =>
  new Source(gateway, topicKey({ service, topic }, from), forget => new TopicView(gateway.topic(service, topic), forget, from), NO_TOPIC);

export const topicKey = ({ service, topic }, from) => JSON.stringify(["topic", service, topic, from?.epoch, from?.offset]);

class TopicView extends LogView {
  constructor(handle, forget, from) {
    super(NO_TOPIC, handle.gateway, forget);
    this.handle = handle;
    // The response to a publication may be given as it is: it has more than the position.
    this.from = from && { offset: from.offset, epoch: from.epoch };
  }

  fields() {
    return { ...super.fields(), events: this.items(), isComplete: this.isComplete };
  }

  entryOf(event) {
    return { ...event, key: `${event.offset}`, status: "sent" };
  }

  /** Returns what the confirmation of an event says about it. */
  stamp({ offset }) {
    const { service, topic } = this.handle;
    return { type: "event", service, topic, offset, publishedAt: new Date().toISOString() };
  }

  async page(options) {
    const { events, hasMore } = await this.handle.history(options);
    return { entries: events, hasMore };
  }

  receivedEntry(event) {
    if (event.type === "event") this.add(event, this.isOwn(event));
    else if (event.type === "ephemeral_event") this.add({ ...event, offset: this.log.next }, this.isOwn(event));
  }

  publish(data, { clientMessageId, timeoutMs } = {}) {
    const publish = clientMessageId => this.handle.publish(data, { clientMessageId, timeoutMs });
    return this.submit({ data }, publish, clientMessageId);
  }
}
