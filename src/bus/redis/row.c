/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/row.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/hex.h"

/* Fields, in the order of a row. */
enum field {
    FIELD_MESSAGE,
    FIELD_OP,
    FIELD_KEY,
    FIELD_SOFT,
    FIELD_VERSION,
    FIELD_FINGERPRINT,
    FIELD_WALL_MS,
    FIELD_ORIGIN,
    FIELD_INCARNATION,
    FIELD_SEQUENCE,
    FIELD_NONCE,
    FIELD_APPLIED,
    FIELD_APPLIED_HASH,
    FIELD_LEASE_EPOCH,
    FIELD_ABOUT,
    FIELD_AFTER,
    FIELDS
};

#define NAME(text)                                                                             \
    {                                                                                          \
        (const uint8_t *)(text), sizeof(text) - 1                                              \
    }
static const struct bytes names[FIELDS] = {
    NAME("message"),      NAME("op"),          NAME("key"),     NAME("soft"),
    NAME("version"),      NAME("fingerprint"), NAME("wall_ms"), NAME("origin"),
    NAME("incarnation"),  NAME("sequence"),    NAME("nonce"),   NAME("applied"),
    NAME("applied_hash"), NAME("lease_epoch"), NAME("about"),   NAME("after")};
#undef NAME

/* Ids and numbers. */

static bool number_parse(struct bytes text, uint64_t *out)
{
    uint64_t value = 0;

    if (text.size_bytes == 0)
        return false;
    for (size_t i = 0; i < text.size_bytes; i++) {
        unsigned digit = (unsigned)text.data[i] - '0';
        if (digit > 9 || value > (UINT64_MAX - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool redis_id_parse(struct bytes text, uint64_t *position)
{
    uint64_t ms, number;
    const uint8_t *dash = text.size_bytes > 0 ? memchr(text.data, '-', text.size_bytes) : NULL;
    size_t before = dash ? (size_t)(dash - text.data) : 0;

    if (!dash || !number_parse(bytes_of(text.data, before), &ms) ||
        !number_parse(bytes_of(dash + 1, text.size_bytes - before - 1), &number) ||
        ms >> REDIS_MS_BITS != 0 || number >> REDIS_SEQUENCE_BITS != 0)
        return false;
    *position = ms << REDIS_SEQUENCE_BITS | number;
    return true;
}

void redis_id_print(uint64_t position, char text[REDIS_ID_BYTES_MAX])
{
    snprintf(text, REDIS_ID_BYTES_MAX, "%" PRIu64 "-%" PRIu64, position >> REDIS_SEQUENCE_BITS,
             position & ((1u << REDIS_SEQUENCE_BITS) - 1));
}

/* Words. */

int redis_words_init(struct redis_words *w, size_t words_max, size_t text_max)
{
    *w = (struct redis_words){.max = words_max, .text_max = text_max};
    w->words = calloc(words_max, sizeof *w->words);
    w->sizes = calloc(words_max, sizeof *w->sizes);
    w->text = malloc(text_max);
    if (w->words && w->sizes && w->text)
        return ACCORD_OK;
    redis_words_done(w);
    return ACCORD_E_NOMEM;
}

void redis_words_done(struct redis_words *w)
{
    free((void *)(uintptr_t)w->words);
    free(w->sizes);
    free(w->text);
    *w = (struct redis_words){.count = 0};
}

void redis_words_clear(struct redis_words *w)
{
    w->count = w->text_used = 0;
}

void redis_words_add(struct redis_words *w, const void *data, size_t size)
{
    ASSERT(w->count < w->max);
    w->words[w->count] = size > 0 ? data : "";
    w->sizes[w->count++] = size;
}

void redis_words_add_text(struct redis_words *w, const char *text)
{
    redis_words_add(w, text, strlen(text));
}

void redis_words_add_number(struct redis_words *w, uint64_t number)
{
    char *at = w->text + w->text_used;
    char digits[20];
    size_t n = 0;

    do
        digits[n++] = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    ASSERT(w->text_used + n <= w->text_max);
    for (size_t i = 0; i < n; i++)
        at[i] = digits[n - 1 - i];
    w->text_used += n;
    redis_words_add(w, at, n);
}

void redis_words_add_hex(struct redis_words *w, uint64_t high, const uint64_t *low)
{
    char *at = w->text + w->text_used;
    size_t size = low ? 32 : 16;

    ASSERT(w->text_used + size <= w->text_max);
    hex_print(at, high);
    if (low)
        hex_print(at + 16, *low);
    w->text_used += size;
    redis_words_add(w, at, size);
}

/* Writing. */

static void add_field(struct redis_words *w, enum field field, struct bytes value)
{
    if (value.size_bytes == 0)
        return;
    redis_words_add(w, names[field].data, names[field].size_bytes);
    redis_words_add(w, value.data, value.size_bytes);
}

static void add_number(struct redis_words *w, enum field field, uint64_t value, bool given)
{
    if (!given)
        return;
    redis_words_add(w, names[field].data, names[field].size_bytes);
    redis_words_add_number(w, value);
}

static void add_id(struct redis_words *w, enum field field, struct id128 id)
{
    if (id128_is_none(id))
        return;
    redis_words_add(w, names[field].data, names[field].size_bytes);
    redis_words_add_hex(w, id.high, &id.low);
}

void redis_row_write(struct redis_words *w, const struct change *c)
{
    size_t count_at = w->count;

    redis_words_add(w, NULL, 0); /* the count, once it is known */
    add_id(w, FIELD_MESSAGE, c->message);
    add_field(w, FIELD_OP, bytes_of_text(change_op_word(c->op)));
    add_field(w, FIELD_KEY, c->key);
    add_number(w, FIELD_SOFT, 1, c->soft);
    add_number(w, FIELD_VERSION, c->version, c->has_version);
    add_number(w, FIELD_FINGERPRINT, c->fingerprint, c->has_fingerprint);
    add_number(w, FIELD_WALL_MS, c->wall_ms, c->wall_ms > 0);
    add_field(w, FIELD_ORIGIN, c->origin);
    add_id(w, FIELD_INCARNATION, c->incarnation);
    add_number(w, FIELD_SEQUENCE, c->sequence, c->sequence > 0);
    add_number(w, FIELD_NONCE, c->nonce, c->nonce > 0);
    add_number(w, FIELD_APPLIED, c->applied, c->applied > 0);
    add_number(w, FIELD_APPLIED_HASH, c->applied_hash, c->applied_hash > 0);
    add_number(w, FIELD_LEASE_EPOCH, c->lease_epoch, c->lease_epoch > 0);
    add_field(w, FIELD_ABOUT, c->about);
    size_t words = w->count - count_at - 1, end = w->count;
    ASSERT(words <= REDIS_ROW_WORDS_MAX);
    redis_words_add_number(w, words);
    w->words[count_at] = w->words[end];
    w->sizes[count_at] = w->sizes[end];
    w->count = end;
}

/* Reading. */

static struct bytes bytes_of_reply(const redisReply *r)
{
    return r->type == REDIS_REPLY_STRING || r->type == REDIS_REPLY_STATUS
               ? bytes_of(r->str, r->len)
               : bytes_of(NULL, 0);
}

/* Most come in the order of the enum: the search begins with the one expected. */
static enum field field_of(struct bytes name, unsigned expected)
{
    for (unsigned i = 0; i < FIELDS; i++) {
        unsigned at = expected + i < FIELDS ? expected + i : expected + i - FIELDS;
        if (bytes_equal(name, names[at]))
            return (enum field)at;
    }
    return FIELDS;
}

struct values {
    struct bytes of[FIELDS];
    bool given[FIELDS];
    bool twice; /* one field with two values: either may have been meant */
};

static void gather(const redisReply *pairs, struct values *v)
{
    unsigned expected = 0;

    *v = (struct values){.twice = false};
    for (size_t i = 0; i + 1 < pairs->elements; i += 2) {
        enum field f = field_of(bytes_of_reply(pairs->element[i]), expected);
        if (f == FIELDS)
            continue;
        expected = f + 1 < FIELDS ? f + 1 : 0;
        v->twice |= v->given[f];
        v->given[f] = true;
        v->of[f] = bytes_of_reply(pairs->element[i + 1]);
    }
}

/* A name for what came without one: the same on every node, another for another entry. */
static struct id128 named_after(uint64_t position, const redisReply *pairs)
{
    struct id128 id = {position, pairs->elements};

    for (size_t i = 0; i < pairs->elements; i++) {
        struct bytes b = bytes_of_reply(pairs->element[i]);
        for (size_t j = 0; j < b.size_bytes; j++)
            id.low = cursor_hash(id.low, b.data[j], id);
        id.high = cursor_hash(id.high, b.size_bytes, id);
    }
    id.high |= 1;
    return id;
}

static uint64_t number_of(const struct values *v, enum field f)
{
    uint64_t number = 0;

    return number_parse(v->of[f], &number) ? number : 0;
}

static void read_envelope(const struct values *v, struct change *c)
{
    c->wall_ms = number_of(v, FIELD_WALL_MS);
    if (v->of[FIELD_ORIGIN].size_bytes > NODE_NAME_BYTES_MAX)
        return; /* no node wrote that */
    c->origin = v->of[FIELD_ORIGIN];
    if (!hex_parse(v->of[FIELD_INCARNATION], &c->incarnation.high, &c->incarnation.low))
        c->incarnation = (struct id128){0, 0};
    c->sequence = number_of(v, FIELD_SEQUENCE);
    c->nonce = number_of(v, FIELD_NONCE);
    c->applied = number_of(v, FIELD_APPLIED);
    c->applied_hash = number_of(v, FIELD_APPLIED_HASH);
    c->lease_epoch = number_of(v, FIELD_LEASE_EPOCH);
    if (v->of[FIELD_ABOUT].size_bytes <= CHANGE_ABOUT_BYTES_MAX)
        c->about = v->of[FIELD_ABOUT];
}

static void read_change(const struct values *v, struct change *c)
{
    uint64_t soft = 0;

    read_envelope(v, c);
    c->op = CHANGE_REMOVE;
    bool known = !v->twice &&
                 (!v->given[FIELD_OP] || change_op_parse(v->of[FIELD_OP], &c->op) == ACCORD_OK);
    c->key = v->of[FIELD_KEY];
    c->soft = number_parse(v->of[FIELD_SOFT], &soft) && soft == 1;
    /* What is no number would have kept something: without it, the change removes more. */
    c->has_version = number_parse(v->of[FIELD_VERSION], &c->version);
    c->has_fingerprint = number_parse(v->of[FIELD_FINGERPRINT], &c->fingerprint);
    if (!known || change_problem(c)) /* twice: nobody knows which was meant */
        change_stand_in_word(c, v->twice ? bytes_of(NULL, 0) : v->of[FIELD_OP]);
}

/* An entry is its id and its pairs. The pairs of one that was deleted meanwhile are nil. */
static bool is_entry(const redisReply *r)
{
    return r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
           r->element[0]->type == REDIS_REPLY_STRING &&
           r->element[1]->type == REDIS_REPLY_ARRAY;
}

static struct id128 message_of(const struct values *v, uint64_t position,
                               const redisReply *pairs)
{
    struct id128 id;

    if (hex_parse(v->of[FIELD_MESSAGE], &id.high, &id.low) && !id128_is_none(id))
        return id;
    return named_after(position, pairs);
}

bool redis_row_position(const redisReply *reply, uint64_t *position)
{
    return is_entry(reply) && redis_id_parse(bytes_of_reply(reply->element[0]), position);
}

bool redis_row_name(const redisReply *reply, uint64_t *position, struct id128 *message)
{
    struct values v;

    if (!is_entry(reply) || !redis_id_parse(bytes_of_reply(reply->element[0]), position))
        return false;
    gather(reply->element[1], &v);
    *message = message_of(&v, *position, reply->element[1]);
    return true;
}

bool redis_row_read(const redisReply *reply, struct entry *out)
{
    struct values v;
    struct entry e = {.position = 0};

    if (!is_entry(reply) || !redis_id_parse(bytes_of_reply(reply->element[0]), &e.position))
        return false;
    gather(reply->element[1], &v);
    e.change.message = message_of(&v, e.position, reply->element[1]);
    read_change(&v, &e.change);
    *out = e;
    return true;
}

bool redis_row_follows(const redisReply *reply, uint64_t position, uint64_t epoch)
{
    struct values v;
    char expected[REDIS_ID_BYTES_MAX + 20];

    if (!is_entry(reply))
        return false;
    gather(reply->element[1], &v);
    redis_id_print(position, expected);
    size_t length = strlen(expected);
    snprintf(expected + length, sizeof expected - length, "@%016" PRIx64, epoch);
    return bytes_equal(v.of[FIELD_AFTER], bytes_of_text(expected));
}
