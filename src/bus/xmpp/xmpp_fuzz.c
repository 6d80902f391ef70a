/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* xmpp_fuzz.c - any message of the room: entries with ids at growing positions, the same for
 * all who count. Either its element's attributes, its text and its body are the input's lines;
 * or the input is what stands in for records in a message as we write it, which comes back. */
#include "bus/xmpp/room.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct id128 log_id = {0x1111111111111111, 0x2222222222222222};
static struct xmpp_place place = {.room = "room@rooms"};

/* An attribute, or none where the line is "-". */
static void set(xmpp_stanza_t *x, const char *name, const char *value)
{
    if (value && strcmp(value, "-") != 0)
        xmpp_stanza_set_attribute(x, name, value);
}

static void add_text(xmpp_ctx_t *ctx, xmpp_stanza_t *to, const char *text)
{
    xmpp_stanza_t *t = xmpp_stanza_new(ctx);

    xmpp_stanza_set_text(t, text);
    xmpp_stanza_add_child(to, t);
    xmpp_stanza_release(t);
}

static xmpp_stanza_t *add(xmpp_ctx_t *ctx, xmpp_stanza_t *to, const char *name, const char *ns,
                          const char *text)
{
    xmpp_stanza_t *x = xmpp_stanza_new(ctx);

    xmpp_stanza_set_name(x, name);
    if (ns)
        xmpp_stanza_set_ns(x, ns);
    if (text)
        add_text(ctx, x, text);
    xmpp_stanza_add_child(to, x);
    xmpp_stanza_release(x);
    return x;
}

/* Lines: log, at, state, batch, archive id, records in base64, body; "-": it is not there. */
static xmpp_stanza_t *of_lines(xmpp_ctx_t *ctx, char *text)
{
    xmpp_stanza_t *m = xmpp_stanza_new(ctx);
    char *lines[7] = {0};

    for (size_t i = 0; i < COUNT_OF(lines); i++)
        lines[i] = i + 1 < COUNT_OF(lines) ? strsep(&text, "\n") : text;
    xmpp_stanza_set_name(m, "message");
    xmpp_stanza_set_attribute(m, "id", "said");
    if (lines[0] && lines[0][0]) {
        xmpp_stanza_t *x = add(ctx, m, "accord", XMPP_BESIDE_NS, lines[5]);
        set(x, "log", lines[0]);
        set(x, "at", lines[1]);
        set(x, "state", lines[2]);
        set(x, "batch", lines[3]);
    }
    if (lines[4] && lines[4][0]) {
        xmpp_stanza_t *x = add(ctx, m, "stanza-id", "urn:xmpp:sid:0", NULL);
        set(x, "by", place.room);
        set(x, "id", lines[4]);
    }
    if (lines[6])
        add(ctx, m, "body", NULL, lines[6]);
    return m;
}

static void check_entries(struct xmpp_item *item)
{
    struct hand hand = {0};
    uint64_t before = 0;

    for (size_t i = 0; i < item->count; i++) {
        struct entry e = xmpp_item_entry(item, i, log_id, &hand);
        uint64_t number = xmpp_number_of(e.position);

        ASSERT(!id128_is_none(e.change.message) && !change_problem(&e.change));
        ASSERT(number == item->number + (item->archived ? i + 1 : 0));
        ASSERT(item->archived || xmpp_place_of_position(e.position) == item->place + i);
        ASSERT(e.position > before);
        before = e.position;
    }
}

/* Counted as the room counts it; a part waits for the others of its batch. */
static void count(struct xmpp_heard *h)
{
    struct xmpp_mark mark = {
        .log = log_id, .epoch = 1, .number = 5, .place = 3, .last = {7, 7}};
    struct xmpp_parts parts = {0};
    struct xmpp_heard names = *h;
    struct xmpp_item *item = xmpp_item_new(h, &parts);
    bool holds = !item || item->archived || mark.place + item->count < XMPP_PLACE_MAX / 2;

    names.data = NULL;
    if (holds) {
        xmpp_mark_over(&mark, &names, item);
        ASSERT(mark.number <= 5ull + PUBLISH_BATCH_MAX && mark.floor <= mark.number);
        if (item)
            check_entries(item);
    }
    xmpp_item_drop(item);
    xmpp_parts_done(&parts);
    xmpp_heard_done(h);
}

static void comes_back(struct xmpp_link *l, struct bytes records)
{
    struct xmpp_beside b = {.log = log_id,
                            .epoch = 1,
                            .number = 5,
                            .last = {7, 7},
                            .batch = 1,
                            .count = 2,
                            .parts = 1};
    char went[XMPP_BESIDE_BYTES_MAX], came[XMPP_BESIDE_BYTES_MAX];
    struct xmpp_heard h;
    size_t bytes = 0;

    char *text = xmpp_message_write(l, "said", &b, "<&'\">", true, records, &bytes);
    ASSERT(text);
    xmpp_stanza_t *m = xmpp_stanza_new_from_string(l->xmpp, text);
    ASSERT(m && xmpp_heard_read(l, m, &h));
    ASSERT(h.has_beside && !h.torn && h.data_bytes == records.size_bytes);
    ASSERT(memcmp(h.data, records.data, records.size_bytes) == 0);
    ASSERT(xmpp_beside_print(&h.beside, came) == xmpp_beside_print(&b, went));
    ASSERT(strcmp(came, went) == 0);
    snprintf(h.aid, sizeof h.aid, "aid");
    count(&h);
    xmpp_stanza_release(m);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct xmpp_link link = {.place = &place};
    struct xmpp_heard h;

    if (!link.xmpp)
        link.xmpp = xmpp_ctx_new(NULL, NULL);
    if (size < 2 || size > XMPP_PART_BYTES_MAX)
        return 0;
    if (data[0] == 0) {
        comes_back(&link, bytes_of(data + 1, size - 1));
        return 0;
    }
    char *text = malloc(size + 1);
    ASSERT(text);
    memcpy(text, data, size);
    text[size] = '\0';
    xmpp_stanza_t *m = of_lines(link.xmpp, text);
    if (xmpp_heard_read(&link, m, &h))
        count(&h);
    xmpp_stanza_release(m);
    free(text);
    return 0;
}
