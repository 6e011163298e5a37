/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/sigv4.h"

#include "proto/buffer.h"

#include <bearssl.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define HASH_BYTES  32
#define HASH_HEX    (2 * HASH_BYTES + 1)
#define HEADERS_MAX 16
#define DATE_LEN    8 /* the day in front of "T030405Z" */
#define STACK_BYTES 8192
#define TERMINATOR  "aws4_request"
#define ALGORITHM   "AWS4-HMAC-SHA256"

/* BearSSL does not wipe key material in its stack frames. Called from the same stack depth, this
 * function overwrites them. */
static __attribute__((noinline)) void wipe_stack_below(void)
{
    uint8_t below[STACK_BYTES];

    wipe(below, sizeof(below));
}

static void sigv4_hash_text(br_sha256_context *hash, const char *text)
{
    br_sha256_update(hash, text, strlen(text));
}

static void to_hex(const uint8_t bytes[HASH_BYTES], char hex[HASH_HEX])
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < HASH_BYTES; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 15];
    }
    hex[HASH_HEX - 1] = '\0';
}

/* A text written piece by piece into a fixed-size buffer. */
struct text {
    char *to;
    size_t size, len;
    bool failed; /* it did not fit */
};

static void text_add_bytes(struct text *text, const char *bytes, size_t len)
{
    text->failed = text->failed || len >= text->size - text->len;
    if (text->failed)
        return;
    memcpy(text->to + text->len, bytes, len);
    text->len += len;
    text->to[text->len] = '\0';
}

static void text_add(struct text *text, const char *more)
{
    text_add_bytes(text, more, strlen(more));
}

/* Allowed in a header line: all but control characters. */
static bool is_header_text(const char *text)
{
    for (; *text != '\0'; text++)
        if (((unsigned char)*text < ' ' && *text != '\t') || *text == 0x7f)
            return false;
    return true;
}

/* ---- canonical request ---- */

struct header_list {
    struct sigv4_header headers[HEADERS_MAX];
    size_t count;
    size_t front; /* so many are the request's front: up to the date, or the token behind it */
    bool has_token;
};

static void list_insert(struct header_list *list, const char *name, const char *value)
{
    size_t at = list->count++;

    while (at > 0 && strcmp(list->headers[at - 1].name, name) > 0) {
        list->headers[at] = list->headers[at - 1];
        at--;
    }
    list->headers[at] = (struct sigv4_header){name, value};
    list->front = at + 1;
}

/* The request's headers, the date and the token, in the order in which they are signed. */
static int list_headers(struct header_list *list, const struct sigv4_request *request,
    const char *date, const char *token)
{
    if (request->header_count > HEADERS_MAX - 2)
        return -EMSGSIZE;
    list->count = request->header_count;
    for (size_t i = 0; i < list->count; i++)
        list->headers[i] = request->headers[i];
    list_insert(list, "x-amz-date", date);
    list->has_token = token != NULL;
    if (token != NULL)
        list_insert(list, "x-amz-security-token", token);
    return 0;
}

/* From this one on: sorted by name, each once, and allowed in a header. */
static bool list_is_valid(const struct header_list *list, size_t from)
{
    for (size_t i = from; i < list->count; i++) {
        if (i > 0 && strcmp(list->headers[i - 1].name, list->headers[i].name) >= 0)
            return false;
        if (!is_header_text(list->headers[i].value))
            return false;
    }
    return true;
}

/* All services but S3 sign the path encoded a second time, without empty segments. */
static void hash_path(br_sha256_context *hash, const char *path)
{
    static const char digits[] = "0123456789ABCDEF";

    for (const char *at = path; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        char encoded[3] = {'%', digits[c >> 4], digits[c & 15]};
        bool plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
                     strchr("-._~/", c) != NULL;

        if (c == '/' && at > path && at[-1] == '/')
            continue;
        br_sha256_update(hash, plain ? at : encoded, plain ? 1 : sizeof(encoded));
    }
}

/* Trims white space at the ends and collapses each inner run to one space. */
static void sigv4_hash_value(br_sha256_context *hash, const char *value)
{
    bool first = true;

    for (;;) {
        value += strspn(value, " \t");
        size_t word = strcspn(value, " \t");
        if (word == 0)
            return;
        if (!first)
            br_sha256_update(hash, " ", 1);
        br_sha256_update(hash, value, word);
        value += word;
        first = false;
    }
}

static void hash_signed_headers(br_sha256_context *hash, const struct header_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            br_sha256_update(hash, ";", 1);
        sigv4_hash_text(hash, list->headers[i].name);
    }
}

static void hash_headers(
    br_sha256_context *hash, const struct header_list *list, size_t from, size_t end)
{
    for (size_t i = from; i < end; i++) {
        sigv4_hash_text(hash, list->headers[i].name);
        sigv4_hash_text(hash, ":");
        sigv4_hash_value(hash, list->headers[i].value);
        sigv4_hash_text(hash, "\n");
    }
}

/* The canonical request goes directly into its hash; only the hash is needed. */
static void hash_front(
    br_sha256_context *hash, const struct sigv4_request *request, const struct header_list *list)
{
    br_sha256_init(hash);
    sigv4_hash_text(hash, request->method);
    sigv4_hash_text(hash, "\n");
    hash_path(hash, request->path);
    sigv4_hash_text(hash, "\n");
    sigv4_hash_text(hash, request->query);
    sigv4_hash_text(hash, "\n");
    hash_headers(hash, list, 0, list->front);
}

static void hash_rest(br_sha256_context *hash, const struct sigv4_request *request,
    const struct header_list *list, uint8_t result[HASH_BYTES])
{
    br_sha256_context body;
    char body_hex[HASH_HEX];

    br_sha256_init(&body);
    br_sha256_update(&body, request->body, request->body_len);
    br_sha256_out(&body, result);
    to_hex(result, body_hex);
    hash_headers(hash, list, list->front, list->count);
    sigv4_hash_text(hash, "\n");
    hash_signed_headers(hash, list);
    sigv4_hash_text(hash, "\n");
    sigv4_hash_text(hash, body_hex);
    br_sha256_out(hash, result);
}

/* ---- the front that was hashed already ---- */

_Static_assert(sizeof(br_sha256_context) <= sizeof(((struct signed_front *)NULL)->hash),
    "a SHA-256 context fits its space");

/* Everything that hash_front hashes, but not the token: the front is kept with the credentials,
 * which have only one. Each text ends in its NUL, so that no two lists have the same text. 0: too
 * long to be kept. */
static size_t front_text(
    const struct sigv4_request *request, const struct header_list *list, char *to, size_t size)
{
    struct text text = {.to = to, .size = size};

    text_add_bytes(&text, request->method, strlen(request->method) + 1);
    text_add_bytes(&text, request->path, strlen(request->path) + 1);
    text_add_bytes(&text, request->query, strlen(request->query) + 1);
    for (size_t i = 0; i < list->front; i++) {
        const struct sigv4_header *header = &list->headers[i];

        text_add_bytes(&text, header->name, strlen(header->name) + 1);
        if (i + 1 < list->front || !list->has_token)
            text_add_bytes(&text, header->value, strlen(header->value) + 1);
    }
    return text.failed ? 0 : text.len;
}

/* Starts the hash of the request with its front, as it was kept or from the start. The list is
 * checked as far as it was not when the front was kept. 0 or -EINVAL. */
static int start_hash(struct signed_front *front, const struct sigv4_request *request,
    const struct header_list *list, br_sha256_context *hash)
{
    char text[sizeof(front->text)];
    size_t len = front_text(request, list, text, sizeof(text));
    bool kept = len > 0 && len == front->len && memcmp(text, front->text, len) == 0;

    if (!list_is_valid(list, kept ? list->front : 0))
        return -EINVAL;
    if (kept) {
        memcpy(hash, front->hash, sizeof(*hash));
        return 0;
    }
    hash_front(hash, request, list);
    memcpy(front->text, text, len);
    memcpy(front->hash, hash, sizeof(*hash));
    front->len = len;
    return 0;
}

/* ---- signing key ---- */

_Static_assert(sizeof(br_hmac_key_context) <= sizeof(((struct signing_key *)NULL)->hmac),
    "an HMAC key fits its space");

static void hmac_with(const br_hmac_key_context *key, const char *text, uint8_t result[HASH_BYTES])
{
    br_hmac_context context;

    br_hmac_init(&context, key, 0);
    br_hmac_update(&context, text, strlen(text));
    br_hmac_out(&context, result);
    wipe(&context, sizeof(context));
}

static void sigv4_hmac(
    const void *key, size_t key_len, const char *text, uint8_t result[HASH_BYTES])
{
    br_hmac_key_context context;

    br_hmac_key_init(&context, &br_sha256_vtable, key, key_len);
    hmac_with(&context, text, result);
    wipe(&context, sizeof(context));
}

static void derive_key(struct signing_key *key, const char *secret, const char *date,
    const char *region, const char *service)
{
    char start[4 + SIGV4_SECRET_MAX + 1];
    struct text text = {.to = start, .size = sizeof(start)};
    br_hmac_key_context context = {.dig_vtable = NULL};
    uint8_t hash[HASH_BYTES];
    char day[DATE_LEN + 1];

    text_add(&text, "AWS4");
    text_add(&text, secret);
    memcpy(day, date, DATE_LEN);
    day[DATE_LEN] = '\0';
    sigv4_hmac(start, text.len, day, hash);
    sigv4_hmac(hash, sizeof(hash), region, hash);
    sigv4_hmac(hash, sizeof(hash), service, hash);
    sigv4_hmac(hash, sizeof(hash), TERMINATOR, hash);
    br_hmac_key_init(&context, &br_sha256_vtable, hash, sizeof(hash));
    memcpy(key->hmac, &context, sizeof(context));
    wipe(&context, sizeof(context));
    wipe(hash, sizeof(hash));
    wipe(start, sizeof(start));
}

static void hmac_with_derived(
    const struct signing_key *key, const char *text, uint8_t result[HASH_BYTES])
{
    br_hmac_key_context context;

    memcpy(&context, key->hmac, sizeof(context));
    hmac_with(&context, text, result);
    wipe(&context, sizeof(context));
}

/* The key for this scope, derived now if it is not cached. NULL: the secret or the scope is too
 * long to be real. */
static struct signing_key *key_for(const struct credentials *credentials, const char *date,
    const char *region, const char *service)
{
    struct signing_keys *derived = credentials->derived;
    struct signing_key *key;
    char scope[sizeof(key->scope)] = "";
    struct text text = {.to = scope, .size = sizeof(scope)};

    text_add_bytes(&text, date, DATE_LEN);
    text_add(&text, "/");
    text_add(&text, region);
    text_add(&text, "/");
    text_add(&text, service);
    text_add(&text, "/" TERMINATOR);
    if (text.failed || strlen(credentials->secret_access_key) > SIGV4_SECRET_MAX)
        return NULL;
    for (size_t i = 0; i < SIGNING_KEYS; i++)
        if (strcmp(derived->keys[i].scope, scope) == 0)
            return &derived->keys[i];
    key = &derived->keys[derived->next++ % SIGNING_KEYS];
    derive_key(key, credentials->secret_access_key, date, region, service);
    memcpy(key->scope, scope, sizeof(scope));
    return key;
}

/* ---- signature ---- */

static int write_authorization(char *to, const char *key_id, const char *scope,
    const struct header_list *list, const char *signature)
{
    struct text text = {.to = to, .size = SIGV4_AUTHORIZATION_SIZE};

    text_add(&text, ALGORITHM " Credential=");
    text_add(&text, key_id);
    text_add(&text, "/");
    text_add(&text, scope);
    text_add(&text, ", SignedHeaders=");
    for (size_t i = 0; i < list->count; i++) {
        if (i > 0)
            text_add(&text, ";");
        text_add(&text, list->headers[i].name);
    }
    text_add(&text, ", Signature=");
    text_add(&text, signature);
    return text.failed ? -EMSGSIZE : 0;
}

/* The signature of a canonical request with this hash. */
static void sign_hash(const struct signing_key *key, const char *date,
    const uint8_t hash[HASH_BYTES], char signature[HASH_HEX])
{
    char to_sign[sizeof(ALGORITHM) + SIGV4_DATE_SIZE + sizeof(key->scope) + HASH_HEX];
    struct text text = {.to = to_sign, .size = sizeof(to_sign)};
    uint8_t result[HASH_BYTES];
    char hex[HASH_HEX];

    to_hex(hash, hex);
    text_add(&text, ALGORITHM "\n");
    text_add(&text, date);
    text_add(&text, "\n");
    text_add(&text, key->scope);
    text_add(&text, "\n");
    text_add(&text, hex);
    hmac_with_derived(key, to_sign, result);
    to_hex(result, signature);
}

static int sigv4_sign_text(const struct sigv4_request *request,
    const struct credentials *credentials, const char *region, const char *service,
    struct sigv4_signature *signature)
{
    struct signing_key *key;
    struct header_list list;
    br_sha256_context canonical;
    uint8_t hash[HASH_BYTES];
    char hex[HASH_HEX];
    int r;

    r = list_headers(&list, request, signature->date, credentials->session_token);
    if (r == 0 && !is_header_text(credentials->access_key_id))
        r = -EINVAL;
    if (r < 0)
        return r;
    key = key_for(credentials, signature->date, region, service);
    if (key == NULL)
        return -EMSGSIZE;
    r = start_hash(&key->front, request, &list, &canonical);
    if (r < 0)
        return r;
    hash_rest(&canonical, request, &list, hash);
    wipe(&canonical, sizeof(canonical)); /* its last block may hold a part of the token */
    sign_hash(key, signature->date, hash, hex);
    return write_authorization(
        signature->authorization, credentials->access_key_id, key->scope, &list, hex);
}

int sigv4_sign(const struct sigv4_request *request, const struct credentials *credentials,
    const char *region, const char *service, int64_t unix_seconds,
    struct sigv4_signature *signature)
{
    int r = iso8601_basic(unix_seconds, signature->date);

    if (r == 0)
        r = sigv4_sign_text(request, credentials, region, service, signature);
    wipe_stack_below();
    return r;
}

void sigv4_hash(const void *data, size_t len, char hash[SIGV4_HASH_SIZE])
{
    br_sha256_context context;
    uint8_t result[HASH_BYTES];

    br_sha256_init(&context);
    br_sha256_update(&context, data, len);
    br_sha256_out(&context, result);
    to_hex(result, hash);
}
