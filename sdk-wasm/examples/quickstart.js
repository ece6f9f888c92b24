// The first message of the README, in Node 22: GATEWAY_URL=ws://127.0.0.1:4000/ws GATEWAY_TOKEN=… node quickstart.js

import { GatewayClient } from "realtime-gateway";

const url = process.env.GATEWAY_URL;
const token = () => process.env.GATEWAY_TOKEN;

const gateway = new GatewayClient({ url, token });
const chat = gateway.clanChat("clan123").subscribe();
await chat.ready;
await gateway.clanChat("clan123").send("hello");
for await (const event of chat) {
  console.log(event);
  break;
}
gateway.close();
