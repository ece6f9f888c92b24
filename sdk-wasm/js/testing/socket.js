// The WebSocket class of a fake gateway, which clients use instead of the browser's.

/** Calls a function soon, in order. It uses no timer, because the fake timers of a test runner would delay it. */
export const soon = call => void Promise.resolve().then(call);

/** Returns a WebSocket class whose sockets connect to this gateway. */
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
