/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* read.c - the reads: pin the mapping, let cache/reader look, unpin. */
#include "client/handle.h"

#include "base/limits.h"
#include "cache/writer.h"
#include "client/last_error.h"

#include <stdlib.h>

_Static_assert(ACCORD_KEY_BYTES_MAX == KEY_BYTES_MAX, "one limit");
_Static_assert((int)ACCORD_TAGS_MAX == (int)ITEM_TAGS_MAX, "one limit");

bool key_is_valid(const void *key, size_t key_bytes)
{
    return key && key_bytes >= 1 && key_bytes <= KEY_BYTES_MAX;
}

int copy_value(struct bytes value, void *buffer, size_t buffer_bytes)
{
    size_t size = value.size_bytes < buffer_bytes ? value.size_bytes : buffer_bytes;

    if (size > 0)
        memcpy(buffer, value.data, size);
    return size < value.size_bytes ? ACCORD_E_SIZE : ACCORD_OK;
}

static inline uint64_t ms_of_ns(uint64_t ns)
{
    return ns == UINT64_MAX ? ACCORD_FOREVER : ns / NS_PER_MS;
}

static inline void give_result(const struct read_result *r, struct accord_result *out)
{
    out->state = (int)r->state;
    out->why = (int)r->why;
    out->refresh = r->refresh;
    out->negative = (r->flags & ITEM_NEGATIVE) != 0;
    out->value_bytes = r->value_bytes;
    out->version = r->version;
    out->age_ms = r->age_ns / NS_PER_MS;
    out->ttl_ms = ms_of_ns(r->ttl_ns);
    token_give(&r->token, &out->token);
}

/* What accord_borrow.opaque holds: a struct borrow, then these. */
enum { BORROW_PIN = 6, BORROW_COPY = 7 };
_Static_assert(sizeof(struct borrow) <= BORROW_PIN * sizeof(uint64_t), "it fits");

/* ---- counting ---- */

static void add_to(uint64_t *word, uint32_t *counted)
{
    if (*counted > 0)
        (void)__atomic_fetch_add(word, *counted, __ATOMIC_RELAXED);
    *counted = 0;
}

static void add_all(struct reader_line *line, struct pins *p)
{
    add_to(&line->hits, &p->counted[ACCORD_HIT]);
    add_to(&line->stale, &p->counted[ACCORD_STALE]);
    add_to(&line->negative, &p->counted[ACCORD_NEGATIVE]);
    add_to(&line->misses, &p->counted[ACCORD_MISS]);
    add_to(&line->unsure, &p->counted[ACCORD_UNSURE]);
}

/* A thread that reads through handles of several daemons has its reads credited to any one of
 * them. A process that forked has no line until it has a connection: it makes one here. */
void collect_counts(struct accord *a)
{
    struct pins *p = pins_mine();

    if (!p)
        return;
    const struct attachment *at = pin(p, 0, &a->current);
    struct reader_line *line = at ? atomic_load(&at->line) : NULL;
    if (line)
        add_all(line, p);
    unpin(&p->held[0]);
    p->uncollected = 0;
    if (at && !line)
        (void)handle_revive(a);
    attach_reclaim(a);
}

static inline void count(struct accord *a, struct pins *p, enum accord_state state)
{
    p->counted[(unsigned)state % PINS_STATES]++;
    if (++p->uncollected >= COLLECT_EVERY)
        collect_counts(a);
}

/* ---- over the socket ---- */

/* A bound larger than this is none: no daemon has been up for so long. */
#define WITHIN_MS_MAX (UINT64_MAX / NS_PER_MS)

static int remote_ask(struct accord *a, struct bytes key, uint64_t within_ms,
                      struct seat **seat, struct answer *out)
{
    bool bounded = within_ms < WITHIN_MS_MAX;
    char text[DIGITS_MAX];
    struct bytes args[] = {bytes_of_text("ACCORD.GET"), key, bytes_of_text("MAXSTALE"),
                           digits(text, within_ms)};
    const struct reply_node *reply;
    struct seat *s;
    int status = ask(a, args, bounded ? 4 : 2,
                     ask_deadline_ns(a, bounded ? BUS_WAIT_MS * NS_PER_MS : 0), &s, &reply);

    if (status != ACCORD_OK)
        return status;
    status = ask_status(reply);
    if (status == ACCORD_OK)
        status = ask_answer(reply, out);
    if (status == ACCORD_OK)
        *seat = s;
    else
        seat_give(a, s);
    return status;
}

/* Gives the seat back. The daemon may have refused to attach only because one of us was held up
 * while we compared clocks: now and then it is asked again. */
static void give_and_attach_again(struct accord *a, struct seat *s)
{
    uint64_t now_ns = monotonic_ns(), due_ns = atomic_load(&a->attach_again_ns);
    uint64_t next_ns = now_ns + ATTACH_AGAIN_MS * NS_PER_MS;

    if (now_ns < due_ns ||
        !atomic_compare_exchange_strong(&a->attach_again_ns, &due_ns, next_ns) ||
        attach_seat(a, s, now_ns + REVIVE_CONNECT_MS * NS_PER_MS) == ACCORD_OK)
        seat_give(a, s);
    else
        seat_drop(a, s);
}

static void unsure(struct accord_result *out)
{
    *out = (struct accord_result){.state = ACCORD_UNSURE, .why = ACCORD_WHY_UNSURE};
}

static int remote_get(struct accord *a, struct bytes key, uint64_t within_ms, void *buffer,
                      size_t buffer_bytes, struct accord_result *out)
{
    struct seat *s;
    struct answer answer;

    if (remote_ask(a, key, within_ms, &s, &answer) != ACCORD_OK) {
        unsure(out); /* whatever went wrong, the answer to a read is: we cannot know */
        return ACCORD_OK;
    }
    *out = answer.result;
    int status = copy_value(answer.value, buffer, buffer_bytes);
    give_and_attach_again(a, s);
    return status;
}

static int remote_borrow(struct accord *a, struct bytes key, struct accord_borrow *borrow,
                         struct accord_result *out)
{
    struct seat *s;
    struct answer answer;
    void *copy = NULL;

    *borrow = (struct accord_borrow){.value = NULL};
    if (remote_ask(a, key, ACCORD_FOREVER, &s, &answer) != ACCORD_OK) {
        unsure(out);
        return ACCORD_OK;
    }
    if (answer.value.size_bytes > 0) {
        copy = malloc(answer.value.size_bytes);
        if (!copy) {
            seat_give(a, s);
            return ACCORD_E_NOMEM;
        }
        memcpy(copy, answer.value.data, answer.value.size_bytes);
    }
    borrow->value = copy;
    borrow->value_bytes = answer.value.size_bytes;
    borrow->opaque[BORROW_COPY] = (uintptr_t)copy;
    *out = answer.result;
    give_and_attach_again(a, s);
    return ACCORD_OK;
}

/* ---- out of shared memory ---- */

/* After a read that the lease did not cover: perhaps the daemon was restarted. true: read
 * again. At most one read in REVIVE_EVERY_MS goes further than one load. */
static inline bool read_again(struct accord *a, const struct read_result *r)
{
    return r->why == ACCORD_WHY_UNSURE && handle_revive(a);
}

int accord_get(struct accord *a, const void *key, size_t key_bytes, void *buffer,
               size_t buffer_bytes, struct accord_result *out)
{
    struct bytes k = bytes_of(key, key_bytes);
    struct pins *p = pins_mine();
    struct read_result r;

    if (!a || !out || !key_is_valid(key, key_bytes) || (!buffer && buffer_bytes > 0))
        return last_error_invalid(key_is_valid(key, key_bytes));
    if (!p)
        return ACCORD_E_NOMEM;
    do {
        const struct attachment *at = pin(p, 0, &a->current);
        if (!at)
            return remote_get(a, k, ACCORD_FOREVER, buffer, buffer_bytes, out);
        reader_get(&at->reader, k, buffer, buffer_bytes, &r);
        unpin(&p->held[0]);
    } while (read_again(a, &r));
    count(a, p, r.state);
    give_result(&r, out);
    return r.truncated ? ACCORD_E_SIZE : ACCORD_OK;
}

/* What the lease rests on is loaded before the item: what was acknowledged before that question
 * is applied, whatever the read then finds. */
static bool proves(const struct reader *r, uint64_t within_ms)
{
    uint64_t now_ns = reader_now_ns(r), asked_ns = reader_asked_ns(r);

    return asked_ns > 0 && u64_sub_sat(now_ns, asked_ns) < within_ms * NS_PER_MS;
}

/* True: *out is the answer. Else the bus must be asked: a miss claims nothing, so for that it
 * need not be. */
static bool get_proven(struct accord *a, struct pins *p, struct bytes key, uint64_t within_ms,
                       void *buffer, size_t buffer_bytes, struct accord_result *out,
                       int *status)
{
    const struct attachment *at = pin(p, 0, &a->current);
    struct read_result r = {.state = ACCORD_UNSURE};
    bool proven = at && proves(&at->reader, within_ms);

    if (at)
        reader_get(&at->reader, key, buffer, buffer_bytes, &r);
    unpin(&p->held[0]);
    if (!at || (!proven && r.state != ACCORD_MISS) || r.state == ACCORD_UNSURE)
        return false;
    count(a, p, r.state);
    give_result(&r, out);
    *status = r.truncated ? ACCORD_E_SIZE : ACCORD_OK;
    return true;
}

int accord_get_within(struct accord *a, const void *key, size_t key_bytes,
                      uint64_t max_stale_ms, void *buffer, size_t buffer_bytes,
                      struct accord_result *out)
{
    struct bytes k = bytes_of(key, key_bytes);
    struct pins *p = pins_mine();
    int status;

    if (max_stale_ms >= WITHIN_MS_MAX)
        return accord_get(a, key, key_bytes, buffer, buffer_bytes, out);
    if (!a || !out || !key_is_valid(key, key_bytes) || (!buffer && buffer_bytes > 0))
        return last_error_invalid(key_is_valid(key, key_bytes));
    if (!p)
        return ACCORD_E_NOMEM;
    if (get_proven(a, p, k, max_stale_ms, buffer, buffer_bytes, out, &status))
        return status;
    status = remote_get(a, k, max_stale_ms, buffer, buffer_bytes, out);
    if (out->state == ACCORD_UNSURE)
        out->why = ACCORD_WHY_MAXSTALE;
    return status;
}

int accord_borrow(struct accord *a, const void *key, size_t key_bytes,
                  struct accord_borrow *borrow, struct accord_result *out)
{
    struct bytes k = bytes_of(key, key_bytes);
    struct pins *p = pins_mine();
    struct read_result r;
    struct borrow b;

    if (!a || !borrow || !out || !key_is_valid(key, key_bytes))
        return last_error_invalid(key_is_valid(key, key_bytes));
    if (!p)
        return ACCORD_E_NOMEM;
    size_t index = pins_free_one(p);
    if (index == 0)
        return last_error_say(ACCORD_E_FULL,
                              "this thread holds %d borrows: accord_release() some", PINS - 1);
    do {
        const struct attachment *at = pin(p, index, &a->current);
        if (!at)
            return remote_borrow(a, k, borrow, out);
        reader_borrow(&at->reader, k, &b, &r);
        if (!b.held)
            unpin(&p->held[index]);
    } while (!b.held && read_again(a, &r));
    count(a, p, r.state);
    give_result(&r, out);
    *borrow = (struct accord_borrow){.value = b.value.data, .value_bytes = b.value.size_bytes};
    memcpy(borrow->opaque, &b, sizeof b);
    borrow->opaque[BORROW_PIN] = b.held ? (uintptr_t)&p->held[index] : 0;
    return ACCORD_OK;
}

int accord_release(struct accord *a, struct accord_borrow *borrow)
{
    int status = ACCORD_OK;
    struct borrow b;

    if (!a || !borrow)
        return last_error_invalid(true);
    _Atomic(const void *) *held = (void *)(uintptr_t)borrow->opaque[BORROW_PIN];
    if (held) {
        const struct attachment *at = atomic_load_explicit(held, memory_order_acquire);
        memcpy(&b, borrow->opaque, sizeof b);
        if (!reader_borrow_valid(&at->reader, &b))
            status = ACCORD_E_GONE;
        unpin(held);
        attach_reclaim(a);
    }
    free((void *)(uintptr_t)borrow->opaque[BORROW_COPY]);
    *borrow = (struct accord_borrow){.value = NULL};
    return status;
}

static int get_some(struct accord *a, struct pins *p, struct accord_read *reads,
                    size_t count_of)
{
    struct read_request requests[GET_MANY_MAX];
    int status = ACCORD_OK;

    for (size_t i = 0; i < count_of; i++)
        requests[i] = (struct read_request){.key = bytes_of(reads[i].key, reads[i].key_bytes),
                                            .buffer = reads[i].buffer,
                                            .buffer_bytes = reads[i].buffer_bytes};
    const struct attachment *at = pin(p, 0, &a->current);
    if (at)
        reader_get_many(&at->reader, requests, count_of);
    unpin(&p->held[0]);
    for (size_t i = 0; i < count_of; i++) {
        int one = requests[i].result.truncated ? ACCORD_E_SIZE : ACCORD_OK;
        if (at) {
            count(a, p, requests[i].result.state);
            give_result(&requests[i].result, &reads[i].result);
        } else {
            one = remote_get(a, requests[i].key, ACCORD_FOREVER, reads[i].buffer,
                             reads[i].buffer_bytes, &reads[i].result);
        }
        status = one == ACCORD_OK ? status : one;
    }
    if (at && requests[0].result.why == ACCORD_WHY_UNSURE)
        (void)handle_revive(a); /* for the next batch */
    return status;
}

int accord_get_many(struct accord *a, struct accord_read *reads, size_t count_of)
{
    struct pins *p = pins_mine();
    int status = ACCORD_OK;

    if (!a || (!reads && count_of > 0))
        return last_error_invalid(true);
    if (!p)
        return ACCORD_E_NOMEM;
    for (size_t i = 0; i < count_of; i++)
        if (!key_is_valid(reads[i].key, reads[i].key_bytes) ||
            (!reads[i].buffer && reads[i].buffer_bytes > 0))
            return last_error_say(ACCORD_E_INVALID,
                                  "read %zu of %zu: a key has 1 to %d bytes, and a buffer of "
                                  "some bytes is not NULL; nothing was read",
                                  i + 1, count_of, ACCORD_KEY_BYTES_MAX);
    for (size_t i = 0; i < count_of; i += GET_MANY_MAX) {
        size_t some = count_of - i < GET_MANY_MAX ? count_of - i : GET_MANY_MAX;
        int one = get_some(a, p, reads + i, some);
        status = one == ACCORD_OK ? status : one;
    }
    return status;
}
