// The page without the browser SDK: shows the progress of its build, and opens the demo when it is ready.

/** The interval between requests. */
const INTERVAL_MS = 1_000;

/** A build that has reported nothing for this long has probably been stopped. */
const SILENT_MS = 10 * 60_000;

const by = (id) => document.getElementById(id);

async function ask(path, method) {
  try {
    const response = await fetch(path, { method, cache: "no-store" });
    return response.ok ? response : undefined;
  } catch {
    // The gateway restarts; the next request retries.
    return undefined;
  }
}

/** `{ text, at }` of the running build, where `at` is the time of its start; `undefined` if no build runs. */
async function buildStatus() {
  const response = await ask("sdk-status", "GET");
  const [since, ...text] = (await response?.text() ?? "").split("\n");
  const at = Number(since);
  return at > 0 && Date.now() - at < SILENT_MS ? { text: text.join(" ").trim(), at } : undefined;
}

async function look() {
  // The build publishes all files of the SDK in one step.
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

// Under its own name the page does not reload: tests use it as a page of this origin without a client.
if (!location.pathname.endsWith("/without-sdk.html")) look();
