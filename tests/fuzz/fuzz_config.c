/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes of a configuration file: read, looked up, checked and destroyed. */
#include "agent/config/config.h"
#include "agent/config/config_read.h"
#include "agent/config/identity_spec.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

#define FILE_MAX (1u << 20)

static const char *environment(const char *name)
{
    return strlen(name) % 2 == 0 && strncmp(name, "AWS_", 4) != 0 ? "value" : NULL;
}

/* The bytes themselves are what is mounted, under every other name. */
static const uint8_t *mounted;
static size_t mounted_size;

static int read_mounted(const char *path, struct buffer *content)
{
    if (strlen(path) % 2 == 0)
        return -ENOENT;
    return buffer_append(content, mounted, mounted_size);
}

/* A config that may be used is whole. */
static void check_trigger(const struct config *config, const struct trigger *trigger)
{
    size_t matches = 0;

    MUST(trigger->name != NULL && trigger->namespace_ != NULL && trigger->object != NULL);
    MUST(trigger->file != NULL && trigger->metric_name != NULL);
    MUST(trigger->query.region != NULL && *trigger->query.table != '\0');
    MUST(*trigger->query.key_condition != '\0');
    MUST(trigger->scaling.target >= 0 && trigger->polling_ms >= 0);
    MUST(trigger->scaling.min_replicas <= trigger->scaling.max_replicas);
    MUST(trigger->identity != NULL && trigger->identity->reason != NULL);
    MUST(config_find(config, trigger->name, strlen(trigger->name), &matches, NULL, 0) == trigger);
    config_find(config, trigger->object, strlen(trigger->object), &matches, NULL, 0);
    MUST(matches > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct config_options options = {.secrets_dir = "/secrets", .getenv = environment};
    struct parser *parser = NULL;
    struct config *config = NULL;
    static FILE *nowhere;

    if (size > FILE_MAX)
        return 0;
    mounted = data;
    mounted_size = size;
    if (nowhere == NULL)
        nowhere = fopen("/dev/null", "w");
    parser = parser_create(&options, read_mounted);
    MUST(parser != NULL && nowhere != NULL);
    config_read_add(
        parser, size > 0 && data[0] == '{' ? "folder/fuzz.json" : "folder/fuzz.yaml", data, size);
    config = config_read_finish(parser);
    MUST(config != NULL);
    MUST(config_check(config, nowhere, nowhere) ==
         (config->error_count > 0 || config->trigger_count == 0 ? 2 : 0));
    for (size_t i = 0; config->error_count == 0 && i < config->trigger_count; i++)
        check_trigger(config, &config->triggers[i]);
    config_destroy(config);
    return 0;
}
