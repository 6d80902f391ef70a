/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "client/reply.h"

/* Where the parser stands. `left` counts, for each open parent, the children still to come. */
struct parse {
    struct bytes in;
    size_t at;
    size_t need; /* bytes without which the next step cannot be made */
    uint32_t left[REPLY_DEPTH_MAX];
    uint32_t parent[REPLY_DEPTH_MAX];
    size_t depth;
};

/* The line at p->at without its CRLF; p->at moves behind it. */
static int line(struct parse *p, struct bytes *out)
{
    const uint8_t *from = p->in.data + p->at;
    size_t have = p->in.size_bytes - p->at;
    const uint8_t *end = have > 0 ? memchr(from, '\r', have) : NULL;

    if ((end ? (size_t)(end - from) : have) > REPLY_LINE_BYTES_MAX)
        return ACCORD_E_SIZE;
    if (!end || (size_t)(end - from) + 1 == have) {
        p->need = p->in.size_bytes + 1;
        return ACCORD_E_ABSENT;
    }
    if (end[1] != '\n')
        return ACCORD_E_FORMAT;
    *out = bytes_of(from, (size_t)(end - from));
    p->at += out->size_bytes + 2;
    return ACCORD_OK;
}

static int number(struct bytes text, int64_t *out)
{
    bool minus = text.size_bytes > 0 && text.data[0] == '-';
    uint64_t limit = (uint64_t)INT64_MAX + (minus ? 1 : 0), n = 0;

    if (text.size_bytes == (minus ? 1u : 0u) || text.size_bytes > 20)
        return ACCORD_E_FORMAT;
    for (size_t i = minus ? 1 : 0; i < text.size_bytes; i++) {
        uint64_t digit = (uint64_t)text.data[i] - '0';
        if (digit > 9 || n > (limit - digit) / 10)
            return ACCORD_E_FORMAT;
        n = n * 10 + digit;
    }
    *out = minus ? (int64_t)(0 - n) : (int64_t)n;
    return ACCORD_OK;
}

/* A length of bytes or of children; -1 is null. */
static int length(struct parse *p, int64_t max, int64_t *out)
{
    struct bytes text;
    int64_t n = 0;
    int status = line(p, &text);

    if (status == ACCORD_OK)
        status = number(text, &n);
    if (status != ACCORD_OK)
        return status;
    if (n < -1)
        return ACCORD_E_FORMAT;
    if (n > max)
        return ACCORD_E_SIZE;
    *out = n;
    return ACCORD_OK;
}

static int bulk(struct parse *p, char kind, struct reply_node *node)
{
    int64_t n = 0;
    int status = length(p, REPLY_BYTES_MAX, &n);

    if (status != ACCORD_OK)
        return status;
    if (n < 0) {
        node->type = REPLY_NULL;
        return kind == '$' ? ACCORD_OK : ACCORD_E_FORMAT;
    }
    size_t end = p->at + (size_t)n;
    if (p->in.size_bytes < end + 2) {
        p->need = end + 2;
        return ACCORD_E_ABSENT;
    }
    if (p->in.data[end] != '\r' || p->in.data[end + 1] != '\n')
        return ACCORD_E_FORMAT;
    node->type = kind == '!' ? REPLY_ERROR : REPLY_TEXT;
    node->text = bytes_of(p->in.data + p->at, (size_t)n);
    p->at = end + 2;
    if (kind != '=')
        return ACCORD_OK;
    if (n < 4 || node->text.data[3] != ':') /* RESP3 §Verbatim: three letters and a colon */
        return ACCORD_E_FORMAT;
    node->text = bytes_of(node->text.data + 4, (size_t)n - 4);
    return ACCORD_OK;
}

static int parent(struct parse *p, char kind, struct reply_node *node)
{
    int64_t n = 0;
    int status = length(p, REPLY_NODES_MAX / 2, &n);

    if (status != ACCORD_OK)
        return status;
    if (n < 0) {
        node->type = REPLY_NULL;
        return kind == '*' ? ACCORD_OK : ACCORD_E_FORMAT;
    }
    node->type = kind == '%' ? REPLY_MAP : kind == '>' ? REPLY_PUSH : REPLY_LIST;
    node->count = (uint32_t)n * (kind == '%' ? 2 : 1);
    return ACCORD_OK;
}

static int simple(struct parse *p, char kind, struct reply_node *node)
{
    struct bytes text;
    int status = line(p, &text);

    if (status != ACCORD_OK)
        return status;
    node->text = text;
    switch (kind) {
    case '-':
        node->type = REPLY_ERROR;
        return ACCORD_OK;
    case ':':
        node->type = REPLY_INTEGER;
        return number(text, &node->integer);
    case '#':
        node->type = REPLY_INTEGER;
        node->integer = bytes_equal(text, bytes_of_text("t"));
        return node->integer || bytes_equal(text, bytes_of_text("f")) ? ACCORD_OK
                                                                      : ACCORD_E_FORMAT;
    case '_':
        node->type = REPLY_NULL;
        return text.size_bytes == 0 ? ACCORD_OK : ACCORD_E_FORMAT;
    default:
        node->type = REPLY_TEXT;
        return ACCORD_OK;
    }
}

static int one_node(struct parse *p, struct reply_node *node)
{
    if (p->at >= p->in.size_bytes) {
        p->need = p->in.size_bytes + 1;
        return ACCORD_E_ABSENT;
    }
    char kind = (char)p->in.data[p->at++];
    switch (kind) {
    case '+':
    case '-':
    case ':':
    case '#':
    case '_':
    case ',':
    case '(':
        return simple(p, kind, node);
    case '$':
    case '=':
    case '!':
        return bulk(p, kind, node);
    case '*':
    case '~':
    case '>':
    case '%':
        return parent(p, kind, node);
    default:
        return ACCORD_E_FORMAT;
    }
}

/* Node `index` was parsed: opens it if it has children, and closes what it was the last of. */
static int nest(struct parse *p, struct reply_node *nodes, uint32_t index)
{
    nodes[index].next = index + 1;
    if (nodes[index].count > 0) {
        if (p->depth == REPLY_DEPTH_MAX)
            return ACCORD_E_SIZE;
        p->left[p->depth] = nodes[index].count;
        p->parent[p->depth++] = index;
        return ACCORD_OK;
    }
    while (p->depth > 0 && --p->left[p->depth - 1] == 0)
        nodes[p->parent[--p->depth]].next = index + 1;
    return ACCORD_OK;
}

int reply_parse(struct bytes in, struct reply_node *nodes, size_t nodes_max, size_t *node_count,
                size_t *used)
{
    struct parse p = {.in = in};
    uint32_t index = 0;

    do {
        if (index == nodes_max)
            return nodes_max < REPLY_NODES_MAX ? ACCORD_E_FULL : ACCORD_E_SIZE;
        nodes[index] = (struct reply_node){.type = REPLY_NULL};
        int status = one_node(&p, &nodes[index]);
        if (status == ACCORD_OK)
            status = nest(&p, nodes, index);
        if (status == ACCORD_E_ABSENT && p.need > REPLY_BYTES_MAX)
            status = ACCORD_E_SIZE;
        if (status == ACCORD_E_ABSENT)
            *used = p.need;
        if (status != ACCORD_OK)
            return status;
        index++;
    } while (p.depth > 0);
    *node_count = index;
    *used = p.at;
    return ACCORD_OK;
}

const struct reply_node *reply_field(const struct reply_node *nodes, const char *name)
{
    struct bytes wanted = bytes_of_text(name);
    uint32_t i = 1;

    if (nodes[0].type != REPLY_MAP && nodes[0].type != REPLY_LIST)
        return NULL;
    for (uint32_t pair = 0; pair + 1 < nodes[0].count; pair += 2) {
        const struct reply_node *key = &nodes[i], *value = &nodes[key->next];
        if (key->type == REPLY_TEXT && bytes_equal(key->text, wanted))
            return value;
        i = value->next;
    }
    return NULL;
}

int reply_u64(const struct reply_node *node, uint64_t *out)
{
    uint64_t n = 0;

    if (node && node->type == REPLY_INTEGER && node->integer >= 0) {
        *out = (uint64_t)node->integer;
        return ACCORD_OK;
    }
    if (!node || node->type != REPLY_TEXT || node->text.size_bytes == 0)
        return ACCORD_E_FORMAT;
    for (size_t i = 0; i < node->text.size_bytes; i++) {
        uint64_t digit = (uint64_t)node->text.data[i] - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return ACCORD_E_FORMAT;
        n = n * 10 + digit;
    }
    *out = n;
    return ACCORD_OK;
}

bool reply_says(const struct reply_node *node, const char *word)
{
    size_t size = strlen(word);

    return (node->type == REPLY_TEXT || node->type == REPLY_ERROR) &&
           node->text.size_bytes >= size && memcmp(node->text.data, word, size) == 0 &&
           (node->text.size_bytes == size || node->text.data[size] == ' ');
}
