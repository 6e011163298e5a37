/* SPDX-License-Identifier: Apache-2.0 */
/* Reads YAML bytes into trees, within limits that no input can bypass. Follows Kubernetes' own
 * reader for anchors, aliases, merge keys and repeated keys. Pure. */
#ifndef TALLY_AGENT_CONFIG_YAML_H
#define TALLY_AGENT_CONFIG_YAML_H

#include "agent/config/node.h"

#include <stddef.h>

#define YAML_DEPTH_MAX   64      /* nested lists and maps */
#define YAML_NODES_MAX   1000000 /* in one document, aliases counted each time */
#define YAML_NODE_BYTES  16      /* this much text counts as one more node */
#define YAML_ANCHORS_MAX 1000    /* in one document */
#define YAML_ALIASES_MAX 10000   /* in one document */

struct yaml_input {
    struct tree tree; /* of each document, without its root */
    const void *data;
    size_t len;
    const struct node *inside; /* the bytes are the text of this scalar; NULL: of the file */
};

/* Called for each document that is not empty. The tree lives in the arena. A negative return
 * ends the reading. */
typedef int yaml_document_fn(void *data, const struct tree *tree);

/* 0; -EINVAL if the bytes are not YAML or exceed a limit, and a finding says what and where;
 * -ENOMEM, also when the arena is full; or what `document` returned. */
int yaml_read(
    const struct yaml_input *input, struct arena *arena, yaml_document_fn *document, void *data);

/* JSON writes a character beyond U+FFFF as two escapes, `\ud83d\ude00`, which YAML's grammar
 * does not have: its reader refuses each half. Pure. */

/* Replaces each such pair with the character itself and keeps all else unchanged: the reader
 * refuses half a pair. Returns the new length, never more than `len`. */
size_t surrogates_join(char *text, size_t len);

#endif
