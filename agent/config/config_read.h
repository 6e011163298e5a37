/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a configuration: files and folders of YAML and JSON documents in, triggers and findings
 * out. */
#ifndef TALLY_AGENT_CONFIG_CONFIG_READ_H
#define TALLY_AGENT_CONFIG_CONFIG_READ_H

#include "agent/config/config.h"
#include "agent/config/parser.h"

#include <stddef.h>

/* Always returns a config, or NULL if out of memory. Anything that cannot be read or parsed is a
 * finding; all findings of all files are collected in one run. */
struct config *config_read(const struct config_options *options);

/* In steps, for a caller that already has the bytes. */

/* One file's bytes; they may be freed afterwards. */
void config_read_add(struct parser *parser, const char *file, const void *data, size_t len);

/* Frees the parser. NULL: no memory. */
struct config *config_read_finish(struct parser *parser);

#endif
