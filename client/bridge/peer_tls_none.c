/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the place of peer_tls.c in the build without OpenSSL (BRIDGE_TLS=none, the small image): no
 * context can be created, so no peer ever has TLS. */
#include "client/bridge/peer_tls.h"

#include <errno.h>
#include <stdio.h>

struct tls_shared *tls_shared_create(const struct tls_files *files, char *why, size_t why_size)
{
    (void)files;
    snprintf(why, why_size,
        "this build has none; use a build with OpenSSL, or put a proxy with TLS in front");
    return NULL;
}

void tls_shared_destroy(struct tls_shared *shared)
{
    (void)shared;
}

struct peer_tls *peer_tls_create(struct tls_shared *shared, int fd)
{
    (void)shared;
    (void)fd;
    return NULL;
}

void peer_tls_destroy(struct peer_tls *tls)
{
    (void)tls;
}

ssize_t peer_tls_read(struct peer_tls *tls, void *data, size_t len)
{
    (void)tls;
    (void)data;
    (void)len;
    return -EPROTO;
}

ssize_t peer_tls_write(struct peer_tls *tls, const void *data, size_t len)
{
    (void)tls;
    (void)data;
    (void)len;
    return -EPROTO;
}

unsigned peer_tls_events(const struct peer_tls *tls)
{
    (void)tls;
    return 0;
}

bool peer_tls_is_ready(const struct peer_tls *tls)
{
    (void)tls;
    return false;
}

bool peer_tls_is_http2(const struct peer_tls *tls)
{
    (void)tls;
    return false;
}

void peer_tls_shutdown(struct peer_tls *tls)
{
    (void)tls;
}

const char *peer_tls_flaw(const struct peer_tls *tls)
{
    (void)tls;
    return "";
}
