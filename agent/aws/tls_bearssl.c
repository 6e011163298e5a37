#include "agent/aws/tls_bearssl.h"

#include "agent/file.h"

#include <bearssl.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYSTEM_BUNDLE "/etc/ssl/certs/ca-certificates.crt"
#define BUNDLE_MAX    (4u * 1024u * 1024u)
#define ANCHORS_MAX   4096u
#define NAME_MAX_SIZE 4096u /* of a subject, encoded */
#define RSA_MIN_BYTES (2048 / 8)

struct tls_bearssl {
    char *ca_bundle;
    br_x509_trust_anchor *anchors; /* the bytes of each are one block, which dn.data begins */
    size_t count, room;
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

static void forget_anchors(struct tls_bearssl *tls)
{
    for (size_t i = 0; i < tls->count; i++)
        free(tls->anchors[i].dn.data);
    free(tls->anchors);
    tls->anchors = NULL;
    tls->count = tls->room = 0;
}

void tls_bearssl_destroy(struct tls_bearssl *tls)
{
    if (tls == NULL)
        return;
    forget_anchors(tls);
    free(tls->ca_bundle);
    free(tls);
}

size_t tls_bearssl_anchor_count(const struct tls_bearssl *tls)
{
    return tls->count;
}

/* ---- the bundle --------------------------------------------------------------------------- */

/* One certificate after the other, as they come out of the PEM decoder. */
struct reading {
    struct tls_bearssl *tls;
    br_x509_decoder_context certificate;
    struct buffer subject;
    bool inside;
    int error;
};

static void take_subject(void *data, const void *bytes, size_t len)
{
    struct reading *reading = data;

    if (buffer_append(&reading->subject, bytes, len) < 0)
        reading->inside = false; /* too long to be a name: passed over */
}

static void take_bytes(void *data, const void *bytes, size_t len)
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

/* Copies the subject and the key, which the decoder's own memory holds, into one block. */
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

static bool make_room(struct tls_bearssl *tls)
{
    size_t room = tls->room > 0 ? tls->room * 2 : 64;
    br_x509_trust_anchor *anchors;

    if (tls->count < tls->room)
        return true;
    if (room > ANCHORS_MAX)
        return false;
    anchors = realloc(tls->anchors, room * sizeof(*anchors));
    if (anchors == NULL)
        return false;
    tls->anchors = anchors;
    tls->room = room;
    return true;
}

static void end_certificate(struct reading *reading)
{
    struct tls_bearssl *tls = reading->tls;
    br_x509_trust_anchor *anchor;
    const br_x509_pkey *key;

    if (!reading->inside || reading->error < 0)
        return;
    reading->inside = false;
    key = br_x509_decoder_get_pkey(&reading->certificate);
    if (key == NULL)
        return; /* broken, or a key that BearSSL does not know, as Ed25519 */
    if (!make_room(tls)) {
        reading->error = -ENOMEM;
        return;
    }
    anchor = &tls->anchors[tls->count];
    if (!copy_anchor(anchor, &reading->subject, key)) {
        reading->error = -ENOMEM;
        return;
    }
    anchor->flags = br_x509_decoder_isCA(&reading->certificate) ? BR_X509_TA_CA : 0;
    tls->count++;
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

static int read_anchors(struct tls_bearssl *tls, const struct buffer *bundle)
{
    struct reading reading = {.tls = tls};
    br_pem_decoder_context pem;

    buffer_init(&reading.subject, NAME_MAX_SIZE);
    br_pem_decoder_init(&pem);
    br_pem_decoder_setdest(&pem, take_bytes, &reading);
    read_pem(&reading, &pem, bundle->data, bundle->len);
    /* The decoder ends an object with its last line only. */
    read_pem(&reading, &pem, (const uint8_t *)"\n", 1);
    buffer_free(&reading.subject);
    return reading.error;
}

int tls_bearssl_load(struct tls_bearssl *tls, char *why, size_t why_size)
{
    struct buffer bundle;
    int r;

    if (tls->count > 0)
        return 0;
    buffer_init(&bundle, BUNDLE_MAX);
    r = file_read(tls->ca_bundle, &bundle);
    if (r < 0) {
        file_explain(tls->ca_bundle, r, why, why_size);
        goto finish;
    }
    r = read_anchors(tls, &bundle);
    if (r == 0 && tls->count == 0)
        r = -EINVAL;
    if (r == -EINVAL)
        snprintf(why, why_size,
            "%s holds no CA certificate in PEM that can be used; see "
            "AWS_CA_BUNDLE",
            tls->ca_bundle);
    else if (r < 0)
        snprintf(why, why_size, "%s: out of memory, or over %u certificates", tls->ca_bundle,
            ANCHORS_MAX);
    if (r < 0)
        forget_anchors(tls);

finish:
    buffer_free(&bundle);
    return r;
}

/* ---- one connection ------------------------------------------------------------------------ */

/* The server's choice among these; ChaCha20 for what has no AES instructions. */
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
    /* Left to sign the key exchange with: SHA-256, SHA-384, SHA-512. */
    br_ssl_engine_set_hash(engine, br_md5_ID, NULL);
    br_ssl_engine_set_hash(engine, br_sha1_ID, NULL);
    br_ssl_engine_set_hash(engine, br_sha224_ID, NULL);
    br_ssl_engine_add_flags(engine, BR_OPT_NO_RENEGOTIATION);
}

static void set_x509(
    const struct tls_bearssl *tls, br_x509_minimal_context *x509, br_ssl_engine_context *engine)
{
    br_x509_minimal_init(x509, &br_sha256_vtable, tls->anchors, tls->count);
    br_x509_minimal_set_rsa(x509, br_ssl_engine_get_rsavrfy(engine));
    br_x509_minimal_set_ecdsa(x509, br_ssl_engine_get_ec(engine), br_ssl_engine_get_ecdsa(engine));
    br_x509_minimal_set_hash(x509, br_sha256_ID, &br_sha256_vtable);
    br_x509_minimal_set_hash(x509, br_sha384_ID, &br_sha384_vtable);
    br_x509_minimal_set_hash(x509, br_sha512_ID, &br_sha512_vtable);
    br_x509_minimal_set_minrsa(x509, RSA_MIN_BYTES);
}

int tls_bearssl_prepare(struct tls_bearssl *tls, void *client, char *why, size_t why_size)
{
    br_ssl_engine_context *engine = &((br_ssl_client_context *)client)->eng;
    const br_x509_class **x509 = engine->x509ctx;
    int r = tls_bearssl_load(tls, why, why_size);

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
