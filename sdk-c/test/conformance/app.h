/* What the adapter writes, and what it keeps for each client: calls that wait, and streams. */

#ifndef APP_H
#define APP_H

#include "driver.h"

/* What completes a command of the kit. */
typedef enum {
  /* The gateway's reply, which is its value. */
  CALL_REPLY,
  /* The reply, whose data is its value. */
  CALL_DATA,
  /* The reply, without a value. */
  CALL_DONE,
  /* The confirmation of a subscription. */
  CALL_SUBSCRIBE,
  /* The status `online`. */
  CALL_CONNECT,
  /* The end of the sockets. */
  CALL_CLOSE,
} call_kind;

struct call {
  call *next;
  call_kind kind;
  /* The id of the command, and the number of the call or stream for the core. */
  int64_t id;
  uint64_t number;
};

struct stream {
  stream *next;
  char *name;
  uint64_t number;
  /* How many items the kit allows; -1 for all. */
  int64_t allowed;
  bool is_confirmed, has_ended, is_left;
  /* Why it has ended, as JSON. */
  buffer error;
};

/* Writes a line: the members without the closing brace. Frees them. */
void emit(buffer *line);

/* Begins a line. */
buffer line_of(const char *event);

/* Writes the result of a command: a value or an error as JSON, or neither. */
void emit_done(int64_t id, slice value, slice error);

/* Writes the error of a command that the adapter has found by itself. */
void emit_failed(int64_t id, const char *code, const char *message, size_t length);

/* Adds a call that waits. */
void add_call(client *it, call_kind kind, int64_t id, uint64_t number);

/* Ends the calls of a kind that wait, without a value or with an error. */
void end_calls(client *it, call_kind kind, slice error);

/* Stops waiting for a command. Returns whether it waited. */
bool cancel_call(client *it, int64_t id);

/* Stops waiting for a command that the core has refused, without a line. Returns whether it waited. */
bool drop_call(client *it, int64_t id);

/* Adds a stream that waits for its confirmation. */
void add_stream(client *it, slice name, uint64_t number, int64_t allowed);

/* Returns the stream with a name or a number, or NULL. */
stream *find_stream(const client *it, slice name, uint64_t number);

/* Reads the streams as far as the kit allows, and does what is due after it. Returns whether something has happened. */
bool work_off(client *it);

/* Frees what is kept for a client. */
void forget(client *it);

#endif
