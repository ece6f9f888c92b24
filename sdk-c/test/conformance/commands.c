/* The commands of the kit, as messages for the core. */

#define _GNU_SOURCE

#include "commands.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Returns a string of a command that needs no escapes, such as a name. */
static slice plain(slice command, const char *name) {
  slice value = json_member(command, name);
  return value.length < 2 || value.at[0] != '"' ? (slice){0} : (slice){value.at + 1, value.length - 2};
}

/* Adds a member of a command to the fields, under another name, if it is there. */
static void copy(buffer *fields, slice command, const char *name, const char *as) {
  slice value = json_member(command, name);
  if (value.length == 0) return;
  buffer_text(fields, fields->length == 0 ? "{" : ",");
  buffer_format(fields, "\"%s\":", as);
  buffer_append(fields, value.at, value.length);
}

/* Begins the fields with the names of a topic. */
static buffer about(slice topic) {
  buffer fields = {0};
  copy(&fields, topic, "clan", "clanId");
  copy(&fields, topic, "service", "service");
  copy(&fields, topic, "topic", "topic");
  return fields;
}

/* Gives a request to the core. The command is done when its result comes, or now if the core refuses it. */
static void request(client *it, int64_t id, call_kind kind, const char *type, slice word, buffer *fields, int64_t timeout) {
  if (fields->length == 0) buffer_text(fields, "{");
  buffer_text(fields, "}");
  buffer head = {0}, problem = {0};
  uint64_t number = ++it->last;
  bool is_stream = kind == CALL_SUBSCRIBE;
  buffer_format(&head, "{\"type\":\"%s\",\"%s\":%" PRIu64 ",\"command\":", type, is_stream ? "stream" : "call", number);
  json_quote(&head, word);
  if (timeout < 0 && !is_stream) timeout = it->timeout_ms;
  if (timeout >= 0) buffer_format(&head, ",\"timeoutMs\":%" PRId64, timeout);
  if (is_stream && it->capacity >= 0) buffer_format(&head, ",\"buffer\":%" PRId64, it->capacity);
  buffer_append(&head, "", 1);
  /* Typing is not confirmed. */
  bool is_waited_for = id >= 0;
  if (is_waited_for) add_call(it, kind, id, number);
  if (!client_handle(it, head.bytes, (slice){fields->bytes, fields->length}, &problem) && is_waited_for && drop_call(it, id)) {
    emit_failed(id, "invalid", problem.bytes, problem.length);
  }
  buffer_free(&problem);
  buffer_free(&head);
  buffer_free(fields);
}

static slice word(const char *text) { return (slice){text, strlen(text)}; }

static void open_client(adapter *it, int64_t id, slice command) {
  buffer problem = {0};
  client *opened = client_open(plain(command, "client"), plain(command, "url"), json_member(command, "deviceId"), &problem);
  if (opened == NULL) {
    emit_failed(id, "invalid", problem.bytes, problem.length);
  } else {
    opened->timeout_ms = json_whole(command, "timeoutMs", 30000);
    opened->capacity = json_whole(command, "buffer", -1);
    opened->next = it->clients;
    it->clients = opened;
    emit_done(id, (slice){0}, (slice){0});
  }
  buffer_free(&problem);
}

static bool is_status(const client *it, const char *status) { return strcmp(it->status, status) == 0; }

static void connect_client(client *it, int64_t id) {
  if (is_status(it, "closed")) {
    emit_failed(id, "closed", "the client is closed", 20);
    return;
  }
  bool is_final = is_status(it, "replaced") || is_status(it, "unauthorized") || is_status(it, "failed");
  client_report(it, is_final ? "{\"type\":\"resume\"" : "{\"type\":\"connect\"", (slice){0});
  if (is_status(it, "online")) {
    emit_done(id, (slice){0}, (slice){0});
  } else {
    add_call(it, CALL_CONNECT, id, 0);
  }
}

static void subscribe(client *it, int64_t id, slice command) {
  slice topic = json_member(command, "topic");
  bool is_clan = json_member(topic, "clan").length > 0, is_topic = json_member(topic, "service").length > 0;
  buffer fields = about(topic);
  if (is_clan || is_topic) {
    copy(&fields, command, "history", "history");
    copy(&fields, command, "from", "recover");
    copy(&fields, command, "presence", "presence");
  }
  const char *kind = is_clan ? "subscribe_clan_chat" : is_topic ? "subscribe" : "subscribe_notifications";
  add_stream(it, plain(command, "stream"), it->last + 1, json_whole(command, "read", -1));
  request(it, id, CALL_SUBSCRIBE, "subscribe", word(kind), &fields, json_whole(command, "timeoutMs", -1));
}

static void send_message(client *it, int64_t id, slice command) {
  slice topic = json_member(command, "topic"), data = json_member(command, "data");
  bool is_clan = json_member(topic, "clan").length > 0;
  buffer fields = about(topic);
  if (is_clan) {
    copy(&fields, data, "content", "content");
    copy(&fields, data, "messageType", "messageType");
    copy(&fields, data, "data", "data");
  } else {
    copy(&fields, command, "data", "data");
  }
  copy(&fields, command, "clientMessageId", "clientMessageId");
  request(it, id, CALL_REPLY, "call", word(is_clan ? "chat" : "publish"), &fields, json_whole(command, "timeoutMs", -1));
}

static void acknowledge(client *it, int64_t id, slice command) {
  buffer fields = {0};
  copy(&fields, command, "ids", "notificationIds");
  request(it, id, CALL_DONE, "call", word("notification_ack"), &fields, json_whole(command, "timeoutMs", -1));
}

static void query(client *it, int64_t id, slice command, const char *of_clan, const char *of_topic) {
  slice topic = json_member(command, "topic");
  buffer fields = about(topic);
  copy(&fields, command, "before", "before");
  copy(&fields, command, "after", "after");
  copy(&fields, command, "limit", "limit");
  bool is_clan = json_member(topic, "clan").length > 0;
  request(it, id, CALL_REPLY, "call", word(is_clan ? of_clan : of_topic), &fields, -1);
}

static void typing(client *it, int64_t id, slice command) {
  buffer fields = about(json_member(command, "topic"));
  copy(&fields, command, "isTyping", "isTyping");
  request(it, -1, CALL_DONE, "call", word("typing"), &fields, -1);
  emit_done(id, (slice){0}, (slice){0});
}

/* Calls a backend. The id makes it safe for the app to repeat it. */
static void call_backend(client *it, int64_t id, slice command) {
  buffer fields = {0};
  uint64_t random[2];
  if (getentropy(random, sizeof random) != 0) abort();
  copy(&fields, command, "service", "service");
  copy(&fields, command, "call", "method");
  copy(&fields, command, "data", "data");
  int64_t timeout = json_whole(command, "timeoutMs", it->timeout_ms);
  buffer_format(&fields, ",\"callId\":\"%016" PRIx64 "%016" PRIx64 "\",\"timeoutMs\":%" PRId64, random[0], random[1], timeout);
  request(it, id, CALL_DATA, "request", word("call"), &fields, timeout);
}

static void send_raw(client *it, int64_t id, slice command) {
  slice given = json_member(command, "fields");
  buffer fields = {0};
  /* Without its closing brace, which `request` adds. */
  if (given.length > 1) buffer_append(&fields, given.at, given.length - 1);
  request(it, id, CALL_REPLY, "request", plain(command, "type"), &fields, json_whole(command, "timeoutMs", -1));
}

/* Answers a question for a token. One that is no longer wanted gets no answer. */
static void answer(adapter *it, int64_t id, slice command) {
  uint64_t question = (uint64_t)json_whole(command, "ask", 0);
  for (client *one = it->clients; one != NULL; one = one->next) {
    if (one->question != question || is_status(one, "closed")) continue;
    one->question = 0;
    buffer head = {0};
    bool is_token = json_member(command, "token").length > 0;
    buffer_format(&head, "{\"type\":\"%s\"", is_token ? "token" : "token_failed");
    buffer more = {0};
    copy(&more, command, is_token ? "token" : "error", is_token ? "token" : "message");
    copy(&more, command, "signedOut", "signedOut");
    if (more.length > 0) more.bytes[0] = ',';
    buffer_append(&head, more.bytes, more.length);
    buffer_append(&head, "", 1);
    client_report(one, head.bytes, (slice){0});
    buffer_free(&more);
    buffer_free(&head);
    break;
  }
  emit_done(id, (slice){0}, (slice){0});
}

static void cancel(adapter *it, int64_t id, slice command) {
  int64_t of = json_whole(command, "of", -1);
  for (client *one = it->clients; one != NULL; one = one->next) {
    if (cancel_call(one, of)) break;
  }
  emit_done(id, (slice){0}, (slice){0});
}

void begin_reset(adapter *it, int64_t id) {
  it->is_resetting = true;
  it->reset_id = id;
  for (client *one = it->clients; one != NULL; one = one->next) client_report(one, "{\"type\":\"close\"", (slice){0});
}

/* Lets a stream read more, or leaves it. */
static void order(adapter *it, int64_t id, slice command) {
  for (client *one = it->clients; one != NULL; one = one->next) {
    stream *found = find_stream(one, plain(command, "stream"), 0);
    if (found == NULL) continue;
    if (json_is(command, "do", "leave")) found->is_left = true;
    if (found->allowed >= 0) found->allowed += json_whole(command, "count", 0);
    break;
  }
  emit_done(id, (slice){0}, (slice){0});
}

static client *find_client(const adapter *it, slice name) {
  for (client *one = it->clients; one != NULL; one = one->next) {
    if (strlen(one->name) == name.length && memcmp(one->name, name.at, name.length) == 0) return one;
  }
  return NULL;
}

/* Carries out a command for a client. Returns false if there is no such command. */
static bool carry_out_for(client *it, int64_t id, slice command) {
  if (json_is(command, "do", "connect")) {
    connect_client(it, id);
  } else if (json_is(command, "do", "subscribe")) {
    subscribe(it, id, command);
  } else if (json_is(command, "do", "send")) {
    send_message(it, id, command);
  } else if (json_is(command, "do", "ack")) {
    acknowledge(it, id, command);
  } else if (json_is(command, "do", "history")) {
    query(it, id, command, "chat_history", "topic_history");
  } else if (json_is(command, "do", "presence")) {
    query(it, id, command, "presence", "topic_presence");
  } else if (json_is(command, "do", "typing")) {
    typing(it, id, command);
  } else if (json_is(command, "do", "call")) {
    call_backend(it, id, command);
  } else if (json_is(command, "do", "request")) {
    send_raw(it, id, command);
  } else if (json_is(command, "do", "wake")) {
    client_report(it, "{\"type\":\"woken\"", (slice){0});
    emit_done(id, (slice){0}, (slice){0});
  } else if (json_is(command, "do", "close")) {
    add_call(it, CALL_CLOSE, id, 0);
    client_report(it, "{\"type\":\"close\"", (slice){0});
  } else {
    return false;
  }
  return true;
}

void carry_out_command(adapter *it, slice line) {
  int64_t id = json_whole(line, "id", 0);
  client *one = find_client(it, plain(line, "client"));
  if (json_is(line, "do", "open")) {
    open_client(it, id, line);
  } else if (json_is(line, "do", "token")) {
    answer(it, id, line);
  } else if (json_is(line, "do", "cancel")) {
    cancel(it, id, line);
  } else if (json_is(line, "do", "reset")) {
    begin_reset(it, id);
  } else if (json_is(line, "do", "read") || json_is(line, "do", "leave")) {
    order(it, id, line);
  } else if (one == NULL || !carry_out_for(one, id, line)) {
    emit_failed(id, "unsupported", "there is no such command or client", 34);
  }
}
