/* SPDX-License-Identifier: Apache-2.0 */
#include "client/cli/doctor_advice.h"
#include "proto/errors.h"
#include "tests/unit/test.h"

#include <string.h>

static const char *const stages[] = {
#define STAGE_NAME(name, text) text,
    FAILURE_STAGE_MAP(STAGE_NAME)
#undef STAGE_NAME
};

static const char *const names[] = {
#define ERROR_NAME(number, name, retryable, text) #name,
    ERROR_MAP(ERROR_NAME)
#undef ERROR_NAME
};

TEST(each_stage_of_an_agent_has_a_step_of_its_own)
{
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(doctor_place(stages[i], ""), doctor_place(stages[j], "")) != 0);
    CHECK_STR("table", doctor_place("dynamodb", "THROTTLED"));
    CHECK_STR("cost", doctor_place("budget", "BUSY"));
}

TEST(an_error_without_a_stage_is_placed_by_its_name)
{
    CHECK_STR("identity", doctor_place("", "CREDENTIALS"));
    CHECK_STR("configuration", doctor_place("", "UNKNOWN_TRIGGER"));
    CHECK_STR("table", doctor_place("", "THROTTLED"));
    CHECK_STR("identity", doctor_place("one-of-a-newer-agent", "CREDENTIALS"));
}

TEST(there_is_something_to_do_about_each_error_at_its_step)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        CHECK(doctor_advise(doctor_place("", names[i]), names[i], "", "")[0] != '\0');
        for (size_t j = 0; j < sizeof(stages) / sizeof(stages[0]); j++)
            CHECK(doctor_advise(doctor_place(stages[j], ""), names[i], "", "")[0] != '\0');
    }
}

TEST(a_code_of_aws_goes_before_the_name)
{
    const char *missing = doctor_advise("table", "AWS_REJECTED", "ResourceNotFoundException", "");
    const char *other = doctor_advise("table", "AWS_REJECTED", "", "");

    CHECK(strstr(missing, "create the table") != NULL);
    CHECK(strstr(other, "AWS_ENDPOINT_URL_DYNAMODB") != NULL);
    CHECK(
        strstr(doctor_advise("table", "TIMEOUT", "", "x failed with HTTP 503"), "Health") != NULL);
    CHECK_STR("", doctor_advise("no such step", "TIMEOUT", "", ""));
}

TEST_MAIN(RUN(each_stage_of_an_agent_has_a_step_of_its_own),
    RUN(an_error_without_a_stage_is_placed_by_its_name),
    RUN(there_is_something_to_do_about_each_error_at_its_step),
    RUN(a_code_of_aws_goes_before_the_name))
