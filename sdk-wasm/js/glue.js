// The other side of sdk-wasm/src/exports.rs: strings into the module's memory and out of it.

/** A class of cores that live in this instance of the module. */
export function makeCore(exports) {
  // Only now: where there are none, as in jsdom, importing the package still does nothing.
  const encoder = new TextEncoder();
  // A byte order mark is a character like any other.
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  // A new view each time: memory that grows is another buffer.
  const words = (at, count) => new Uint32Array(exports.memory.buffer, at, count);
  const bytes = (at, length) => new Uint8Array(exports.memory.buffer, at, length);
  const put = value => {
    if (typeof value !== "string") return value;
    const text = encoder.encode(value);
    const room = exports.core_room(text.length) >>> 0;
    bytes(words(room, 1)[0], text.length).set(text);
    return room;
  };
  const answer = at => {
    const [text, length] = words(at, 2);
    return decoder.decode(bytes(text, length));
  };

  class Core {
    constructor(config) {
      this.at = exports.core_new(put(config)) >>> 0;
      const problem = answer(this.at);
      if (!problem) return;
      this.free();
      throw new Error(problem);
    }

    free() {
      exports.core_free(this.at);
      this.at = 0;
    }
  }

  for (const name of Object.keys(exports)) {
    const [, method] = /^core_(?!room$|new$|free$)(.+)/.exec(name) ?? [];
    if (!method) continue;
    Core.prototype[method] = function (...values) {
      // A method that gives no number has left a text.
      return exports[name](this.at, ...values.map(put)) ?? answer(this.at);
    };
  }
  return Core;
}
