/* Bytes that grow at the end and are consumed at the beginning. */

#ifndef BUFFER_H
#define BUFFER_H

#include <stddef.h>

typedef struct {
  char *bytes;
  size_t length;
  size_t capacity;
} buffer;

/* Appends bytes. Ends the program if there is no memory left. */
void buffer_append(buffer *to, const void *bytes, size_t length);

/* Appends a text that ends with NUL. */
void buffer_text(buffer *to, const char *text);

/* Appends formatted text, as `printf` writes it. */
__attribute__((format(printf, 2, 3))) void buffer_format(buffer *to, const char *format, ...);

/* Removes bytes from the beginning. */
void buffer_consume(buffer *from, size_t length);

/* Frees the memory. The buffer is empty then and can be used again. */
void buffer_free(buffer *it);

#endif
