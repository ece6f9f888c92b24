// Calls the functions of sdk-wasm/src/exports.rs: copies messages into the memory of the module and out of it.

/** Returns a class of clients and tabs in this instance of the module. */
export function makeCore(exports) {
  // Created here and not on import, so that importing the package works in environments without them, such as jsdom.
  const encoder = new TextEncoder();
  // A byte order mark is part of the text.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  // A new view for each call, because growing the memory detaches its buffer.
  const view = (address, length) => new Uint8Array(exports.memory.buffer, address, length);
  const put = text => {
    const bytes = encoder.encode(text);
    const address = exports.gw_alloc(bytes.length) >>> 0;
    view(address, bytes.length).set(bytes);
    return [address, bytes.length];
  };
  const result = at => view(...new Uint32Array(exports.memory.buffer, at, 2));

  return class Core {
    /** Opens a client, or a tab with `gw_open_tab`. */
    constructor(config, open = "gw_open") {
      this.at = exports[open](...put(JSON.stringify(config))) >>> 0;
      const problem = decoder.decode(result(this.at));
      if (!problem) return;
      this.free();
      throw new Error(problem);
    }

    free() {
      exports.gw_close(this.at);
      this.at = 0;
    }

    /** Passes a message to the core. Returns the core's messages, each a head with the text of its body. */
    handle(now, head, body = "") {
      // The length in bytes is known only after encoding.
      const message = encoder.encode(body);
      const [address, length] = put(`${JSON.stringify({ ...head, body: message.length })}\n${body}`);
      exports.gw_handle(this.at, now, address, length);
      return messages(result(this.at));
    }

    /** Takes the next item of a stream. */
    take(stream) {
      exports.gw_take(this.at, stream);
      return messages(result(this.at))[0];
    }

    deadline() {
      return exports.gw_deadline(this.at);
    }
  };

  function messages(bytes) {
    const found = [];
    for (let at = 0; at < bytes.length; ) {
      const end = bytes.indexOf(10, at) + 1;
      const head = JSON.parse(decoder.decode(bytes.subarray(at, end)));
      at = end + (head.body ?? 0);
      found.push({ ...head, body: decoder.decode(bytes.subarray(end, at)) });
    }
    return found;
  }
}
