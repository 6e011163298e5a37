/* The INI format of the shared AWS files. Pure; borrows all texts from the input. */
#ifndef TALLY_AGENT_IDENTITY_INI_H
#define TALLY_AGENT_IDENTITY_INI_H

#include "proto/reader.h"

/* What one line says, without white space around each text. A line that is indented deeper than a
 * setting without a value is a sub-setting of it, as in `s3 =`; however else lines are indented,
 * they are settings. */
struct ini_entry {
    struct text section;
    struct text parent; /* of a sub-setting; data NULL: it is none */
    struct text name;   /* data NULL: the section begins */
    struct text value;
};

/* Called for each section and for each setting in it. Comments are passed over: whole lines, and
 * behind white space in a value. */
typedef void ini_fn(void *data, const struct ini_entry *entry);

/* 0, or -EINVAL where a line is none of these; *line then is its number, from 1. */
int ini_scan(const char *text, size_t len, ini_fn *fn, void *data, unsigned *line);

#endif
