// A connection that can be cut on demand, as by a tunnel or an unplugged cable.

/** Creates the WebSockets of one person, and cuts them without a close frame. */
export class Line {
  #sockets = new Set();
  #deadUntil = 0;

  /** The class that the SDK uses for its sockets. */
  get WebSocket() {
    const line = this;
    return class extends WebSocket {
      #isCut = false;

      constructor(url, protocols) {
        super(url, protocols);
        // Registered before all other listeners: after a cut, no other listener receives later events.
        for (const type of ["open", "message", "error", "close"]) {
          this.addEventListener(type, (event) => {
            if (this.#isCut && event.isTrusted) event.stopImmediatePropagation();
            if (type === "close") line.#sockets.delete(this);
          });
        }
        line.#sockets.add(this);
        if (line.isDead) queueMicrotask(() => this.cut());
      }

      send(data) {
        if (!this.#isCut) super.send(data);
      }

      /** Loses the data in flight in both directions, and shows the SDK a lost connection: 1006. */
      cut() {
        if (this.#isCut) return;
        this.#isCut = true;
        this.close();
        this.dispatchEvent(new CloseEvent("close", { code: 1006, wasClean: false }));
      }
    };
  }

  /** Whether new sockets are cut as well. */
  get isDead() {
    return Date.now() < this.#deadUntil;
  }

  /** Cuts all sockets, and new ones for the given time. */
  cut(milliseconds = 0) {
    this.#deadUntil = Date.now() + milliseconds;
    for (const socket of [...this.#sockets]) socket.cut();
  }
}
