/* The functions of the client core of the realtime gateway: see docs/sdk-core.md.
 * Generated from sdk-c/src/abi.rs by `cargo xtask codegen`. */

#ifndef GATEWAY_CORE_H
#define GATEWAY_CORE_H

#include <stddef.h>
#include <stdint.h>

/*
 The version of this interface. It is raised when a driver has to change.
 */
#define GW_ABI 1

/*
 The call succeeded.
 */
#define GW_OK 0

/*
 The configuration or the input is invalid. The call had no effect.
 */
#define GW_INVALID -1

/*
 There is no such client: it was closed, or it has panicked before.
 */
#define GW_NO_CLIENT -2

/*
 There are as many clients as there can be: 64 in a WebAssembly module.
 */
#define GW_FULL -3

/*
 The core panicked. The client has ended; other clients are not affected.
 */
#define GW_PANICKED -4

/*
 A text in UTF-8, without a NUL at its end. It belongs to the caller, who gives it back with `gw_free`. An empty text has
 the address NULL.
 */
typedef struct {
  /*
   The address of the first byte.
   */
  uint8_t *bytes;
  /*
   The number of bytes.
   */
  size_t length;
} gw_text;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 Returns the version of the interface of this library, which is `GW_ABI` of the header that it was built with.
 */
uint32_t gw_abi(void);

/*
 Returns the digest of the core's sources: 64 hexadecimal digits and a NUL, which stay valid. All SDKs with the same digest
 make the same decisions.
 */
const char *gw_digest(void);

/*
 Allocates `length` bytes, which are zero. A driver of the WebAssembly module writes its inputs to such memory; a program
 in C can pass any memory to the functions instead. Returns NULL if `length` is 0 or there is no memory.
 */
uint8_t *gw_alloc(size_t length);

/*
 Gives back a text that a function has returned, or memory of `gw_alloc`. NULL is allowed.

 # Safety
 `bytes` and `length` are those of one `gw_text` or of one `gw_alloc`, and nothing uses the memory afterwards.
 */
void gw_free(uint8_t *bytes, size_t length);

/*
 Creates a client. Returns its number, which is positive, or `GW_INVALID`, `GW_FULL` or `GW_PANICKED` with a sentence in `out`.

 # Safety
 `config` is the address of `length` bytes that no other thread writes, or `length` is 0. `out` is NULL or can be written.
 */
int32_t gw_open(const uint8_t *config,
                size_t length,
                gw_text *out);

/*
 Gives one message to a client, at `now` in milliseconds of a clock that never runs backwards. Returns `GW_OK` with the
 client's messages in `out`, or an error with a sentence in `out`.

 # Safety
 `input` is the address of `length` bytes that no other thread writes, or `length` is 0. `out` is NULL or can be written.
 */
int32_t gw_handle(int32_t client,
                  uint64_t now,
                  const uint8_t *input,
                  size_t length,
                  gw_text *out);

/*
 Takes the next item of a stream. Returns `GW_OK` with the item as one message in `out`, which is empty if there is none, or
 an error with a sentence in `out`.

 # Safety
 `out` is NULL or can be written.
 */
int32_t gw_take(int32_t client,
                uint64_t stream,
                gw_text *out);

/*
 Returns the time at which the client wants a `tick`, or a negative number for never, also if there is no such client.
 */
int64_t gw_deadline(int32_t client);

/*
 Frees a client. Returns `GW_OK` or `GW_NO_CLIENT`. What a WebAssembly module has allocated for it is reused by its other
 clients, and is released with the module.
 */
int32_t gw_close(int32_t client);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* GATEWAY_CORE_H */
