/* Bytes that grow at the end and are consumed at the beginning. */

#include "buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Makes room for more bytes. */
static void reserve(buffer *it, size_t more) {
  if (it->capacity - it->length >= more) return;
  size_t capacity = it->capacity < 256 ? 256 : it->capacity;
  while (capacity - it->length < more) capacity *= 2;
  char *bytes = realloc(it->bytes, capacity);
  if (bytes == NULL) {
    fputs("there is no memory left\n", stderr);
    exit(1);
  }
  it->bytes = bytes;
  it->capacity = capacity;
}

void buffer_append(buffer *to, const void *bytes, size_t length) {
  if (length == 0) return;
  reserve(to, length);
  memcpy(to->bytes + to->length, bytes, length);
  to->length += length;
}

void buffer_text(buffer *to, const char *text) { buffer_append(to, text, strlen(text)); }

void buffer_format(buffer *to, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (length < 0 || (size_t)length >= sizeof text) {
    fputs("a formatted text is too long\n", stderr);
    exit(1);
  }
  buffer_append(to, text, (size_t)length);
}

void buffer_consume(buffer *from, size_t length) {
  if (length == 0) return;
  from->length -= length;
  memmove(from->bytes, from->bytes + length, from->length);
}

void buffer_free(buffer *it) {
  free(it->bytes);
  *it = (buffer){0};
}
