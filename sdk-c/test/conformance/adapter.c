/* The adapter of the C library for `gateway conformance`: carries out commands from stdin, and writes what happens to stdout, in one
 * thread with `poll`. docs/conformance.md has the protocol. */

#define _GNU_SOURCE

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "commands.h"
#include "gateway_core.h"

static adapter it;

static int64_t clock_ms(clockid_t id) {
  struct timespec time;
  clock_gettime(id, &time);
  return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

/* Asks the kit for a token. An earlier question is no longer wanted (10). */
static void ask(client *one) {
  one->wants_token = false;
  one->question = ++it.last_question;
  buffer line = line_of("token");
  buffer_format(&line, ",\"client\":\"%s\",\"ask\":%" PRIu64, one->name, one->question);
  emit(&line);
}

/* Does everything that can be done now. */
static void work(void) {
  for (bool again = true; again;) {
    again = false;
    for (client *one = it.clients; one != NULL; one = one->next) {
      if (client_report_events(one)) again = true;
      if (work_off(one)) again = true;
      if (one->wants_token) ask(one);
      bool is_over = strcmp(one->status, "closed") == 0 && !client_has_sockets(one);
      if (is_over) end_calls(one, CALL_CLOSE, (slice){0});
    }
  }
}

static bool has_sockets(void) {
  for (const client *one = it.clients; one != NULL; one = one->next) {
    if (client_has_sockets(one)) return true;
  }
  return false;
}

/* Ends `reset`, once nothing of the clients is left. */
static void finish_reset(void) {
  for (client *one = it.clients, *next; one != NULL; one = next) {
    next = one->next;
    forget(one);
    client_free(one);
  }
  it.clients = NULL;
  it.is_resetting = false;
  if (!it.input_ended) emit_done(it.reset_id, (slice){0}, (slice){0});
}

/* Returns how long `poll` may wait: until a client wants to be called again (8). */
static int wait_ms(void) {
  int64_t until = -1;
  for (const client *one = it.clients; one != NULL; one = one->next) {
    int64_t own = client_deadline(one);
    if (own >= 0 && (until < 0 || own < until)) until = own;
  }
  if (until < 0) return -1;
  int64_t wait = until - now_ms();
  /* Sleep is noticed within a minute. */
  return wait < 0 ? 0 : wait > 60000 ? 60000 : (int)wait;
}

static void read_input(void) {
  char bytes[64 << 10];
  ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
  if (count < 0 && errno == EINTR) return;
  if (count > 0) {
    buffer_append(&it.input, bytes, (size_t)count);
    return;
  }
  it.input_ended = true;
  begin_reset(&it, -1);
}

/* Carries out the complete lines. */
static void carry_out_lines(void) {
  size_t at = 0;
  const char *end;
  while (at < it.input.length && (end = memchr(it.input.bytes + at, '\n', it.input.length - at)) != NULL) {
    slice line = {it.input.bytes + at, (size_t)(end - it.input.bytes) - at};
    at += line.length + 1;
    carry_out_command(&it, line);
    /* What has happened because of one command comes before the next one. */
    work();
  }
  buffer_consume(&it.input, at);
}

/* Waits until something happens. */
static void wait_for_events(buffer *polled) {
  polled->length = 0;
  struct pollfd input = {.fd = it.input_ended ? -1 : STDIN_FILENO, .events = POLLIN};
  buffer_append(polled, &input, sizeof input);
  for (const client *one = it.clients; one != NULL; one = one->next) {
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
      websocket *socket = one->connections[i].socket;
      struct pollfd own = {.fd = socket == NULL ? -1 : websocket_descriptor(socket)};
      if (socket != NULL) own.events = websocket_wanted(socket);
      buffer_append(polled, &own, sizeof own);
    }
  }
  struct pollfd *all = (struct pollfd *)(void *)polled->bytes;
  if (poll(all, polled->length / sizeof *all, wait_ms()) < 0 && errno != EINTR) {
    perror("poll");
    exit(2);
  }
  if (all->revents != 0) read_input();
  for (const client *one = it.clients; one != NULL; one = one->next) {
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
      all++;
      if (all->revents != 0 && one->connections[i].socket != NULL) websocket_ready(one->connections[i].socket);
    }
  }
}

/* The monotonic clock stands still while the device sleeps (9). */
static void notice_sleep(void) {
  static int64_t ahead = INT64_MAX;
  int64_t difference = clock_ms(CLOCK_REALTIME) - clock_ms(CLOCK_MONOTONIC);
  for (client *one = it.clients; one != NULL && ahead != INT64_MAX && difference - ahead >= 2000; one = one->next) {
    client_report(one, "{\"type\":\"woken\"", (slice){0});
  }
  ahead = difference;
}

int main(void) {
  if (gw_abi() != GW_ABI) {
    fputs("the library has another version than its header\n", stderr);
    return 2;
  }
  buffer line = line_of("hello"), polled = {0};
  buffer_format(&line, ",\"protocol\":1,\"name\":\"gateway-c\",\"version\":\"0.1.0\",\"core\":\"%s\",", gw_digest());
  /* TLS is of the program that embeds the library. */
  buffer_text(&line, "\"skip\":[\"tls\"]");
  emit(&line);
  while (!it.input_ended || it.is_resetting) {
    work();
    if (it.is_resetting && !has_sockets()) finish_reset();
    if (it.input_ended && !it.is_resetting) break;
    wait_for_events(&polled);
    notice_sleep();
    carry_out_lines();
  }
  buffer_free(&polled);
  buffer_free(&it.input);
  return 0;
}
