/* SPDX-License-Identifier: Apache-2.0 */
/* What the command reads and shows: answers of an agent that may be any process, and the JSON of
 * `tally call` and --value. What was read can be packed and read again as the same, and nothing
 * that is shown as text moves the terminal. */
#include "client/cli/json.h"
#include "client/cli/table.h"
#include "proto/limits.h"
#include "proto/reader.h"
#include "tests/fuzz/fuzz.h"

#include "client/cli/cli.h"
#include "client/cli/terminal.h"

static char *printed(const struct json *json, bool one_line)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    MUST(file != NULL);
    json_print(file, json, one_line);
    MUST(fclose(file) == 0 && text[len - 1] == '\n');
    return text;
}

static void check_again(const struct json *json)
{
    size_t len = 0;
    void *packed = json_to_msgpack(json, &len);
    struct json *again = json_from_msgpack(packed, len);
    char *before = printed(json, true), *after;

    MUST(again != NULL);
    after = printed(again, true);
    MUST(strcmp(before, after) == 0);
    free(before);
    free(after);
    free(packed);
    json_free(again);
}

static void check_shown(const struct json *json)
{
    char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);

    MUST(file != NULL);
    if (json_kind(json) == JSON_KIND_MAP)
        tree_print(file, json, 2, NULL);
    else if (json_kind(json) == JSON_KIND_ARRAY)
        tree_table(file, json, 0);
    MUST(fclose(file) == 0);
    for (size_t i = 0; i < len; i++)
        MUST(text[i] == '\n' || ((unsigned char)text[i] >= 0x20 && text[i] != 0x7f));
    free(text);
}

static void check(struct json *json)
{
    if (json == NULL)
        return;
    free(printed(json, false));
    check_again(json);
    check_shown(json);
    json_free(json);
}

/* As the library hands answers on: whole frames only. */
static bool is_frame(const uint8_t *data, size_t size)
{
    struct frame_scan scan;

    frame_scan_init(&scan, LIMIT_ANSWER_BYTES, FRAME_DEPTH_MAX);
    return frame_scan_feed(&scan, data, size) == FRAME_COMPLETE && scan.offset == size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[256] = "";
    char *text = input_text(data, size);
    struct json *json = json_parse(text, error, sizeof(error));

    MUST(json != NULL || error[0] != '\0');
    check(json);
    if (is_frame(data, size))
        check(json_from_msgpack(data, size));
    free(text);
    return 0;
}
