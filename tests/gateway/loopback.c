/* SPDX-License-Identifier: Apache-2.0 */
/* Preloaded into a server that listens on every address and has no option against it: a bind
 * to "any" becomes a bind to loopback. */
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef int bind_fn(int fd, const struct sockaddr *address, socklen_t len);

int bind(int fd, const struct sockaddr *address, socklen_t len)
{
    bind_fn *real_bind;

    *(void **)&real_bind = dlsym(RTLD_NEXT, "bind");
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        unsigned char bytes[sizeof(struct sockaddr_storage)];
    } copy;
    if (address == NULL || len > sizeof(copy) || len < sizeof(copy.any))
        return real_bind(fd, address, len);
    memcpy(copy.bytes, address, len);
    if (copy.any.sa_family == AF_INET && len >= sizeof(copy.v4) &&
        copy.v4.sin_addr.s_addr == htonl(INADDR_ANY)) {
        copy.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    } else if (copy.any.sa_family == AF_INET6 && len >= sizeof(copy.v6) &&
               IN6_IS_ADDR_UNSPECIFIED(&copy.v6.sin6_addr)) {
        /* The mapped form, because clients come to 127.0.0.1. */
        const unsigned char mapped[16] = {[10] = 0xff, [11] = 0xff, [12] = 127, [15] = 1};

        memcpy(&copy.v6.sin6_addr, mapped, sizeof(mapped));
    }
    return real_bind(fd, &copy.any, len);
}
