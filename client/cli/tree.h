/* Shows any answer to people: maps as aligned names and values, maps inside as indented
 * sections, arrays of maps as tables. Fields that a newer agent adds appear by themselves. */
#ifndef TALLY_CLI_TREE_H
#define TALLY_CLI_TREE_H

#include "client/cli/json.h"

/* Prints the fields of a map behind `indent` spaces, without those whose keys are in
 * `without` (ends with NULL; may be NULL). */
void tree_print(FILE *file, const struct json *map, int indent, const char *const *without);

/* Prints an array of maps as a table. */
void tree_table(FILE *file, const struct json *array, int indent);

/* A field as people read it: durations for keys that end in _ms, yes and no, 1,234,567 for
 * large numbers, words joined by commas. */
void tree_value(const char *key, const struct json *value, char *text, size_t size);

/* The key as people read it: without its unit, with spaces. */
void tree_label(const char *key, char *text, size_t size);

#endif
