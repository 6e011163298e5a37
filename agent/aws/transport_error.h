/* What an attempt met that got no whole reply, with the party that failed: the name, the server,
 * its certificate, or the proxy in front of it (by its variable, without user and password). Pure.
 */
#ifndef TALLY_AGENT_AWS_TRANSPORT_ERROR_H
#define TALLY_AGENT_AWS_TRANSPORT_ERROR_H

#include "agent/aws/aws_error.h"
#include "agent/aws/http.h"

/* Sets outcome and message of *error; `url` is the endpoint's. */
void transport_error_set(
    struct aws_error *error, const char *url, const struct http_response *response);

#endif
