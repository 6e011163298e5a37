/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/credentials/static.h"
#include "agent/file.h"
#include "tests/unit/identity_world.h"

#include <errno.h>

static struct world world;

/* The value, or the failure's message; *r is what value_read answered. */
static const char *read_value(struct value_ref ref, int *r)
{
    static char text[1024];
    struct failure failure = {.message = ""};
    struct buffer out;

    buffer_init_secret(&out, VALUE_BYTES);
    *r = value_read(&ref, world_getenv, &out, &failure);
    snprintf(text, sizeof(text), "%s", *r == 0 ? buffer_string(&out) : failure.message);
    CHECK(*r == 0 || out.len == 0);
    buffer_free(&out);
    return text;
}

TEST(a_value_comes_from_where_its_reference_says)
{
    const char *plain;
    const char *json;
    int r;

    world_open(&world);
    world_set("KEY", "from the environment");
    plain = world_write(&world, "plain", "from a file\n");
    json = world_write(&world, "keys.json", "{\"a\": \"x\", \"b\": \" from JSON\"}");
    CHECK_STR("literal", read_value((struct value_ref){SOURCE_LITERAL, "literal", NULL, NULL}, &r));
    CHECK_STR("from the environment",
        read_value((struct value_ref){SOURCE_ENVIRONMENT, "KEY", NULL, NULL}, &r));
    CHECK_STR("from a file", read_value((struct value_ref){SOURCE_FILE, plain, NULL, NULL}, &r));
    CHECK_STR("from JSON", read_value((struct value_ref){SOURCE_JSON_FILE, json, "b", NULL}, &r));
    CHECK_INT(0, r);
    read_value((struct value_ref){SOURCE_ABSENT, NULL, NULL, NULL}, &r);
    CHECK_INT(-ENODATA, r);
    world_close(&world);
}

TEST(white_space_around_a_value_is_not_part_of_it)
{
    static const char *const texts[] = {"AKIA", "AKIA\n", "AKIA\r\n", "  AKIA\t\n\n"};
    int r;

    world_open(&world);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        CHECK_STR("AKIA", read_value((struct value_ref){SOURCE_LITERAL, texts[i], NULL, NULL}, &r));
    world_close(&world);
}

TEST(a_value_that_cannot_be_had_says_what_where_and_why)
{
    const char *path;
    const char *text;
    int r;

    world_open(&world);
    world_set("EMPTY", "");
    text = read_value(
        (struct value_ref){SOURCE_ENVIRONMENT, "MISSING", NULL, "awsAccessKeyIDFromEnv"}, &r);
    CHECK_STR("awsAccessKeyIDFromEnv: the environment variable MISSING is not set", text);
    CHECK(r < 0 && r != -ENODATA);
    text = read_value((struct value_ref){SOURCE_ENVIRONMENT, "EMPTY", NULL, "x"}, &r);
    CHECK_STR("x: it is empty", text);
    text = read_value((struct value_ref){SOURCE_BROKEN, "it is no base64", NULL, "Secret a/b"}, &r);
    CHECK_STR("Secret a/b: it is no base64", text);
    CHECK_INT(-EINVAL, r);
    text = read_value((struct value_ref){SOURCE_FILE, "/nowhere/key", NULL, "Secret a/b"}, &r);
    CHECK_STR("Secret a/b: /nowhere/key cannot be read: No such file or directory", text);
    path = world_write(&world, "f.json", "{\"a\": 1, \"secret\": \"hunter2\"");
    text = read_value((struct value_ref){SOURCE_JSON_FILE, path, "a", "x"}, &r);
    CHECK(strstr(text, "not valid JSON") != NULL && strstr(text, "hunter2") == NULL);
    path = world_write(&world, "f.json", "{\"a\": 1}");
    text = read_value((struct value_ref){SOURCE_JSON_FILE, path, "a", "x"}, &r);
    CHECK_STR("x: the JSON object has no string named a", text);
    text = read_value((struct value_ref){SOURCE_LITERAL, "one\ntwo", NULL, "x"}, &r);
    CHECK_STR("x: it holds a line break or another control character", text);
    world_close(&world);
}

TEST(a_file_that_is_no_file_is_refused_without_waiting)
{
    struct buffer out;

    world_open(&world);
    buffer_init(&out, 16);
    CHECK_INT(0, mkfifo(world_path(&world, "pipe"), 0600));
    CHECK_INT(-EINVAL, file_read(world_path(&world, "pipe"), &out));
    CHECK_INT(-EISDIR, file_read(world.folder, &out));
    CHECK_INT(-EMSGSIZE, file_read(world_write(&world, "long", "0123456789abcdefg"), &out));
    buffer_free(&out);
    CHECK_INT(0, file_read(world_write(&world, "fits", "0123456789abcdef"), &out));
    CHECK_INT(16, out.len);
    buffer_free(&out);
    world_close(&world);
}

TEST(missing_rights_are_explained_with_both_sides)
{
    const char *path;
    char why[400];

    world_open(&world);
    path = world_write(&world, "token", "x");
    CHECK_INT(0, chmod(path, 0640));
    file_explain(path, -EACCES, why, sizeof(why));
    CHECK(strstr(why, "mode 0640") != NULL);
    CHECK(strstr(why, "this process (uid ") != NULL);
    CHECK(strstr(why, "belongs to uid ") != NULL);
    CHECK(strstr(why, "fsGroup") != NULL);
    file_explain("/nowhere/at/all", -EACCES, why, sizeof(why));
    CHECK(strstr(why, "a folder above it") != NULL);
    world_close(&world);
}

TEST(a_stamp_shows_a_replaced_file)
{
    struct file_stamp first, second;
    const char *path;

    world_open(&world);
    path = world_write(&world, "f", "one");
    first = file_stamp_of(path);
    second = file_stamp_of(path);
    CHECK(file_stamp_equal(&first, &second));
    world_write(&world, "f", "two");
    second = file_stamp_of(path);
    CHECK(!file_stamp_equal(&first, &second));
    CHECK_INT(0, unlink(path));
    second = file_stamp_of(path);
    CHECK_INT(-ENOENT, second.error);
    CHECK(!file_stamp_equal(&first, &second));
    world_close(&world);
}

TEST_MAIN(RUN(a_value_comes_from_where_its_reference_says),
    RUN(white_space_around_a_value_is_not_part_of_it),
    RUN(a_value_that_cannot_be_had_says_what_where_and_why),
    RUN(a_file_that_is_no_file_is_refused_without_waiting),
    RUN(missing_rights_are_explained_with_both_sides), RUN(a_stamp_shows_a_replaced_file))
