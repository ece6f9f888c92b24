/* A driver of the core for many clients in one thread: sockets, time, and what the core gives to the app.
 *
 * The parts of the app are in adapter.c: they are called while the output of the core is carried out, and must not call
 * `client_handle` then. */

#ifndef DRIVER_H
#define DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"
#include "json.h"
#include "websocket.h"

/* The core has at most two connections, and closing ones may linger. */
#define MAX_CONNECTIONS 8

typedef struct {
  websocket *socket;
  uint64_t number;
  /* When the socket is closed at the latest, because the core has closed the connection; -1 before that. */
  int64_t closing_until;
} connection;

/* What waits for the core or the app. */
typedef struct call call;

/* A subscription of the app. */
typedef struct stream stream;

typedef struct client client;
struct client {
  client *next;
  /* The name that the kit has given. */
  char *name;
  int32_t core;
  /* The number of the last call or stream. */
  uint64_t last;
  char host[256], port[8];
  char *path;
  /* The time limit of calls in milliseconds, and the number of items that a stream holds; -1 for the default. */
  int64_t timeout_ms, capacity;
  connection connections[MAX_CONNECTIONS];
  char status[16];
  /* The error of the status as JSON, which may be empty. */
  buffer error;
  bool wants_token;
  /* The question for a token that has no answer; 0 for none. */
  uint64_t question;
  /* Whether the core has something to do because of a `take`. */
  bool is_due;
  call *calls;
  stream *streams;
};

/* Returns the time of the core, in milliseconds. */
int64_t now_ms(void);

/* Makes a client. Returns NULL with a sentence in `problem` if the URL or the device is wrong. */
client *client_open(slice name, slice url, slice device, buffer *problem);

/* Gives a message to the core: the head without its closing brace, and a body. Carries out what it returns. Returns false with a
 * sentence in `problem` if the core refuses it; the message had no effect then. */
bool client_handle(client *it, const char *head, slice body, buffer *problem);

/* Like `client_handle`, for a message that the core does not refuse. */
void client_report(client *it, const char *head, slice body);

/* Reports what has happened on the connections. Returns whether there was something. */
bool client_report_events(client *it);

/* Returns whether a socket is open. */
bool client_has_sockets(const client *it);

/* Returns when the client wants to be called again; -1 for never. */
int64_t client_deadline(const client *it);

/* Frees a client without sockets. */
void client_free(client *it);

/* Is called for each message of the core that is for the app. */
void app_carry_out(client *it, slice head, slice body);

#endif
