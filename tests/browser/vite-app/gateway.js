// The app's one client, as the documentation makes it; the page's address says where the gateway is and whose token counts.

import { GatewayClient } from "realtime-gateway";

const asked = new URLSearchParams(location.search);

export const gateway = new GatewayClient({ url: asked.get("gateway"), token: asked.get("token") });

/** What the tests look at. */
globalThis.frames_seen = [];
gateway.on("frame", ({ direction, text }) => globalThis.frames_seen.push([direction, JSON.parse(text).type]));
gateway.on("state", ({ status }) => (document.documentElement.dataset.status = status));
