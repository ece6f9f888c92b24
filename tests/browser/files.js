// A server of files, as plain as one can be: it knows folders, media types, and the headers that a test asks for.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname } from "node:path";

const TYPES = {
  ".css": "text/css", ".html": "text/html", ".js": "text/javascript", ".svg": "image/svg+xml", ".wasm": "application/wasm",
};

/**
 * Serves pages given as text by their path, and files below folders given by their prefix. It ends with the test;
 * `headers` go with every answer. Returns the origin.
 */
export async function serve(test, { pages = {}, folders = {}, headers = {} }) {
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url, "http://a");
    const path = pathname.endsWith("/") ? `${pathname}index.html` : pathname;
    const prefix = Object.keys(folders).find((prefix) => path.startsWith(prefix));
    const file = prefix && new URL(path.slice(prefix.length), folders[prefix]);
    const body = pages[path] ?? (file && (await readFile(file).catch(() => undefined)));
    response.writeHead(body === undefined ? 404 : 200, { "content-type": TYPES[extname(path)] ?? "text/plain", ...headers });
    response.end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  test.after(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${server.address().port}`;
}
