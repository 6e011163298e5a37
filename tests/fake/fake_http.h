/* SPDX-License-Identifier: Apache-2.0 */
/* agent/aws/http.h without a network: a test scripts the replies in order and reads what was
 * asked. Linked into every unit test in place of agent/aws/http.c. The honest peer of the
 * integration tests is tests/gateway; this one exists to reach states that need exact timing. */
#ifndef TALLY_TESTS_FAKE_FAKE_HTTP_H
#define TALLY_TESTS_FAKE_FAKE_HTTP_H

#include "agent/aws/http.h"

/* What the n-th request (from 0) since fake_http_reset carried. Texts are copies. */
struct fake_http_request {
    char method[8];
    char url[512];
    char headers[8192]; /* "Name: value\n" each */
    char body[65536];
    size_t body_len;
    bool direct;
};

void fake_http_reset(void);
int fake_http_count(void); /* requests started */
const struct fake_http_request *fake_http_at(int index);
int fake_http_open(void); /* started, neither answered nor cancelled */

/* Answers the oldest open request now. */
void fake_http_answer(int status, const char *body);
void fake_http_answer_with(const struct http_response *response);

#endif
