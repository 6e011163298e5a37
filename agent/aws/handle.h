/* An easy handle of libcurl for one URL, which it parses once, used for one request after another:
 * what is the same for all of them is set once, too. */
#ifndef TALLY_AGENT_AWS_HANDLE_H
#define TALLY_AGENT_AWS_HANDLE_H

#include "agent/aws/trust.h"

struct handle {
    void *easy; /* CURL *, for the owner to set and to ask */
    void *parsed_url;
    char *url;
};

/* Which trust outlives. NULL: no memory, or libcurl cannot read the URL. */
struct handle *handle_create(struct trust *trust, const char *url);
void handle_destroy(struct handle *handle); /* NULL is allowed */

#endif
