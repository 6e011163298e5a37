#include "agent/config/secret_value.h"

#include "proto/base64.h"

#include <ctype.h>
#include <string.h>

static struct value_ref broken(struct reading *reading, const char *origin, const char *why)
{
    return (struct value_ref){.source = SOURCE_BROKEN,
        .text = reading_printf(reading, "%s %s", origin, why),
        .origin = origin};
}

/* Where a pod sees a Secret that is mounted. */
static struct value_ref from_file(struct reading *reading, const struct secret_key *key)
{
    const char *kind = document_kind_name(key->kind);
    struct value_ref value = {.source = SOURCE_FILE};
    struct buffer content;
    int r = 0;

    value.text = reading_printf(reading, "%s/%s/%s", reading->secrets_dir, key->name, key->key);
    value.origin = reading_printf(reading, "%s %s key %s", kind, key->name, key->key);
    if (value.text == NULL || value.origin == NULL)
        return value;
    buffer_init_secret(&content, 64 * 1024);
    r = reading->read_file != NULL ? reading->read_file(value.text, &content) : -1;
    if (r < 0)
        findings_add(&reading->findings, FINDING_NOTE, &key->place, key->name,
            "no %s of this name in the files, and nothing mounted at %s yet; mount it there", kind,
            value.text);
    buffer_free(&content);
    return value;
}

/* Without the white space around it, which no AWS value has but Secrets often do. */
static struct value_ref from_text(
    struct reading *reading, const struct secret_key *key, const char *origin, char *text)
{
    size_t len = strlen(text), start = strspn(text, " \t\r\n");

    while (len > start && strchr(" \t\r\n", text[len - 1]) != NULL)
        len--;
    if (len == start)
        return (struct value_ref){.source = SOURCE_ABSENT};
    if (start > 0 || text[len] != '\0')
        findings_add(&reading->findings, FINDING_WARNING, &key->place, key->key,
            "the value of %s has a line break or blank at its end, which AWS refuses when KEDA "
            "sends it; tally trims it, repair the Secret",
            origin);
    text[len] = '\0';
    for (size_t i = start; i < len; i++) {
        if (iscntrl((unsigned char)text[i])) {
            findings_add(&reading->findings, FINDING_WARNING, &key->place, key->key,
                "the value of %s holds a control character, so it is no credential; repair it",
                origin);
            return broken(reading, origin, "holds a control character");
        }
    }
    return (struct value_ref){.source = SOURCE_LITERAL, .text = text + start, .origin = origin};
}

static struct value_ref from_base64(
    struct reading *reading, const struct secret_key *key, const char *origin, const char *encoded)
{
    uint8_t *text = arena_alloc(reading->kept, strlen(encoded) + 1);
    long len = 0;

    if (text == NULL) {
        reading->failed = true;
        return (struct value_ref){.source = SOURCE_ABSENT};
    }
    len = base64_decode(encoded, text);
    if (len < 0) {
        findings_add(&reading->findings, FINDING_WARNING, &key->place, key->key,
            "the value of %s is not base64; was a placeholder not replaced?", origin);
        return broken(reading, origin, "is not base64; was a placeholder not replaced?");
    }
    text[len] = '\0';
    if (memchr(text, '\0', (size_t)len) != NULL) {
        findings_add(&reading->findings, FINDING_WARNING, &key->place, key->key,
            "the value of %s is binary once its base64 is decoded, so it is no credential; was it "
            "not encoded? stringData takes it as it is",
            origin);
        return broken(reading, origin, "is binary once its base64 is decoded");
    }
    return from_text(reading, key, origin, (char *)text);
}

static struct value_ref from_document(
    struct reading *reading, const struct secret_key *key, const struct document *document)
{
    const struct node *root = document->tree.root;
    const struct node *plain = node_get(root, key->kind == DOCUMENT_SECRET ? "stringData" : "data");
    const struct node *encoded = node_get(
        root, key->kind == DOCUMENT_SECRET ? "data" : "binaryData");
    const char *origin = reading_printf(reading, "%s %s/%s key %s", document_kind_name(key->kind),
        document->namespace_, document->name, key->key);
    const char *text = node_text(node_get(plain, key->key));

    if (origin == NULL)
        return (struct value_ref){.source = SOURCE_ABSENT};
    if (text != NULL) {
        char *copy = arena_copy_string(reading->kept, text);
        if (copy != NULL)
            return from_text(reading, key, origin, copy);
        reading->failed = true;
        return (struct value_ref){.source = SOURCE_ABSENT};
    }
    text = node_text(node_get(encoded, key->key));
    if (text != NULL)
        return from_base64(reading, key, origin, text);
    findings_add(&reading->findings, FINDING_WARNING, &key->place, key->key,
        "%s %s/%s has no such key; add it there", document_kind_name(key->kind),
        document->namespace_, document->name);
    return from_file(reading, key);
}

struct value_ref secret_value(struct reading *reading, const struct secret_key *key)
{
    const char *kind = document_kind_name(key->kind);
    size_t matches = 0;
    const struct document *document = documents_find(
        &reading->documents, key->kind, key->namespace_, key->name, &matches);

    if (document == NULL && matches > 1) {
        findings_add(&reading->findings, FINDING_ERROR, &key->place, key->name,
            "several documents of kind %s have this name, and none alone is in namespace %s; "
            "keep one",
            kind, key->namespace_);
        return broken(reading, key->name, "is ambiguous");
    }
    if (document == NULL)
        return from_file(reading, key);
    if (!key->cluster && strcmp(document->namespace_, key->namespace_) != 0)
        findings_add(&reading->findings, FINDING_WARNING, &key->place, key->name,
            "the %s is in namespace %s; KEDA looks in %s only, so move it there", kind,
            document->namespace_, key->namespace_);
    return from_document(reading, key, document);
}
