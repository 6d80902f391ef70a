/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/record.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define META_FORMAT                                                                            \
    "Accord log 1 id=%016" PRIx64 "%016" PRIx64 " epoch=%016" PRIx64 " max_stale=%" PRIu64     \
    "ms before=%" PRIu64 "ms set_at=%" PRIu64

/* Of what has no id of its own: the same for every reader, another in every log and place. */
static struct id128 id_of_place(const struct nats_message *m, uint64_t place)
{
    return (struct id128){m->log.high ^ m->log.low, nats_position(m->sequence, place)};
}

static void clear_of(const struct nats_message *m, uint64_t place, struct change *c)
{
    *c = (struct change){.op = CHANGE_CLEAR, .message = id_of_place(m, place)};
}

/* accord.CLUSTER.do.VERB, with the key as the payload. */
static void change_of_person(const struct nats_message *m, struct change *c)
{
    struct change said = {.key = m->payload, .message = id_of_place(m, 0)};

    clear_of(m, 0, c);
    if (change_op_parse(bytes_of_text(m->verb), &said.op) == ACCORD_OK &&
        said.op <= CHANGE_CLEAR && !change_problem(&said))
        *c = said;
    c->wall_ms = m->wall_ms;
}

/* What does not decode at all may have meant everything. */
static void change_of_record(const struct nats_message *m, uint64_t place, struct bytes record,
                             struct change *c)
{
    struct bytes namespace = {0};
    int status = change_decode(record, c, &namespace);

    if (status != ACCORD_E_FORMAT && !change_problem(c) && !id128_is_none(c->message))
        return;
    clear_of(m, place, c);
}

/* The message id of a record of any version, without a look at the rest. */
static struct id128 id_of_record(const struct nats_message *m, uint64_t place,
                                 struct bytes record)
{
    struct id128 id;

    if (!change_record_message(record, &id) || id128_is_none(id))
        return id_of_place(m, place);
    return id;
}

static void change_of_place(const struct nats_message *m, uint64_t place, struct bytes record,
                            struct entry *out)
{
    const struct hand none = {0}, *hand = m->hand ? m->hand : &none;

    hand_take(hand, out->position);
    if (hand_skips(hand, out->position))
        *out = hand_skipped(out->position, id_of_record(m, place, record));
    else if (m->verb)
        change_of_person(m, &out->change);
    else if (record.size_bytes > 0)
        change_of_record(m, place, record, &out->change);
    else
        clear_of(m, place, &out->change); /* nothing after it can be found either */
    hand_take(hand, 0);
}

bool nats_message_next(const struct nats_message *m, size_t *offset, uint64_t place,
                       struct entry *out)
{
    struct bytes left =
        bytes_of(m->payload.size_bytes > *offset ? m->payload.data + *offset : NULL,
                 m->payload.size_bytes - *offset);

    if (m->unfinished)
        return false;
    if (place > 0 && (m->verb || left.size_bytes == 0 || place > NATS_PLACE_LAST))
        return false;
    size_t bytes = m->verb ? 0 : change_record_size(left);
    *out = (struct entry){.position = nats_position(m->sequence, place)};
    change_of_place(m, place, bytes_of(bytes > 0 ? left.data : NULL, bytes), out);
    *offset = bytes > 0 ? *offset + bytes : m->payload.size_bytes;
    return true;
}

uint64_t nats_message_last(const struct nats_message *m, struct id128 *message)
{
    uint64_t place = 0;
    size_t offset = 0;
    struct entry e;

    *message = (struct id128){0, 0};
    for (; nats_message_next(m, &offset, place, &e); place++)
        *message = e.change.message;
    return place > 0 ? place - 1 : NATS_PLACE_LAST;
}

struct id128 nats_message_id(const struct nats_message *m, uint64_t place)
{
    size_t offset = 0;
    struct entry e;

    for (uint64_t at = 0; nats_message_next(m, &offset, at, &e); at++)
        if (at == place)
            return e.change.message;
    return (struct id128){0, 0};
}

static uint64_t number_at(const uint8_t *at, size_t bytes)
{
    uint64_t value = 0;

    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)at[i] << (8 * i);
    return value;
}

static void number_put(uint8_t *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> (8 * i));
}

bool nats_part_parse(struct bytes payload, struct nats_part *out)
{
    if (payload.size_bytes < NATS_PART_HEAD_BYTES || memcmp(payload.data, "APRT\1", 6) != 0)
        return false;
    struct nats_part p = {.count = (uint32_t)number_at(payload.data + 6, 2),
                          .index = (uint32_t)number_at(payload.data + 8, 2)};
    bool last = p.index + 1 == p.count;
    size_t head = NATS_PART_HEAD_BYTES + (last ? 8 * ((size_t)p.count - 1) : 0);

    if (p.count < 2 || p.count > NATS_PARTS_MAX || p.index >= p.count ||
        payload.size_bytes < head)
        return false;
    p.others = last ? payload.data + NATS_PART_HEAD_BYTES : NULL;
    p.piece = bytes_of(payload.data + head, payload.size_bytes - head);
    *out = p;
    return true;
}

size_t nats_part_head(uint8_t *out, uint32_t index, uint32_t count, const uint64_t *others)
{
    size_t bytes = NATS_PART_HEAD_BYTES;

    memcpy(out, "APRT\1", 6);
    number_put(out + 6, count, 2);
    number_put(out + 8, index, 2);
    for (uint32_t i = 0; index + 1 == count && i < index; i++, bytes += 8)
        number_put(out + bytes, others[i], 8);
    return bytes;
}

uint64_t nats_part_other(const struct nats_part *p, uint32_t index)
{
    return number_at(p->others + 8 * (size_t)index, 8);
}

int nats_payload_write(const struct change *changes, size_t count, uint8_t *out,
                       size_t out_bytes, size_t *written)
{
    size_t used = 0, bytes;

    for (size_t i = 0; i < count; i++) {
        int status = change_encode(&changes[i], out + used, out_bytes - used, &bytes);
        if (status != ACCORD_OK)
            return status;
        used += bytes;
    }
    *written = used;
    return ACCORD_OK;
}

void nats_meta_print(const struct nats_meta *m, char text[NATS_META_BYTES_MAX])
{
    snprintf(text, NATS_META_BYTES_MAX, META_FORMAT, m->log.high, m->log.low, m->epoch,
             m->max_stale_ms, m->max_stale_before_ms, m->set_at);
}

bool nats_meta_parse(const char *text, struct nats_meta *out)
{
    struct nats_meta m;
    int end = 0;

    int found = sscanf(text,
                       "Accord log 1 id=%16" SCNx64 "%16" SCNx64 " epoch=%16" SCNx64
                       " max_stale=%" SCNu64 "ms before=%" SCNu64 "ms set_at=%" SCNu64 "%n",
                       &m.log.high, &m.log.low, &m.epoch, &m.max_stale_ms,
                       &m.max_stale_before_ms, &m.set_at, &end);
    if (found != 6 || end == 0 || text[end] != '\0' || m.max_stale_ms < MAX_STALE_MS_MIN ||
        m.max_stale_ms > MAX_STALE_MS_MAX || m.max_stale_before_ms < m.max_stale_ms ||
        m.max_stale_before_ms > MAX_STALE_MS_MAX || id128_is_none(m.log))
        return false;
    *out = m;
    return true;
}
