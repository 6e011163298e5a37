/* SPDX-License-Identifier: Apache-2.0 */
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

static inline int test_is_wanted(const struct test_case *test, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], test->name) == 0)
            return 1;
    }
    return argc < 2;
}

/* All of them, or those that are named as arguments. */
static inline int test_main(const struct test_case *cases, size_t count, int argc, char **argv)
{
    size_t passed = 0;

    for (size_t i = 0; i < count; i++) {
        if (!test_is_wanted(&cases[i], argc, argv))
            continue;
        cases[i].run();
        printf("ok %s\n", cases[i].name);
        fflush(stdout);
        passed++;
    }
    for (size_t i = 0; passed == 0 && i < count; i++)
        printf("%s\n", cases[i].name);
    printf("%zu passed\n", passed);
    return passed == 0;
}

#define TEST_MAIN(...)                                                                             \
    int main(int argc, char **argv)                                                                \
    {                                                                                              \
        static const struct test_case cases[] = {__VA_ARGS__};                                     \
        return test_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);                     \
    }

#endif
