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

/* What is logged about a failure; "" for nothing. */
static const char *told(const char *event, const char *message, const char *request_id)
{
    static char line[1024];
    int out = dup(STDERR_FILENO);
    struct failure failure;
    int ends[2];
    ssize_t len;

    failure_set(&failure, ERROR_CREDENTIALS, "%s", message);
    failure_set_aws(&failure, "Throttling", request_id, NULL);
    CHECK(out >= 0 && pipe(ends) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    log_failure(LOG_LEVEL_WARN, event, "pod", &failure);
    CHECK(dup2(out, STDERR_FILENO) >= 0);
    close(out);
    len = read(ends[0], line, sizeof(line) - 1);
    close(ends[0]);
    CHECK(len >= 0);
    line[len] = '\0';
    return line;
}

TEST(a_failure_that_repeats_is_told_once_a_minute_and_counted)
{
    const char *line = told("failed", "no token", "r-1");

    CHECK(strstr(line, " event=failed subject=pod ") != NULL);
    CHECK(strstr(line, " message=\"no token\" aws_code=Throttling aws_request_id=r-1\n") != NULL);
    CHECK_STR("", told("failed", "no token", "r-2"));
    test_seconds += 59;
    CHECK_STR("", told("failed", "no token", "r-3"));
    test_seconds += 1;
    CHECK(strstr(told("failed", "no token", "r-4"), " aws_request_id=r-4 repeated=2\n") != NULL);
    CHECK_STR("", told("failed", "no token", "r-5"));
}

TEST(another_failure_is_told_at_once)
{
    CHECK(strstr(told("other", "one", "r-1"), "message=one") != NULL);
    CHECK(strstr(told("other", "two", "r-1"), "message=two") != NULL);
    CHECK(strstr(told("another", "two", "r-1"), "event=another") != NULL);
    CHECK_STR("", told("other", "one", "r-1"));
}

TEST(what_the_level_hides_is_not_taken_as_told)
{
    log_set_level(LOG_LEVEL_ERROR);
    CHECK_STR("", told("hidden", "one", "r-1"));
    log_set_level(LOG_LEVEL_INFO);
    CHECK(strstr(told("hidden", "one", "r-1"), " aws_request_id=r-1\n") != NULL);
}

TEST_MAIN(RUN(a_failure_that_repeats_is_told_once_a_minute_and_counted),
    RUN(another_failure_is_told_at_once), RUN(what_the_level_hides_is_not_taken_as_told))
