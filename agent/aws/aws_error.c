/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/aws_error.h"

#include "proto/utf8.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Longer than any word of a sentence and than the ARN of a table, shorter than a signed
 * web-identity token (its signature alone has 342). */
#define WORD_MAX 320u

/* Throttles and time-outs as in botocore's retries/standard.py; the rest from the error lists
 * of DynamoDB and STS. A code beats the status: throttles are HTTP 400. */
static const struct {
    const char *code;
    enum aws_outcome outcome;
} codes[] = {
    {"BandwidthLimitExceeded", AWS_THROTTLED},
    {"EC2ThrottledException", AWS_THROTTLED},
    {"LimitExceededException", AWS_THROTTLED},
    {"PriorRequestNotComplete", AWS_THROTTLED},
    {"ProvisionedThroughputExceededException", AWS_THROTTLED},
    {"RequestLimitExceeded", AWS_THROTTLED},
    {"RequestThrottled", AWS_THROTTLED},
    {"RequestThrottledException", AWS_THROTTLED},
    {"SlowDown", AWS_THROTTLED},
    {"ThrottledException", AWS_THROTTLED},
    {"Throttling", AWS_THROTTLED},
    {"ThrottlingException", AWS_THROTTLED},
    {"TooManyRequestsException", AWS_THROTTLED},
    {"TransactionInProgressException", AWS_THROTTLED},

    {"RequestTimeout", AWS_TRANSIENT},
    {"RequestTimeoutException", AWS_TRANSIENT},
    {"InternalFailure", AWS_TRANSIENT},
    {"InternalServerError", AWS_TRANSIENT},
    {"ServiceUnavailable", AWS_TRANSIENT},
    /* STS could not reach the cluster's OIDC provider: HTTP 400, but transient. */
    {"IDPCommunicationError", AWS_TRANSIENT},

    {"ExpiredToken", AWS_EXPIRED},
    {"ExpiredTokenException", AWS_EXPIRED},
    {"UnrecognizedClientException", AWS_EXPIRED},
    {"InvalidClientTokenId", AWS_EXPIRED},
    /* Not about time (see below), so key id and secret do not match, as when a mounted pair was
     * read while it changed: reading it again may help. */
    {"InvalidSignatureException", AWS_EXPIRED},
    {"SignatureDoesNotMatch", AWS_EXPIRED},

    {"ConditionalCheckFailedException", AWS_UNMET},

    {"RequestTimeTooSkewed", AWS_SKEWED},
    {"RequestExpired", AWS_SKEWED},
    {"RequestInTheFuture", AWS_SKEWED},
};

/* Codes whose meaning depends on the message. */
static const struct {
    const char *code;
    const char *text;
    enum aws_outcome outcome;
} messages[] = {
    {"InvalidSignatureException", "Signature expired", AWS_SKEWED},
    {"InvalidSignatureException", "Signature not yet current", AWS_SKEWED},
    {"SignatureDoesNotMatch", "Signature expired", AWS_SKEWED},
    {"SignatureDoesNotMatch", "Signature not yet current", AWS_SKEWED},
    {"InvalidIdentityToken", "Couldn't retrieve verification key", AWS_TRANSIENT},
};

static enum aws_outcome classify_status(int status)
{
    if (status >= 200 && status <= 299)
        return AWS_OK;
    if (status == 429)
        return AWS_THROTTLED;
    if (status == 401 || status == 403)
        return AWS_DENIED;
    if (status == 501 || status == 505)
        return AWS_REFUSED;
    /* No reply, an incomplete reply, a slow request, or a failing service or proxy. */
    if (status < 200 || status == 408 || status >= 500)
        return AWS_TRANSIENT;
    return AWS_REFUSED;
}

const char *aws_outcome_name(enum aws_outcome outcome)
{
    static const char *const names[] = {
        "ok", "throttled", "transient", "expired", "skewed", "denied", "refused", "unmet"};

    return names[outcome];
}

enum aws_outcome aws_error_classify(int status, const char *code, const char *message)
{
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        if (strcmp(code, messages[i].code) == 0 && strcasestr(message, messages[i].text) != NULL)
            return messages[i].outcome;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
        if (strcmp(code, codes[i].code) == 0)
            return codes[i].outcome;
    if (strncmp(code, "AccessDenied", strlen("AccessDenied")) == 0)
        return AWS_DENIED;
    /* A code that is not listed means that the request was understood and refused. */
    if (code[0] != '\0' && (status == 401 || status == 403))
        return AWS_REFUSED;
    return classify_status(status);
}

/* ---- texts from the network ---- */

/* Copies a code or an id; a text with anything but visible ASCII is not valid and is left out. */
static void copy_name(char *to, size_t size, const char *from, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (from[i] <= ' ' || from[i] > '~') {
            len = 0;
            break;
        }
    }
    utf8_copy(to, size, from, len);
}

/* The length of the message in front of a canonical request that AWS repeats. */
static size_t length_to_show(const char *message, size_t len)
{
    static const char *const marks[] = {"The Canonical String", "The String-to-Sign",
        "x-amz-security-token:", "X-Amz-Security-Token="};

    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
        const char *mark = memmem(message, len, marks[i], strlen(marks[i]));

        if (mark != NULL)
            len = (size_t)(mark - message);
    }
    while (len > 0 && (unsigned char)message[len - 1] <= ' ')
        len--;
    return len;
}

/* Word by word, so that a long word can be left out; white space and control characters become one
 * space. */
static void copy_message(char *to, size_t size, const char *from, size_t len)
{
    const char *end = from + length_to_show(from, len);
    size_t used = 0;

    to[0] = '\0';
    while (from < end && used + 2 < size) {
        const char *word = from;

        while (from < end && (unsigned char)*from > ' ' && *from != 0x7f)
            from++;
        if (from > word) {
            bool shown = (size_t)(from - word) <= WORD_MAX;

            if (used > 0)
                to[used++] = ' ';
            used += utf8_copy(to + used, size - used, shown ? word : "[...]",
                shown ? (size_t)(from - word) : strlen("[...]"));
        } else {
            from++;
        }
    }
}

void aws_error_set(struct aws_error *error, int status, const char *code, size_t code_len,
    const char *message, size_t message_len)
{
    *error = (struct aws_error){.status = status};
    copy_name(error->code, sizeof(error->code), code, code_len);
    copy_message(error->message, sizeof(error->message), message, message_len);
    error->outcome = aws_error_classify(status, error->code, error->message);
}

/* ---- pages of proxies, gateways and portals ---- */

static bool is_html(const char *text, size_t len)
{
    size_t start = 0;

    while (start < len && (unsigned char)text[start] <= ' ')
        start++;
    return (len - start >= 5 && strncasecmp(text + start, "<html", 5) == 0) ||
           (len - start >= 9 && strncasecmp(text + start, "<!doctype", 9) == 0);
}

/* The text without its tags, as far as it fits. */
static size_t copy_without_tags(char *to, size_t size, const char *from, size_t len)
{
    bool in_tag = false;
    size_t used = 0;

    for (size_t i = 0; i < len && used < size; i++) {
        if (from[i] == '<')
            in_tag = true;
        if (!in_tag || from[i] == '<')
            to[used++] = (char)(in_tag ? ' ' : from[i]);
        if (from[i] == '>')
            in_tag = false;
    }
    return used;
}

bool aws_error_page_title(const void *body, size_t len, char *title, size_t size)
{
    const char *text = body;
    const char *end = len > 0 ? text + len : text;
    char plain[400] = "";

    if (len == 0 || !is_html(text, len))
        return false;
    for (const char *at = text; end - at > 7; at++) {
        if (strncasecmp(at, "<title>", 7) == 0) {
            text = at;
            at = memchr(at + 7, '<', (size_t)(end - at) - 7);
            end = at != NULL ? at : end;
            break;
        }
    }
    copy_message(
        title, size, plain, copy_without_tags(plain, sizeof(plain), text, (size_t)(end - text)));
    return true;
}

void aws_error_set_page(struct aws_error *error, int status, const void *body, size_t len)
{
    const char *text = body;
    char plain[sizeof(error->message)] = "";
    bool is_page = (status >= 502 && status <= 504) && len > 0 && text[0] != '{' && text[0] != '[';

    if (is_page && aws_error_page_title(body, len, plain, sizeof(plain)))
        len = strlen(plain);
    else if (is_page)
        len = copy_without_tags(plain, sizeof(plain), text, len);
    else
        len = 0;
    aws_error_set(error, status, "", 0, plain, len);
}

void aws_error_set_request_id(struct aws_error *error, const char *id, size_t len)
{
    copy_name(error->request_id, sizeof(error->request_id), id, len);
}

void aws_error_add_reason(struct aws_error *error, const char *reason, const char *resource)
{
    size_t used = strlen(error->reasons);
    char text[sizeof(error->reasons)];
    int len = snprintf(text, sizeof(text), "%s%s%s%s", used > 0 ? ", " : "", reason,
        resource[0] != '\0' ? " " : "", resource);

    /* A reason that does not fit whole is left out. */
    if (len > 0 && (size_t)len < sizeof(text) - used)
        utf8_copy(error->reasons + used, sizeof(error->reasons) - used, text, (size_t)len);
}

/* ---- errors for clients ---- */

static void failure_of_transient(
    const struct aws_error *error, const char *what, struct failure *failure)
{
    if (error->status < 300) /* the cause is in the message; the status carries no information */
        failure_set(failure, ERROR_AWS_UNAVAILABLE, "%s: %s", what,
            error->message[0] != '\0' ? error->message : "the reply is incomplete");
    else
        failure_set(failure, ERROR_AWS_UNAVAILABLE, "%s failed with HTTP %d%s%s", what,
            error->status, error->message[0] != '\0' ? ": " : "", error->message);
}

static void failure_of_denied(
    const struct aws_error *error, const char *what, struct failure *failure)
{
    if (error->code[0] == '\0')
        failure_set(failure, ERROR_ACCESS_DENIED,
            "%s: HTTP %d without an AWS error code; a proxy or firewall may have answered", what,
            error->status);
    else
        failure_set(failure, ERROR_ACCESS_DENIED, "%s was denied%s%s", what,
            error->message[0] != '\0' ? ": " : "", error->message);
}

static void failure_of_refused(
    const struct aws_error *error, const char *what, struct failure *failure)
{
    if (error->status >= 300 && error->status <= 399)
        failure_set(failure, ERROR_AWS_REJECTED,
            "%s: HTTP %d is a redirect, which is never followed; check the endpoint", what,
            error->status);
    else if (error->status == 0) /* no reply: the cause is in the message */
        failure_set(failure, ERROR_AWS_REJECTED, "%s: %s", what, error->message);
    else if (error->status == 407)
        failure_set(failure, ERROR_AWS_REJECTED,
            "%s: a proxy on the way requires a user and a password (HTTP 407)", what);
    else if (error->code[0] == '\0')
        failure_set(failure, ERROR_AWS_REJECTED,
            "%s: HTTP %d without an AWS error code; check the endpoint%s%s", what, error->status,
            error->message[0] != '\0' ? ": " : "", error->message);
    else
        failure_set(failure, ERROR_AWS_REJECTED, "%s was refused%s%s", what,
            error->message[0] != '\0' ? ": " : "", error->message);
}

void aws_error_failure(const struct aws_error *error, const char *what, struct failure *failure)
{
    const char *message = error->message[0] != '\0' ? error->message : error->code;

    switch (error->outcome) {
    case AWS_OK:
        failure_set(failure, ERROR_INTERNAL, "%s did not fail", what);
        break;
    case AWS_THROTTLED:
        failure_set(failure, ERROR_THROTTLED, "%s was throttled%s%s", what,
            message[0] != '\0' ? ": " : "", message);
        break;
    case AWS_TRANSIENT:
        failure_of_transient(error, what, failure);
        break;
    case AWS_EXPIRED:
        failure_set(failure, ERROR_CREDENTIALS, "%s: AWS does not accept the credentials: %s", what,
            message);
        break;
    case AWS_SKEWED:
        failure_set(failure, ERROR_AWS_REJECTED,
            "%s: AWS does not accept the time of the request; check the clock of this machine: %s",
            what, message);
        break;
    case AWS_DENIED:
        failure_of_denied(error, what, failure);
        break;
    case AWS_REFUSED:
    case AWS_UNMET:
        failure_of_refused(error, what, failure);
        break;
    }
    failure_set_aws(failure, error->code, error->request_id, error->reasons);
}

/* ---- reply headers ---- */

/* Copies the value of a header line if it has this name; AWS sends no value that does not fit, so
 * such a value is left out. */
static bool headers_take(
    const char *line, size_t len, const char *name, char *value, size_t value_size)
{
    size_t name_len = strlen(name);

    if (len <= name_len || line[name_len] != ':' || strncasecmp(line, name, name_len) != 0)
        return false;
    line += name_len + 1;
    len -= name_len + 1;
    while (len > 0 && (*line == ' ' || *line == '\t')) {
        line++;
        len--;
    }
    while (len > 0 && (unsigned char)line[len - 1] <= ' ')
        len--;
    if (len >= value_size)
        return false;
    memcpy(value, line, len);
    value[len] = '\0';
    return true;
}

void reply_headers_take(struct reply_headers *headers, const char *line, size_t len)
{
    char *id = headers->request_id;
    size_t id_size = sizeof(headers->request_id);

    if (len > 5 && memcmp(line, "HTTP/", 5) == 0)
        memset(headers, 0, sizeof(*headers));
    headers_take(line, len, "date", headers->date, sizeof(headers->date));
    headers_take(line, len, "x-amzn-requestid", id, id_size);
    headers_take(line, len, "x-amz-request-id", id, id_size);
    headers_take(line, len, "x-amz-crc32", headers->crc32, sizeof(headers->crc32));
    headers_take(
        line, len, "x-amz-retry-after", headers->retry_after, sizeof(headers->retry_after));
}
