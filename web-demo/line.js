// A line that can be cut: what a tunnel or an unplugged cable does to a WebSocket, on demand.

/** Makes WebSockets of one person, and cuts them without a goodbye. */
export class Line {
  #sockets = new Set();
  #deadUntil = 0;

  /** The class that the SDK makes its sockets of. */
  get WebSocket() {
    const line = this;
    return class extends WebSocket {
      #isCut = false;

      constructor(url, protocols) {
        super(url, protocols);
        // The first listener of all: after a cut nobody else hears of what still comes.
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

      /** What is on its way in either direction is lost, and the SDK sees what a dead line looks like: 1006. */
      cut() {
        if (this.#isCut) return;
        this.#isCut = true;
        this.close();
        this.dispatchEvent(new CloseEvent("close", { code: 1006, wasClean: false }));
      }
    };
  }

  /** Whether it is kept dead at this moment. */
  get isDead() {
    return Date.now() < this.#deadUntil;
  }

  /** Cuts the line, and keeps it dead for so long. */
  cut(milliseconds = 0) {
    this.#deadUntil = Date.now() + milliseconds;
    for (const socket of [...this.#sockets]) socket.cut();
  }
}
