/* SPDX-License-Identifier: Apache-2.0 */
/* The option values of tallyd, as users write them: each function parses a whole text, and returns
 * whether it is valid. */
#ifndef TALLY_AGENT_OPTION_VALUE_H
#define TALLY_AGENT_OPTION_VALUE_H

#include "agent/log.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* A number of bytes, at least 64 KiB; K and M allowed. */
bool option_value_size(const char *text, size_t *size);

/* As pollingInterval and similar: a unit is required, except for 0. */
bool option_value_duration(const char *text, int64_t *ms);

/* A number above 0 and at most 1e15, with or without a fraction. */
bool option_value_units(const char *text, double *units);

bool option_value_mode(const char *text, mode_t *mode); /* octal, at most 0777 */
bool option_value_id(const char *text, uint32_t *id);   /* of a user or group */
bool option_value_group(const char *text, gid_t *gid);  /* a number, or a name of this system */
/* Case-insensitive. */
bool option_value_flag(const char *text, bool *flag); /* 1, true, yes; 0, false, no, "" */
bool option_value_level(const char *text, enum log_level *level);
bool option_value_format(const char *text, bool *is_json); /* json, logfmt */

#endif
