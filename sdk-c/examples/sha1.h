/* SHA-1, which the opening handshake of WebSocket needs (RFC 6455, section 1.3). It protects nothing there. */

#ifndef SHA1_H
#define SHA1_H

#include <stddef.h>
#include <stdint.h>

/* Computes the digest of at most 119 bytes, which is more than a handshake needs. */
void sha1(const char *text, size_t length, uint8_t digest[20]);

#endif
