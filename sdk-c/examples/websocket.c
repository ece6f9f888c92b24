/* A small client of RFC 6455 for programs with `poll`. */

#define _GNU_SOURCE

#include "websocket.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "buffer.h"
#include "sha1.h"

/* The limits of a received message, of what waits to be sent, and of the head of the response. */
#define MAX_MESSAGE (4u << 20)
#define MAX_QUEUED (16u << 20)
#define MAX_HEAD (16u << 10)

enum { OPCODE_MORE = 0, OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

typedef enum { CONNECTING, UPGRADING, OPEN, ENDED } state;

struct websocket {
  state state;
  int descriptor;
  /* The addresses of the host, and the one that is tried. */
  struct addrinfo *addresses, *address;
  char key[25];
  buffer request, received, queued, message;
  /* Bytes of `received` that the last event has used. */
  size_t used;
  /* Whether a close frame was sent, and whether `message` has a beginning. */
  bool closing, is_continued;
  /* Whether no more bytes will arrive. */
  bool at_end;
  /* Why it could not be opened. */
  char problem[128];
  char retry_after[64];
};

static const char BASE64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/* Encodes bytes in base 64, with NUL at the end. */
static void base64(const uint8_t *bytes, size_t length, char *to) {
  for (size_t at = 0; at < length; at += 3) {
    size_t count = length - at < 3 ? length - at : 3;
    uint32_t group = (uint32_t)bytes[at] << 16;
    if (count > 1) group |= (uint32_t)bytes[at + 1] << 8;
    if (count > 2) group |= bytes[at + 2];
    for (size_t i = 0; i < 4; i++) *to++ = i <= count ? BASE64[group >> (18 - 6 * i) & 0x3f] : '=';
  }
  *to = '\0';
}

static void fill_random(void *bytes, size_t length) {
  /* Without randomness there is no safe mask; the call does not fail on systems that have it. */
  if (getentropy(bytes, length) != 0) abort();
}

static void fail(websocket *it, const char *problem) {
  if (it->problem[0] == '\0') snprintf(it->problem, sizeof it->problem, "%s", problem);
  it->at_end = true;
}

/* Begins to connect to the current address, or to the next one that accepts the attempt. */
static void connect_next(websocket *it) {
  for (; it->address != NULL; it->address = it->address->ai_next) {
    if (it->descriptor >= 0) close(it->descriptor);
    it->descriptor = socket(it->address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (it->descriptor < 0) continue;
    int on = 1;
    setsockopt(it->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    int result = connect(it->descriptor, it->address->ai_addr, it->address->ai_addrlen);
    if (result == 0 || errno == EINPROGRESS) return;
  }
  fail(it, strerror(errno));
}

websocket *websocket_open(const char *host, const char *port, const char *path, const char *subprotocol) {
  websocket *it = calloc(1, sizeof *it);
  if (it == NULL) abort();
  it->descriptor = -1;
  uint8_t key[16];
  fill_random(key, sizeof key);
  base64(key, sizeof key, it->key);
  const char *texts[] = {"GET ", path, " HTTP/1.1\r\nHost: ", host, ":", port, "\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n",
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ", it->key, "\r\nSec-WebSocket-Protocol: ", subprotocol,
                         "\r\n\r\n"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) buffer_text(&it->request, texts[i]);
  struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
  int result = getaddrinfo(host, port, &hints, &it->addresses);
  it->address = it->addresses;
  if (result != 0) {
    fail(it, gai_strerror(result));
  } else {
    connect_next(it);
  }
  return it;
}

int websocket_descriptor(const websocket *it) { return it->at_end ? -1 : it->descriptor; }

short websocket_wanted(const websocket *it) {
  if (it->state == CONNECTING) return POLLOUT;
  return it->queued.length > 0 ? POLLIN | POLLOUT : POLLIN;
}

/* Writes what the socket takes. */
static void flush(websocket *it) {
  while (it->queued.length > 0 && !it->at_end) {
    ssize_t sent = send(it->descriptor, it->queued.bytes, it->queued.length, MSG_NOSIGNAL);
    if (sent > 0) {
      buffer_consume(&it->queued, (size_t)sent);
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno != EINTR) {
      fail(it, strerror(errno));
    }
  }
}

void websocket_ready(websocket *it) {
  if (it->at_end) return;
  if (it->state == CONNECTING) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(it->descriptor, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) {
      it->address = it->address->ai_next;
      errno = error;
      connect_next(it);
      return;
    }
    it->state = UPGRADING;
    buffer_append(&it->queued, it->request.bytes, it->request.length);
  }
  flush(it);
  char bytes[16 << 10];
  while (!it->at_end && it->received.length <= MAX_MESSAGE) {
    ssize_t count = recv(it->descriptor, bytes, sizeof bytes, 0);
    if (count > 0) {
      buffer_append(&it->received, bytes, (size_t)count);
    } else if (count == 0) {
      fail(it, "the connection was closed");
    } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
      return;
    } else if (errno != EINTR) {
      fail(it, strerror(errno));
    }
  }
}

/* Queues a frame. Frames of a client are masked (RFC 6455, section 5.3). */
static void queue(websocket *it, uint8_t opcode, const char *payload, size_t length) {
  if (it->state != OPEN || it->closing) return;
  if (it->queued.length + length > MAX_QUEUED) {
    fail(it, "the server does not read");
    return;
  }
  uint8_t head[14] = {(uint8_t)(0x80 | opcode)}, *mask;
  size_t size = 2;
  if (length < 126) {
    head[1] = (uint8_t)(0x80 | length);
  } else {
    size_t bytes = length < 0x10000 ? 2 : 8;
    head[1] = bytes == 2 ? 0x80 | 126 : 0x80 | 127;
    for (size_t i = 0; i < bytes; i++) head[size++] = (uint8_t)((uint64_t)length >> (8 * (bytes - 1 - i)));
  }
  mask = head + size;
  fill_random(mask, 4);
  buffer_append(&it->queued, head, size + 4);
  buffer_append(&it->queued, payload, length);
  char *masked = it->queued.bytes + it->queued.length - length;
  for (size_t i = 0; i < length; i++) masked[i] = (char)(masked[i] ^ mask[i % 4]);
  it->closing = opcode == OPCODE_CLOSE;
  flush(it);
}

void websocket_send(websocket *it, const char *text, size_t length) { queue(it, OPCODE_TEXT, text, length); }

bool websocket_close(websocket *it, uint16_t code) {
  const char payload[] = {(char)(code >> 8), (char)code};
  queue(it, OPCODE_CLOSE, payload, sizeof payload);
  return it->state == OPEN && !it->at_end;
}

static websocket_event end(websocket *it, websocket_kind kind, uint16_t code) {
  it->state = ENDED;
  it->at_end = true;
  return (websocket_event){.kind = kind, .code = code, .text = it->retry_after, .length = strlen(it->retry_after), .message = it->problem};
}

/* Copies the value of a header, which is empty if there is none. The head ends with NUL. */
static void header(const char *head, const char *name, char *to, size_t size) {
  size_t length = strlen(name);
  to[0] = '\0';
  for (const char *line = strstr(head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
    line += 2;
    if (strncasecmp(line, name, length) != 0 || line[length] != ':') continue;
    const char *value = line + length + 1;
    value += strspn(value, " \t");
    snprintf(to, size, "%.*s", (int)strcspn(value, " \t\r\n"), value);
    return;
  }
}

/* Reads the response to the upgrade. */
static websocket_event upgrade(websocket *it) {
  char *head_end = it->received.length == 0 ? NULL : memmem(it->received.bytes, it->received.length, "\r\n\r\n", 4);
  if (head_end == NULL) {
    if (it->received.length > MAX_HEAD) fail(it, "the response to the upgrade is too long");
    return it->at_end ? end(it, WEBSOCKET_OPEN_FAILED, 0) : (websocket_event){0};
  }
  head_end[2] = '\0';
  const char *head = it->received.bytes;
  unsigned status = 0;
  if (sscanf(head, "HTTP/1.%*1[0-9] %3u", &status) != 1) status = 0;
  if (status != 101) {
    header(head, "Retry-After", it->retry_after, sizeof it->retry_after);
    snprintf(it->problem, sizeof it->problem, "the server has answered with the HTTP status %u", status);
    return end(it, WEBSOCKET_OPEN_FAILED, (uint16_t)status);
  }
  char accept[64], expected[64], proof[64];
  uint8_t digest[20];
  snprintf(proof, sizeof proof, "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", it->key);
  sha1(proof, strlen(proof), digest);
  base64(digest, sizeof digest, expected);
  header(head, "Sec-WebSocket-Accept", accept, sizeof accept);
  if (strcmp(accept, expected) != 0) {
    fail(it, "the response has the wrong Sec-WebSocket-Accept");
    return end(it, WEBSOCKET_OPEN_FAILED, 0);
  }
  it->used = (size_t)(head_end + 4 - it->received.bytes);
  it->state = OPEN;
  return (websocket_event){.kind = WEBSOCKET_OPENED};
}

/* Returns whether a text is UTF-8 (RFC 3629): no code point in more bytes than it needs, no surrogate, none beyond U+10FFFF. */
static bool is_utf8(const char *text, size_t length) {
  const uint8_t *at = (const uint8_t *)text, *end = at + length;
  while (at < end) {
    uint8_t first = *at++;
    if (first < 0x80) continue;
    size_t more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
    if (first < 0xc2 || first > 0xf4 || (size_t)(end - at) < more) return false;
    uint8_t least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (*at < least || *at > most) return false;
    for (size_t i = 1; i < more; i++) {
      if ((at[i] & 0xc0) != 0x80) return false;
    }
    at += more;
  }
  return true;
}

/* Ends a connection whose server violates the protocol. */
static websocket_event violation(websocket *it, uint16_t code) {
  websocket_close(it, code);
  return end(it, WEBSOCKET_CLOSED, 1006);
}

/* Reads the next frame. Sets `again` if it is no event. */
static websocket_event frame(websocket *it, bool *again) {
  if (!it->is_continued) it->message.length = 0;
  const uint8_t *bytes = (const uint8_t *)it->received.bytes;
  size_t size = 2;
  uint64_t length = it->received.length < 2 ? 0 : bytes[1] & 0x7f;
  size_t extended = length == 126 ? 2 : length == 127 ? 8 : 0;
  if (it->received.length < size + extended) goto incomplete;
  if (extended > 0) length = 0;
  for (size_t i = 0; i < extended; i++) length = length << 8 | bytes[size++];
  if (length > MAX_MESSAGE || it->message.length + length > MAX_MESSAGE) return violation(it, 1009);
  if (it->received.length < size + length) goto incomplete;

  const char *payload = it->received.bytes + size;
  uint8_t opcode = bytes[0] & 0x0f;
  bool is_final = (bytes[0] & 0x80) != 0, is_control = opcode >= 8;
  it->used = size + (size_t)length;
  /* No extensions, no mask, and no control frame in parts. */
  if ((bytes[0] & 0x70) != 0 || (bytes[1] & 0x80) != 0) return violation(it, 1002);
  if (is_control && (!is_final || length > 125)) return violation(it, 1002);
  switch (opcode) {
    case OPCODE_TEXT:
    case OPCODE_MORE:
      if ((opcode == OPCODE_MORE) != it->is_continued) return violation(it, 1002);
      if (opcode == OPCODE_TEXT && is_final) {
        if (!is_utf8(payload, (size_t)length)) return violation(it, 1007);
        return (websocket_event){.kind = WEBSOCKET_FRAME, .text = payload, .length = (size_t)length};
      }
      buffer_append(&it->message, payload, (size_t)length);
      it->is_continued = !is_final;
      *again = !is_final;
      if (is_final && !is_utf8(it->message.bytes, it->message.length)) return violation(it, 1007);
      return (websocket_event){.kind = WEBSOCKET_FRAME, .text = it->message.bytes, .length = it->message.length};
    case OPCODE_PING:
      queue(it, OPCODE_PONG, payload, (size_t)length);
      return (websocket_event){.kind = WEBSOCKET_ACTIVITY};
    case OPCODE_PONG:
      return (websocket_event){.kind = WEBSOCKET_ACTIVITY};
    case OPCODE_CLOSE: {
      uint16_t code = 1005;
      if (length >= 2) code = (uint16_t)((uint8_t)payload[0] << 8 | (uint8_t)payload[1]);
      websocket_close(it, code == 1005 ? 1000 : code);
      return end(it, WEBSOCKET_CLOSED, code);
    }
    default:
      return violation(it, 1003);
  }

incomplete:
  *again = false;
  return it->at_end ? end(it, WEBSOCKET_CLOSED, 1006) : (websocket_event){0};
}

websocket_event websocket_next(websocket *it) {
  websocket_event event;
  bool again = false;
  do {
    buffer_consume(&it->received, it->used);
    it->used = 0;
    switch (it->state) {
      case CONNECTING:
        return it->at_end ? end(it, WEBSOCKET_OPEN_FAILED, 0) : (websocket_event){0};
      case UPGRADING:
        return upgrade(it);
      case OPEN:
        again = false;
        event = frame(it, &again);
        break;
      default:
        return (websocket_event){0};
    }
  } while (again);
  return event;
}

void websocket_free(websocket *it) {
  if (it->descriptor >= 0) close(it->descriptor);
  if (it->addresses != NULL) freeaddrinfo(it->addresses);
  buffer_free(&it->request);
  buffer_free(&it->received);
  buffer_free(&it->queued);
  buffer_free(&it->message);
  free(it);
}
