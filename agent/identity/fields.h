/* Picks named members out of a JSON object. Pure. The texts may be secrets: they are wiped by
 * fields_clear, and no message holds a part of the input. */
#ifndef TALLY_AGENT_IDENTITY_FIELDS_H
#define TALLY_AGENT_IDENTITY_FIELDS_H

#include <stddef.h>
#include <stdint.h>

enum field_type {
    FIELD_ABSENT, /* or null */
    FIELD_TEXT,   /* a string */
    FIELD_TEXTS,  /* an array of strings: `text` holds them separated by ", " */
    FIELD_NUMBER,
    FIELD_OTHER,
};

struct field {
    const char *name;
    enum field_type type;
    char *text;     /* NUL-terminated, without further NULs; NULL where not text */
    int64_t number; /* cut to whole; 0 where no number */
};

/* Fills type, text and number of `count` fields by their names. 0, -ENOMEM, or -EPROTO where
 * the bytes are no JSON object (`why` says what is wrong); then nothing is to be cleared. */
int fields_read(
    const void *json, size_t len, struct field *fields, size_t count, char *why, size_t why_size);
void fields_clear(struct field *fields, size_t count);

#endif
