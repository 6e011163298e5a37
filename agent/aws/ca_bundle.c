/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/ca_bundle.h"

#include "agent/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int ca_bundle_check(const char *path, char *why, size_t why_size)
{
    struct stat status = {.st_size = 0};
    int r = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &status) < 0)
        r = -errno;
    else if (!S_ISREG(status.st_mode))
        r = -EINVAL;
    else if (status.st_size > (off_t)CA_BUNDLE_BYTES)
        r = -EFBIG;
    if (fd >= 0)
        close(fd);
    if (r == -EFBIG)
        snprintf(why, why_size, "%s has %lld bytes, and %u is the limit", path,
            (long long)status.st_size, CA_BUNDLE_BYTES);
    else if (r < 0)
        file_explain(path, r, why, why_size);
    return r;
}

const char *ca_bundle_ignored(const char *(*get)(const char *name), size_t i)
{
    static const char *const names[] = {
        "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE"};

    for (size_t at = 0; at < sizeof(names) / sizeof(names[0]); at++)
        if (get(names[at]) != NULL && i-- == 0)
            return names[at];
    return NULL;
}
