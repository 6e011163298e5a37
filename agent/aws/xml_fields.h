/* Reads the texts of named elements out of a small XML document, by expat, whose memory is
 * wiped: replies hold credentials. Pure. A document type is refused, so there are no entities;
 * so are a named element twice or with elements inside, nesting that is too deep, and bytes that
 * are not XML. Other elements are passed over. */
#ifndef TALLY_AGENT_AWS_XML_FIELDS_H
#define TALLY_AGENT_AWS_XML_FIELDS_H

#include <stdbool.h>
#include <stddef.h>

struct xml_field {
    const char *path; /* below the base: "Credentials/AccessKeyId" */
    char *text;       /* gets the text without white space at its ends; "" where absent */
    size_t size;
    bool cut; /* a text that does not fit is cut (in bytes) instead of refused */
};

/* `bases`, NULL-terminated: paths from the root, "FooResponse/FooResult", of which the first
 * with the document's root is taken. At most 32 fields. 0, -ENOMEM, or -EPROTO with what is
 * wrong in `why` (no part of the document's texts). The fields' texts are set in any case. */
int xml_fields_read(const void *xml, size_t len, const char *const *bases,
    const struct xml_field *fields, size_t count, char *why, size_t why_size);

#endif
