/* The whole unit-test harness: typed asserts that print both sides and work in
 * every build, and a main that runs a table of tests.
 *
 *     TEST(frame_refuses_depth) { CHECK_INT(FRAME_REFUSED, scan("\x91\x91")); }
 *     TEST_MAIN(RUN(frame_refuses_depth))
 *
 * Each test prints "ok name"; the first failed check prints file:line and exits 1,
 * so a crash or an early exit can never count as a pass (the runner also wants the
 * closing "N passed" line). */
#ifndef TALLY_TESTS_UNIT_TEST_H
#define TALLY_TESTS_UNIT_TEST_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test_case {
    const char *name;
    void (*run)(void);
};

#define TEST(name) static void test_##name(void)
#define RUN(name)                                                                                  \
    {                                                                                              \
#name, test_##name                                                                         \
    }

#define TEST_FAIL(...)                                                                             \
    do {                                                                                           \
        fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                                            \
        fprintf(stderr, __VA_ARGS__);                                                              \
        fprintf(stderr, "\n");                                                                     \
        exit(1);                                                                                   \
    } while (0)

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition))                                                                          \
            TEST_FAIL("not true: %s", #condition);                                                 \
    } while (0)

#define CHECK_INT(expected, actual)                                                                \
    do {                                                                                           \
        long long expected_ = (long long)(expected), actual_ = (long long)(actual);                \
        if (expected_ != actual_)                                                                  \
            TEST_FAIL("%s is %lld, expected %lld", #actual, actual_, expected_);                   \
    } while (0)

#define CHECK_STR(expected, actual)                                                                \
    do {                                                                                           \
        const char *expected_ = (expected), *actual_ = (actual);                                   \
        if (actual_ == NULL || strcmp(expected_, actual_) != 0)                                    \
            TEST_FAIL("%s is\n  \"%s\"\nexpected\n  \"%s\"", #actual,                              \
                actual_ != NULL ? actual_ : "(null)", expected_);                                  \
    } while (0)

#define CHECK_MEM(expected, expected_len, actual, actual_len)                                      \
    do {                                                                                           \
        CHECK_INT(expected_len, actual_len);                                                       \
        if (memcmp((expected), (actual), (size_t)(expected_len)) != 0)                             \
            TEST_FAIL("%s: the bytes differ", #actual);                                            \
    } while (0)

#define TEST_MAIN(...)                                                                             \
    int main(void)                                                                                 \
    {                                                                                              \
        static const struct test_case cases[] = {__VA_ARGS__};                                     \
        size_t count = sizeof(cases) / sizeof(cases[0]);                                           \
        for (size_t i = 0; i < count; i++) {                                                       \
            cases[i].run();                                                                        \
            printf("ok %s\n", cases[i].name);                                                      \
            fflush(stdout);                                                                        \
        }                                                                                          \
        printf("%zu passed\n", count);                                                             \
        return 0;                                                                                  \
    }

#endif
