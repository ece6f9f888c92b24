// The first message of the README. GATEWAY_URL and GATEWAY_TOKEN name the gateway and the token: node quickstart.js
// Node.js 20 needs: node --experimental-websocket quickstart.js

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
