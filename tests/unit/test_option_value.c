/* SPDX-License-Identifier: Apache-2.0 */
/* The values of options, as people write them. */
#include "agent/option_table.h"

#include "tests/unit/test.h"

TEST(a_size_has_a_unit_or_none_and_is_not_small)
{
    static const struct {
        const char *text;
        size_t size; /* 0: refused */
    } sizes[] = {{"65536", 65536}, {"64K", 65536}, {"64k", 65536}, {"2M", 2 << 20}, {"2m", 2 << 20},
        {"65535", 0}, {"63K", 0}, {"0", 0}, {"", 0}, {"M", 0}, {"-2M", 0}, {" 2M", 0}, {"2MB", 0},
        {"2G", 0}, {"2 M", 0}, {"99999999999999999999", 0}, {"2000000000000", 0},
        {"1024M", 1 << 30}, {"1025M", 0}, {"1073741824", 1 << 30}, {"1073741825", 0},
        {"18446744073709551615M", 0}, {"17592186044417M", 0}};

    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t size = 0;
        bool ok = option_value_size(sizes[i].text, &size);

        CHECK_INT(sizes[i].size != 0, ok);
        if (ok)
            CHECK_INT(sizes[i].size, size);
    }
}

TEST(a_duration_has_a_unit_but_for_zero)
{
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } durations[] = {{"500ms", 500}, {"30s", 30000}, {"5m", 300000}, {"2h", 7200000}, {"0", 0},
        {"0s", 0}, {"30", -1}, {"", -1}, {"s", -1}, {"-1s", -1}};

    for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
        int64_t ms = 0;
        bool ok = option_value_duration(durations[i].text, &ms);

        CHECK_INT(durations[i].ms >= 0, ok);
        if (ok)
            CHECK_INT(durations[i].ms, ms);
    }
}

TEST(a_mode_is_octal)
{
    mode_t mode;

    CHECK(option_value_mode("0660", &mode) && mode == 0660);
    CHECK(option_value_mode("777", &mode) && mode == 0777);
    CHECK(!option_value_mode("1777", &mode));
    CHECK(!option_value_mode("0680", &mode));
    CHECK(!option_value_mode("0x1ff", &mode));
    CHECK(!option_value_mode("", &mode));
}

TEST(an_id_is_a_number_and_never_that_which_means_none)
{
    uint32_t id;

    CHECK(option_value_id("0", &id) && id == 0);
    CHECK(option_value_id("4294967294", &id) && id == UINT32_MAX - 1);
    CHECK(!option_value_id("4294967295", &id));
    CHECK(!option_value_id("root", &id));
    CHECK(!option_value_id("+1", &id));
    CHECK(!option_value_id("1 ", &id));
}

TEST(a_group_may_have_a_name)
{
    gid_t gid;

    CHECK(option_value_group("1000", &gid) && gid == 1000);
    CHECK(option_value_group("root", &gid) && gid == 0);
    CHECK(!option_value_group("no-such-group", &gid));
    CHECK(!option_value_group("", &gid));
}

TEST(words_are_whole_and_in_any_case)
{
    enum log_level level;
    bool flag;

    CHECK(option_value_flag("1", &flag) && flag);
    CHECK(option_value_flag("yes", &flag) && flag);
    CHECK(option_value_flag("", &flag) && !flag);
    CHECK(option_value_flag("false", &flag) && !flag);
    CHECK(option_value_flag("True", &flag) && flag);
    CHECK(option_value_flag("NO", &flag) && !flag);
    CHECK(!option_value_flag("on", &flag));
    CHECK(option_value_level("warn", &level) && level == LOG_LEVEL_WARN);
    CHECK(option_value_level("debug", &level) && level == LOG_LEVEL_DEBUG);
    CHECK(option_value_level("INFO", &level) && level == LOG_LEVEL_INFO);
    CHECK(!option_value_level("warning", &level));
    CHECK(option_value_format("json", &flag) && flag);
    CHECK(option_value_format("logfmt", &flag) && !flag);
    CHECK(option_value_format("JSON", &flag) && flag);
    CHECK(!option_value_format("json ", &flag));
}

TEST_MAIN(RUN(a_size_has_a_unit_or_none_and_is_not_small), RUN(a_duration_has_a_unit_but_for_zero),
    RUN(a_mode_is_octal), RUN(an_id_is_a_number_and_never_that_which_means_none),
    RUN(a_group_may_have_a_name), RUN(words_are_whole_and_in_any_case))
