/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/log.h"
#include "tests/unit/test.h"

#include <time.h>
#include <unistd.h>

static time_t test_seconds = 1000;

/* In place of libc's: the log's minute passes at once. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
    (void)clock;
    *now = (struct timespec){.tv_sec = test_seconds};
    return 0;
}

static int test_out, test_ends[2];

static void listen_to_log(void)
{
    test_out = dup(STDERR_FILENO);
    CHECK(test_out >= 0 && pipe(test_ends) == 0 && dup2(test_ends[1], STDERR_FILENO) >= 0);
    close(test_ends[1]);
}

/* What has been logged since; "" for nothing. */
static const char *heard(void)
{
    static char line[1024];
    ssize_t len;

    CHECK(dup2(test_out, STDERR_FILENO) >= 0);
    close(test_out);
    len = read(test_ends[0], line, sizeof(line) - 1);
    close(test_ends[0]);
    CHECK(len >= 0);
    line[len] = '\0';
    return line;
}

/* What is logged about a failure. */
static const char *answer(const char *event, const char *message, const char *request_id)
{
    struct failure failure;

    failure_set(&failure, ERROR_CREDENTIALS, "%s", message);
    failure_set_aws(&failure, "Throttling", request_id, NULL);
    listen_to_log();
    log_failure(LOG_LEVEL_WARN, event, "pod", &failure);
    return heard();
}

static const char *logged_often(const char *reason, int uid, int pid)
{
    listen_to_log();
    log_often(LOG_LEVEL_WARN, "refused", LOG_TEXT("reason", reason), LOG_NUMBER("uid", uid),
        LOG_NUMBER("pid", pid));
    return heard();
}

TEST(a_failure_that_repeats_is_reported_once_a_minute_and_counted)
{
    const char *line = answer("failed", "no token", "r-1");

    CHECK(strstr(line, " event=failed subject=pod ") != NULL);
    CHECK(strstr(line, " message=\"no token\" aws_code=Throttling aws_request_id=r-1\n") != NULL);
    CHECK_STR("", answer("failed", "no token", "r-2"));
    test_seconds += 59;
    CHECK_STR("", answer("failed", "no token", "r-3"));
    test_seconds += 1;
    CHECK(strstr(answer("failed", "no token", "r-4"), " aws_request_id=r-4 repeated=2\n") != NULL);
    CHECK_STR("", answer("failed", "no token", "r-5"));
}

TEST(another_failure_is_reported_at_once)
{
    CHECK(strstr(answer("other", "one", "r-1"), "message=one") != NULL);
    CHECK(strstr(answer("other", "two", "r-1"), "message=two") != NULL);
    CHECK(strstr(answer("another", "two", "r-1"), "event=another") != NULL);
    CHECK_STR("", answer("other", "one", "r-1"));
}

TEST(what_the_level_hides_is_not_taken_as_told)
{
    log_set_level(LOG_LEVEL_ERROR);
    CHECK_STR("", answer("hidden", "one", "r-1"));
    log_set_level(LOG_LEVEL_INFO);
    CHECK(strstr(answer("hidden", "one", "r-1"), " aws_request_id=r-1\n") != NULL);
}

TEST(what_others_cause_is_reported_once_a_minute_for_each_of_them)
{
    CHECK(strstr(logged_often("list", 0, 1), " event=refused reason=list uid=0 pid=1\n") != NULL);
    CHECK_STR("", logged_often("list", 0, 2));
    CHECK(strstr(logged_often("mode", 0, 3), " reason=mode uid=0 pid=3\n") != NULL);
    CHECK(strstr(logged_often("list", 7, 4), " reason=list uid=7 pid=4\n") != NULL);
    CHECK_STR("", logged_often("list", 0, 5));
    test_seconds += 60;
    CHECK(strstr(logged_often("list", 0, 6), " uid=0 pid=6 repeated=2\n") != NULL);
    CHECK_STR("", logged_often("list", 0, 7));
}

TEST_MAIN(RUN(a_failure_that_repeats_is_reported_once_a_minute_and_counted),
    RUN(another_failure_is_reported_at_once), RUN(what_the_level_hides_is_not_taken_as_told),
    RUN(what_others_cause_is_reported_once_a_minute_for_each_of_them))
