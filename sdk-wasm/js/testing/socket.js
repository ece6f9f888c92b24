// The WebSocket of a fake gateway: what the client is given in place of the browser's.

/** Soon, and in order; not by a timer, so that the fake timers of a test runner hold nothing up. */
export const soon = call => void Promise.resolve().then(call);

/** A WebSocket class whose sockets end at this gateway. */
export function socketClass(gateway) {
  return class FakeWebSocket {
    static CONNECTING = 0;
    static OPEN = 1;
    static CLOSING = 2;
    static CLOSED = 3;
    readyState = 0;
    protocol = "";
    onopen = () => {};
    onmessage = () => {};
    onerror = () => {};
    onclose = () => {};
    #session;

    constructor(url, protocols) {
      this.url = String(url);
      soon(() => {
        if (this.readyState !== 0) return;
        this.#session = gateway.accept({
          send: text => soon(() => this.readyState === 1 && this.onmessage({ data: text })),
          close: (code, reason = "") => soon(() => this.#end(code, reason)),
        });
        if (!this.#session) {
          this.onerror({});
          return this.#end(1006, "");
        }
        this.readyState = 1;
        this.protocol = [protocols].flat()[0] ?? "";
        this.onopen({});
      });
    }

    send(text) {
      if (this.readyState === 0) throw new Error("the connection is not open yet");
      if (this.readyState === 1) soon(() => this.#session.receive(String(text)));
    }

    close(code = 1000, reason = "") {
      if (this.readyState > 1) return;
      this.readyState = 2;
      soon(() => this.#end(code, reason));
    }

    #end(code, reason) {
      if (this.readyState === 3) return;
      this.readyState = 3;
      this.#session?.gone();
      this.onclose({ code, reason, wasClean: code !== 1006 });
    }
  };
}
