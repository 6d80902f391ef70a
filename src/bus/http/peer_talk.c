/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_talk.h"

#include "bus/http/peer_bytes.h"

#define ASK_MAGIC    "ACP1"
#define ANSWER_MAGIC "ACA1"

enum { MAGIC_BYTES = 4, FLAG_BEGINS = 1, FLAG_JOINS = 2 };

static uint8_t *put_counted(uint8_t *at, struct bytes b, size_t count_bytes)
{
    return peer_put_bytes(peer_put(at, b.size_bytes, count_bytes), b);
}

static struct bytes cut_counted(struct peer_cut *c, size_t count_bytes)
{
    return peer_cut_bytes(c, peer_cut_number(c, count_bytes));
}

size_t peer_ask_begin(const struct peer_ask *a, uint8_t *out)
{
    uint8_t *at = peer_put_bytes(out, bytes_of(ASK_MAGIC, MAGIC_BYTES));

    ASSERT(a->from.size_bytes <= PEER_ADDRESS_BYTES_MAX);
    ASSERT(a->set.size_bytes <= PEER_SET_BYTES_MAX);
    at = peer_put(peer_put(at, a->kind, 1),
                  (uint64_t)(a->begins ? FLAG_BEGINS : 0) | (a->joins ? FLAG_JOINS : 0), 1);
    at = put_counted(at, a->from, 1);
    at = peer_put_id(peer_put_id(at, a->incarnation), a->to);
    at = peer_put(peer_put(at, a->number, 8), a->hash, 8);
    at = put_counted(at, a->set, 2);
    at = peer_put(peer_put(at, a->first, 8), a->newest, 8);
    at = peer_put(at, 0, 4);
    ASSERT((size_t)(at - out) <= PEER_ASK_HEAD_BYTES_MAX);
    return (size_t)(at - out);
}

size_t peer_told_put(const struct peer_told *t, uint8_t *out)
{
    uint8_t *at = peer_put(out, t->vector_count, 2);

    ASSERT(t->vector_count <= PEER_VECTOR_MAX);
    ASSERT(t->record.size_bytes <= CHANGE_RECORD_BYTES_MAX);
    for (size_t i = 0; i < t->vector_count; i++)
        at = peer_put(peer_put_id(at, t->vector[i].incarnation), t->vector[i].number, 8);
    return (size_t)(peer_put_bytes(at, t->record) - out);
}

/* Seals the first `bytes`, and gives the size with it. */
static size_t seal(uint8_t *out, size_t bytes, const char *label, const struct peer_key *k)
{
    peer_key_seal(k, label, bytes_of(out, bytes), out + bytes);
    return bytes + PEER_SEAL_BYTES;
}

/* Takes it off. ACCORD_E_FORMAT: it is no such message; _DENIED: it was sealed with another
 * key, or is not what was. */
static int unseal(struct bytes *bytes, const char *magic, const struct peer_key *k)
{
    if (bytes->size_bytes < MAGIC_BYTES + PEER_SEAL_BYTES ||
        memcmp(bytes->data, magic, MAGIC_BYTES) != 0)
        return ACCORD_E_FORMAT;
    bytes->size_bytes -= PEER_SEAL_BYTES;
    return peer_key_verify(k, magic, *bytes, bytes->data + bytes->size_bytes) ? ACCORD_OK
                                                                              : ACCORD_E_DENIED;
}

size_t peer_ask_end(uint8_t *out, size_t head_bytes, size_t bytes, size_t count,
                    const struct peer_key *k)
{
    (void)peer_put(out + head_bytes - 4, count, 4);
    return seal(out, bytes, ASK_MAGIC, k);
}

bool peer_told_next(struct bytes *told, struct peer_told *out)
{
    struct peer_cut c = {.rest = *told};

    out->vector_count = peer_cut_number(&c, 2);
    if (out->vector_count > PEER_VECTOR_MAX)
        return false;
    for (size_t i = 0; i < out->vector_count; i++) {
        out->vector[i].incarnation = peer_cut_id(&c);
        out->vector[i].number = peer_cut_number(&c, 8);
    }
    out->record = peer_cut_bytes(&c, c.short_of ? 0 : change_record_size(c.rest));
    *told = c.rest;
    return !c.short_of && out->record.size_bytes > 0 &&
           out->record.size_bytes <= CHANGE_RECORD_BYTES_MAX;
}

/* Whether there are as many as was said, each of which some version can read. */
static bool told_is_whole(struct bytes told, size_t count)
{
    struct bytes namespace_name;
    struct peer_told t;
    struct change c;

    for (size_t i = 0; i < count; i++) {
        if (!peer_told_next(&told, &t))
            return false;
        int status = change_decode(t.record, &c, &namespace_name);
        if (status != ACCORD_OK && status != ACCORD_E_UNSUPPORTED)
            return false;
    }
    return told.size_bytes == 0;
}

static bool ask_is_valid(const struct peer_ask *a)
{
    if ((a->kind != PEER_TELL && a->kind != PEER_FORGET) || !peer_address_is_valid(a->from) ||
        a->set.size_bytes > PEER_SET_BYTES_MAX)
        return false;
    if (a->kind == PEER_FORGET)
        return a->count == 0 && a->told.size_bytes == 0;
    return !id128_is_none(a->incarnation) && a->first > 0 && a->first - 1 <= a->newest &&
           a->count <= a->newest - (a->first - 1) && told_is_whole(a->told, a->count);
}

int peer_ask_decode(struct bytes bytes, const struct peer_key *k, struct peer_ask *out)
{
    int status = unseal(&bytes, ASK_MAGIC, k);
    struct peer_cut c = {.rest = bytes};
    struct peer_ask a;

    if (status != ACCORD_OK)
        return status;
    (void)peer_cut_bytes(&c, MAGIC_BYTES);
    a.kind = (enum peer_kind)peer_cut_number(&c, 1);
    uint64_t flags = peer_cut_number(&c, 1);
    a.begins = flags & FLAG_BEGINS;
    a.joins = flags & FLAG_JOINS;
    a.from = cut_counted(&c, 1);
    a.incarnation = peer_cut_id(&c);
    a.to = peer_cut_id(&c);
    a.number = peer_cut_number(&c, 8);
    a.hash = peer_cut_number(&c, 8);
    a.set = cut_counted(&c, 2);
    a.first = peer_cut_number(&c, 8);
    a.newest = peer_cut_number(&c, 8);
    a.count = peer_cut_number(&c, 4);
    a.told = c.rest;
    if (c.short_of || !ask_is_valid(&a))
        return ACCORD_E_FORMAT;
    *out = a;
    return ACCORD_OK;
}

size_t peer_answer_encode(const struct peer_answer *a, const struct peer_key *k, uint8_t *out)
{
    uint8_t *at = peer_put_bytes(out, bytes_of(ANSWER_MAGIC, MAGIC_BYTES));

    ASSERT(a->set.size_bytes <= PEER_SET_BYTES_MAX);
    ASSERT(a->why.size_bytes <= PEER_WHY_BYTES_MAX);
    at = peer_put(peer_put(at, a->verdict, 1), a->met, 1);
    at = peer_put_id(peer_put_id(at, a->incarnation), a->to);
    at = peer_put(peer_put(at, a->number, 8), a->hash, 8);
    at = put_counted(at, a->set, 2);
    at = peer_put(peer_put(at, a->arrived, 8), a->newest, 8);
    at = put_counted(at, a->why, 2);
    return seal(out, (size_t)(at - out), ANSWER_MAGIC, k);
}

static bool is_printable(struct bytes text)
{
    for (size_t i = 0; i < text.size_bytes; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return true;
}

int peer_answer_decode(struct bytes bytes, const struct peer_key *k, struct peer_answer *out)
{
    int status = unseal(&bytes, ANSWER_MAGIC, k);
    struct peer_cut c = {.rest = bytes};
    struct peer_answer a;

    if (status != ACCORD_OK)
        return status;
    (void)peer_cut_bytes(&c, MAGIC_BYTES);
    a.verdict = (enum peer_verdict)peer_cut_number(&c, 1);
    a.met = peer_cut_number(&c, 1) != 0;
    a.incarnation = peer_cut_id(&c);
    a.to = peer_cut_id(&c);
    a.number = peer_cut_number(&c, 8);
    a.hash = peer_cut_number(&c, 8);
    a.set = cut_counted(&c, 2);
    a.arrived = peer_cut_number(&c, 8);
    a.newest = peer_cut_number(&c, 8);
    a.why = cut_counted(&c, 2);
    if (c.short_of || c.rest.size_bytes > 0 || a.verdict < PEER_TAKEN ||
        a.verdict > PEER_REFUSED || a.set.size_bytes > PEER_SET_BYTES_MAX ||
        a.why.size_bytes > PEER_WHY_BYTES_MAX || !is_printable(a.why))
        return ACCORD_E_FORMAT;
    *out = a;
    return ACCORD_OK;
}
