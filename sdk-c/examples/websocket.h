/* A small client of RFC 6455 for programs with `poll`: one plain connection (`ws://`), no threads, no callbacks.
 *
 * It never blocks, except that it resolves the name of the host. TLS is yours to add: replace `connect`, `recv` and `send` in
 * websocket.c by those of your library. */

#ifndef WEBSOCKET_H
#define WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One connection. */
typedef struct websocket websocket;

/* What has happened on a connection. */
typedef enum {
  WEBSOCKET_NOTHING,
  /* It is open. */
  WEBSOCKET_OPENED,
  /* It could not be opened: `message` says why, `code` is the HTTP status or 0, `text` the value of `Retry-After`. */
  WEBSOCKET_OPEN_FAILED,
  /* A text message has arrived: `text`. */
  WEBSOCKET_FRAME,
  /* A ping or a pong has arrived. */
  WEBSOCKET_ACTIVITY,
  /* The connection has ended, with this `code`. */
  WEBSOCKET_CLOSED,
} websocket_kind;

/* An event. Its texts are valid until the next call for the connection. */
typedef struct {
  websocket_kind kind;
  uint16_t code;
  const char *text;
  size_t length;
  const char *message;
} websocket_event;

/* Begins to connect. */
websocket *websocket_open(const char *host, const char *port, const char *path, const char *subprotocol);

/* Returns the descriptor for `poll`, or -1 if there is none. */
int websocket_descriptor(const websocket *it);

/* Returns the events for `poll`. */
short websocket_wanted(const websocket *it);

/* Reads and writes what is possible, after `poll`. Then call `websocket_next` until there is nothing. */
void websocket_ready(websocket *it);

/* Returns the next event. After `WEBSOCKET_OPEN_FAILED` and `WEBSOCKET_CLOSED` there is none. */
websocket_event websocket_next(websocket *it);

/* Queues a text message, and writes what the socket takes. */
void websocket_send(websocket *it, const char *text, size_t length);

/* Queues a close frame. The event `WEBSOCKET_CLOSED` follows when the server has answered. Returns whether it will: a connection
 * that is not open yet has no closing handshake. */
bool websocket_close(websocket *it, uint16_t code);

/* Closes the socket and frees the connection. */
void websocket_free(websocket *it);

#endif
