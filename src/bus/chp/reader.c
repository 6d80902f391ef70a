/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/reader.h"

#include "net/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Heard nothing for so long, the reader asks: what was published while it was not subscribed,
 * after a connection broke, shows by nothing else where nothing more comes. */
enum {
    QUIET_MS = 1000,
    TURN_MS = 20, /* between two servers that both say they are passive, or are not there */
};

int chp_reader_init(struct chp_reader *r, const struct chp_place *p, void *context,
                    const struct hand *hand, char why[BUS_WHY_BYTES_MAX])
{
    *r = (struct chp_reader){.hand = *hand};
    chp_link_init(&r->link, p, context, /* wants_to_hear= */ true);
    r->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (r->wake < 0)
        return bus_fail(why, ACCORD_E_IO, "no descriptor is left; raise `ulimit -n`");
    /* What is not used is no memory. */
    r->records = malloc((size_t)DELIVER_BATCH_MAX * CHANGE_RECORD_BYTES_MAX);
    if (r->records)
        return ACCORD_OK;
    close(r->wake);
    return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
}

void chp_reader_done(struct chp_reader *r)
{
    chp_link_close(&r->link);
    close(r->wake);
    free(r->records);
}

void chp_reader_wake(struct chp_reader *r)
{
    uint64_t one = 1;

    if (write(r->wake, &one, sizeof one) != sizeof one)
        return; /* full: it is set already */
}

static bool take_wake(struct chp_reader *r)
{
    uint64_t wakes;

    return read(r->wake, &wakes, sizeof wakes) == sizeof wakes;
}

/* ---- proof ---------------------------------------------------------------------------- */

static int gone(const struct chp_reader *r, const char *how, char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, ACCORD_E_GONE, "chp: the log of %s at %s %s", r->link.place->cluster,
                    chp_link_server(&r->link), how);
}

/* Whether the log that was told of still is the one of the cursor, and has its entry. */
static int prove(const struct chp_reader *r, const struct talk_answer *a,
                 const struct cursor *c, char why[BUS_WHY_BYTES_MAX])
{
    if (strncmp(a->refused, TALK_ABSENT, strlen(TALK_ABSENT)) == 0)
        return gone(r, "is not there any more: the server was started again, or it was dropped",
                    why);
    if (id128_equal(a->log, c->log) && a->epoch != c->epoch)
        return gone(
            r, "has begun anew: of two servers another one answers now, or entries were lost",
            why);
    if (!id128_equal(a->log, c->log))
        return gone(r, "is another one: the server was started again, or it was dropped", why);
    if (c->position < a->pruned_to)
        return gone(r, "no longer has what comes after the cursor", why);
    if (c->position > a->head ||
        (!id128_is_none(c->message) && c->position > 0 && !id128_equal(c->message, a->message)))
        return gone(r, "has another entry at the cursor, or none", why);
    return ACCORD_OK;
}

/* Of two servers each is asked twice in the time that there is. */
static uint64_t until(const struct chp_reader *r, uint64_t deadline_ns)
{
    const struct chp_place *p = r->link.place;
    uint64_t turn_ns = p->timeout_ms * NS_PER_MS / (2 * CHP_PAIR);

    if (p->url.server_count < CHP_PAIR)
        return deadline_ns;
    return u64_min(deadline_ns, u64_add_sat(time_monotonic_ns(), turn_ns));
}

static bool is_asked_again(const struct chp_reader *r, int status)
{
    bool two = r->link.place->url.server_count == CHP_PAIR;

    if (two && status == ACCORD_E_DOWN)
        usleep(TURN_MS * 1000);
    return status == ACCORD_E_TIMEOUT || (two && status == ACCORD_E_DOWN);
}

/* A question without an answer: nothing is unknown, so it is as good as not asked. One whose
 * connection ended is asked again, while there is time: the server may be back already. */
static int ask(struct chp_reader *r, struct talk_question *q, chp_each each,
               struct talk_answer *out, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t deadline_ns = chp_place_deadline(r->link.place);
    const struct cursor from = r->at;
    int status;

    do {
        r->at = from;
        r->count = r->record_bytes = 0; /* of an answer that broke off */
        status = chp_link_ask(&r->link, q, each, r, out, until(r, deadline_ns), why);
    } while (is_asked_again(r, status) && time_monotonic_ns() < deadline_ns);
    if (status == ACCORD_OK)
        r->heard_ns = time_monotonic_ns();
    return status == ACCORD_E_TIMEOUT ? ACCORD_E_DOWN : status;
}

/* ---- entries -------------------------------------------------------------------------- */

static void clear_of(struct bytes record, const struct chp_message *m, struct change *out)
{
    *out = (struct change){.op = CHANGE_CLEAR};
    if (!change_record_message(record, &out->message) || id128_is_none(out->message))
        out->message = talk_uuid_parse(m->uuid);
    if (id128_is_none(out->message))
        out->message = (struct id128){m->sequence, 1};
}

/* `record` lies where it stays. */
static struct entry understood(const struct chp_reader *r, struct bytes record,
                               const struct chp_message *m)
{
    struct entry e = {.position = m->sequence};
    struct bytes namespace = {0};
    struct change torn;

    clear_of(record, m, &torn);
    hand_take(&r->hand, e.position);
    if (hand_skips(&r->hand, e.position))
        e = hand_skipped(e.position, torn.message);
    else if (change_decode(record, &e.change, &namespace) == ACCORD_E_FORMAT ||
             change_problem(&e.change) || id128_is_none(e.change.message))
        e.change = torn;
    hand_take(&r->hand, 0);
    return e;
}

/* The next entry of this log, for delivery. */
static void keep(struct chp_reader *r, const struct chp_message *m)
{
    size_t bytes = m->value.size_bytes <= CHANGE_RECORD_BYTES_MAX ? m->value.size_bytes : 0;
    uint8_t *to = r->records + r->record_bytes;

    ASSERT(r->count < DELIVER_BATCH_MAX);
    if (bytes > 0)
        memcpy(to, m->value.data, bytes);
    r->record_bytes += bytes;
    r->entries[r->count] = understood(r, bytes_of(to, bytes), m);
    r->at.position = m->sequence;
    r->at.message = r->entries[r->count++].change.message;
}

static bool is_entry(const struct chp_reader *r, const struct chp_message *m)
{
    return chp_is_below(bytes_of_text(r->link.place->prefix), m->key);
}

static bool is_of_this_log(const struct chp_reader *r, const struct chp_message *m)
{
    struct id128 log;
    uint64_t epoch;

    return talk_log_parse(m->properties, &log, &epoch) && id128_equal(log, r->at.log) &&
           epoch == r->at.epoch;
}

/* Of an answer: the hub says what follows, whatever lay between. */
static void take_answer(void *context, const struct chp_message *m)
{
    struct chp_reader *r = context;

    if (is_entry(r, m) && is_of_this_log(r, m) && m->sequence > r->at.position &&
        r->count < DELIVER_BATCH_MAX)
        keep(r, m);
}

/* Of what is published. False: enough. */
static bool take_heard(void *context, const struct chp_message *m)
{
    struct chp_reader *r = context;
    uint64_t after;

    if (!is_entry(r, m))
        return true;
    r->heard_ns = time_monotonic_ns();
    if (!is_of_this_log(r, m)) {
        r->other_log = true; /* or what came late of the one before: the hub will say */
        return false;
    }
    if (m->sequence <= r->at.position)
        return true;
    r->behind = !talk_number(m->properties, "after", &after) || after != r->at.position;
    if (r->behind)
        return false;
    keep(r, m);
    return r->count < DELIVER_BATCH_MAX;
}

/* ---- attach --------------------------------------------------------------------------- */

static void begin(struct chp_reader *r, const struct talk_answer *a, uint64_t after,
                  struct id128 message)
{
    r->attached = true;
    r->at = (struct cursor){
        .log = a->log, .epoch = a->epoch, .position = after, .message = message};
    r->behind = true;
    r->other_log = false;
    r->count = 0;
}

int chp_reader_attach(struct chp_reader *r, const struct cursor *resume, uint64_t view_ms,
                      struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    const struct chp_place *p = r->link.place;
    struct talk_question q = chp_place_question(p, TALK_ATTACH);
    struct talk_answer a;

    q.position = resume ? resume->position : 0;
    q.view_ms = view_ms;
    q.max_stale_ms = p->max_stale_ms;
    snprintf(q.node, sizeof q.node, "%s", p->node);
    int status = ask(r, &q, NULL, &a, why);
    if (status == ACCORD_OK && a.refused[0])
        return bus_fail(why, ACCORD_E_UNSUPPORTED, "chp: %s refuses %s: %s",
                        chp_link_server(&r->link), p->cluster, a.refused);
    if (status == ACCORD_OK && resume)
        status = prove(r, &a, resume, why);
    if (status != ACCORD_OK)
        return status;
    uint64_t after = !resume        ? a.view
                     : view_ms == 0 ? resume->position
                                    : u64_min(a.view, resume->position);
    bool at_cursor = resume && after == resume->position;
    begin(r, &a, after, at_cursor ? resume->message : (struct id128){0, 0});
    *out = (struct bus_attached){
        .log = a.log,
        .epoch = a.epoch,
        .after = after,
        .head = a.head,
        .max_stale_ms = a.max_stale_ms,
        .max_stale_before_ms = a.max_stale_before_ms,
        .resumed = resume != NULL,
    };
    return ACCORD_OK;
}

/* ---- read ----------------------------------------------------------------------------- */

/* What follows, of the hub itself, with the proof that nothing else was meant to come. */
static int fetch(struct chp_reader *r, char why[BUS_WHY_BYTES_MAX])
{
    struct talk_question q = chp_place_question(r->link.place, TALK_AFTER);
    const struct cursor from = r->at;
    struct talk_answer a;

    q.position = from.position;
    int status = ask(r, &q, take_answer, &a, why);
    if (status == ACCORD_OK)
        status = prove(r, &a, &from, why);
    if (status != ACCORD_OK) {
        r->at = from;
        r->count = 0;
        return status;
    }
    r->behind = r->at.position < a.head && r->count > 0;
    r->other_log = false;
    return ACCORD_OK;
}

static void wait(struct chp_reader *r, uint64_t until_ns)
{
    uint64_t now_ns = time_monotonic_ns();
    uint64_t quiet_ns = r->heard_ns + QUIET_MS * NS_PER_MS;
    uint64_t left_ns = u64_sub_sat(u64_min(until_ns, quiet_ns), now_ns);

    chp_link_wait(&r->link, r->wake, left_ns / NS_PER_MS + (left_ns > 0));
    r->behind = r->behind || time_monotonic_ns() >= quiet_ns;
}

static int read_until(struct chp_reader *r, uint64_t until_ns, char why[BUS_WHY_BYTES_MAX])
{
    bool asked = false;

    for (;;) {
        if (!r->behind)
            chp_link_hear(&r->link, take_heard, r);
        if (r->count > 0)
            return ACCORD_OK;
        bool is_over = time_monotonic_ns() >= until_ns;
        if (r->behind || r->other_log || (is_over && !asked)) {
            int status = fetch(r, why);
            if (status != ACCORD_OK || r->count > 0)
                return status;
            asked = true;
            continue;
        }
        if (take_wake(r) || is_over)
            return ACCORD_OK;
        wait(r, until_ns);
    }
}

int chp_reader_read(struct chp_reader *r, uint64_t after, uint64_t timeout_ms,
                    const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    if (!r->attached)
        return bus_fail(why, ACCORD_E_DOWN, "chp: not attached");
    if (after != r->at.position) {
        r->at.position = after;
        r->at.message = (struct id128){0, 0};
        r->behind = true;
    }
    r->count = r->record_bytes = 0;
    uint64_t until_ns = u64_add_sat(time_monotonic_ns(),
                                    u64_min(timeout_ms, UINT64_MAX / NS_PER_MS) * NS_PER_MS);
    int status = read_until(r, until_ns, why);
    if (status != ACCORD_OK)
        return status;
    *entries = r->entries;
    *count = r->count;
    return ACCORD_OK;
}

/* ---- head, and who is there ----------------------------------------------------------- */

int chp_reader_head(struct chp_reader *r, const struct cursor *at, uint64_t *head,
                    char why[BUS_WHY_BYTES_MAX])
{
    struct talk_question q = chp_place_question(r->link.place, TALK_HEAD);
    struct talk_answer a;

    q.position = at->position;
    int status = ask(r, &q, NULL, &a, why);
    if (status == ACCORD_OK)
        status = prove(r, &a, at, why);
    if (status != ACCORD_OK)
        return status;
    r->behind = r->behind || a.head > r->at.position;
    *head = a.head;
    return ACCORD_OK;
}

struct nodes {
    char names[MEMBERS_MAX][NODE_NAME_BYTES_MAX + 1];
    size_t count;
};

static void take_node(void *context, const struct chp_message *m)
{
    struct nodes *n = context;

    if (!bytes_equal(m->key, bytes_of_text("node")) || n->count == COUNT_OF(n->names))
        return;
    snprintf(n->names[n->count++], sizeof n->names[0], "%.*s",
             (int)u64_min(m->value.size_bytes, NODE_NAME_BYTES_MAX),
             (const char *)m->value.data);
}

static bool is_among(const struct nodes *n, const char *name)
{
    for (size_t i = 0; i < n->count; i++)
        if (strcmp(n->names[i], name) == 0)
            return true;
    return false;
}

int chp_reader_present(struct chp_reader *r, const char *const *names, size_t count,
                       bool *there, char why[BUS_WHY_BYTES_MAX])
{
    struct talk_question q = chp_place_question(r->link.place, TALK_NODES);
    struct nodes *n = calloc(1, sizeof *n);
    struct talk_answer a;

    if (!n)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    int status =
        chp_link_ask(&r->link, &q, take_node, n, &a, chp_place_deadline(r->link.place), why);
    for (size_t i = 0; status == ACCORD_OK && i < count; i++)
        there[i] = is_among(n, names[i]);
    free(n);
    return status == ACCORD_E_TIMEOUT ? ACCORD_E_DOWN : status;
}
