// The browser SDK of the realtime gateway. Importing it has no side effects.

export { GatewayClient } from "./client.js";
export { GatewayError, UnauthorizedError } from "./error.js";
