/* What the adapter writes, and what it keeps for each client. */

#define _GNU_SOURCE

#include "app.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gateway_core.h"

void emit(buffer *line) {
  buffer_text(line, "}\n");
  /* The kit reads all the time. */
  fwrite(line->bytes, 1, line->length, stdout);
  fflush(stdout);
  buffer_free(line);
}

buffer line_of(const char *event) {
  buffer line = {0};
  buffer_format(&line, "{\"event\":\"%s\"", event);
  return line;
}

/* Adds JSON as a member. A line break between its tokens would end the line. */
static void add_json(buffer *line, const char *name, slice json) {
  if (json.length == 0) return;
  buffer_format(line, ",\"%s\":", name);
  buffer_append(line, json.at, json.length);
  for (size_t at = line->length - json.length; at < line->length; at++) {
    if (line->bytes[at] == '\n' || line->bytes[at] == '\r') line->bytes[at] = ' ';
  }
}

static void add_text(buffer *line, const char *name, const char *text) {
  buffer_format(line, ",\"%s\":", name);
  json_quote(line, (slice){text, strlen(text)});
}

void emit_done(int64_t id, slice value, slice error) {
  buffer line = line_of("done");
  buffer_format(&line, ",\"id\":%" PRId64, id);
  add_json(&line, "value", value);
  add_json(&line, "error", error);
  emit(&line);
}

void emit_failed(int64_t id, const char *code, const char *message, size_t length) {
  bool is_canceled = strcmp(code, "canceled") == 0;
  buffer error = {0};
  buffer_format(&error, "{\"code\":\"%s\",\"outcome\":\"%s\",", code, is_canceled ? "unknown" : "not_sent");
  buffer_format(&error, "\"retryable\":%s,\"message\":", is_canceled ? "true" : "false");
  json_quote(&error, (slice){message, length});
  buffer_text(&error, "}");
  emit_done(id, (slice){0}, (slice){error.bytes, error.length});
  buffer_free(&error);
}

void add_call(client *it, call_kind kind, int64_t id, uint64_t number) {
  call *added = calloc(1, sizeof *added);
  if (added == NULL) abort();
  *added = (call){it->calls, kind, id, number};
  it->calls = added;
}

/* Takes the call with a number of the core, or with an id of the kit. */
static call *take_call(client *it, bool is_subscribe, uint64_t number, int64_t id) {
  for (call **at = &it->calls; *at != NULL; at = &(*at)->next) {
    call *found = *at;
    bool is_it = id >= 0 ? found->id == id : found->number == number && (found->kind == CALL_SUBSCRIBE) == is_subscribe;
    if (!is_it) continue;
    *at = found->next;
    return found;
  }
  return NULL;
}

void end_calls(client *it, call_kind kind, slice error) {
  for (call **at = &it->calls; *at != NULL;) {
    call *found = *at;
    if (found->kind != kind) {
      at = &found->next;
      continue;
    }
    *at = found->next;
    emit_done(found->id, (slice){0}, error);
    free(found);
  }
}

bool cancel_call(client *it, int64_t id) {
  call *found = take_call(it, false, 0, id);
  if (found == NULL) return false;
  stream *subscribed = found->kind == CALL_SUBSCRIBE ? find_stream(it, (slice){0}, found->number) : NULL;
  if (subscribed != NULL) subscribed->is_left = true;
  emit_failed(id, "canceled", "", 0);
  free(found);
  return true;
}

bool drop_call(client *it, int64_t id) {
  call *found = take_call(it, false, 0, id);
  stream *refused = found != NULL && found->kind == CALL_SUBSCRIBE ? find_stream(it, (slice){0}, found->number) : NULL;
  if (refused != NULL) refused->is_left = true;
  bool has_waited = found != NULL;
  free(found);
  return has_waited;
}

void add_stream(client *it, slice name, uint64_t number, int64_t allowed) {
  stream *added = calloc(1, sizeof *added);
  if (added == NULL) abort();
  added->name = strndup(name.at, name.length);
  added->number = number;
  added->allowed = allowed;
  added->next = it->streams;
  it->streams = added;
}

stream *find_stream(const client *it, slice name, uint64_t number) {
  for (stream *one = it->streams; one != NULL; one = one->next) {
    bool is_named = name.length > 0 && strlen(one->name) == name.length && memcmp(one->name, name.at, name.length) == 0;
    if (is_named || (name.length == 0 && one->number == number)) return one;
  }
  return NULL;
}

/* Returns whether an error says that the app has closed the client. */
static bool is_by_app(slice error) {
  return json_is(error, "code", "closed") && json_whole(error, "closeCode", 1000) == 1000;
}

/* Takes what a stream has. Returns whether it is empty. */
static bool read_stream(client *it, stream *one) {
  while (one->allowed != 0) {
    gw_text out;
    if (gw_take(it->core, one->number, &out) != GW_OK || out.length == 0) {
      gw_free(out.bytes, out.length);
      return true;
    }
    const char *end = memchr(out.bytes, '\n', out.length);
    slice head = {(const char *)out.bytes, (size_t)(end - (const char *)out.bytes)};
    buffer line = line_of("item");
    add_text(&line, "stream", one->name);
    add_json(&line, "item", (slice){end + 1, out.length - head.length - 1});
    add_json(&line, "position", json_member(head, "position"));
    emit(&line);
    if (json_member(head, "due").length > 0) it->is_due = true;
    if (one->allowed > 0) one->allowed--;
    gw_free(out.bytes, out.length);
  }
  return false;
}

/* Ends a stream for the app, and leaves it (13). */
static void end_stream(client *it, stream *one) {
  slice error = {one->error.bytes, one->error.length};
  if (one->is_confirmed) {
    buffer line = line_of("end");
    add_text(&line, "stream", one->name);
    if (!one->is_left && !is_by_app(error)) add_json(&line, "error", error);
    emit(&line);
  }
  buffer head = {0};
  buffer_format(&head, "{\"type\":\"leave\",\"stream\":%" PRIu64, one->number);
  buffer_append(&head, "", 1);
  client_report(it, head.bytes, (slice){0});
  buffer_free(&head);
}

static void free_stream(stream *one) {
  buffer_free(&one->error);
  free(one->name);
  free(one);
}

bool work_off(client *it) {
  bool has_worked = false;
  for (stream **at = &it->streams; *at != NULL;) {
    stream *one = *at;
    /* What the app has not read is dropped when it leaves the stream or closes the client. */
    bool is_empty = !one->is_left && one->is_confirmed && read_stream(it, one);
    bool is_over = one->has_ended && (is_empty || !one->is_confirmed || is_by_app((slice){one->error.bytes, one->error.length}));
    if (!one->is_left && !is_over) {
      at = &one->next;
      continue;
    }
    *at = one->next;
    end_stream(it, one);
    free_stream(one);
    has_worked = true;
  }
  int64_t deadline = client_deadline(it);
  if (it->is_due || (deadline >= 0 && now_ms() >= deadline)) {
    it->is_due = false;
    client_report(it, "{\"type\":\"tick\"", (slice){0});
    has_worked = true;
  }
  return has_worked;
}

/* Takes a new state. */
static void become(client *it, slice head) {
  slice error = json_member(head, "error");
  buffer status = {0};
  json_string(&status, head, "status");
  snprintf(it->status, sizeof it->status, "%.*s", (int)status.length, status.bytes);
  buffer_free(&status);
  it->error.length = 0;
  buffer_append(&it->error, error.at, error.length);
  buffer line = line_of("state");
  add_text(&line, "client", it->name);
  add_text(&line, "status", it->status);
  if (strcmp(it->status, "closed") != 0) add_json(&line, "error", error);
  emit(&line);
  static const char *const finals[] = {"replaced", "unauthorized", "failed", "closed"};
  if (strcmp(it->status, "online") == 0) end_calls(it, CALL_CONNECT, (slice){0});
  for (size_t i = 0; i < sizeof finals / sizeof *finals; i++) {
    if (strcmp(it->status, finals[i]) == 0) end_calls(it, CALL_CONNECT, error);
  }
}

/* Ends a call with its result. */
static void settle(client *it, slice head, slice body) {
  call *done = take_call(it, false, (uint64_t)json_whole(head, "call", 0), -1);
  if (done == NULL) return;
  slice value = done->kind == CALL_DATA ? json_member(body, "data") : done->kind == CALL_DONE ? (slice){0} : body;
  slice error = json_member(head, "error");
  emit_done(done->id, error.length > 0 ? (slice){0} : value, error);
  free(done);
}

/* Takes the confirmation or the end of a stream. */
static void change_stream(client *it, slice head) {
  uint64_t number = (uint64_t)json_whole(head, "stream", 0);
  stream *one = find_stream(it, (slice){0}, number);
  slice error = json_member(head, "error");
  if (json_is(head, "type", "subscribed")) {
    call *done = take_call(it, true, number, -1);
    if (one != NULL && done != NULL) one->is_confirmed = error.length == 0;
    if (done != NULL) emit_done(done->id, json_member(head, "position"), error);
    free(done);
  }
  if (one != NULL && error.length > 0) {
    one->has_ended = true;
    one->error.length = 0;
    buffer_append(&one->error, error.at, error.length);
  }
}

void app_carry_out(client *it, slice head, slice body) {
  if (json_is(head, "type", "result")) {
    settle(it, head, body);
  } else if (json_is(head, "type", "state")) {
    become(it, head);
  } else if (json_is(head, "type", "subscribed") || json_is(head, "type", "ended")) {
    change_stream(it, head);
  } else if (json_is(head, "type", "pending")) {
    buffer line = line_of("pending");
    add_text(&line, "client", it->name);
    add_json(&line, "count", json_member(head, "count"));
    emit(&line);
  }
  /* Streams are read after the output was carried out, so `ready` needs nothing. */
}

void forget(client *it) {
  for (call *one = it->calls, *next; one != NULL; one = next) {
    next = one->next;
    free(one);
  }
  for (stream *one = it->streams, *next; one != NULL; one = next) {
    next = one->next;
    free_stream(one);
  }
  it->calls = NULL;
  it->streams = NULL;
}
