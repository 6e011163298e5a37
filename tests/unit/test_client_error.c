/* SPDX-License-Identifier: Apache-2.0 */
#include "client/tally.h"
#include "proto/errors.h"
#include "tests/unit/test.h"

TEST(agent_errors_have_the_protocols_names)
{
#define SAME(number, name, retryable, text)                                                        \
    CHECK_INT(-(number), TALLY_E##name);                                                           \
    CHECK_STR(error_name(ERROR_##name), tally_error_name(-(number)));
    ERROR_MAP(SAME)
#undef SAME
}

TEST(every_error_has_a_text_of_its_own)
{
    static const int errors[] = {
#define NUMBER(number, name, text) number,
        TALLY_ERROR_MAP(NUMBER)
#undef NUMBER
    };
    size_t count = sizeof(errors) / sizeof(errors[0]);

    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < i; j++) {
            CHECK(errors[i] != errors[j]);
            CHECK(strcmp(tally_strerror(errors[i]), tally_strerror(errors[j])) != 0);
        }
    }
}

TEST(unknown_numbers_have_a_text_too)
{
    CHECK_STR("UNKNOWN", tally_error_name(-99));
    CHECK_STR("UNKNOWN", tally_error_name(7));
    CHECK_STR("OK", tally_error_name(0));
    CHECK(tally_strerror(-99)[0] != '\0');
    CHECK(tally_strerror(0)[0] != '\0');
}

TEST(both_errors_about_time_are_timeouts)
{
    CHECK_INT(1, tally_error_is_timeout(TALLY_ETIMEOUT));
    CHECK_INT(1, tally_error_is_timeout(TALLY_EDEADLINE));
    CHECK_INT(0, tally_error_is_timeout(TALLY_EBUSY));
    CHECK_INT(0, tally_error_is_timeout(0));
}

TEST_MAIN(RUN(agent_errors_have_the_protocols_names), RUN(every_error_has_a_text_of_its_own),
    RUN(unknown_numbers_have_a_text_too), RUN(both_errors_about_time_are_timeouts))
