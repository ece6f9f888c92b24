// Sends a notification with the types that openapi-typescript writes. Arguments: the gateway's URL and an API key.

import createClient from "openapi-fetch";
import type { components, paths } from "./openapi.js";

declare const process: { argv: string[] };

const [url = "", key = ""] = process.argv.slice(2);
const client = createClient<paths>({ baseUrl: url, headers: { authorization: `Bearer ${key}` } });

type Notification = components["schemas"]["SendNotification"];
const one: Notification = { userId: "alice", title: "Quest", message: "Done", data: { quest: 7 } };
const several: Notification = { userIds: ["bob", "carol"], title: "Quest", message: "Done", ttlSeconds: 60 };
// @ts-expect-error The title is needed.
const untitled: Notification = { userId: "alice", message: "Done" };

const ids: string[] = [];
for (const body of [one, several]) {
  const { data, error } = await client.POST("/api/v1/notifications", { body });
  if (!data) throw new Error(error.detail);
  ids.push(...data.ids);
}

const { error, response } = await client.POST("/api/v1/notifications", { body: untitled });
if (response.status !== 400 || error?.code !== "invalid_message") throw new Error("a notification without a title was accepted");
console.log(JSON.stringify(ids));
