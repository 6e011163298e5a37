/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/aws/tls_bearssl.h"

#include "agent/aws/tls_certificate.h"
#include "agent/file.h"

#include <bearssl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define ANCHORS_MAX   4096u
#define NAME_MAX_SIZE 4096u /* of an encoded subject */
#define RSA_MIN_BYTES (2048 / 8)
#define RETIRED_MS    60000 /* no handshake lasts longer: handle.c gives a transfer half of it */

struct anchors {
    br_x509_trust_anchor *list; /* the bytes of each are one block, which dn.data begins */
    size_t count, room;
};

struct tls_bearssl {
    char *ca_bundle;
    struct file_stamp stamp; /* of the file, when it was read */
    struct anchors current;
    struct anchors retired; /* handshakes that began before the replacement still use it */
    int64_t retired_at;
};

struct tls_bearssl *tls_bearssl_create(const char *ca_bundle)
{
    const char *path = ca_bundle != NULL ? ca_bundle : SYSTEM_BUNDLE;
    struct tls_bearssl *tls = calloc(1, sizeof(*tls));

    if (tls == NULL)
        return NULL;
    tls->ca_bundle = strdup(path);
    if (tls->ca_bundle == NULL) {
        free(tls);
        return NULL;
    }
    return tls;
}

static void anchors_clear(struct anchors *anchors)
{
    for (size_t i = 0; i < anchors->count; i++)
        free(anchors->list[i].dn.data);
    free(anchors->list);
    *anchors = (struct anchors){NULL, 0, 0};
}

void tls_bearssl_destroy(struct tls_bearssl *tls)
{
    if (tls == NULL)
        return;
    anchors_clear(&tls->current);
    anchors_clear(&tls->retired);
    free(tls->ca_bundle);
    free(tls);
}

size_t tls_bearssl_anchor_count(const struct tls_bearssl *tls)
{
    return tls->current.count;
}

/* ---- the bundle ---- */

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
    size_t room = anchors->room > 0 ? anchors->room * 2 : 64;
    br_x509_trust_anchor *list;

    if (anchors->count < anchors->room)
        return true;
    if (room > ANCHORS_MAX)
        return false;
    list = realloc(anchors->list, room * sizeof(*list));
    if (list == NULL)
        return false;
    anchors->list = list;
    anchors->room = room;
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

int tls_bearssl_load(struct tls_bearssl *tls, int64_t now_ms, char *why, size_t why_size)
{
    struct file_stamp stamp = file_stamp_of(tls->ca_bundle);
    struct anchors fresh = {NULL, 0, 0};
    bool is_first = tls->current.count == 0;
    int r;

    if (tls->retired.count > 0 && now_ms - tls->retired_at >= RETIRED_MS)
        anchors_clear(&tls->retired);
    if (!is_first && (tls->retired.count > 0 || file_stamp_equal(&stamp, &tls->stamp)))
        return 0;
    tls->stamp = stamp;
    r = anchors_read(&fresh, tls->ca_bundle, why, why_size);
    if (r < 0)
        return is_first ? r : 0;
    tls->retired = tls->current;
    tls->retired_at = now_ms;
    tls->current = fresh;
    return 0;
}

/* ---- one connection ---- */

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
    const struct tls_bearssl *tls, br_x509_minimal_context *x509, br_ssl_engine_context *engine)
{
    br_x509_minimal_init(x509, &br_sha256_vtable, tls->current.list, tls->current.count);
    br_x509_minimal_set_rsa(x509, br_ssl_engine_get_rsavrfy(engine));
    br_x509_minimal_set_ecdsa(x509, br_ssl_engine_get_ec(engine), br_ssl_engine_get_ecdsa(engine));
    br_x509_minimal_set_hash(x509, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(x509, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(x509, br_sha512_ID, &br_sha512_vtable);
    br_x509_minimal_set_minrsa(x509, RSA_MIN_BYTES);
}

int tls_bearssl_prepare(
    struct tls_bearssl *tls, void *client, int64_t now_ms, char *why, size_t why_size)
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
