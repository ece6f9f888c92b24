// A gateway in memory, for the unit tests of an app.

export { FakeGateway } from "./gateway.js";
