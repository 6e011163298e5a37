/* A configuration in the making: documents go in one after the other, then triggers and
 * findings come out. Pure but for the two functions it is given. */
#ifndef TALLY_AGENT_CONFIG_READING_H
#define TALLY_AGENT_CONFIG_READING_H

#include "agent/aws/endpoint.h"
#include "agent/config/documents.h"
#include "proto/buffer.h"

#define TRIGGERS_MAX 20000

/* Appends a mounted value (a Secret's file) to `content`. 0 or a negative errno. */
typedef int config_file_fn(const char *path, struct buffer *content);

struct reading {
    const char *secrets_dir;
    struct endpoint_environment environment;
    const char *(*getenv)(const char *name);
    config_file_fn *read_file; /* NULL: there are no files */
    struct arena *kept;        /* what the config keeps */
    struct arena *scratch;     /* trees; gone when the config is there */
    struct findings findings;
    struct documents documents;
    unsigned file_count;
    const char *first_file;
    struct trigger *triggers;
    size_t trigger_count, trigger_capacity;
    const struct identity_spec **specs; /* each distinct one */
    uint32_t *spec_hashes;
    size_t spec_count, spec_capacity;
    bool too_many;             /* triggers */
    bool page_told;            /* the note on one-page counting is given once */
    bool useless_told;         /* a file or folder has no trigger, so no more need be said of all */
    bool environment_reported; /* what is wrong with a variable is reported once */
    bool failed;               /* no memory: there will be no config */
};

/* NULL: no memory. `read_file` may be NULL. */
struct reading *reading_create(const struct config_options *options, config_file_fn *read_file);

/* One file's bytes; they may be freed afterwards. */
void reading_add(struct reading *reading, const char *file, const void *data, size_t len);

/* A file or folder that could not be read at all. */
void reading_add_failure(struct reading *reading, const char *file, const char *why);

/* A folder without any file to read. */
void reading_add_empty(struct reading *reading, const char *folder);

/* Frees the reading. NULL: no memory. */
struct config *reading_finish(struct reading *reading);

/* For the parts: a copy that the config keeps; NULL sets `failed`. */
const char *reading_keep(struct reading *reading, const char *text);
const char *reading_printf(struct reading *reading, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The shared copy of an equal spec. NULL sets `failed`. */
const struct identity_spec *reading_share(
    struct reading *reading, const struct identity_spec *spec);

/* A zeroed trigger at the end of the list; NULL sets `failed`. */
struct trigger *reading_add_trigger(struct reading *reading);

#endif
