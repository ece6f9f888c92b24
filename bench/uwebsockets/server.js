'use strict';
// uWebSockets.js with its topics, which speaks the JSON of the gateway without tokens, log and confirmations. With the
// files of a certificate and its key as arguments it ends TLS.
const uWS = require('uwebsockets');

const [cert, key] = process.argv.slice(2);
const app = cert ? uWS.SSLApp({ cert_file_name: cert, key_file_name: key }) : uWS.App();

app.ws('/*', {
  compression: uWS.DISABLED,
  idleTimeout: 0,
  maxPayloadLength: 64 * 1024,
  upgrade: (response, request, context) => {
    const header = (name) => request.getHeader(`sec-websocket-${name}`);
    const user = request.getQuery('user');
    response.upgrade({ user }, header('key'), header('protocol'), header('extensions'), context);
  },
  message: (socket, data) => {
    const command = JSON.parse(Buffer.from(data).toString());
    const { clanId } = command;
    if (command.type === 'subscribe_clan_chat') {
      socket.subscribe(clanId);
      socket.send(JSON.stringify({ type: 'subscription_confirmed', clanId }));
    } else if (command.type === 'chat') {
      const { content } = command;
      app.publish(clanId, JSON.stringify({ type: 'chat', userId: socket.getUserData().user, content, clanId }));
    }
  },
});

app.listen('127.0.0.1', 0, (listener) => {
  if (!listener) throw new Error('no port is free');
  console.log(`listening on 127.0.0.1:${uWS.us_socket_local_port(listener)}`);
});
