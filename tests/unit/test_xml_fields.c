/* SPDX-License-Identifier: Apache-2.0 */
/* What the XML parser does with memory: nothing secret in freed blocks, and a clean end whichever
 * allocation fails. What it reads is in test_sts.c. */
#include "tests/unit/test.h"

#include <malloc.h>
#include <stdbool.h>
#include <stdlib.h>

static int allocations, fail_at; /* the allocation with this number fails, 0: none */
static int blocks, unwiped;

static void *watched_malloc(size_t size)
{
    if (++allocations == fail_at)
        return NULL;
    blocks++;
    return malloc(size);
}

static void watched_free(void *block)
{
    if (block != NULL && memmem(block, malloc_usable_size(block), "TOP-SECRET", 10) != NULL)
        unwiped++;
    blocks -= block != NULL;
    free(block);
}

/* Compiled into this file, so that its memory can be watched. */
#define malloc watched_malloc
#define free   watched_free
#include "agent/aws/sts.c"
#include "agent/wiping_heap.c"
#undef malloc
#undef free

/* Long enough for expat to move its buffers. */
static char xml[48 * 1024];
static char text[40 * 1024];

static int read_document(void)
{
    static const char *const bases[] = {"Root/Result", NULL};
    const struct xml_field fields[] = {{"Secret", text, sizeof(text), false}};
    char why[100];

    return xml_fields_read(xml, strlen(xml), bases, fields, 1, why, sizeof(why));
}

static void write_document(const char *around)
{
    size_t used = (size_t)snprintf(xml, sizeof(xml), "<Root %s><Result><Secret>", around);

    for (int i = 0; i < 2000; i++)
        used += (size_t)snprintf(xml + used, sizeof(xml) - used, "TOP-SECRET&amp;\n");
    snprintf(xml + used, sizeof(xml) - used, "</Secret><TOP-SECRET/></Result></Root>");
}

TEST(freed_memory_holds_no_secret)
{
    write_document("TOP-SECRET='TOP-SECRET'");
    allocations = fail_at = 0;
    CHECK_INT(0, read_document());
    CHECK_INT(0, unwiped);
    CHECK_INT(0, blocks);
    CHECK(allocations > 5);
    CHECK_INT(2000 * 12 - 1, strlen(text)); /* the last line end is white space at the end */
}

TEST(every_allocation_may_fail)
{
    write_document("a='b'");
    for (fail_at = 1;; fail_at++) {
        allocations = 0;
        int r = read_document();
        CHECK_INT(0, blocks);
        CHECK_INT(0, unwiped);
        if (allocations < fail_at) {
            CHECK_INT(0, r);
            break;
        }
        CHECK_INT(-ENOMEM, r);
    }
    CHECK(fail_at > 5);
}

TEST_MAIN(RUN(freed_memory_holds_no_secret), RUN(every_allocation_may_fail))
