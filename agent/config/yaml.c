/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/config/yaml.h"

#include "agent/config/node.h"
#include "agent/library_text.h"
#include "proto/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* ---- yaml ---- */

struct anchor {
    const char *name;
    const struct node *node;
};

struct open {
    struct node *node;
    size_t start; /* index of its first child on the stack */
};

/* Builds the tree of one document from the parser's events. */
struct builder {
    const struct yaml_input *input;
    size_t line, line_start; /* in the input's bytes, how far literal_indent has read */
    struct arena *arena;
    struct tree tree;
    const struct node **stack; /* finished nodes that wait for their parent to end */
    size_t count, capacity;
    struct open open[YAML_DEPTH_MAX];
    size_t depth;
    struct anchor *anchors;
    size_t anchor_count, anchor_capacity;
    size_t alias_count;
};

/* The place of a mark in the file, also if the mark is in an embedded text. */
static struct place mark_place(const struct builder *b, const yaml_mark_t *mark)
{
    const struct node *inside = b->input->inside;
    struct place place = node_place(&b->tree, inside);

    if (inside == NULL) {
        place.line = (unsigned)mark->line + 1;
        place.column = (unsigned)mark->column + 1;
    } else if (inside->indent > 0) {
        place.line = inside->line + (unsigned)mark->line + 1;
        place.column = inside->indent + (unsigned)mark->column + 1;
    }
    return place;
}

static int yaml_refuse(struct builder *b, const yaml_mark_t *mark, const char *message)
{
    struct place place = mark_place(b, mark);

    findings_add(b->tree.findings, FINDING_ERROR, &place, "", "%s", message);
    return -EINVAL;
}

static int yaml_push(struct builder *b, const struct node *node)
{
    const struct node **stack = array_grow(
        b->stack, b->count, &b->capacity, sizeof(const struct node *));

    if (stack == NULL)
        return -ENOMEM;
    b->stack = stack;
    b->stack[b->count++] = node;
    return 0;
}

static struct node *node_add(struct builder *b, enum node_kind kind, const yaml_mark_t *mark)
{
    struct node *node = arena_alloc(b->arena, sizeof(*node));

    if (node == NULL)
        return NULL;
    struct place place = mark_place(b, mark);
    node->kind = kind;
    node->line = place.line;
    node->column = place.column;
    node->weight = 1;
    return node;
}

static int anchor_add(
    struct builder *b, const yaml_char_t *name, const struct node *node, const yaml_mark_t *mark)
{
    if (name == NULL)
        return 0;
    if (b->anchor_count == YAML_ANCHORS_MAX)
        return yaml_refuse(b, mark, "more than 1000 anchors in one document; split it");
    struct anchor *anchors = array_grow(
        b->anchors, b->anchor_count, &b->anchor_capacity, sizeof(*anchors));
    const char *copy = arena_copy_string(b->arena, (const char *)name);
    if (anchors != NULL)
        b->anchors = anchors;
    if (anchors == NULL || copy == NULL)
        return -ENOMEM;
    b->anchors[b->anchor_count++] = (struct anchor){.name = copy, .node = node};
    return 0;
}

/* The latest anchor of a name counts, as YAML requires. */
static const struct node *anchor_find(const struct builder *b, const yaml_char_t *name)
{
    for (size_t i = b->anchor_count; i > 0; i--) {
        if (strcmp(b->anchors[i - 1].name, (const char *)name) == 0)
            return b->anchors[i - 1].node;
    }
    return NULL;
}

static int add_alias(struct builder *b, const yaml_event_t *event)
{
    const struct node *node = anchor_find(b, event->data.alias.anchor);

    if (++b->alias_count > YAML_ALIASES_MAX)
        return yaml_refuse(
            b, &event->start_mark, "more than 10000 aliases in one document; split it");
    if (node == NULL)
        return yaml_refuse(b, &event->start_mark, "the alias names an anchor that does not exist");
    for (size_t i = 0; i < b->depth; i++) {
        if (b->open[i].node == node)
            return yaml_refuse(
                b, &event->start_mark, "the anchor contains itself through this alias");
    }
    if (b->depth + node->height > YAML_DEPTH_MAX)
        return yaml_refuse(
            b, &event->start_mark, "nested more than 64 levels deep through this alias");
    return yaml_push(b, node);
}

/* The kind that an explicit tag gives a scalar; NODE_LIST: an unknown tag. */
static enum node_kind tagged_kind(const char *tag)
{
    static const struct {
        const char *name;
        enum node_kind kind;
    } tags[] = {{"str", NODE_STRING}, {"int", NODE_NUMBER}, {"float", NODE_NUMBER},
        {"bool", NODE_BOOL}, {"null", NODE_NULL}, {"binary", NODE_MAP}};
    const char *colon = strrchr(tag, ':');

    for (size_t i = 0; colon != NULL && i < sizeof(tags) / sizeof(tags[0]); i++) {
        if (strcmp(colon + 1, tags[i].name) == 0)
            return tags[i].kind;
    }
    return NODE_LIST;
}

/* The bytes of a line of the input, without its end; *len 0 beyond the last. Lines are requested in
 * ascending order. */
static const char *input_line(struct builder *b, size_t line, size_t *len)
{
    const char *data = b->input->data;
    size_t end = b->input->len;

    while (b->line < line && b->line_start < end) {
        const char *next = memchr(data + b->line_start, '\n', end - b->line_start);

        b->line_start = next != NULL ? (size_t)(next - data) + 1 : end;
        b->line++;
    }
    const char *start = data + b->line_start;
    const char *stop =
        b->line == line && b->line_start < end ? memchr(start, '\n', end - b->line_start) : start;
    *len = stop != NULL ? (size_t)(stop - start) : end - b->line_start;
    return start;
}

/* The indent of a literal block's lines in columns: how much its first line that is not empty is
 * longer in the file than in the text. */
static uint32_t literal_indent(struct builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t empty = strspn(text, "\n"), len = 0;
    size_t inside = strcspn(text + empty, "\n");

    if (event->data.scalar.style != YAML_LITERAL_SCALAR_STYLE || b->input->inside != NULL)
        return 0;
    const char *line = input_line(b, event->start_mark.line + 1 + empty, &len);
    if (inside == 0 || len <= inside || memcmp(line + len - inside, text + empty, inside) != 0)
        return 0;
    for (size_t i = 0; i < len - inside; i++) {
        if (line[i] != ' ')
            return 0;
    }
    return (uint32_t)(len - inside);
}

static int add_scalar(struct builder *b, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    const char *tag = (const char *)event->data.scalar.tag;
    enum node_kind kind = NODE_STRING;

    if (strlen(text) != len)
        return yaml_refuse(b, &event->start_mark, "the text holds a NUL character; remove the \\0");
    if (event->data.scalar.plain_implicit)
        kind = scalar_kind(text);
    else if (tag != NULL && tagged_kind(tag) == NODE_MAP)
        return yaml_refuse(b, &event->start_mark, "!!binary is not read; write the text itself");
    else if (tag != NULL && tagged_kind(tag) != NODE_LIST)
        kind = tagged_kind(tag);
    struct node *node = node_add(b, kind, &event->start_mark);
    if (node == NULL)
        return -ENOMEM;
    node->weight += (uint32_t)(len / YAML_NODE_BYTES);
    node->indent = literal_indent(b, event);
    if (event->data.scalar.plain_implicit && strcmp(text, MERGE_KEY) == 0)
        node->text = node_merge_key;
    else
        node->text = arena_copy(b->arena, text, len);
    if (node->text == NULL)
        return -ENOMEM;
    int r = anchor_add(b, event->data.scalar.anchor, node, &event->start_mark);
    return r < 0 ? r : yaml_push(b, node);
}

static int open_container(
    struct builder *b, enum node_kind kind, const yaml_char_t *anchor, const yaml_mark_t *mark)
{
    if (b->depth == YAML_DEPTH_MAX)
        return yaml_refuse(b, mark, "nested more than 64 levels deep");
    struct node *node = node_add(b, kind, mark);
    if (node == NULL)
        return -ENOMEM;
    node->height = 1;
    b->open[b->depth++] = (struct open){.node = node, .start = b->count};
    return anchor_add(b, anchor, node, mark);
}

/* The children on the stack move to the container that was opened last. */
static int close_container(struct builder *b, const yaml_mark_t *mark)
{
    struct open *open = &b->open[b->depth - 1];
    struct node *node = open->node;
    size_t count = b->count - open->start;
    const struct node **children = b->stack != NULL ? b->stack + open->start : NULL;
    int r = 0;

    if (node == NULL)
        return -EINVAL; /* an end without a start, which libyaml never sends */
    for (size_t i = 0; i < count; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): push filled it up to b->count */
        if (children[i]->height >= node->height)
            node->height = children[i]->height + 1;
        node->weight += children[i]->weight;
        if (node->weight > YAML_NODES_MAX)
            return yaml_refuse(
                b, mark, "too large once its aliases are followed (1000000 values); split it");
    }
    if (node->kind == NODE_MAP) {
        r = node_map_fill(node, children, count / 2, &b->tree, b->arena);
    } else if (count > 0) {
        node->items = arena_alloc_array(b->arena, count, sizeof(const struct node *));
        if (node->items == NULL)
            return -ENOMEM;
        memcpy(node->items, children, count * sizeof(const struct node *));
        node->count = (uint32_t)count;
    }
    b->count = open->start;
    b->depth--;
    return r < 0 ? r : yaml_push(b, node);
}

static int handle_event(struct builder *b, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return add_scalar(b, event);
    case YAML_ALIAS_EVENT:
        return add_alias(b, event);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(b, NODE_LIST, event->data.sequence_start.anchor, &event->start_mark);
    case YAML_MAPPING_START_EVENT:
        return open_container(b, NODE_MAP, event->data.mapping_start.anchor, &event->start_mark);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        return close_container(b, &event->start_mark);
    case YAML_DOCUMENT_START_EVENT:
        b->count = 0;
        b->depth = 0;
        b->anchor_count = 0;
        b->alias_count = 0;
        return 0;
    default:
        return 0;
    }
}

/* The syntax of a Helm or Jinja template before it is rendered: not YAML. */
static const char *hint_of(const struct yaml_input *input, const char *otherwise)
{
    if (input->len > 0 && memmem(input->data, input->len, "{{", 2) != NULL)
        return "; is it a template that must be rendered first?";
    return otherwise;
}

/* Line and column of a byte, for errors where libyaml returns only an offset. */
static yaml_mark_t mark_at(const struct yaml_input *input, size_t offset)
{
    const char *text = input->data;
    yaml_mark_t mark = {0};

    for (size_t i = 0; i < offset && i < input->len; i++) {
        mark.column++;
        if (text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static int report_error(
    struct builder *b, const yaml_parser_t *parser, const struct yaml_input *input)
{
    struct place place;
    yaml_mark_t mark = parser->problem_mark;
    char problem[200], context[200];

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR)
        mark = mark_at(input, parser->problem_offset);
    library_text_copy(
        problem, sizeof(problem), parser->problem != NULL ? parser->problem : "unreadable");
    library_text_copy(context, sizeof(context), parser->context);
    place = mark_place(b, &mark);
    struct place begin = mark_place(b, &parser->context_mark);
    if (parser->context != NULL)
        findings_add(b->tree.findings, FINDING_ERROR, &place, "",
            "not valid YAML: %s at %u:%u, %s%s", context, begin.line, begin.column, problem,
            hint_of(input, "; is the indentation right, and are there no tabs?"));
    else
        findings_add(b->tree.findings, FINDING_ERROR, &place, "", "not valid YAML: %s%s", problem,
            hint_of(input, ""));
    return -EINVAL;
}

/* A Secret's text passes through libyaml's buffers, so they are wiped before they are freed. */
static void parser_wipe_and_delete(yaml_parser_t *parser)
{
    if (parser->raw_buffer.start != NULL)
        wipe(parser->raw_buffer.start, (size_t)(parser->raw_buffer.end - parser->raw_buffer.start));
    if (parser->buffer.start != NULL)
        wipe(parser->buffer.start, (size_t)(parser->buffer.end - parser->buffer.start));
    yaml_parser_delete(parser);
}

static void event_wipe_and_delete(yaml_event_t *event)
{
    if (event->type == YAML_SCALAR_EVENT)
        wipe(event->data.scalar.value, event->data.scalar.length);
    yaml_event_delete(event);
}

int yaml_read(
    const struct yaml_input *input, struct arena *arena, yaml_document_fn *document, void *data)
{
    struct builder b = {.input = input, .arena = arena, .tree = input->tree};
    yaml_parser_t parser;
    bool ended = false;
    int r = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_input_string(&parser, input->data, input->len);
    while (r == 0 && !ended) {
        yaml_event_t event = {0};

        if (!yaml_parser_parse(&parser, &event)) {
            r = report_error(&b, &parser, input);
            break;
        }
        r = handle_event(&b, &event);
        if (r == 0 && event.type == YAML_DOCUMENT_END_EVENT && b.count == 1) {
            b.tree.root = b.stack[0];
            if (b.tree.root->kind != NODE_NULL)
                r = document(data, &b.tree);
        }
        ended = event.type == YAML_STREAM_END_EVENT || event.type == YAML_NO_EVENT;
        event_wipe_and_delete(&event);
    }
    parser_wipe_and_delete(&parser);
    free(b.stack);
    free(b.anchors);
    return r;
}

/* ---- surrogates ---- */

#define ESCAPE_LEN 6 /* of `\ud83d` */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The UTF-16 unit of an escape at text; 0 if there is no escape. */
static uint32_t unit_at(const char *text, size_t len)
{
    uint32_t unit = 0;

    if (len < ESCAPE_LEN || text[0] != '\\' || text[1] != 'u')
        return 0;
    for (size_t i = 2; i < ESCAPE_LEN; i++) {
        int digit = hex_digit(text[i]);

        if (digit < 0)
            return 0;
        unit = unit * 16 + (uint32_t)digit;
    }
    return unit;
}

/* The character of a surrogate pair at text; 0 if there is no pair. */
static uint32_t character_at(const char *text, size_t len)
{
    uint32_t high = unit_at(text, len);
    uint32_t low = len > ESCAPE_LEN ? unit_at(text + ESCAPE_LEN, len - ESCAPE_LEN) : 0;

    if (high < 0xd800 || high > 0xdbff || low < 0xdc00 || low > 0xdfff)
        return 0;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

static size_t write_utf8(char *to, uint32_t character)
{
    to[0] = (char)(0xf0 | (character >> 18));
    to[1] = (char)(0x80 | ((character >> 12) & 0x3f));
    to[2] = (char)(0x80 | ((character >> 6) & 0x3f));
    to[3] = (char)(0x80 | (character & 0x3f));
    return 4;
}

size_t surrogates_join(char *text, size_t len)
{
    size_t from = 0, to = 0;

    while (from < len) {
        uint32_t character = character_at(text + from, len - from);

        if (character != 0) {
            from += (size_t)2 * ESCAPE_LEN;
            to += write_utf8(text + to, character);
            continue;
        }
        /* Of `\\ud83d` the second backslash does not begin an escape. */
        if (text[from] == '\\' && from + 1 < len)
            text[to++] = text[from++];
        text[to++] = text[from++];
    }
    return to;
}
