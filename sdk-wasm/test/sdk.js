// The package under test: as it is, and where there is no WebAssembly (`node --noexpose-wasm`) the one without.

const folder = globalThis.WebAssembly ? "../pkg" : "../pkg/no-wasm";

export const { GatewayClient, GatewayError, UnauthorizedError } = await import(`${folder}/index.js`);
export const { loadCore } = await import(`${folder}/load.js`);
