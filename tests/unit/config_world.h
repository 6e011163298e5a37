/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the configuration share: reading from memory, a made-up environment and
 * made-up files, and findings as the lines that people see. */
#ifndef TALLY_TESTS_UNIT_CONFIG_WORLD_H
#define TALLY_TESTS_UNIT_CONFIG_WORLD_H

#include "agent/config/config.h"
#include "agent/config/config_read.h"
#include "agent/config/identity_spec.h"
#include "tests/unit/test.h"

#include <errno.h>

/* name, value, name, value, …, NULL */
static const char *const *world_environment;
static const char *const *world_files;

__attribute__((unused)) static const char *world_getenv(const char *name)
{
    for (const char *const *p = world_environment; p != NULL && *p != NULL; p += 2) {
        if (strcmp(*p, name) == 0)
            return p[1];
    }
    return NULL;
}

__attribute__((unused)) static int world_read_file(const char *path, struct buffer *content)
{
    for (const char *const *p = world_files; p != NULL && *p != NULL; p += 2) {
        if (strcmp(*p, path) == 0)
            return buffer_append_string(content, p[1]);
    }
    return -ENOENT;
}

/* Files in memory: name, text, name, text, …, NULL. */
__attribute__((unused)) static struct config *config_of_files(const char *const *files)
{
    const struct config_options options = {.getenv = world_getenv};
    struct parser *parser = parser_create(&options, world_read_file);

    CHECK(parser != NULL);
    for (; *files != NULL; files += 2)
        config_read_add(parser, files[0], files[1], strlen(files[1]));
    struct config *config = config_read_finish(parser);
    CHECK(config != NULL);
    return config;
}

__attribute__((unused)) static struct config *config_of(const char *yaml)
{
    const char *const files[] = {"t.yaml", yaml, NULL};

    return config_of_files(files);
}

/* The findings down to a level, a line each; valid until the next call. */
__attribute__((unused)) static const char *config_lines(
    const struct config *config, enum finding_level least)
{
    static char *text;
    size_t size = 0;

    free(text);
    FILE *stream = open_memstream(&text, &size);
    CHECK(stream != NULL);
    for (size_t i = 0; i < config->finding_count; i++) {
        if (config->findings[i].level <= least)
            finding_print(&config->findings[i], stream);
    }
    fclose(stream);
    return text;
}

__attribute__((unused)) static const char *lines_of(const char *yaml, enum finding_level least)
{
    struct config *config = config_of(yaml);
    const char *text = config_lines(config, least);

    config_destroy(config);
    return text;
}

/* Errors and warnings. */
__attribute__((unused)) static const char *problems_of(const char *yaml)
{
    return lines_of(yaml, FINDING_WARNING);
}

/* A snippet with one good trigger (default/t), in which the parameter `name` is what the YAML
 * `value` says, on its last line; NULL: it is left out. Lines 4 to 9 hold the others. */
__attribute__((unused)) static const char *trigger_with(const char *name, const char *value)
{
    static const char *const defaults[] = {"awsRegion", "eu-west-1", "tableName", "jobs",
        "targetValue", "\"5\"", "keyConditionExpression", "\"#k = :key\"",
        "expressionAttributeNames", "'{\"#k\":\"state\"}'", "expressionAttributeValues",
        "'{\":key\":{\"S\":\"new\"}}'", NULL};
    static char *text;
    size_t size = 0;

    free(text);
    FILE *stream = open_memstream(&text, &size);
    CHECK(stream != NULL);
    fputs("triggers:\n- type: aws-dynamodb\n  metadata:\n", stream);
    for (const char *const *p = defaults; *p != NULL; p += 2) {
        if (strcmp(*p, name) != 0)
            fprintf(stream, "    %s: %s\n", p[0], p[1]);
    }
    if (value != NULL)
        fprintf(stream, "    %s: %s\n", name, value);
    fclose(stream);
    return text;
}

#endif
