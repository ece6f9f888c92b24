/* The commands of the kit, as messages for the core. */

#ifndef COMMANDS_H
#define COMMANDS_H

#include "app.h"

/* What the adapter has. */
typedef struct {
  client *clients;
  buffer input;
  uint64_t last_question;
  bool input_ended, is_resetting;
  /* The id of the command `reset`. */
  int64_t reset_id;
} adapter;

/* Carries out a line. */
void carry_out_command(adapter *it, slice line);

/* Closes all clients. */
void begin_reset(adapter *it, int64_t id);

#endif
