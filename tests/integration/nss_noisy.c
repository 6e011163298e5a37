/* SPDX-License-Identifier: Apache-2.0 */
/* A resolver module (hosts: noisy) that does what such modules do besides: it asks the kernel for
 * things that it can do without. It knows no name. */
#include <netdb.h>
#include <nss.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum nss_status _nss_noisy_gethostbyname4_r(const char *name, void **pat, char *buffer,
    size_t buflen, int *errnop, int *herrnop, int *ttlp);

enum nss_status _nss_noisy_gethostbyname4_r(
    const char *name, void **pat, char *buffer, size_t buflen, int *errnop, int *herrnop, int *ttlp)
{
    struct sched_param param;

    (void)name;
    (void)pat;
    (void)ttlp;
    prctl(PR_GET_DUMPABLE);
    sched_getparam(0, &param);
    getpriority(PRIO_PROCESS, 0);
    mlock(buffer, buflen);
    getppid();
    *errnop = 0;
    *herrnop = HOST_NOT_FOUND;
    return NSS_STATUS_NOTFOUND;
}
