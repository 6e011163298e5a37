/* SPDX-License-Identifier: Apache-2.0 */
/* Lets Python tests ask the pure parts of agent/aws, to compare their answers with those of
 * independent programs. A question is a line of standard input: fields in hex, separated by
 * tabs, "-" for a field that is not there. The answer is a line of standard output: fields
 * separated by tabs, the first one "ok" or "refused".
 *
 *   sign KEY_ID SECRET TOKEN REGION SERVICE UNIX_SECONDS METHOD PATH QUERY BODY {NAME VALUE}...
 *                                             ok DATE AUTHORIZATION
 *   dynamodb SETTINGS REGION CUSTOM_URL       ok URL HOST PATH REGION
 *   sts SETTINGS REGION                       likewise; SETTINGS: fips dualstack legacy
 *   url URL                                   likewise, by the rule for configured endpoints
 *   credentials-url URL                       likewise, by the rule for credential endpoints
 */
#include "agent/aws/sigv4.h"
#include "agent/endpoint.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 64

struct trigger_state {
    size_t count;
    char *fields[FIELDS_MAX]; /* terminated; NULL: not there */
    size_t lengths[FIELDS_MAX];
};

/* Those of the question before are used again where they are the same: the keys of many days and
 * regions that are kept with them must be distinguished. */
static struct credentials *credentials;

static void die(const char *what)
{
    fprintf(stderr, "aws_leaves: %s\n", what);
    exit(2);
}

static const char *text(const struct trigger_state *state, size_t index)
{
    if (index >= state->count || state->fields[index] == NULL)
        die("a field is missing");
    return state->fields[index];
}

static const char *optional_text(const struct trigger_state *state, size_t index)
{
    return index < state->count ? state->fields[index] : NULL;
}

static bool is_same(const char *left, const char *right)
{
    return left == NULL || right == NULL ? left == right : strcmp(left, right) == 0;
}

static void take_credentials(const char *id, const char *secret, const char *token)
{
    if (credentials != NULL && is_same(id, credentials->access_key_id) &&
        is_same(secret, credentials->secret_access_key) &&
        is_same(token, credentials->session_token))
        return;
    credentials_unref(credentials);
    credentials = credentials_create(id, secret, token, 0, NULL);
    if (credentials == NULL)
        die("no memory");
}

static void answer_sign(const struct trigger_state *state)
{
    struct sigv4_header headers[FIELDS_MAX / 2];
    struct sigv4_request request = {.method = text(state, 7),
        .path = text(state, 8),
        .query = text(state, 9),
        .headers = headers,
        .body = text(state, 10),
        .body_len = state->lengths[10]};
    struct sigv4_signature signature;
    int r;

    take_credentials(text(state, 1), text(state, 2), optional_text(state, 3));
    for (size_t i = 11; i < state->count; i += 2)
        headers[request.header_count++] = (struct sigv4_header){text(state, i), text(state, i + 1)};
    r = sigv4_sign(&request, credentials, text(state, 4), text(state, 5),
        strtoll(text(state, 6), NULL, 10), &signature);
    if (r == 0)
        printf("ok\t%s\t%s\n", signature.date, signature.authorization);
    else
        printf("refused\t%s\n", strerror(-r));
}

static void answer_endpoint(const struct trigger_state *state)
{
    const char *verb = text(state, 0);
    struct endpoint_environment environment = {.region = NULL};
    struct endpoint endpoint;
    char why[256] = "";
    int r;

    if (strcmp(verb, "url") == 0) {
        r = endpoint_parse_url(&endpoint, text(state, 1), false, why, sizeof(why));
    } else if (strcmp(verb, "credentials-url") == 0) {
        r = endpoint_parse_credentials_url(&endpoint, text(state, 1), why, sizeof(why));
    } else {
        environment.fips = strstr(text(state, 1), "fips") != NULL;
        environment.dual_stack = strstr(text(state, 1), "dualstack") != NULL;
        environment.sts_legacy = strstr(text(state, 1), "legacy") != NULL;
        r = strcmp(verb, "sts") == 0
                ? endpoint_sts(&endpoint, &environment, text(state, 2), why, sizeof(why))
                : endpoint_dynamodb(&endpoint, &environment, text(state, 2),
                      optional_text(state, 3), why, sizeof(why));
    }
    if (r == 0)
        printf("ok\t%s\t%s\t%s\t%s\n", endpoint.url, endpoint.host, endpoint.path, endpoint.region);
    else
        printf("refused\t%s\n", why);
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    die("a field is no hex");
    return 0;
}

/* In place, with the terminator where the hex or the tab behind it was. */
static size_t decode(char *hex, size_t len)
{
    if (len % 2 != 0)
        die("a field is no hex");
    for (size_t i = 0; i < len / 2; i++)
        hex[i] = (char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    hex[len / 2] = '\0';
    return len / 2;
}

static void split(struct trigger_state *state, char *line)
{
    char *field;

    state->count = 0;
    while ((field = strsep(&line, "\t")) != NULL) {
        bool there = strcmp(field, "-") != 0;

        if (state->count == FIELDS_MAX)
            die("a line has too many fields");
        state->lengths[state->count] = there ? decode(field, strlen(field)) : 0;
        state->fields[state->count++] = there ? field : NULL;
    }
}

int main(void)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t len;
    struct trigger_state state;

    while ((len = getline(&line, &size, stdin)) > 0) {
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        split(&state, line);
        if (strcmp(text(&state, 0), "sign") == 0)
            answer_sign(&state);
        else
            answer_endpoint(&state);
        fflush(stdout);
    }
    free(line);
    credentials_unref(credentials);
    return 0;
}
