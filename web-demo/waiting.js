// The page without the browser SDK: says how far the build of the SDK is, and opens the demo once it is there.

/** How often the gateway is asked. */
const INTERVAL_MS = 1_000;

/** A build that has said nothing for so long has probably been stopped. */
const SILENT_MS = 10 * 60_000;

const by = (id) => document.getElementById(id);

async function ask(path, method) {
  try {
    const response = await fetch(path, { method, cache: "no-store" });
    return response.ok ? response : undefined;
  } catch {
    // The gateway restarts; it is asked again.
    return undefined;
  }
}

/** `{ text, since }` of the build that runs, where `since` is a time; nothing where none runs. */
async function buildStatus() {
  const response = await ask("sdk-status", "GET");
  const [since, ...text] = (await response?.text() ?? "").split("\n");
  const at = Number(since);
  return at > 0 && Date.now() - at < SILENT_MS ? { text: text.join(" ").trim(), at } : undefined;
}

async function look() {
  // All files of the SDK appear together.
  if (await ask("sdk/index.js", "HEAD")) {
    location.reload();
    return;
  }
  const status = await buildStatus();
  const hasFailed = Boolean(status?.text.includes("failed"));
  by("on-its-way").hidden = !status || hasFailed;
  by("missing").hidden = Boolean(status) && !hasFailed;
  const shown = by(hasFailed ? "failure" : "status");
  if (status && shown.textContent !== status.text) shown.textContent = status.text;
  by("since").textContent = status ? `for ${Math.max(0, Math.round((Date.now() - status.at) / 1_000))} s` : "";
  setTimeout(look, INTERVAL_MS);
}

// Opened under its own name, as the tests do for a page of this origin without a client, it stays as it is.
if (!location.pathname.endsWith("/without-sdk.html")) look();
