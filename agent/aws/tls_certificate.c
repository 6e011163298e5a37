/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/tls_certificate.h"

#include "agent/file.h"
#include "agent/library_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CERTIFICATE 11 /* the type of the handshake message */

#define DER_INTEGER  0x02
#define DER_OID      0x06
#define DER_SEQUENCE 0x30
#define DER_SET      0x31
#define DER_VERSION  0xa0

struct bytes {
    const uint8_t *at;
    size_t len;
};

static bool bytes_take(struct bytes *from, size_t len, struct bytes *taken)
{
    if (from->len < len)
        return false;
    *taken = (struct bytes){from->at, len};
    from->at += len;
    from->len -= len;
    return true;
}

/* The data after its length prefix, a number of `width` bytes. */
static bool bytes_take_counted(struct bytes *from, size_t width, struct bytes *taken)
{
    struct bytes number;
    size_t len = 0;

    if (!bytes_take(from, width, &number))
        return false;
    for (size_t i = 0; i < width; i++)
        len = len << 8 | number.at[i];
    return bytes_take(from, len, taken);
}

/* The next element of DER and its tag. */
static bool der_take(struct bytes *from, unsigned *tag, struct bytes *value)
{
    struct bytes head;
    size_t width;

    if (!bytes_take(from, 2, &head))
        return false;
    *tag = head.at[0];
    if (head.at[1] < 0x80)
        return bytes_take(from, head.at[1], value);
    width = head.at[1] & 0x7fu;
    return width >= 1 && width <= 3 && bytes_take_counted(from, width, value);
}

static bool der_take_tagged(struct bytes *from, unsigned wanted, struct bytes *value)
{
    unsigned tag;

    return der_take(from, &tag, value) && tag == wanted;
}

/* The text of the attribute 2.5.4.`attribute` of a name. */
static bool name_find(struct bytes name, uint8_t attribute, struct bytes *text)
{
    struct bytes set, pair, oid;
    unsigned tag;

    while (der_take_tagged(&name, DER_SET, &set))
        while (der_take_tagged(&set, DER_SEQUENCE, &pair))
            if (der_take_tagged(&pair, DER_OID, &oid) && der_take(&pair, &tag, text) &&
                oid.len == 3 && oid.at[0] == 0x55 && oid.at[1] == 4 && oid.at[2] == attribute)
                return true;
    return false;
}

static bool certificate_find_issuer(struct bytes der, struct bytes *issuer)
{
    struct bytes certificate, signed_part, skipped;
    unsigned tag;

    if (!der_take_tagged(&der, DER_SEQUENCE, &certificate) ||
        !der_take_tagged(&certificate, DER_SEQUENCE, &signed_part) ||
        !der_take(&signed_part, &tag, &skipped))
        return false;
    if (tag == DER_VERSION && !der_take(&signed_part, &tag, &skipped))
        return false;
    return tag == DER_INTEGER && der_take_tagged(&signed_part, DER_SEQUENCE, &skipped) &&
           der_take_tagged(&signed_part, DER_SEQUENCE, issuer);
}

/* The list of certificates, and whether extensions follow each of them, as in TLS 1.3. */
static bool message_find_list(struct bytes message, struct bytes *list, bool *has_extensions)
{
    struct bytes type, body, context, rest;

    if (!bytes_take(&message, 1, &type) || type.at[0] != CERTIFICATE ||
        !bytes_take_counted(&message, 3, &body))
        return false;
    rest = body;
    *has_extensions = !bytes_take_counted(&rest, 3, list) || rest.len > 0;
    return !*has_extensions ||
           (bytes_take_counted(&body, 1, &context) && bytes_take_counted(&body, 3, list));
}

bool tls_certificate_issuer(const void *message, size_t len, char *issuer, size_t size)
{
    struct bytes list, der, last = {NULL, 0}, name, text, extensions;
    char shown[256];
    bool has_extensions;

    if (!message_find_list((struct bytes){message, len}, &list, &has_extensions))
        return false;
    while (bytes_take_counted(&list, 3, &der)) {
        last = der;
        if (has_extensions && !bytes_take_counted(&list, 2, &extensions))
            break;
    }
    if (!certificate_find_issuer(last, &name) ||
        (!name_find(name, 3, &text) && !name_find(name, 10, &text)) || text.len >= sizeof(shown))
        return false;
    memcpy(shown, text.at, text.len);
    shown[text.len] = '\0';
    library_text_copy(issuer, size, shown);
    return true;
}

/* ---- ca bundle ---- */

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
