/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/talk.h"

#include "base/hex.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static const char *const verbs[] = {
    [TALK_ATTACH] = "attach", [TALK_HEAD] = "head", [TALK_AFTER] = "after",
    [TALK_NODES] = "nodes",   [TALK_DROP] = "drop", [TALK_PUBLISH] = "publish",
};

static int refuse(const char **why, const char *text)
{
    *why = text;
    return ACCORD_E_FORMAT;
}

/* ---- small things --------------------------------------------------------------------- */

static bool number_parse(struct bytes text, uint64_t *out)
{
    uint64_t n = 0;

    if (text.size_bytes == 0 || text.size_bytes > 20)
        return false;
    for (size_t i = 0; i < text.size_bytes; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *out = n;
    return true;
}

bool talk_number(struct bytes properties, const char *name, uint64_t *out)
{
    struct bytes text;

    return chp_property(properties, name, &text) && number_parse(text, out);
}

void talk_uuid_print(struct id128 id, uint8_t uuid[CHP_UUID_BYTES])
{
    for (unsigned i = 0; i < 8; i++) {
        uuid[i] = (uint8_t)(id.high >> (56 - 8 * i));
        uuid[8 + i] = (uint8_t)(id.low >> (56 - 8 * i));
    }
}

struct id128 talk_uuid_parse(struct bytes uuid)
{
    struct id128 id = {0, 0};

    for (size_t i = 0; uuid.size_bytes == CHP_UUID_BYTES && i < 8; i++) {
        id.high = id.high << 8 | uuid.data[i];
        id.low = id.low << 8 | uuid.data[8 + i];
    }
    return id;
}

size_t talk_prefix(const char *cluster, char text[TALK_PREFIX_BYTES_MAX])
{
    return (size_t)snprintf(text, TALK_PREFIX_BYTES_MAX, TALK_TREE "%s/", cluster);
}

/* Takes what comes before the next slash off *left, and the slash. */
static struct bytes next_word(struct bytes *left)
{
    const uint8_t *slash =
        left->size_bytes > 0 ? memchr(left->data, '/', left->size_bytes) : NULL;
    size_t bytes = slash ? (size_t)(slash - left->data) : left->size_bytes;
    struct bytes word = bytes_of(left->data, bytes);

    bytes += slash != NULL;
    *left = bytes_of(left->data + bytes, left->size_bytes - bytes);
    return word;
}

static bool cluster_parse(struct bytes word, char cluster[TALK_CLUSTER_BYTES_MAX])
{
    if (word.size_bytes == 0 || word.size_bytes >= TALK_CLUSTER_BYTES_MAX)
        return false;
    for (size_t i = 0; i < word.size_bytes; i++) {
        char c = (char)word.data[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'))
            return false;
        cluster[i] = c;
    }
    cluster[word.size_bytes] = '\0';
    return true;
}

/* What follows "/accord/<cluster>/" is left in *path. */
static bool below_cluster(struct bytes *path, char cluster[TALK_CLUSTER_BYTES_MAX])
{
    struct bytes tree = bytes_of_text(TALK_TREE);

    if (!chp_is_below(tree, *path))
        return false;
    struct bytes left =
        bytes_of(path->data + tree.size_bytes, path->size_bytes - tree.size_bytes);
    struct bytes word = next_word(&left);
    /* With its slash. */
    if (word.data + word.size_bytes == path->data + path->size_bytes ||
        !cluster_parse(word, cluster))
        return false;
    *path = left;
    return true;
}

/* ---- questions ------------------------------------------------------------------------ */

PRINTF_LIKE(3, 4)
static void add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    int more = vsnprintf(text + used, size - used, format, arguments);
    va_end(arguments);
    ASSERT(more >= 0 && used + (size_t)more < size);
}

static void add_word(char text[TALK_PATH_BYTES_MAX], const char *name, uint64_t value)
{
    if (value > 0)
        add(text, TALK_PATH_BYTES_MAX, "%s=%" PRIu64 "/", name, value);
}

void talk_question_print(const struct talk_question *q, char text[TALK_PATH_BYTES_MAX])
{
    text[0] = '\0';
    add(text, TALK_PATH_BYTES_MAX, TALK_TREE "%s/", q->cluster);
    if (q->verb == TALK_RECENT)
        return;
    add(text, TALK_PATH_BYTES_MAX, "%s/", verbs[q->verb]);
    add_word(text, "position", q->position);
    add_word(text, "view_ms", q->view_ms);
    add_word(text, "max_stale_ms", q->max_stale_ms);
    add_word(text, "retain_ms", q->retain_ms);
    add_word(text, "retain_changes", q->retain_changes);
    if (q->node[0])
        add(text, TALK_PATH_BYTES_MAX, "node=");
    for (const char *c = q->node; *c; c++)
        add(text, TALK_PATH_BYTES_MAX, "%02x", (unsigned)(uint8_t)*c);
    add(text, TALK_PATH_BYTES_MAX, "%s", q->node[0] ? "/" : "");
    add_word(text, "nonce", q->nonce);
}

static bool node_parse(struct bytes text, char node[NODE_NAME_BYTES_MAX + 1])
{
    size_t bytes = text.size_bytes / 2;

    if (text.size_bytes % 2 != 0 || bytes > NODE_NAME_BYTES_MAX)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);
        if (high < 0 || low < 0 || high + low == 0)
            return false;
        node[i] = (char)(high << 4 | low);
    }
    node[bytes] = '\0';
    return true;
}

/* One "name=value". False: of a known name, a value that cannot be. */
static bool word_parse(struct bytes word, struct talk_question *q)
{
    const struct {
        const char *name;
        uint64_t *value;
    } numbers[] = {{"position", &q->position},
                   {"view_ms", &q->view_ms},
                   {"max_stale_ms", &q->max_stale_ms},
                   {"retain_ms", &q->retain_ms},
                   {"nonce", &q->nonce},
                   {"retain_changes", &q->retain_changes}};
    const uint8_t *equals =
        word.size_bytes > 0 ? memchr(word.data, '=', word.size_bytes) : NULL;

    if (!equals)
        return true;
    struct bytes name = bytes_of(word.data, (size_t)(equals - word.data));
    struct bytes value = bytes_of(equals + 1, word.size_bytes - name.size_bytes - 1);
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (bytes_equal(name, bytes_of_text(numbers[i].name)))
            return number_parse(value, numbers[i].value);
    return !bytes_equal(name, bytes_of_text("node")) || node_parse(value, q->node);
}

static bool verb_parse(struct bytes word, enum talk_verb *out)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (!verbs[i] || !bytes_equal(word, bytes_of_text(verbs[i])))
            continue;
        *out = (enum talk_verb)i;
        return true;
    }
    return false;
}

int talk_question_parse(struct bytes path, struct talk_question *out, const char **why)
{
    struct talk_question q = {.verb = TALK_RECENT};

    if (!below_cluster(&path, q.cluster))
        return refuse(why, "of what begins with /accord/, the next word is a cluster's name: 1 "
                           "to 32 of a-z, 0-9 and _");
    if (path.size_bytes > 0 && !verb_parse(next_word(&path), &q.verb))
        return refuse(why, "below /accord/ and a cluster's name, only attach, head, after, "
                           "nodes and drop are asked");
    while (path.size_bytes > 0)
        if (!word_parse(next_word(&path), &q))
            return refuse(why, "a number, or a node's name, in the question is none");
    *out = q;
    return ACCORD_OK;
}

/* ---- answers -------------------------------------------------------------------------- */

static bool id_property(struct bytes properties, const char *name, uint64_t *high,
                        uint64_t *low)
{
    struct bytes text;

    return chp_property(properties, name, &text) && hex_parse(text, high, low);
}

bool talk_log_parse(struct bytes properties, struct id128 *log, uint64_t *epoch)
{
    struct id128 l;
    uint64_t e;

    if (!id_property(properties, "log", &l.high, &l.low) ||
        !id_property(properties, "epoch", &e, NULL))
        return false;
    *log = l;
    *epoch = e;
    return true;
}

size_t talk_log_print(struct id128 log, uint64_t epoch, char text[TALK_PROPERTIES_BYTES_MAX])
{
    text[0] = '\0';
    add(text, TALK_PROPERTIES_BYTES_MAX,
        "log=%016" PRIx64 "%016" PRIx64 "\nepoch=%016" PRIx64 "\n", log.high, log.low, epoch);
    return strlen(text);
}

size_t talk_answer_print(const struct talk_answer *a, char text[TALK_PROPERTIES_BYTES_MAX])
{
    talk_log_print(a->log, a->epoch, text);
    add(text, TALK_PROPERTIES_BYTES_MAX,
        "pruned=%" PRIu64 "\nview=%" PRIu64 "\nmax_stale_ms=%" PRIu64 "\nbefore_ms=%" PRIu64
        "\n",
        a->pruned_to, a->view, a->max_stale_ms, a->max_stale_before_ms);
    if (a->term > 0)
        add(text, TALK_PROPERTIES_BYTES_MAX, "term=%" PRIu64 "\n", a->term);
    if (a->refused[0])
        add(text, TALK_PROPERTIES_BYTES_MAX, "refused=%s\n", a->refused);
    return strlen(text);
}

int talk_answer_parse(const struct chp_message *kthxbai, struct talk_answer *out)
{
    struct talk_answer a = {.head = kthxbai->sequence,
                            .message = talk_uuid_parse(kthxbai->uuid)};
    struct bytes p = kthxbai->properties, text;

    if (!talk_log_parse(p, &a.log, &a.epoch) || !talk_number(p, "pruned", &a.pruned_to) ||
        !talk_number(p, "view", &a.view) || !talk_number(p, "max_stale_ms", &a.max_stale_ms) ||
        !talk_number(p, "before_ms", &a.max_stale_before_ms))
        return ACCORD_E_FORMAT;
    (void)talk_number(p, "term", &a.term); /* only a pair's server says it */
    if (chp_property(p, "refused", &text))
        snprintf(a.refused, sizeof a.refused, "%.*s",
                 (int)u64_min(text.size_bytes, sizeof a.refused - 1), (const char *)text.data);
    *out = a;
    return ACCORD_OK;
}

/* ---- people --------------------------------------------------------------------------- */

bool talk_change_of_key(struct bytes key, char cluster[TALK_CLUSTER_BYTES_MAX],
                        struct change *out)
{
    if (!below_cluster(&key, cluster))
        return false;
    struct bytes word = next_word(&key);
    struct change said = {.key = key};
    bool understood = change_op_parse(word, &said.op) == ACCORD_OK && said.op <= CHANGE_CLEAR &&
                      !change_problem(&said);
    *out = understood ? said : (struct change){.op = CHANGE_CLEAR};
    return true;
}
