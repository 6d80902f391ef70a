/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/item.h"

#include <stdlib.h>

#include "wire/chat.h"

/* ---- parts --------------------------------------------------------------------------------
 */

static void forget(struct xmpp_parts *p, struct xmpp_part *part)
{
    p->bytes -= part->bytes;
    free(part->data);
    *part = (struct xmpp_part){0};
}

void xmpp_parts_done(struct xmpp_parts *p)
{
    for (size_t i = 0; i < XMPP_BATCHES_MAX; i++)
        forget(p, &p->list[i]);
}

static struct xmpp_part *find(struct xmpp_parts *p, uint64_t batch)
{
    for (size_t i = 0; i < XMPP_BATCHES_MAX; i++)
        if (p->list[i].data && p->list[i].batch == batch)
            return &p->list[i];
    return NULL;
}

/* Joins the piece to what came of its batch; what comes out of turn makes it incomplete. */
static void add(struct xmpp_parts *p, const struct xmpp_heard *h)
{
    struct xmpp_part *part = find(p, h->beside.batch);
    uint8_t *data;

    if (!part && h->beside.part > 0)
        return;
    if (!part) {
        part = &p->list[++p->newest % XMPP_BATCHES_MAX];
        forget(p, part);
        part->batch = h->beside.batch;
    }
    if (part->next != h->beside.part || p->bytes + h->data_bytes > XMPP_PARTS_BYTES_MAX)
        return;
    data = realloc(part->data, part->bytes + h->data_bytes + 1);
    if (!data)
        return;
    memcpy(data + part->bytes, h->data, h->data_bytes);
    part->data = data;
    part->bytes += h->data_bytes;
    p->bytes += h->data_bytes;
    part->next++;
}

/* The last part: what came before goes before it. False: not all came. */
static bool complete(struct xmpp_parts *p, struct xmpp_heard *h)
{
    struct xmpp_part *part = find(p, h->beside.batch);

    if (h->beside.parts == 1)
        return true;
    if (!part || part->next != h->beside.part)
        return false;
    uint8_t *data = realloc(part->data, part->bytes + h->data_bytes + 1);
    if (!data)
        return false;
    memcpy(data + part->bytes, h->data, h->data_bytes);
    free(h->data);
    h->data = data;
    h->data_bytes += part->bytes;
    part->data = NULL;
    forget(p, part);
    return true;
}

/* ---- items --------------------------------------------------------------------------------
 */

/* Where each record begins; what is no record begins at the end. Of a batch of which parts are
 * missing, what is here are its last. */
static bool find_records(struct xmpp_item *i)
{
    size_t at = 0;
    uint32_t n = 0;

    i->offsets = malloc(i->count * sizeof *i->offsets);
    if (!i->offsets)
        return false;
    while (n < i->count && at < i->heard.data_bytes) {
        size_t size =
            change_record_size(bytes_of(i->heard.data + at, i->heard.data_bytes - at));
        if (size == 0)
            break;
        i->offsets[n++] = (uint32_t)at;
        at += size;
    }
    uint32_t missing = i->count - n, first = i->whole ? 0 : missing;
    memmove(i->offsets + first, i->offsets, n * sizeof *i->offsets);
    for (uint32_t m = 0; m < missing; m++)
        i->offsets[first > 0 ? m : n + m] = (uint32_t)i->heard.data_bytes;
    return true;
}

static bool read_text(struct xmpp_item *i)
{
    i->changes = malloc(CHAT_CHANGES_MAX * sizeof *i->changes);
    if (!i->changes)
        return false;
    i->count = (uint32_t)chat_parse(i->heard.data, i->heard.data_bytes, i->changes);
    return i->count > 0;
}

static bool fill(struct xmpp_item *i, struct xmpp_parts *parts)
{
    struct xmpp_heard *h = &i->heard;

    i->whole = true;
    if (h->text)
        return read_text(i);
    if (h->torn) {
        i->count = 1;
        return true;
    }
    if (!h->has_beside)
        return false;
    i->begin = h->beside.begin;
    if (i->begin)
        return true;
    if (h->beside.part + 1 < h->beside.parts) {
        add(parts, h);
        return false;
    }
    i->whole = complete(parts, h);
    i->count = h->beside.count;
    return find_records(i);
}

struct xmpp_item *xmpp_item_new(struct xmpp_heard *h, struct xmpp_parts *parts)
{
    struct xmpp_item *i = calloc(1, sizeof *i);

    if (!i)
        return NULL;
    i->references = 1;
    i->archived = h->aid[0] != '\0';
    i->heard = *h;
    h->data = NULL;
    if (fill(i, parts))
        return i;
    xmpp_item_drop(i);
    return NULL;
}

void xmpp_item_drop(struct xmpp_item *i)
{
    if (!i || --i->references > 0)
        return;
    xmpp_heard_done(&i->heard);
    free(i->offsets);
    free(i->changes);
    free(i);
}

static struct bytes record_of(const struct xmpp_item *i, size_t index)
{
    if (!i->offsets || i->offsets[index] >= i->heard.data_bytes)
        return bytes_of(NULL, 0);
    const uint8_t *at = i->heard.data + i->offsets[index];
    size_t left = i->heard.data_bytes - i->offsets[index];
    return bytes_of(at, change_record_size(bytes_of(at, left)));
}

/* A name for what has none: the same for all who read the same message. */
static struct id128 made_name(const struct xmpp_item *i, size_t index, struct id128 log)
{
    const char *name = i->archived ? i->heard.aid : i->heard.id;
    struct id128 id = {cursor_hash(1, index, log), cursor_hash(2, index, log)};

    for (; *name; name++) {
        struct id128 c = {(uint8_t)*name, 0};
        id.high = cursor_hash(id.high, index, c);
        id.low = cursor_hash(id.low, index, c);
    }
    id.low |= 1;
    return id;
}

struct id128 xmpp_item_message(const struct xmpp_item *i, size_t index, struct id128 log)
{
    struct id128 id;

    ASSERT(index < i->count);
    if (change_record_message(record_of(i, index), &id) && !id128_is_none(id))
        return id;
    return made_name(i, index, log);
}

uint64_t xmpp_item_position(const struct xmpp_item *i, size_t index, struct id128 log)
{
    const struct id128 none = {0, 0};
    struct id128 message = xmpp_item_message(i, index, log);

    if (i->archived)
        return xmpp_position(i->number + index + 1, 0, message, none);
    return xmpp_position(i->number, i->place + index, i->last, message);
}

static struct change parse(const struct xmpp_item *i, size_t index)
{
    struct change c = {.op = CHANGE_CLEAR};
    struct bytes namespace;

    if (i->changes)
        return i->changes[index];
    int status = change_decode(record_of(i, index), &c, &namespace);
    if (status != ACCORD_OK && status != ACCORD_E_UNSUPPORTED)
        c = (struct change){.op = CHANGE_CLEAR};
    if (change_problem(&c))
        c = (struct change){.op = CHANGE_CLEAR};
    return c;
}

struct entry xmpp_item_entry(const struct xmpp_item *i, size_t index, struct id128 log,
                             const struct hand *hand)
{
    struct id128 message = xmpp_item_message(i, index, log);
    struct entry e = {.position = xmpp_item_position(i, index, log), .trust = TRUST_FULL};

    if (hand_skips(hand, e.position))
        return hand_skipped(e.position, message);
    hand_take(hand, e.position);
    e.change = parse(i, index);
    hand_take(hand, 0);
    e.change.message = message;
    if (e.change.origin.size_bytes == 0 && e.change.wall_ms == 0)
        e.change.wall_ms = i->heard.came_ms;
    return e;
}
