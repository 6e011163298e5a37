/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/fnv.h"
#include "tests/unit/test.h"

TEST(hashes_show_where_a_text_ends)
{
    uint64_t key = fnv_text(fnv_text(FNV_START, "ab"), "c");

    CHECK(key == fnv_text(fnv_text(FNV_START, "ab"), "c"));
    CHECK(key != fnv_text(fnv_text(FNV_START, "a"), "bc"));
    CHECK(key != fnv_text(FNV_START, "abc"));
    CHECK(fnv_text(key, "") != key);
}

/* The published values of the 64-bit FNV-1a. */
TEST(bytes_hash_as_published)
{
    CHECK(fnv_bytes(FNV_START, "", 0) == UINT64_C(0xcbf29ce484222325));
    CHECK(fnv_bytes(FNV_START, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    CHECK(fnv_bytes(FNV_START, "foobar", 6) == UINT64_C(0x85944171f73967e8));
}

TEST_MAIN(RUN(hashes_show_where_a_text_ends), RUN(bytes_hash_as_published))
