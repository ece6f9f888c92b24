/* A chat in the terminal on one thread with `poll`: the smallest driver of the core.
 *
 *   GATEWAY_TOKEN="$(gateway token alice --clans c1)" ./chat ws://127.0.0.1:4000/ws c1
 *
 * What is typed is sent, and what others send is printed. Kill and restart the gateway in between: nothing is lost.
 * The numbers in comments are those of the duties in docs/sdk-core.md. */

#define _GNU_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buffer.h"
#include "gateway_core.h"
#include "json.h"
#include "websocket.h"

enum {
  /* The one stream of this program. */
  STREAM = 1,
  /* Connections: the current one, and those whose closing handshake is under way. */
  MAX_CONNECTIONS = 8,
  /* The number of calls under way from which on nothing is read from the terminal. */
  MAX_CALLS = 50,
  /* How long a message waits for a gateway that is being restarted, and a close frame for its answer. */
  PATIENCE_MS = 300000,
  CLOSING_MS = 2000,
};

typedef struct {
  websocket *socket;
  uint64_t number;
  /* The time until which a connection that was closed waits for the server's close frame, or -1. */
  int64_t closing_until;
} connection;

typedef struct {
  int32_t client;
  char host[256], port[8];
  const char *path, *token;
  slice clan;
  connection connections[MAX_CONNECTIONS];
  buffer input;
  /* The numbers of calls that were made, and that are complete. */
  uint64_t calls, results;
  bool wants_token, input_ended, asked_to_close, is_closed;
  int exit_code;
} chat;

static int64_t clock_ms(clockid_t id) {
  struct timespec time;
  clock_gettime(id, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* The time of the core. This clock continues while the device sleeps. */
static int64_t now_ms(void) { return clock_ms(CLOCK_BOOTTIME); }

static void carry_out(chat *it, slice head, slice body);

/* Gives a message to the core: the head without its closing brace, and a body. Carries out what it returns. */
static void handle(chat *it, const char *head, slice body) {
  buffer message = {0};
  buffer_text(&message, head);
  if (body.length > 0) buffer_format(&message, ",\"body\":%zu", body.length);
  buffer_text(&message, "}\n");
  buffer_append(&message, body.at, body.length);
  gw_text out;
  int32_t status = gw_handle(it->client, (uint64_t)now_ms(), (const uint8_t *)message.bytes, message.length, &out);
  buffer_free(&message);
  if (status != GW_OK) {
    fprintf(stderr, "gw_handle: %.*s\n", (int)out.length, (const char *)out.bytes);
    exit(2);
  }
  for (size_t at = 0; at < out.length;) {
    const char *begin = (const char *)out.bytes + at;
    const char *end = memchr(begin, '\n', out.length - at);
    slice head_of = {begin, (size_t)(end - begin)};
    slice body_of = {end + 1, (size_t)json_whole(head_of, "body", 0)};
    at += head_of.length + 1 + body_of.length;
    carry_out(it, head_of, body_of);
  }
  gw_free(out.bytes, out.length);
}

/* Gives a message about a connection to the core. */
static void report(chat *it, const char *type, uint64_t number, const char *more, slice body) {
  buffer head = {0};
  buffer_format(&head, "{\"type\":\"%s\",\"connection\":%" PRIu64, type, number);
  buffer_append(&head, more, strlen(more) + 1);
  handle(it, head.bytes, body);
  buffer_free(&head);
}

static connection *find(chat *it, uint64_t number) {
  for (connection *one = it->connections; one < it->connections + MAX_CONNECTIONS; one++) {
    if (one->socket != NULL && one->number == number && one->closing_until < 0) return one;
  }
  return NULL;
}

static void drop(connection *one) {
  websocket_free(one->socket);
  one->socket = NULL;
}

/* Opens a connection. If there are too many, the oldest one that is closing makes room. */
static void open_connection(chat *it, uint64_t number) {
  connection *place = NULL;
  for (connection *one = it->connections; one < it->connections + MAX_CONNECTIONS; one++) {
    if (one->socket == NULL) {
      place = one;
      break;
    }
    if (one->closing_until >= 0 && (place == NULL || one->closing_until < place->closing_until)) place = one;
  }
  if (place == NULL) abort();
  if (place->socket != NULL) drop(place);
  *place = (connection){websocket_open(it->host, it->port, it->path, "gateway.v1.json"), number, -1};
}

static void print_error(const char *what, slice error) {
  buffer text = {0};
  json_string(&text, error, "code");
  buffer_text(&text, ": ");
  json_string(&text, error, "message");
  fprintf(stderr, "* %s: %.*s\n", what, (int)text.length, text.bytes);
  buffer_free(&text);
}

/* Prints an item of the stream. */
static void print_item(slice item) {
  buffer text = {0};
  if (json_is(item, "type", "chat")) {
    json_string(&text, item, "userId");
    buffer_text(&text, ": ");
    json_string(&text, item, "content");
  } else if (json_is(item, "type", "gap")) {
    buffer_text(&text, "* messages are missing here");
  } else if (json_is(item, "type", "chat_deleted")) {
    buffer_text(&text, "* a message was deleted: ");
    json_string(&text, item, "messageId");
  }
  if (text.length > 0) printf("%.*s\n", (int)text.length, text.bytes);
  fflush(stdout);
  buffer_free(&text);
}

/* Takes and prints what the stream has. This program reads its stream all the time; others do it when the app reads (12). */
static void read_stream(chat *it) {
  for (;;) {
    gw_text out;
    if (gw_take(it->client, STREAM, &out) != GW_OK || out.length == 0) {
      gw_free(out.bytes, out.length);
      return;
    }
    const char *end = memchr(out.bytes, '\n', out.length);
    print_item((slice){end + 1, (size_t)((const char *)out.bytes + out.length - end - 1)});
    gw_free(out.bytes, out.length);
  }
}

/* Carries out one message of the core. */
static void carry_out(chat *it, slice head, slice body) {
  uint64_t number = (uint64_t)json_whole(head, "connection", 0);
  slice error = json_member(head, "error");
  if (json_is(head, "type", "open")) {
    open_connection(it, number);
  } else if (json_is(head, "type", "send")) {
    connection *one = find(it, number);
    if (one != NULL) websocket_send(one->socket, body.at, body.length);
  } else if (json_is(head, "type", "close")) {
    /* Nothing more is reported about it (11), and it waits for at most two seconds (7). */
    connection *one = find(it, number);
    if (one == NULL) return;
    one->closing_until = now_ms() + CLOSING_MS;
    if (!websocket_close(one->socket, (uint16_t)json_whole(head, "code", 1000))) drop(one);
  } else if (json_is(head, "type", "request_token")) {
    /* After the outputs that follow this one: the core gets its inputs one after the other (1). */
    it->wants_token = true;
  } else if (json_is(head, "type", "ready")) {
    read_stream(it);
  } else if (json_is(head, "type", "result")) {
    it->results++;
    if (error.length > 0) print_error("not confirmed", error);
  } else if (json_is(head, "type", "state")) {
    slice status = json_member(head, "status");
    fprintf(stderr, "* %.*s\n", (int)status.length - 2, status.at + 1);
    if (error.length > 0) print_error("because", error);
    bool is_final = json_is(head, "status", "failed") || json_is(head, "status", "unauthorized") || json_is(head, "status", "replaced");
    if (is_final) it->exit_code = 1;
    it->is_closed = json_is(head, "status", "closed");
  } else if ((json_is(head, "type", "subscribed") && error.length > 0) || json_is(head, "type", "ended")) {
    read_stream(it);
    if (it->asked_to_close) return;
    print_error("the stream has ended", error);
    it->exit_code = 1;
  }
}

/* Reports what has happened on a connection. Returns whether there was something. */
static bool report_event(chat *it, connection *one) {
  websocket_event event = websocket_next(one->socket);
  uint64_t number = one->number;
  bool is_closing = one->closing_until >= 0, has_ended = event.kind == WEBSOCKET_OPEN_FAILED || event.kind == WEBSOCKET_CLOSED;
  buffer more = {0};
  if (is_closing || event.kind == WEBSOCKET_NOTHING) {
    /* It was closed by the core, or nothing has happened. */
  } else if (event.kind == WEBSOCKET_OPENED) {
    report(it, "opened", number, "", (slice){0});
  } else if (event.kind == WEBSOCKET_FRAME) {
    report(it, "frame", number, "", (slice){event.text, event.length});
  } else if (event.kind == WEBSOCKET_ACTIVITY) {
    report(it, "activity", number, "", (slice){0});
  } else if (event.kind == WEBSOCKET_CLOSED) {
    buffer_format(&more, ",\"code\":%u", event.code);
  } else {
    buffer_text(&more, ",\"message\":");
    json_quote(&more, (slice){event.message, strlen(event.message)});
    /* What the server has answered decides how long the core waits (2). */
    if (event.code != 0) buffer_format(&more, ",\"status\":%u", event.code);
    if (event.length > 0) buffer_text(&more, ",\"retryAfter\":");
    if (event.length > 0) json_quote(&more, (slice){event.text, event.length});
  }
  if (has_ended) {
    drop(one);
    buffer_append(&more, "", 1);
    if (!is_closing) report(it, event.kind == WEBSOCKET_CLOSED ? "closed" : "open_failed", number, more.bytes, (slice){0});
  }
  buffer_free(&more);
  return event.kind != WEBSOCKET_NOTHING;
}

/* Gives everything that has happened to the core, until nothing is left. */
static void report_events(chat *it) {
  for (bool again = true; again;) {
    again = false;
    for (connection *one = it->connections; one < it->connections + MAX_CONNECTIONS; one++) {
      if (one->socket != NULL && report_event(it, one)) again = true;
      if (one->socket != NULL && one->closing_until >= 0 && now_ms() >= one->closing_until) drop(one);
    }
    if (it->wants_token) {
      /* Where asking for a token takes time, it is done elsewhere, and a late one is dropped (10). */
      it->wants_token = false;
      again = true;
      buffer head = {0};
      buffer_text(&head, "{\"type\":\"token\",\"token\":");
      json_quote(&head, (slice){it->token, strlen(it->token)});
      buffer_append(&head, "", 1);
      handle(it, head.bytes, (slice){0});
      buffer_free(&head);
    }
  }
}

/* Sends a line of the terminal. */
static void send_line(chat *it, slice line) {
  buffer fields = {0}, head = {0};
  buffer_text(&fields, "{\"clanId\":");
  json_quote(&fields, it->clan);
  buffer_text(&fields, ",\"content\":");
  json_quote(&fields, line);
  buffer_text(&fields, "}");
  buffer_format(&head, "{\"type\":\"call\",\"call\":%" PRIu64 ",\"command\":\"chat\",\"timeoutMs\":%d", ++it->calls, PATIENCE_MS);
  buffer_append(&head, "", 1);
  handle(it, head.bytes, (slice){fields.bytes, fields.length});
  buffer_free(&fields);
  buffer_free(&head);
}

/* Reads the terminal. */
static void read_terminal(chat *it) {
  char bytes[4096];
  ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count < 0 && errno == EINTR) return;
  it->input_ended = count <= 0;
  /* The last line may have no end. */
  if (it->input_ended && it->input.length > 0) buffer_text(&it->input, "\n");
  if (count > 0) buffer_append(&it->input, bytes, (size_t)count);
}

/* Returns whether another call may be made now. The core refuses more than it can keep. */
static bool may_call(const chat *it) { return it->calls - it->results < MAX_CALLS; }

/* Sends complete lines. Returns whether all were sent. */
static bool send_lines(chat *it) {
  char *end;
  while (it->input.length > 0 && (end = memchr(it->input.bytes, '\n', it->input.length)) != NULL) {
    if (!may_call(it)) return false;
    size_t length = (size_t)(end - it->input.bytes);
    if (length > 0) send_line(it, (slice){it->input.bytes, length});
    buffer_consume(&it->input, length + 1);
  }
  return true;
}

/* Returns how long `poll` may wait: until the core wants a tick (8), or a connection has waited long enough. */
static int wait_ms(const chat *it) {
  int64_t until = gw_deadline(it->client);
  for (const connection *one = it->connections; one < it->connections + MAX_CONNECTIONS; one++) {
    bool is_first = one->socket != NULL && one->closing_until >= 0 && (until < 0 || one->closing_until < until);
    if (is_first) until = one->closing_until;
  }
  if (until < 0) return -1;
  int64_t wait = until - now_ms();
  /* Sleep is noticed within a minute. */
  return wait < 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

static bool has_connections(const chat *it) {
  for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
    if (it->connections[i].socket != NULL) return true;
  }
  return false;
}

static void run(chat *it) {
  int64_t ahead = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_MONOTONIC);
  for (;;) {
    report_events(it);
    bool all_sent = it->exit_code != 0 || send_lines(it);
    bool is_done = it->exit_code != 0 || (it->input_ended && all_sent && it->results == it->calls);
    if (is_done && !it->asked_to_close) {
      it->asked_to_close = true;
      handle(it, "{\"type\":\"close\"", (slice){0});
      continue;
    }
    if (it->is_closed && !has_connections(it)) return;

    struct pollfd polled[MAX_CONNECTIONS + 1];
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
      websocket *socket = it->connections[i].socket;
      polled[i] = (struct pollfd){.fd = socket == NULL ? -1 : websocket_descriptor(socket)};
      if (socket != NULL) polled[i].events = websocket_wanted(socket);
    }
    bool reads = !it->input_ended && !it->asked_to_close && may_call(it);
    polled[MAX_CONNECTIONS] = (struct pollfd){.fd = reads ? STDIN_FILENO : -1, .events = POLLIN};
    if (poll(polled, MAX_CONNECTIONS + 1, wait_ms(it)) < 0 && errno != EINTR) {
      perror("poll");
      exit(2);
    }
    /* The monotonic clock stands still while the device sleeps (9). */
    int64_t difference = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_MONOTONIC);
    if (difference - ahead >= 2000) handle(it, "{\"type\":\"woken\"", (slice){0});
    ahead = difference;
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
      if (polled[i].revents != 0 && it->connections[i].socket != NULL) websocket_ready(it->connections[i].socket);
    }
    if (polled[MAX_CONNECTIONS].revents != 0) read_terminal(it);
    int64_t deadline = gw_deadline(it->client);
    if (deadline >= 0 && now_ms() >= deadline) handle(it, "{\"type\":\"tick\"", (slice){0});
  }
}

/* Splits `ws://HOST[:PORT][/PATH]`. */
static bool parse_url(chat *it, const char *url) {
  if (strncmp(url, "ws://", 5) != 0) return false;
  url += 5;
  size_t authority = strcspn(url, "/");
  const char *colon = memchr(url, ':', authority);
  size_t host = colon == NULL ? authority : (size_t)(colon - url);
  size_t port = colon == NULL ? 0 : authority - host - 1;
  if (host == 0 || host >= sizeof it->host || port >= sizeof it->port) return false;
  snprintf(it->host, sizeof it->host, "%.*s", (int)host, url);
  snprintf(it->port, sizeof it->port, "%.*s", colon == NULL ? 2 : (int)port, colon == NULL ? "80" : colon + 1);
  it->path = url[authority] == '/' ? url + authority : "/";
  return true;
}

int main(int count, char **arguments) {
  chat it = {.token = getenv("GATEWAY_TOKEN")};
  if (count != 3 || it.token == NULL || !parse_url(&it, arguments[1])) {
    fputs("usage: GATEWAY_TOKEN=TOKEN chat ws://HOST[:PORT]/PATH CLAN\n", stderr);
    return 2;
  }
  if (gw_abi() != GW_ABI) {
    fputs("the library has another version than its header\n", stderr);
    return 2;
  }
  it.clan = (slice){arguments[2], strlen(arguments[2])};
  uint32_t seed[4];
  if (getentropy(seed, sizeof seed) != 0) abort();
  buffer text = {0};
  buffer_format(&text, "{\"seed\":[%u,%u,%u,%u],\"name\":\"gateway-c-chat\",\"version\":\"0.1.0\"}", seed[0], seed[1], seed[2], seed[3]);
  gw_text out;
  it.client = gw_open((const uint8_t *)text.bytes, text.length, &out);
  if (it.client < 0) {
    fprintf(stderr, "gw_open: %.*s\n", (int)out.length, (const char *)out.bytes);
    return 2;
  }
  text.length = 0;
  buffer_text(&text, "{\"clanId\":");
  json_quote(&text, it.clan);
  buffer_text(&text, ",\"history\":20}");
  handle(&it, "{\"type\":\"subscribe\",\"stream\":1,\"command\":\"subscribe_clan_chat\"", (slice){text.bytes, text.length});
  buffer_free(&text);
  run(&it);
  gw_close(it.client);
  buffer_free(&it.input);
  return it.exit_code;
}
