/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* snapshot.c - what is here of a subtree, at the pace of who asked.
 *
 * libzmq drops what a client has no room for without a word, the last message too, and then the
 * client waits for ever. So each message is sent only where there is room, and what is left
 * waits. A snapshot takes its sequence when it begins: what changes while it is under way is in
 * it, or told after it, or both; told again, in order, it does no harm. */
#include "door/chp/inside.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SETTLE_MS = 50,        /* from question to snapshot */
    STALL_MS = 30000,      /* a client that takes nothing for so long is forgotten */
    PLACES_PER_TURN = 512, /* of each snapshot */
};

static void end(struct chp_door *d, size_t index)
{
    struct chp_snapshot *s = d->snapshots[index];

    free(s->subtree);
    free(s);
    d->snapshots[index] = d->snapshots[--d->snapshot_count];
}

void chp_snapshots_drop(struct chp_door *d)
{
    while (d->snapshot_count > 0)
        end(d, 0);
}

/* ---- questions ------------------------------------------------------------------------ */

static bool is_of(const struct chp_snapshot *s, struct bytes client, struct bytes subtree)
{
    return bytes_equal(bytes_of(s->client, s->client_bytes), client) &&
           bytes_equal(bytes_of(s->subtree, s->subtree_bytes), subtree);
}

/* A client that was not answered in its time asks again: one answer serves both. */
static bool is_waited_for(const struct chp_door *d, struct bytes client, struct bytes subtree)
{
    for (size_t i = 0; i < d->snapshot_count; i++) {
        if (!d->snapshots[i]->begun && is_of(d->snapshots[i], client, subtree))
            return true;
    }
    return false;
}

static struct chp_snapshot *make(struct bytes client, struct bytes subtree)
{
    struct chp_snapshot *s = calloc(1, sizeof *s);

    if (!s || client.size_bytes > sizeof s->client)
        goto failed;
    memcpy(s->client, client.data, client.size_bytes);
    s->client_bytes = client.size_bytes;
    if (subtree.size_bytes == 0)
        return s;
    s->subtree = malloc(subtree.size_bytes);
    if (!s->subtree)
        goto failed;
    memcpy(s->subtree, subtree.data, subtree.size_bytes);
    s->subtree_bytes = subtree.size_bytes;
    return s;
failed:
    free(s);
    return NULL;
}

void chp_ask(struct chp_door *d, const struct bytes *frames, size_t count)
{
    struct bytes subtree;
    const char *why;

    ASSERT(count > 0);
    if (chp_parse_question(frames + 1, count - 1, &subtree, &why) != ACCORD_OK) {
        d->counts.refused++;
        chp_complain(d, "chp-refused", why, count > 2 ? frames[2] : bytes_of(NULL, 0));
        return;
    }
    if (is_waited_for(d, frames[0], subtree))
        return;
    struct chp_snapshot *s =
        d->snapshot_count < CHP_SNAPSHOTS_MAX ? make(frames[0], subtree) : NULL;
    if (!s) {
        d->counts.refused++;
        chp_complain(d, "chp-refused", "too many snapshots are under way, or no memory",
                     subtree);
        return;
    }
    s->moved_ms = uv_now(d->host->loop);
    s->due_ms = s->moved_ms + SETTLE_MS;
    d->snapshots[d->snapshot_count++] = s;
}

/* ---- answers -------------------------------------------------------------------------- */

static int send_message(struct chp_door *d, const struct chp_snapshot *s,
                        const struct chp_message *m)
{
    uint8_t sequence[CHP_SEQUENCE_BYTES];
    struct bytes frames[CHP_FRAMES];

    chp_frames(m, sequence, frames);
    return chp_send(d->sockets, bytes_of(s->client, s->client_bytes), frames, CHP_FRAMES);
}

static int send_entry(struct chp_door *d, const struct chp_snapshot *s,
                      const struct chp_entry *e)
{
    uint8_t room[CHP_NAME_BYTES_MAX], lines[CHP_LINES_BYTES_MAX];
    struct bytes name, value;
    uint64_t ttl_ms;

    if (!chp_name_of(d->host->namespaces, d->host->namespace_count, chp_entry_key(e), room,
                     &name) ||
        !chp_is_below(bytes_of(s->subtree, s->subtree_bytes), name) ||
        !chp_live(d, chp_entry_key(e), &value, &ttl_ms))
        return ACCORD_OK;
    return send_message(
        d, s,
        &(struct chp_message){.key = name,
                              .sequence = u64_min(e->sequence, s->sequence),
                              .uuid = bytes_of(e->uuid, e->has_uuid ? CHP_UUID_BYTES : 0),
                              .properties = chp_lines(ttl_ms, chp_entry_properties(e), lines),
                              .value = value});
}

static int send_end(struct chp_door *d, const struct chp_snapshot *s)
{
    return send_message(d, s,
                        &(struct chp_message){.key = bytes_of_text(CHP_KTHXBAI),
                                              .sequence = s->sequence,
                                              .value = bytes_of(s->subtree, s->subtree_bytes)});
}

/* Sends until the client has no room, this turn is over, or all is said. */
static int go_on(struct chp_door *d, struct chp_snapshot *s, bool *ended)
{
    uint32_t last = (uint32_t)u64_min(d->map.places, (uint64_t)s->place + PLACES_PER_TURN);
    int status = ACCORD_OK;

    for (; s->place < last; s->place++) {
        const struct chp_entry *e = chp_map_at(&d->map, s->place);
        status = e ? send_entry(d, s, e) : ACCORD_OK;
        if (status != ACCORD_OK)
            return status;
    }
    if (s->place < d->map.places)
        return ACCORD_OK;
    status = send_end(d, s);
    *ended = status == ACCORD_OK;
    return status;
}

static void begin(struct chp_door *d, struct chp_snapshot *s)
{
    chp_subscribed(d->sockets);
    s->begun = true;
    s->sequence = d->sequence;
}

/* False: it is over, one way or the other. *more: it could go on at once. */
static bool serve(struct chp_door *d, struct chp_snapshot *s, uint64_t now_ms, bool *more)
{
    uint32_t place = s->place;
    bool ended = false;

    if (now_ms < s->due_ms)
        return true;
    if (!s->begun)
        begin(d, s);
    int status = go_on(d, s, &ended);
    d->counts.snapshots += ended;
    if (s->place > place)
        s->moved_ms = now_ms;
    *more = *more || (status == ACCORD_OK && !ended);
    if (status == ACCORD_E_BUSY && now_ms - s->moved_ms > STALL_MS) {
        chp_complain(d, "chp-stalled", "a client does not take its snapshot: it is forgotten",
                     bytes_of(s->subtree, s->subtree_bytes));
        return false;
    }
    return !ended && status != ACCORD_E_GONE;
}

bool chp_snapshots_go_on(struct chp_door *d)
{
    uint64_t now_ms = uv_now(d->host->loop);
    bool more = false;

    if (!chp_is_fresh(d))
        return false;
    for (size_t i = d->snapshot_count; i-- > 0;) {
        if (!serve(d, d->snapshots[i], now_ms, &more))
            end(d, i);
    }
    return more;
}
