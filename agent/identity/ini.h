/* The INI format of the shared AWS files. Pure; borrows all texts from the input. */
#ifndef TALLY_AGENT_IDENTITY_INI_H
#define TALLY_AGENT_IDENTITY_INI_H

#include "proto/reader.h"

/* Called for each section (name.data NULL) and for each `name = value` in it, all without white
 * space around them. Indented lines below a setting belong to it and are passed over, as are
 * comments: whole lines, and behind white space in a value. */
typedef void ini_fn(void *data, struct text section, struct text name, struct text value);

/* 0, or -EINVAL where a line is neither; *line then is its number, from 1. */
int ini_scan(const char *text, size_t len, ini_fn *fn, void *data, unsigned *line);

#endif
