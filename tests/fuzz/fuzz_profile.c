/* SPDX-License-Identifier: Apache-2.0 */
/* The shared AWS files: the first byte says which of the two, the first line whose profile. */
#include "agent/credentials/profile.h"
#include "tests/fuzz/fuzz.h"

#include <errno.h>

/* A setting is never empty, and has no white space around it or break inside. */
static void check_setting(const char *text)
{
    size_t len;

    if (text == NULL)
        return;
    len = strlen(text);
    MUST(strchr(text, '\n') == NULL);
    if (len == 0) /* the value began with a NUL */
        return;
    MUST(strchr(" \t\r", text[0]) == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct profile profile = {.found = false};
    const uint8_t *end = memchr(data, '\n', size);
    char name[64] = "default";
    unsigned line = 0;
    size_t used;
    int r;

    if (size == 0 || end == NULL || (size_t)(end - data) > sizeof(name))
        return 0;
    used = (size_t)(end - data) + 1;
    memcpy(name, data + 1, used - 1);
    name[used >= 2 ? used - 2 : 0] = '\0';
    r = profile_parse(&profile, name, data[0] == 'c' ? PROFILE_CREDENTIALS : PROFILE_CONFIG,
        (const char *)data + used, size - used, &line);
    MUST(r == 0 || r == -EINVAL);
    MUST(line >= 1 && line <= size);
    MUST(profile.found || !profile_names_source(&profile));
    check_setting(profile.key_id);
    check_setting(profile.role);
    check_setting(profile.source_profile);
    check_setting(profile.region);
    profile_clear(&profile);
    MUST(!profile_names_source(&profile));
    return 0;
}
