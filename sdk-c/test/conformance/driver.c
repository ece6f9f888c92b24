/* A driver of the core for many clients in one thread. The numbers in comments are those of the duties in docs/sdk-core.md. */

#define _GNU_SOURCE

#include "driver.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gateway_core.h"

/* How long a closing connection waits for the gateway's close frame (7). */
#define CLOSING_MS 2000

int64_t now_ms(void) {
  struct timespec time;
  /* This clock continues while the device sleeps. */
  clock_gettime(CLOCK_BOOTTIME, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Splits `ws://HOST[:PORT][/PATH]`. */
static bool read_url(client *it, slice url) {
  static const char scheme[] = "ws://";
  size_t skipped = sizeof scheme - 1;
  if (url.length < skipped || memcmp(url.at, scheme, skipped) != 0) return false;
  const char *rest = url.at + skipped;
  size_t length = url.length - skipped, authority = 0;
  while (authority < length && rest[authority] != '/') authority++;
  const char *colon = memchr(rest, ':', authority);
  size_t host = colon == NULL ? authority : (size_t)(colon - rest);
  size_t port = colon == NULL ? 0 : authority - host - 1;
  if (host == 0 || host >= sizeof it->host || port >= sizeof it->port) return false;
  snprintf(it->host, sizeof it->host, "%.*s", (int)host, rest);
  snprintf(it->port, sizeof it->port, "%.*s", colon == NULL ? 2 : (int)port, colon == NULL ? "80" : colon + 1);
  it->path = authority < length ? strndup(rest + authority, length - authority) : strdup("/");
  return true;
}

client *client_open(slice name, slice url, slice device, buffer *problem) {
  client *it = calloc(1, sizeof *it);
  if (it == NULL) abort();
  it->core = -1;
  it->name = strndup(name.at, name.length);
  strcpy(it->status, "idle");
  if (!read_url(it, url)) {
    buffer_text(problem, "url: it has to begin with ws:// and to name a host; this example has no TLS");
    client_free(it);
    return NULL;
  }
  uint32_t seed[4];
  if (getentropy(seed, sizeof seed) != 0) abort();
  buffer config = {0};
  buffer_format(&config, "{\"seed\":[%u,%u,%u,%u],\"name\":\"gateway-c\",\"version\":\"0.1.0\"", seed[0], seed[1], seed[2], seed[3]);
  if (device.length > 0) buffer_text(&config, ",\"deviceId\":");
  buffer_append(&config, device.at, device.length);
  buffer_text(&config, "}");
  gw_text out;
  it->core = gw_open((const uint8_t *)config.bytes, config.length, &out);
  buffer_free(&config);
  buffer_append(problem, out.bytes, out.length);
  gw_free(out.bytes, out.length);
  if (it->core > 0) return it;
  client_free(it);
  return NULL;
}

static connection *find(client *it, uint64_t number) {
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
static void open_connection(client *it, uint64_t number) {
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

/* Carries out one message of the core. */
static void carry_out(client *it, slice head, slice body) {
  uint64_t number = (uint64_t)json_whole(head, "connection", 0);
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
  } else {
    app_carry_out(it, head, body);
  }
}

bool client_handle(client *it, const char *head, slice body, buffer *problem) {
  buffer message = {0};
  buffer_text(&message, head);
  if (body.length > 0) buffer_format(&message, ",\"body\":%zu", body.length);
  buffer_text(&message, "}\n");
  buffer_append(&message, body.at, body.length);
  gw_text out;
  int32_t status = gw_handle(it->core, (uint64_t)now_ms(), (const uint8_t *)message.bytes, message.length, &out);
  buffer_free(&message);
  if (status != GW_OK) buffer_append(problem, out.bytes, out.length);
  for (size_t at = 0; status == GW_OK && at < out.length;) {
    const char *begin = (const char *)out.bytes + at;
    const char *end = memchr(begin, '\n', out.length - at);
    slice head_of = {begin, (size_t)(end - begin)};
    slice body_of = {end + 1, (size_t)json_whole(head_of, "body", 0)};
    at += head_of.length + 1 + body_of.length;
    carry_out(it, head_of, body_of);
  }
  gw_free(out.bytes, out.length);
  return status == GW_OK;
}

void client_report(client *it, const char *head, slice body) {
  buffer problem = {0};
  if (!client_handle(it, head, body, &problem)) {
    fprintf(stderr, "gw_handle: %s: %.*s\n", head, (int)problem.length, problem.bytes);
    abort();
  }
  buffer_free(&problem);
}

/* Gives a message about a connection to the core. */
static void report(client *it, const char *type, uint64_t number, const buffer *more, slice body) {
  buffer head = {0};
  buffer_format(&head, "{\"type\":\"%s\",\"connection\":%" PRIu64, type, number);
  if (more != NULL) buffer_append(&head, more->bytes, more->length);
  buffer_append(&head, "", 1);
  client_report(it, head.bytes, body);
  buffer_free(&head);
}

/* Reports an event that ends a connection. */
static void report_end(client *it, uint64_t number, const websocket_event *event) {
  buffer more = {0};
  bool was_open = event->kind == WEBSOCKET_CLOSED;
  if (was_open) {
    buffer_format(&more, ",\"code\":%u", event->code);
  } else {
    buffer_text(&more, ",\"message\":");
    json_quote(&more, (slice){event->message, strlen(event->message)});
    /* What the server has answered decides how long the core waits (2). */
    if (event->code != 0) buffer_format(&more, ",\"status\":%u", event->code);
    if (event->length > 0) buffer_text(&more, ",\"retryAfter\":");
    if (event->length > 0) json_quote(&more, (slice){event->text, event->length});
  }
  report(it, was_open ? "closed" : "open_failed", number, &more, (slice){0});
  buffer_free(&more);
}

/* Reports what has happened on one connection. Returns whether there was something. */
static bool report_event(client *it, connection *one) {
  websocket_event event = websocket_next(one->socket);
  uint64_t number = one->number;
  bool is_closing = one->closing_until >= 0;
  switch (event.kind) {
    case WEBSOCKET_NOTHING:
      return false;
    case WEBSOCKET_OPEN_FAILED:
    case WEBSOCKET_CLOSED: {
      /* The texts of the event are those of the socket. */
      websocket *socket = one->socket;
      one->socket = NULL;
      if (!is_closing) report_end(it, number, &event);
      websocket_free(socket);
      return true;
    }
    case WEBSOCKET_OPENED:
      if (!is_closing) report(it, "opened", number, NULL, (slice){0});
      return true;
    case WEBSOCKET_FRAME:
      if (!is_closing) report(it, "frame", number, NULL, (slice){event.text, event.length});
      return true;
    default:
      if (!is_closing) report(it, "activity", number, NULL, (slice){0});
      return true;
  }
}

bool client_report_events(client *it) {
  bool has_reported = false;
  for (connection *one = it->connections; one < it->connections + MAX_CONNECTIONS; one++) {
    while (one->socket != NULL && report_event(it, one)) has_reported = true;
    if (one->socket != NULL && one->closing_until >= 0 && now_ms() >= one->closing_until) drop(one);
  }
  return has_reported;
}

bool client_has_sockets(const client *it) {
  for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
    if (it->connections[i].socket != NULL) return true;
  }
  return false;
}

int64_t client_deadline(const client *it) {
  int64_t until = gw_deadline(it->core);
  for (const connection *one = it->connections; one < it->connections + MAX_CONNECTIONS; one++) {
    bool is_first = one->socket != NULL && one->closing_until >= 0 && (until < 0 || one->closing_until < until);
    if (is_first) until = one->closing_until;
  }
  return until;
}

void client_free(client *it) {
  if (it->core > 0) gw_close(it->core);
  for (connection *one = it->connections; one < it->connections + MAX_CONNECTIONS; one++) {
    if (one->socket != NULL) drop(one);
  }
  buffer_free(&it->error);
  free(it->name);
  free(it->path);
  free(it);
}
