/* SPDX-License-Identifier: Apache-2.0 */
/* What libraries say, as it may be shown. */
#include "agent/library_text.h"
#include "tests/unit/test.h"

static const char *shown(const char *text)
{
    static char to[200];

    library_text_copy(to, sizeof(to), text);
    return to;
}

TEST(library_text_loses_user_and_password_of_a_url)
{
    CHECK_STR("Unsupported proxy syntax in 'http://***@host:3128'",
        shown("Unsupported proxy syntax in 'http://svc:hunter#2@host:3128'"));
    CHECK_STR("in 'http://***@host'", shown("in 'http://svc:hun/t er\"@2@host'"));
    CHECK_STR("in 'http://*@host'", shown("in 'http://u@host'"));
    CHECK_STR("Failed to connect to host port 1", shown("Failed to connect to host port 1"));
    CHECK_STR("see https://host/path", shown("see https://host/path"));
    CHECK_STR("a@b, https://host", shown("a@b, https://host"));
}

TEST(library_text_loses_tokens_and_control_characters)
{
    CHECK_STR("near '*'", shown("near 'eyJhbGciOi.eyJhdWQi.c2ln-_'"));
    CHECK_STR("a b [31m c", shown("a\nb\x1b[31m\x7f"
                                  "c"));
    CHECK_STR("", shown(NULL));
}

TEST(library_text_is_cut_at_a_character)
{
    char to[4];

    library_text_copy(to, sizeof(to), "ab\xc3\xa4");
    CHECK_STR("ab", to);
}

TEST_MAIN(RUN(library_text_loses_user_and_password_of_a_url),
    RUN(library_text_loses_tokens_and_control_characters), RUN(library_text_is_cut_at_a_character))
