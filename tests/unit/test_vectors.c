/* SPDX-License-Identifier: Apache-2.0 */
/* proto/vectors/ against the decoder, and the tables of proto/PROTOCOL.md against the code;
 * tests/vectors.py checks its examples. Runs in the repository's root, as make does. */
#include "proto/limits.h"
#include "proto/message.h"
#include "proto/reader.h"
#include "proto/writer.h"
#include "tests/unit/test.h"

#include <dirent.h>

#define VECTORS  "proto/vectors"
#define DOCUMENT "proto/PROTOCOL.md"

struct vector {
    char path[512];
    struct buffer text;  /* the file as it is */
    struct buffer bytes; /* the message */
    char expect[80];
};

static void read_file(const char *path, struct buffer *content)
{
    char chunk[4096];
    size_t len;
    FILE *file = fopen(path, "rb");

    if (file == NULL)
        TEST_FAIL("%s cannot be read; run this in the repository's root", path);
    buffer_init(content, 1 << 20);
    while ((len = fread(chunk, 1, sizeof(chunk), file)) > 0)
        CHECK_INT(0, buffer_append(content, chunk, len));
    fclose(file);
}

/* The bytes of lines of hex pairs; lines of comment are passed over. */
static void read_hex(const char *path, const char *text, struct buffer *bytes)
{
    while (*text != '\0') {
        const char *end = text + strcspn(text, "\n");

        while (*text != '#' && text < end) {
            const char pair[3] = {text[0], text[1], '\0'};
            char *rest;
            unsigned long byte = strtoul(pair, &rest, 16);

            if (rest != pair + 2)
                TEST_FAIL("%s: no hex: %.10s", path, text);
            CHECK_INT(0, buffer_append_byte(bytes, (uint8_t)byte));
            text += text[2] == ' ' ? 3 : 2;
        }
        text = *end != '\0' ? end + 1 : end;
    }
}

static struct vector vector_read(const char *name)
{
    struct vector vector = {.expect = ""};
    const char *text;
    const char *expect;

    snprintf(vector.path, sizeof(vector.path), VECTORS "/%s", name);
    read_file(vector.path, &vector.text);
    text = buffer_string(&vector.text);
    expect = strstr(text, "\n# expect: ");
    if (strncmp(text, "# ", 2) != 0 || expect == NULL ||
        sscanf(expect, "\n# expect: %79[^\n]", vector.expect) != 1)
        TEST_FAIL("%s: needs a first line '# what it is' and '# expect: …'", vector.path);
    buffer_init(&vector.bytes, LIMIT_ANSWER_BYTES);
    read_hex(vector.path, text, &vector.bytes);
    if (vector.bytes.len == 0)
        TEST_FAIL("%s: has no bytes", vector.path);
    return vector;
}

static void vector_free(struct vector *vector)
{
    buffer_free(&vector->text);
    buffer_free(&vector->bytes);
}

static enum error_code code_named(const char *name)
{
#define CODE_NAMED(number, error, retryable, text)                                                 \
    if (strcmp(name, #error) == 0)                                                                 \
        return ERROR_##error;
    ERROR_MAP(CODE_NAMED)
#undef CODE_NAMED
    return ERROR_NONE;
}

/* What the bytes are, in the words of `# expect:`. */
static void describe_answer(const struct message *message, char *out, size_t size)
{
    struct reader error = message->error;
    struct failure failure;

    if (!message->has_error)
        snprintf(out, size, "answer %u", message->id);
    else if (failure_unpack(&error, &failure) && error.at == error.end)
        snprintf(out, size, "error %u %s", message->id, error_name(failure.code));
    else
        snprintf(out, size, "error %u that cannot be read", message->id);
}

static void describe_message(const struct buffer *bytes, char *out, size_t size)
{
    struct message message;

    if (message_decode(&message, bytes->data, bytes->len) < 0) {
        snprintf(out, size, "no message");
    } else if (message.kind == MESSAGE_ANSWER) {
        describe_answer(&message, out, size);
    } else if (message.flaw != NULL) {
        if (message.kind == MESSAGE_REQUEST)
            snprintf(out, size, "error %u INVALID_REQUEST", message.id);
        else
            snprintf(out, size, "nothing");
    } else if (message.kind == MESSAGE_REQUEST) {
        snprintf(
            out, size, "request %u %.*s", message.id, (int)message.method.len, message.method.data);
    } else {
        snprintf(out, size, "notification %.*s", (int)message.method.len, message.method.data);
    }
}

/* Byte by byte, as the worst network delivers. `max` is the side's own limit. */
static void describe(const struct buffer *bytes, size_t max, char *out, size_t size)
{
    struct buffer frame = *bytes;
    enum frame_status status = FRAME_MORE;
    struct frame_scan scan;

    frame_scan_init(&scan, max, LIMIT_DEPTH);
    for (frame.len = 0; frame.len < bytes->len && status == FRAME_MORE;) {
        frame.len++;
        status = frame_scan_feed(&scan, bytes->data, frame.len);
    }
    if (status == FRAME_MORE)
        snprintf(out, size, "unfinished");
    else if (status == FRAME_REFUSED)
        snprintf(out, size, "refused");
    else
        describe_message(&frame, out, size);
}

static void check_valid(const struct vector *vector)
{
    char found[200];
    bool to_client = strncmp(vector->expect, "request", 7) != 0 &&
                     strcmp(vector->expect, "notification ping") != 0;

    describe(
        &vector->bytes, to_client ? LIMIT_ANSWER_BYTES : LIMIT_REQUEST_BYTES, found, sizeof(found));
    if (strcmp(vector->expect, found) != 0)
        TEST_FAIL("%s is '%s', expected '%s'", vector->path, found, vector->expect);
}

/* Errors that only the agent can find are requests here; its own tests send them to it. */
static void check_invalid(const struct vector *vector)
{
    char found[200];
    char error[80];
    bool same;

    describe(&vector->bytes, LIMIT_REQUEST_BYTES, found, sizeof(found));
    same = strcmp(vector->expect, found) == 0;
    if (sscanf(vector->expect, "error 7 %79s", error) == 1)
        same = code_named(error) != ERROR_NONE && (same || strncmp(found, "request 7 ", 10) == 0);
    if (strcmp(vector->expect, "nothing") == 0)
        same = same || strncmp(found, "notification ", 13) == 0;
    if (strcmp(vector->expect, "no message") == 0)
        same = same || strncmp(found, "answer ", 7) == 0;
    if (!same)
        TEST_FAIL("%s is '%s', expected '%s'", vector->path, found, vector->expect);
}

static size_t each_vector(const char *folder, void (*check)(const struct vector *vector))
{
    char path[300];
    size_t count = 0;
    struct dirent *entry;

    snprintf(path, sizeof(path), VECTORS "/%s", folder);
    DIR *directory = opendir(path);
    if (directory == NULL)
        TEST_FAIL("%s cannot be read; run this in the repository's root", path);
    while ((entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        struct vector vector = vector_read(path);
        check(&vector);
        vector_free(&vector);
        count++;
    }
    closedir(directory);
    return count;
}

TEST(valid_vectors_decode_as_they_say)
{
    CHECK(each_vector("valid", check_valid) > 30);
}

TEST(invalid_vectors_are_handled_as_they_say)
{
    CHECK(each_vector("invalid", check_invalid) > 30);
}

/* ---- what we pack is what the vectors hold ---- */

static void check_packed(const char *name, const struct buffer *packed)
{
    struct vector vector = vector_read(name);

    if (packed->failed || packed->len != vector.bytes.len ||
        memcmp(packed->data, vector.bytes.data, packed->len) != 0)
        TEST_FAIL("%s: we pack other bytes", vector.path);
    vector_free(&vector);
}

TEST(requests_are_packed_as_in_the_vectors)
{
    struct buffer buffer;

    buffer_init(&buffer, LIMIT_REQUEST_BYTES);
    message_begin_request(&buffer, 7, "count");
    write_array(&buffer, 1);
    write_map(&buffer, 1);
    write_string(&buffer, "trigger");
    write_string(&buffer, "orders");
    check_packed("valid/count-request.hex", &buffer);
    buffer_clear(&buffer);
    message_begin_request(&buffer, MSGID_MAX, "ping");
    write_array(&buffer, 0);
    check_packed("valid/encoding-largest-msgid.hex", &buffer);
    buffer_clear(&buffer);
    message_begin_notification(&buffer, "ping");
    write_array(&buffer, 0);
    check_packed("valid/notification-to-agent.hex", &buffer);
    buffer_free(&buffer);
}

static void check_repacked(const char *name, const struct map *extra)
{
    struct message message;
    struct failure failure;
    struct buffer buffer;
    struct vector vector = vector_read(name);

    CHECK_INT(0, message_decode(&message, vector.bytes.data, vector.bytes.len));
    CHECK(failure_unpack(&message.error, &failure));
    buffer_init(&buffer, LIMIT_ANSWER_BYTES);
    message_error(&buffer, message.id, &failure, extra);
    check_packed(name, &buffer);
    buffer_free(&buffer);
    vector_free(&vector);
}

TEST(errors_are_packed_as_in_the_vectors)
{
    struct buffer buffer;
    struct map extra;

    check_repacked("valid/error-unknown-trigger.hex", NULL);
    check_repacked("valid/error-access-denied.hex", NULL);
    check_repacked("valid/error-throttled.hex", NULL);
    buffer_init(&buffer, 100);
    extra = map_begin(&buffer);
    map_bool(&extra, "fallback", true);
    map_uint(&extra, "desired_replicas", 6);
    check_repacked("valid/error-timeout-fallback.hex", &extra);
    buffer_free(&buffer);
}

/* ---- the document ---- */

static void check_says(const char *document, const char *line)
{
    if (strstr(document, line) == NULL)
        TEST_FAIL(DOCUMENT ": does not say: %s", line + 1);
}

TEST(the_document_has_the_errors_of_the_code)
{
    struct buffer document;
    char line[200];

    read_file(DOCUMENT, &document);
#define CHECK_ROW(number, name, retryable, text)                                                   \
    snprintf(                                                                                      \
        line, sizeof(line), "\n| %d | `%s` | %s |", number, #name, (retryable) ? "yes" : "no");    \
    check_says(buffer_string(&document), line);
    ERROR_MAP(CHECK_ROW)
#undef CHECK_ROW
    buffer_free(&document);
}

static const struct {
    const char *name;
    unsigned long value;
} limits[] = {
    {"request_bytes", LIMIT_REQUEST_BYTES},
    {"depth", LIMIT_DEPTH},
    {"in_flight", LIMIT_IN_FLIGHT},
    {"watches", LIMIT_WATCHES},
    {"connections", LIMIT_CONNECTIONS},
    {"output_bytes", LIMIT_OUTPUT_BYTES},
    {"timeout_ms_default", TIMEOUT_DEFAULT_MS},
    {"timeout_ms_max", TIMEOUT_MAX_MS},
};

TEST(the_document_has_the_limits_of_the_code)
{
    struct buffer document;
    char line[200];

    read_file(DOCUMENT, &document);
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        snprintf(line, sizeof(line), "\n| `%s` | %lu |", limits[i].name, limits[i].value);
        check_says(buffer_string(&document), line);
    }
    snprintf(line, sizeof(line), "\n# The tally protocol, version %d\n", PROTOCOL_VERSION);
    CHECK(strncmp(buffer_string(&document), line + 1, strlen(line + 1)) == 0);
    buffer_free(&document);
}

TEST_MAIN(RUN(valid_vectors_decode_as_they_say), RUN(invalid_vectors_are_handled_as_they_say),
    RUN(requests_are_packed_as_in_the_vectors), RUN(errors_are_packed_as_in_the_vectors),
    RUN(the_document_has_the_errors_of_the_code), RUN(the_document_has_the_limits_of_the_code))
