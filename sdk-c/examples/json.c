/* The little of JSON that a driver needs: members of an object, and strings.
 *
 * What it reads comes from the core or has passed through it, so it is JSON. Other texts give wrong values, and never reach
 * beyond their end. */

#include "json.h"

#include <string.h>

/* Returns the position after white space. */
static size_t skip_space(slice text, size_t at) {
  while (at < text.length && strchr(" \t\r\n", text.at[at]) != NULL) at++;
  return at;
}

/* Returns the position after a string that begins at `at`. */
static size_t skip_string(slice text, size_t at) {
  for (at++; at < text.length && text.at[at] != '"'; at++) {
    if (text.at[at] == '\\') at++;
  }
  return at < text.length ? at + 1 : text.length;
}

/* Returns the position after a value that begins at `at`. */
static size_t skip_value(slice text, size_t at) {
  size_t depth = 0;
  while (at < text.length) {
    char c = text.at[at];
    if (c == '"') {
      at = skip_string(text, at);
    } else if (c == '{' || c == '[') {
      depth++;
      at++;
    } else if (depth > 0 && (c == '}' || c == ']')) {
      depth--;
      at++;
    } else if (depth == 0 && strchr(",}] \t\r\n", c) != NULL) {
      return at;
    } else {
      at++;
      continue;
    }
    if (depth == 0) return at;
  }
  return text.length;
}

slice json_member(slice object, const char *name) {
  size_t length = strlen(name), at = skip_space(object, 0);
  if (at >= object.length || object.at[at] != '{') return (slice){0};
  at = skip_space(object, at + 1);
  while (at < object.length && object.at[at] == '"') {
    size_t key = at + 1;
    at = skip_string(object, at);
    /* The names that a driver asks for need no escapes. */
    bool found = at - key == length + 1 && memcmp(object.at + key, name, length) == 0;
    at = skip_space(object, at);
    if (at >= object.length || object.at[at] != ':') return (slice){0};
    size_t value = skip_space(object, at + 1);
    at = skip_value(object, value);
    if (found) return (slice){object.at + value, at - value};
    at = skip_space(object, at);
    if (at >= object.length || object.at[at] != ',') return (slice){0};
    at = skip_space(object, at + 1);
  }
  return (slice){0};
}

int64_t json_whole(slice object, const char *name, int64_t otherwise) {
  slice value = json_member(object, name);
  /* The whole numbers of the interface are below 2^53, which has 16 digits. */
  if (value.length == 0 || value.length > 16) return otherwise;
  int64_t whole = 0;
  for (size_t at = 0; at < value.length; at++) {
    if (value.at[at] < '0' || value.at[at] > '9') return otherwise;
    whole = whole * 10 + (value.at[at] - '0');
  }
  return whole;
}

bool json_is(slice object, const char *name, const char *text) {
  slice value = json_member(object, name);
  size_t length = strlen(text);
  return value.length == length + 2 && value.at[0] == '"' && memcmp(value.at + 1, text, length) == 0;
}

/* Reads four hexadecimal digits. */
static uint32_t unit_at(slice text, size_t at) {
  uint32_t unit = 0;
  for (size_t end = at + 4; at < end && at < text.length; at++) {
    char c = text.at[at];
    uint32_t digit = (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    unit = unit << 4 | (digit & 0xf);
  }
  return unit;
}

/* Appends a code point in UTF-8. */
static void append_character(buffer *to, uint32_t c) {
  char bytes[4];
  size_t length = 0;
  if (c < 0x80) {
    bytes[length++] = (char)c;
  } else if (c < 0x800) {
    bytes[length++] = (char)(0xc0 | c >> 6);
    bytes[length++] = (char)(0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    bytes[length++] = (char)(0xe0 | c >> 12);
    bytes[length++] = (char)(0x80 | (c >> 6 & 0x3f));
    bytes[length++] = (char)(0x80 | (c & 0x3f));
  } else {
    bytes[length++] = (char)(0xf0 | c >> 18);
    bytes[length++] = (char)(0x80 | (c >> 12 & 0x3f));
    bytes[length++] = (char)(0x80 | (c >> 6 & 0x3f));
    bytes[length++] = (char)(0x80 | (c & 0x3f));
  }
  buffer_append(to, bytes, length);
}

void json_string(buffer *to, slice object, const char *name) {
  static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
  slice value = json_member(object, name);
  if (value.length < 2 || value.at[0] != '"') return;
  for (size_t at = 1; at + 1 < value.length; at++) {
    char c = value.at[at];
    if (c != '\\') {
      buffer_append(to, &c, 1);
      continue;
    }
    c = value.at[++at];
    const char *escape = c == '\0' ? NULL : strchr(escapes, c);
    if (escape != NULL) {
      buffer_append(to, &meanings[escape - escapes], 1);
    } else if (c == 'u') {
      uint32_t unit = unit_at(value, at + 1);
      at += 4;
      bool is_pair = unit >= 0xd800 && unit < 0xdc00 && at + 6 < value.length && value.at[at + 1] == '\\';
      if (is_pair) {
        unit = 0x10000 + ((unit & 0x3ff) << 10) + (unit_at(value, at + 3) & 0x3ff);
        at += 6;
      }
      append_character(to, unit);
    }
  }
}

void json_quote(buffer *to, slice text) {
  buffer_text(to, "\"");
  for (size_t at = 0; at < text.length; at++) {
    unsigned char c = (unsigned char)text.at[at];
    if (c == '"' || c == '\\') {
      buffer_text(to, "\\");
      buffer_append(to, &c, 1);
    } else if (c < 0x20) {
      buffer_format(to, "\\u%04x", c);
    } else {
      buffer_append(to, &c, 1);
    }
  }
  buffer_text(to, "\"");
}
