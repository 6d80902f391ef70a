/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/postgres/reader.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bus/postgres/row.h"
#include "net/time.h"

/* The elected one looks at the outbox so often; where a look takes long (rows that a long
 * transaction keeps from being cleaned up), it takes at most a tenth of the time. */
#define ELECTED_POLL_NS (20 * NS_PER_MS)
#define POLL_NS         (250 * NS_PER_MS) /* the others; also what a lost wake-up costs */
#define ELECTION_NS     (1000 * NS_PER_MS)
#define COST_FACTOR     10

enum {
    LOG,
    EPOCH,
    WHOLE,
    PRUNED_TO,
    OUTBOX,
    POSITION,
    MESSAGE,
    OP,
    KEY,
    RECORD,
    VIEW_MS_MAX = 10 * 24 * 3600 * 1000, /* fits an interval */
};

/* Asked for at a time, behind one row of proof: several batches to deliver, and the entry
 * before them. A number in the text, not an argument: the statement is planned once, for all
 * arguments. Each row of changes says only what it must: of a record nobody reads op and key. A
 * sort of the whole would cost a fifth of it, so the order of the two halves is checked
 * instead. */
#define FETCH_ROWS_TEXT "1025"
enum { FETCH_ROWS_MAX = 4 * DELIVER_BATCH_MAX + 1 };
_Static_assert(FETCH_ROWS_MAX == 1025, "the text says the same");

/* More than the longest of each is not sent: it is no key, and no record. */
static const struct pg_statement rows = {
    PG_READ, "SELECT l.log, l.epoch, l.changes = '@.changes'::regclass::oid, f.pruned_to,"
             " EXISTS (SELECT FROM @.outbox),"
             " NULL::bigint, NULL::uuid, NULL::text, NULL::bytea, NULL::bytea"
             " FROM @.log l CROSS JOIN @.floor f"
             " UNION ALL (SELECT NULL, NULL, NULL, NULL, NULL, position, message,"
             " CASE WHEN record IS NULL THEN left(op, 64) END,"
             " CASE WHEN record IS NULL THEN substring(key FOR 8193) END,"
             " CASE WHEN octet_length(record) < 9300 THEN record"
             " ELSE substring(record FOR 9300) END"
             " FROM @.changes WHERE position >= $1::bigint"
             " ORDER BY position LIMIT " FETCH_ROWS_TEXT ")"};
_Static_assert(CHANGE_RECORD_BYTES_MAX < 9300 && KEY_BYTES_MAX < 8193, "all of them fit");

struct pg_mark pg_shared_mark(struct pg_shared *s)
{
    pthread_mutex_lock(&s->mutex);
    struct pg_mark mark = s->mark;
    pthread_mutex_unlock(&s->mutex);
    return mark;
}

void pg_shared_saw(struct pg_shared *s, const struct pg_target *in, uint64_t position,
                   struct id128 message)
{
    pthread_mutex_lock(&s->mutex);
    if (!id128_is_none(message) &&
        (!pg_target_equal(&s->mark.in, in) || position > s->mark.position))
        s->mark = (struct pg_mark){*in, position, message};
    pthread_mutex_unlock(&s->mutex);
}

static void begin_call(struct pg_reader *r)
{
    r->link.deadline_ns = time_monotonic_ns() + r->settings->timeout_ms * NS_PER_MS;
}

/* A new connection hears nothing and holds no lock until it has asked. */
static int listen_again(struct pg_reader *r, char why[BUS_WHY_BYTES_MAX])
{
    static const struct pg_statement listen = {PG_LISTEN, "LISTEN @"};
    const struct pg_arguments none = {.count = 0};
    PGresult *result = NULL;

    int status = pg_asked(pg_link_run(&r->link, &listen, &none, &result, why));
    PQclear(result);
    r->elected = false;
    r->next_election_ns = 0;
    r->listening = status == ACCORD_OK;
    r->look_at_once = true;
    return status;
}

/* Whether this session is, or now becomes, the one that looks at the outbox for all. */
static int elect(struct pg_reader *r, char why[BUS_WHY_BYTES_MAX])
{
    static const struct pg_statement try_lock = {
        PG_ELECT, "SELECT pg_try_advisory_lock(hashtextextended('accord outbox @', 0))"};
    const struct pg_arguments none = {.count = 0};
    PGresult *result = NULL;

    if (r->elected || time_monotonic_ns() < r->next_election_ns)
        return ACCORD_OK;
    int status = pg_asked(pg_link_run(&r->link, &try_lock, &none, &result, why));
    if (status == ACCORD_OK)
        r->elected = pg_is_true(result, 0, 0);
    PQclear(result);
    r->poll_ns = r->elected ? ELECTED_POLL_NS : POLL_NS;
    r->next_election_ns = time_monotonic_ns() + ELECTION_NS;
    return status;
}

int pg_reader_init(struct pg_reader *r, const struct pg_place *place,
                   const struct bus_settings *settings, struct pg_shared *shared,
                   char why[BUS_WHY_BYTES_MAX])
{
    *r = (struct pg_reader){.settings = settings, .shared = shared, .poll_ns = POLL_NS};
    r->link = (struct pg_link){.place = place, .timeout_ms = settings->timeout_ms};
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return r->stop_fd >= 0 ? ACCORD_OK : bus_fail(why, ACCORD_E_IO, "no descriptor is left");
}

static void forget_rows(struct pg_reader *r)
{
    PQclear(r->rows);
    r->rows = NULL;
    r->next_row = 0;
}

void pg_reader_done(struct pg_reader *r)
{
    forget_rows(r);
    pg_link_close(&r->link);
    if (r->stop_fd >= 0)
        close(r->stop_fd);
}

void pg_reader_wake(struct pg_reader *r)
{
    const uint64_t one = 1;

    (void)!write(r->stop_fd, &one, sizeof one);
}

/* ---- attaching ---- */

int pg_reader_connect(struct pg_reader *r, char why[BUS_WHY_BYTES_MAX])
{
    struct pg_mark mark = pg_shared_mark(r->shared);
    struct pg_log log;

    begin_call(r);
    int status = pg_link_open(&r->link, why);
    if (status == ACCORD_OK)
        status = pg_log_look(&r->link, 0, &mark, &log, why);
    if (status == ACCORD_E_GONE)
        return pg_log_create(&r->link, r->settings->max_stale_ms, why);
    return status == ACCORD_OK ? pg_log_update(&r->link, why) : status;
}

/* The entry that we know of is gone: from now on it is another epoch, for all; also for those
 * who had not come as far as the loss, and would not notice. */
static int renew(struct pg_reader *r, const struct pg_mark *mark, char why[BUS_WHY_BYTES_MAX])
{
    static const struct pg_statement renewing = {
        PG_RENEW, "SELECT @.renew($1::bigint, $2::bigint, $3::uuid)"};
    struct pg_arguments a = {.count = 0};
    uint8_t room[2][8], id[16];
    PGresult *result = NULL;

    pg_put_number(&a, mark->in.epoch, room[0]);
    pg_put_number(&a, mark->position, room[1]);
    pg_put_id(&a, mark->message, id);
    int status = pg_asked(pg_link_run(&r->link, &renewing, &a, &result, why));
    PQclear(result);
    return status;
}

/* The newest position before all that are younger than view_ms. */
static int view_begin(struct pg_reader *r, uint64_t view_ms, uint64_t *after,
                      char why[BUS_WHY_BYTES_MAX])
{
    static const struct pg_statement view = {PG_VIEW,
                                             "SELECT position FROM @.changes WHERE inserted <"
                                             " clock_timestamp() - $1::bigint * interval '1 ms'"
                                             " ORDER BY position DESC LIMIT 1"};
    struct pg_arguments a = {.count = 0};
    uint8_t room[8];
    PGresult *result = NULL;

    pg_put_number(&a, u64_min(view_ms, VIEW_MS_MAX), room);
    int status = pg_asked(pg_link_run(&r->link, &view, &a, &result, why));
    if (status == ACCORD_OK)
        *after = PQntuples(result) == 1 ? pg_number(result, 0, 0) : 0;
    PQclear(result);
    return status;
}

/* Where reading begins, and the entry there. */
static int begin(struct pg_reader *r, const struct cursor *resume, uint64_t view_ms,
                 const struct pg_mark *mark, struct pg_log *log, uint64_t *after,
                 char why[BUS_WHY_BYTES_MAX])
{
    uint64_t from = 0, latest = resume ? resume->position : UINT64_MAX;
    int status = ACCORD_OK;

    if (resume) {
        status = pg_log_look(&r->link, resume->position, mark, log, why);
        if (status == ACCORD_OK)
            status = pg_log_prove(&r->link, log, resume, why);
        *after = resume->position;
        if (status != ACCORD_OK || view_ms == 0)
            return status;
    }
    status = view_begin(r, view_ms, &from, why);
    if (status == ACCORD_OK)
        status = pg_log_look(&r->link, from, mark, log, why);
    /* The cursor is not before pruned_to: that was proven. */
    uint64_t first =
        status == ACCORD_OK ? u64_min(u64_max(from, log->pruned_to), latest) : from;
    if (first != from)
        status = pg_log_look(&r->link, first, mark, log, why);
    *after = first;
    return status;
}

static void attached(struct pg_reader *r, const struct pg_log *log, uint64_t after)
{
    r->target = log->target;
    r->seen_position = after;
    r->seen_message = log->message;
    pthread_mutex_lock(&r->shared->mutex);
    r->shared->target = log->target;
    pthread_mutex_unlock(&r->shared->mutex);
    pg_shared_saw(r->shared, &log->target, after, log->message);
}

int pg_reader_attach(struct pg_reader *r, const struct cursor *resume, uint64_t view_ms,
                     struct bus_attached *out, char why[BUS_WHY_BYTES_MAX])
{
    struct pg_mark mark = pg_shared_mark(r->shared);
    struct pg_log log;
    uint64_t after = 0;

    forget_rows(r);
    int status = pg_reader_connect(r, why);
    if (status == ACCORD_OK)
        status = listen_again(r, why);
    if (status == ACCORD_OK)
        status = pg_log_look(&r->link, 0, &mark, &log, why);
    if (status == ACCORD_OK && log.lost_tail)
        status = renew(r, &mark, why);
    /* What was committed before this is in the log, and below its head. */
    if (status == ACCORD_OK && log.outbox)
        status = pg_log_move(&r->link, why);
    if (status == ACCORD_OK)
        status = begin(r, resume, view_ms, &mark, &log, &after, why);
    if (status != ACCORD_OK)
        return status;
    attached(r, &log, after);
    *out = (struct bus_attached){
        .log = log.target.log,
        .epoch = log.epoch,
        .after = after,
        .head = log.head,
        .max_stale_ms = log.max_stale_ms,
        .max_stale_before_ms = log.max_stale_before_ms,
        .resumed = resume != NULL,
    };
    pg_log_advise(&r->link, out->advice);
    return ACCORD_OK;
}

/* ---- reading ---- */

/* The proof, and then what it proves, in order: as the server gives it. SQL does not say so. */
static bool is_in_order(const PGresult *result)
{
    if (PQgetisnull(result, 0, LOG))
        return false;
    for (int i = 2; i < PQntuples(result); i++)
        if (pg_number(result, i, POSITION) <= pg_number(result, i - 1, POSITION))
            return false;
    return true;
}

/* Whether nothing is hidden between `after` and the first row: the log is the one attached, no
 * later change was pruned, and the entry at `after` is the one delivered. */
static bool goes_on(const struct pg_reader *r, const PGresult *result, uint64_t after)
{
    struct pg_target now = {pg_id(result, 0, LOG), pg_number(result, 0, EPOCH),
                            r->link.identity};

    if (!pg_is_true(result, 0, WHOLE) || !pg_target_equal(&now, &r->target) ||
        pg_number(result, 0, PRUNED_TO) > after)
        return false;
    if (after != r->seen_position || id128_is_none(r->seen_message))
        return true;
    return PQntuples(result) > 1 && pg_number(result, 1, POSITION) == after &&
           id128_equal(pg_id(result, 1, MESSAGE), r->seen_message);
}

/* The next batch of the rows, behind `after`. */
static size_t take_rows(struct pg_reader *r, uint64_t after)
{
    const struct hand *hand = &r->settings->hand;
    size_t n = 0;

    for (int i = r->next_row; i < PQntuples(r->rows) && n < DELIVER_BATCH_MAX; i++) {
        struct pg_row row = {.position = pg_number(r->rows, i, POSITION),
                             .message = pg_id(r->rows, i, MESSAGE),
                             .op = pg_bytes(r->rows, i, OP),
                             .key = pg_bytes(r->rows, i, KEY),
                             .record = pg_bytes(r->rows, i, RECORD)};
        r->next_row = i + 1;
        if (row.position <= after)
            continue; /* the entry at `after` itself */
        hand_take(hand, row.position);
        if (hand_skips(hand, row.position))
            r->delivered[n] = hand_skipped(row.position, row.message);
        else
            pg_row_read(&row, &r->delivered[n]);
        hand_take(hand, 0);
        n++;
    }
    if (n > 0) {
        const struct entry *last = &r->delivered[n - 1];
        r->seen_position = last->position;
        r->seen_message = last->change.message;
        pg_shared_saw(r->shared, &r->target, last->position, last->change.message);
    }
    return n;
}

static bool has_rest(const struct pg_reader *r)
{
    return r->rows && r->next_row < PQntuples(r->rows);
}

static int fetch(struct pg_reader *r, uint64_t after, size_t *count, bool *outbox,
                 char why[BUS_WHY_BYTES_MAX])
{
    struct pg_arguments a = {.count = 0};
    uint8_t room[8];

    forget_rows(r);
    pg_put_number(&a, after, room);
    int status = pg_asked(pg_link_run(&r->link, &rows, &a, &r->rows, why));
    if (status != ACCORD_OK)
        return status;
    if (PQntuples(r->rows) > 0 && !is_in_order(r->rows)) {
        forget_rows(r);
        return bus_fail(why, ACCORD_E_IO, "the server gave the rows of schema %s out of order",
                        r->link.place->schema);
    }
    if (PQntuples(r->rows) == 0 || !goes_on(r, r->rows, after)) {
        forget_rows(r);
        return bus_fail(why, ACCORD_E_GONE,
                        "the log in schema %s no longer has the entry at position %" PRIu64,
                        r->link.place->schema, after);
    }
    *outbox = pg_is_true(r->rows, 0, OUTBOX);
    r->next_row = 1;
    *count = take_rows(r, after);
    return ACCORD_OK;
}

/* Looks, and gives what is in the outbox its positions. */
static int look(struct pg_reader *r, uint64_t after, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    bool outbox = false;

    begin_call(r);
    uint64_t began_ns = time_monotonic_ns();
    int status = elect(r, why);
    if (status == ACCORD_OK)
        status = fetch(r, after, count, &outbox, why);
    uint64_t now_ns = time_monotonic_ns();
    /* What comes after this look wakes it; what it left behind does not. */
    r->look_at_once = status == ACCORD_OK && (outbox || PQntuples(r->rows) > FETCH_ROWS_MAX);
    r->next_poll_ns = now_ns + u64_max(r->poll_ns, COST_FACTOR * (now_ns - began_ns));
    if (status == ACCORD_OK && outbox)
        status = pg_log_move(&r->link, why);
    return status;
}

/* True: wake() was called. */
static bool was_stopped(struct pg_reader *r)
{
    uint64_t count;

    return read(r->stop_fd, &count, sizeof count) == sizeof count;
}

int pg_reader_read(struct pg_reader *r, uint64_t after, uint64_t timeout_ms,
                   const struct entry **entries, size_t *count, char why[BUS_WHY_BYTES_MAX])
{
    uint64_t until_ns = time_monotonic_ns() + u64_min(timeout_ms, UINT32_MAX) * NS_PER_MS;
    bool stopped = false, looked = false;
    size_t n = 0;

    if (!r->listening || !r->link.conn)
        return bus_fail(why, ACCORD_E_DOWN, "it is not attached");
    if (has_rest(r) && after == r->seen_position) {
        *count = take_rows(r, after);
        *entries = r->delivered;
        return ACCORD_OK;
    }
    for (;;) {
        bool over = stopped || time_monotonic_ns() >= until_ns;
        int status = ACCORD_OK;
        if (r->look_at_once || time_monotonic_ns() >= r->next_poll_ns || (over && !looked)) {
            status = look(r, after, &n, why);
            looked = true;
        }
        if (status != ACCORD_OK)
            return status;
        if (n > 0 || over) {
            *entries = r->delivered;
            *count = n;
            return ACCORD_OK;
        }
        if (!r->look_at_once)
            status = pg_link_listen(&r->link, r->stop_fd, u64_min(until_ns, r->next_poll_ns),
                                    &r->look_at_once, &stopped, why);
        if (status != ACCORD_OK)
            return status;
        stopped = stopped && was_stopped(r);
    }
}

/* What was committed before the call has its position when the head is read: where rows are
 * waiting, they are moved first. */
int pg_reader_head(struct pg_reader *r, const struct cursor *at, uint64_t *head,
                   char why[BUS_WHY_BYTES_MAX])
{
    struct pg_mark mark = pg_shared_mark(r->shared);
    struct pg_log log;

    begin_call(r);
    if (!r->listening || !r->link.conn)
        return bus_fail(why, ACCORD_E_DOWN, "it is not attached");
    int status = pg_log_look(&r->link, at->position, &mark, &log, why);
    if (status == ACCORD_OK && log.outbox) {
        status = pg_log_move(&r->link, why);
        r->look_at_once = true;
        if (status == ACCORD_OK)
            status = pg_log_look(&r->link, at->position, &mark, &log, why);
    }
    if (status == ACCORD_OK)
        status = pg_log_prove(&r->link, &log, at, why);
    /* After the head: a standby that follows then had not been promoted when it was read. */
    if (status == ACCORD_OK && log.standby)
        status = pg_log_confirm(&r->link, why);
    if (status == ACCORD_OK)
        *head = log.head;
    return status;
}
