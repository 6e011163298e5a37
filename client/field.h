/* Finds a field of a packed answer by its path: keys and positions, with dots. */
#ifndef TALLY_CLIENT_FIELD_H
#define TALLY_CLIENT_FIELD_H

#include "proto/reader.h"

/* Moves the reader from a value to the field inside it; an empty path or NULL is the value
 * itself. False where there is none: the reader is then of no more use. */
bool field_find(struct reader *reader, const char *path);

#endif
