// The browser's client of the realtime gateway. Importing it does nothing but define these.

export { GatewayClient } from "./client.js";
export { GatewayError, UnauthorizedError } from "./error.js";
