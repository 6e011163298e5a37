/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/tls.h"

#include "agent/file.h"
#include "agent/library_text.h"
#include "proto/buffer.h"

#include <bearssl.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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

/* ---- BearSSL: the CA bundle ---- */

#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define ANCHORS_MAX   4096u
#define NAME_MAX_SIZE 4096u /* of an encoded subject */
#define RSA_MIN_BYTES (2048 / 8)
#define RETIRED_MS    60000 /* no handshake lasts longer: http.c gives a transfer half of it */

struct anchors {
    br_x509_trust_anchor *list; /* the bytes of each are one block, which dn.data begins */
    size_t count, capacity;
};

struct tls {
    struct loop *loop;
    char *ca_bundle; /* NULL: the default of the TLS library */
    char why[256];

    /* with BearSSL */
    struct file_stamp stamp; /* of the file, when it was read */
    struct anchors current;
    struct anchors retired; /* handshakes that began before the replacement still use it */
    int64_t retired_at;
};

static void anchors_clear(struct anchors *anchors)
{
    for (size_t i = 0; i < anchors->count; i++)
        free(anchors->list[i].dn.data);
    free(anchors->list);
    *anchors = (struct anchors){NULL, 0, 0};
}

struct tls *tls_create(struct loop *loop, const char *ca_bundle)
{
    struct tls *tls = calloc(1, sizeof(*tls));

    if (tls == NULL)
        return NULL;
    tls->loop = loop;
    if (ca_bundle == NULL)
        return tls;
    tls->ca_bundle = strdup(ca_bundle);
    if (tls->ca_bundle != NULL)
        return tls;
    free(tls);
    return NULL;
}

void tls_destroy(struct tls *tls)
{
    if (tls == NULL)
        return;
    anchors_clear(&tls->current);
    anchors_clear(&tls->retired);
    free(tls->ca_bundle);
    free(tls);
}

size_t tls_bearssl_anchor_count(const struct tls *tls)
{
    return tls->current.count;
}

/* One certificate after another, as the PEM decoder outputs them. */
struct reading {
    struct anchors *anchors;
    br_x509_decoder_context certificate;
    struct buffer subject;
    bool inside;
    int error;
};

static void take_subject(void *data, const void *bytes, size_t len)
{
    struct reading *reading = data;

    if (buffer_append(&reading->subject, bytes, len) < 0)
        reading->inside = false; /* too long for a name: skipped */
}

static void tls_take_bytes(void *data, const void *bytes, size_t len)
{
    struct reading *reading = data;

    if (reading->inside)
        br_x509_decoder_push(&reading->certificate, bytes, len);
}

static void begin_certificate(struct reading *reading, const char *kind)
{
    reading->inside = strcmp(kind, "CERTIFICATE") == 0 || strcmp(kind, "X509 CERTIFICATE") == 0;
    if (!reading->inside)
        return;
    buffer_clear(&reading->subject);
    br_x509_decoder_init(&reading->certificate, take_subject, reading);
}

/* Copies the subject and the key from the decoder's memory into one block. */
static bool copy_anchor(
    br_x509_trust_anchor *anchor, const struct buffer *subject, const br_x509_pkey *key)
{
    bool rsa = key->key_type == BR_KEYTYPE_RSA;
    size_t first = rsa ? key->key.rsa.nlen : key->key.ec.qlen;
    size_t second = rsa ? key->key.rsa.elen : 0;
    unsigned char *block = malloc(subject->len + first + second);

    if (block == NULL)
        return false;
    memcpy(block, subject->data, subject->len);
    memcpy(block + subject->len, rsa ? key->key.rsa.n : key->key.ec.q, first);
    anchor->dn.data = block;
    anchor->dn.len = subject->len;
    anchor->pkey = *key;
    if (rsa) {
        memcpy(block + subject->len + first, key->key.rsa.e, second);
        anchor->pkey.key.rsa.n = block + subject->len;
        anchor->pkey.key.rsa.e = block + subject->len + first;
    } else {
        anchor->pkey.key.ec.q = block + subject->len;
    }
    return true;
}

static bool anchors_reserve(struct anchors *anchors)
{
    size_t capacity = anchors->capacity > 0 ? anchors->capacity * 2 : 64;
    br_x509_trust_anchor *list;

    if (anchors->count < anchors->capacity)
        return true;
    if (capacity > ANCHORS_MAX)
        return false;
    list = realloc(anchors->list, capacity * sizeof(*list));
    if (list == NULL)
        return false;
    anchors->list = list;
    anchors->capacity = capacity;
    return true;
}

static void end_certificate(struct reading *reading)
{
    struct anchors *anchors = reading->anchors;
    br_x509_trust_anchor *anchor;
    const br_x509_pkey *key;

    if (!reading->inside || reading->error < 0)
        return;
    reading->inside = false;
    key = br_x509_decoder_get_pkey(&reading->certificate);
    if (key == NULL)
        return; /* broken, or an unsupported key type in BearSSL, such as Ed25519 */
    if (!anchors_reserve(anchors)) {
        reading->error = -ENOMEM;
        return;
    }
    anchor = &anchors->list[anchors->count];
    if (!copy_anchor(anchor, &reading->subject, key)) {
        reading->error = -ENOMEM;
        return;
    }
    anchor->flags = br_x509_decoder_isCA(&reading->certificate) ? BR_X509_TA_CA : 0;
    anchors->count++;
}

static void read_pem(
    struct reading *reading, br_pem_decoder_context *pem, const uint8_t *bytes, size_t len)
{
    while (len > 0) {
        size_t used = br_pem_decoder_push(pem, bytes, len);

        bytes += used;
        len -= used;
        switch (br_pem_decoder_event(pem)) {
        case BR_PEM_BEGIN_OBJ:
            begin_certificate(reading, br_pem_decoder_name(pem));
            break;
        case BR_PEM_END_OBJ:
            end_certificate(reading);
            break;
        case BR_PEM_ERROR:
            reading->inside = false;
            break;
        default:
            break;
        }
    }
}

static int anchors_parse(struct anchors *anchors, const struct buffer *bundle)
{
    struct reading reading = {.anchors = anchors};
    br_pem_decoder_context pem;

    buffer_init(&reading.subject, NAME_MAX_SIZE);
    br_pem_decoder_init(&pem);
    br_pem_decoder_setdest(&pem, tls_take_bytes, &reading);
    read_pem(&reading, &pem, bundle->data, bundle->len);
    /* The decoder ends an object only at its last line. */
    read_pem(&reading, &pem, (const uint8_t *)"\n", 1);
    buffer_free(&reading.subject);
    return reading.error;
}

static int anchors_read(struct anchors *anchors, const char *path, char *why, size_t why_size)
{
    struct buffer bundle;
    int r;

    buffer_init(&bundle, CA_BUNDLE_BYTES);
    r = file_read(path, &bundle);
    if (r < 0) {
        file_explain(path, r, why, why_size);
        goto finish;
    }
    r = anchors_parse(anchors, &bundle);
    if (r < 0) {
        snprintf(why, why_size, "%s: out of memory, or over %u certificates", path, ANCHORS_MAX);
    } else if (anchors->count == 0) {
        r = -EINVAL;
        snprintf(why, why_size,
            "%s holds no CA certificate in PEM that can be used; see AWS_CA_BUNDLE", path);
    }
    if (r < 0)
        anchors_clear(anchors);

finish:
    buffer_free(&bundle);
    return r;
}

int tls_bearssl_load(struct tls *tls, int64_t now_ms, char *why, size_t why_size)
{
    const char *path = tls->ca_bundle != NULL ? tls->ca_bundle : SYSTEM_BUNDLE;
    struct file_stamp stamp = file_stamp_of(path);
    struct anchors fresh = {NULL, 0, 0};
    bool is_first = tls->current.count == 0;
    int r;

    if (tls->retired.count > 0 && now_ms - tls->retired_at >= RETIRED_MS)
        anchors_clear(&tls->retired);
    if (!is_first && (tls->retired.count > 0 || file_stamp_equal(&stamp, &tls->stamp)))
        return 0;
    tls->stamp = stamp;
    r = anchors_read(&fresh, path, why, why_size);
    if (r < 0)
        return is_first ? r : 0;
    tls->retired = tls->current;
    tls->retired_at = now_ms;
    tls->current = fresh;
    return 0;
}

/* ---- BearSSL: one connection ---- */

/* The server chooses among these; ChaCha20 is for CPUs without AES instructions. */
static const uint16_t suites[] = {
    BR_TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    BR_TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    BR_TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    BR_TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    BR_TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    BR_TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
};

static void set_engine(br_ssl_engine_context *engine)
{
    br_ssl_engine_set_versions(engine, BR_TLS12, BR_TLS12);
    br_ssl_engine_set_suites(engine, suites, sizeof(suites) / sizeof(suites[0]));
    /* The remaining hashes for signing the key exchange: SHA-256, SHA-384, SHA-512. */
    br_ssl_engine_set_hash(engine, br_md5_ID, NULL);
    br_ssl_engine_set_hash(engine, br_sha1_ID, NULL);
    br_ssl_engine_set_hash(engine, br_sha224_ID, NULL);
    br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION);
}

static void set_x509(
    const struct tls *tls, br_x509_minimal_context *x509, br_ssl_engine_context *engine)
{
    br_x509_minimal_init(x509, &br_sha256_vtable, tls->current.list, tls->current.count);
    br_x509_minimal_set_rsa(x509, br_ssl_engine_get_rsavrfy(engine));
    br_x509_minimal_set_ecdsa(x509, br_ssl_engine_get_ec(engine), br_ssl_engine_get_ecdsa(engine));
    br_x509_minimal_set_hash(x509, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(x509, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(x509, br_sha512_ID, &br_sha512_vtable);
    br_x509_minimal_set_minrsa(x509, RSA_MIN_BYTES);
}

int tls_bearssl_prepare(struct tls *tls, void *client, int64_t now_ms, char *why, size_t why_size)
{
    br_ssl_engine_context *engine = &((br_ssl_client_context *)client)->eng;
    const br_x509_class **x509 = engine->x509ctx;
    int r = tls_bearssl_load(tls, now_ms, why, why_size);

    if (r < 0)
        return r;
    if (x509 == NULL || *x509 != &br_x509_minimal_vtable) {
        snprintf(why, why_size,
            "libcurl was built without the patches that tally's set-up of "
            "BearSSL needs");
        return -EPROTO;
    }
    set_engine(engine);
    /* The engine's context begins with its class. */
    set_x509(tls, (br_x509_minimal_context *)(void *)x509, engine);
    return 0;
}

/* ---- for libcurl ---- */

#define CA_SECONDS 10L /* until a replaced bundle is read again; libcurl's default is a day */

/* The TLS library of libcurl. Both variants are compiled in each build, and one is discarded. */
#ifdef TALLY_TLS_BEARSSL
static const bool on_bearssl = true;
#else
static const bool on_bearssl = false;
#endif

static CURLcode on_connection(CURL *easy, void *client, void *data)
{
    struct tls *tls = data;
    int64_t now = loop_now(tls->loop);

    (void)easy;
    tls->why[0] = '\0';
    return tls_bearssl_prepare(tls, client, now, tls->why, sizeof(tls->why)) < 0
               ? CURLE_SSL_CACERT_BADFILE
               : CURLE_OK;
}

static CURLcode apply_bearssl(struct tls *tls, CURL *easy)
{
    CURLcode r = curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_connection);

    return r | curl_easy_setopt(easy, CURLOPT_SSL_CTX_DATA, tls);
}

static CURLcode apply_bundle(const struct tls *tls, CURL *easy)
{
    /* Debian's libcurl also trusts /etc/ssl/certs, whatever bundle it is given, and with a folder
     * it parses the bundle again for each connection. */
    CURLcode r = curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);

    r |= curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_SECONDS);
    if (tls->ca_bundle != NULL)
        r |= curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_bundle);
    return r;
}

int tls_apply(struct tls *tls, void *easy)
{
    CURLcode r = on_bearssl ? apply_bearssl(tls, easy) : apply_bundle(tls, easy);

    return r == CURLE_OK ? 0 : -ENOMEM;
}

const char *tls_default_bundle(void)
{
    return curl_version_info(CURLVERSION_NOW)->cainfo;
}

const char *tls_why(const struct tls *tls)
{
    return tls->why;
}

/* ---- the issuer of a certificate ---- */

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
