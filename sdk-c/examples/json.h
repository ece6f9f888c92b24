/* The little of JSON that a driver needs: members of an object, and strings. */

#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buffer.h"

/* A part of a text. */
typedef struct {
  const char *at;
  size_t length;
} slice;

/* Returns the value of a member of an object as text, or an empty slice if there is none. */
slice json_member(slice object, const char *name);

/* Returns a whole number of an object, or `otherwise` if there is none. */
int64_t json_whole(slice object, const char *name, int64_t otherwise);

/* Returns whether a member is this text, which needs no escapes. */
bool json_is(slice object, const char *name, const char *text);

/* Appends a string of an object without its escapes. Appends nothing if there is none. */
void json_string(buffer *to, slice object, const char *name);

/* Appends a text as a JSON string. */
void json_quote(buffer *to, slice text);

#endif
