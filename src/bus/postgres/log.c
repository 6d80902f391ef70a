/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/postgres/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    LOG,
    EPOCH,
    WHOLE,
    FORMAT,
    MAX_STALE_MS,
    MAX_STALE_BEFORE_MS,
    PRUNED_TO,
    HEAD,
    OUTBOX,
    MESSAGE,
    MARKED,
    BACKEND,
    STANDBY
};

static const struct pg_statement look = {
    PG_LOOK, "SELECT l.log, l.epoch, l.changes = '@.changes'::regclass::oid, l.format,"
             " l.max_stale_ms, greatest(l.max_stale_ms, l.max_stale_before_ms), f.pruned_to,"
             " coalesce((SELECT max(position) FROM @.changes), 0),"
             " EXISTS (SELECT FROM @.outbox),"
             " (SELECT message FROM @.changes WHERE position = $1::bigint),"
             " (SELECT message FROM @.changes WHERE position = $2::bigint), pg_backend_pid(),"
             " current_setting('synchronous_standby_names') <> ''"
             " AND current_setting('synchronous_commit') <> 'local'"
             " FROM @.log l CROSS JOIN @.floor f"};

static const struct pg_statement move = {PG_MOVE, "SELECT @.move()"};

uint64_t pg_epoch(const struct pg_target *t)
{
    uint64_t hash = cursor_hash(t->epoch, PG_FORMAT, t->log);

    return cursor_hash(hash, t->identity.database,
                       (struct id128){t->identity.system, t->identity.timeline});
}

bool pg_target_equal(const struct pg_target *a, const struct pg_target *b)
{
    return id128_equal(a->log, b->log) && a->epoch == b->epoch &&
           a->identity.system == b->identity.system &&
           a->identity.timeline == b->identity.timeline &&
           a->identity.database == b->identity.database;
}

static int read_look(const struct pg_link *l, const PGresult *r, const struct pg_mark *mark,
                     struct pg_log *out, char why[BUS_WHY_BYTES_MAX])
{
    const char *schema = l->place->schema;

    if (PQntuples(r) != 1 || !pg_is_true(r, 0, WHOLE))
        return bus_fail(why, ACCORD_E_GONE, "the log in schema %s was deleted or restored",
                        schema);
    if (pg_number(r, 0, FORMAT) != PG_FORMAT)
        return bus_fail(why, ACCORD_E_UNSUPPORTED,
                        "schema %s has a log of format %" PRIu64
                        ", this Accord knows %d; update it",
                        schema, pg_number(r, 0, FORMAT), PG_FORMAT);
    out->target = (struct pg_target){pg_id(r, 0, LOG), pg_number(r, 0, EPOCH), l->identity};
    out->epoch = pg_epoch(&out->target);
    out->head = pg_number(r, 0, HEAD);
    out->pruned_to = pg_number(r, 0, PRUNED_TO);
    out->max_stale_ms = pg_number(r, 0, MAX_STALE_MS);
    out->max_stale_before_ms = pg_number(r, 0, MAX_STALE_BEFORE_MS);
    out->message = pg_id(r, 0, MESSAGE);
    out->outbox = pg_is_true(r, 0, OUTBOX);
    out->standby = pg_is_true(r, 0, STANDBY);
    /* An entry that is absent, with newer ones there, was pruned. */
    struct id128 marked = pg_id(r, 0, MARKED);
    out->lost_tail = pg_target_equal(&mark->in, &out->target) &&
                     (mark->position > out->head ||
                      (!id128_is_none(marked) && !id128_equal(marked, mark->message)));
    return ACCORD_OK;
}

int pg_log_look(struct pg_link *l, uint64_t position, const struct pg_mark *mark,
                struct pg_log *out, char why[BUS_WHY_BYTES_MAX])
{
    struct pg_arguments a = {.count = 0};
    uint8_t room[2][8];
    struct pg_log log = {.epoch = 0};
    PGresult *r = NULL;

    pg_put_number(&a, position, room[0]);
    pg_put_number(&a, mark->position, room[1]);
    int status = pg_asked(pg_link_run(l, &look, &a, &r, why));
    if (status != ACCORD_OK)
        return status;
    status = read_look(l, r, mark, &log, why);
    if (status == ACCORD_OK)
        status = pg_link_check_backend(l, pg_number(r, 0, BACKEND), why);
    PQclear(r);
    if (status == ACCORD_OK)
        *out = log;
    return status;
}

int pg_log_prove(const struct pg_link *l, const struct pg_log *log, const struct cursor *at,
                 char why[BUS_WHY_BYTES_MAX])
{
    const char *schema = l->place->schema;

    if (!id128_equal(log->target.log, at->log))
        return bus_fail(why, ACCORD_E_GONE, "schema %s holds another log now", schema);
    if (log->epoch != at->epoch)
        return bus_fail(why, ACCORD_E_GONE,
                        "the log in schema %s is of another epoch: a standby was promoted, the "
                        "database was restored, or entries were lost",
                        schema);
    if (log->lost_tail || at->position > log->head)
        return bus_fail(why, ACCORD_E_GONE,
                        "the log in schema %s lost its newest entries: it was restored from an "
                        "older copy, or rows were deleted",
                        schema);
    if (at->position < log->pruned_to)
        return bus_fail(why, ACCORD_E_GONE,
                        "the log in schema %s: changes after position %" PRIu64 " were pruned",
                        schema, at->position);
    if (!id128_is_none(at->message) && !id128_equal(at->message, log->message))
        return bus_fail(why, ACCORD_E_GONE,
                        "the log in schema %s has %s entry at position %" PRIu64
                        ": pruned, or another history",
                        schema, id128_is_none(log->message) ? "no" : "another", at->position);
    return ACCORD_OK;
}

int pg_log_move(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    const struct pg_arguments none = {.count = 0};
    char notify[16 + PG_SCHEMA_NAME_BYTES_MAX];
    uint64_t moved = PG_MOVE_ROWS_MAX;
    int status = ACCORD_OK;

    snprintf(notify, sizeof notify, "NOTIFY %s", l->place->schema);
    while (status == ACCORD_OK && moved >= PG_MOVE_ROWS_MAX) {
        PGresult *r = NULL;
        status = pg_asked(pg_link_run_then(l, &move, &none, notify, &r, why));
        if (status == ACCORD_OK)
            moved = pg_number(r, 0, 0);
        PQclear(r);
    }
    return status;
}

/* A commit that writes nothing but a word in the WAL. One at a time of each node: of those that
 * wait for a standby which does not come, no server would be rid before it comes. */
static const struct pg_statement confirm = {
    PG_CONFIRM, "SELECT pg_advisory_xact_lock(hashtext('@ confirm'),"
                " hashtext(current_setting('application_name'))),"
                " pg_logical_emit_message(true, 'accord', '')"};

int pg_log_confirm(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    const struct pg_arguments none = {.count = 0};
    char said[BUS_WHY_BYTES_MAX] = "it gave up waiting";
    PGresult *r = NULL;

    l->warned = false;
    int status = pg_asked(pg_link_run(l, &confirm, &none, &r, said));
    PQclear(r);
    if (status == ACCORD_OK && !l->warned)
        return ACCORD_OK;
    if (status != ACCORD_OK && status != ACCORD_E_DOWN) {
        memcpy(why, said, sizeof said);
        return status;
    }
    return bus_fail(
        why, ACCORD_E_DOWN,
        "no synchronous standby follows this primary (synchronous_standby_names): it "
        "may have been replaced (%.250s)",
        said);
}

/* ---- making it ---- */

/* Who has the schema, and which text made it. */
struct schema_state {
    uint64_t version; /* 0: before there were versions, or there is no schema */
    bool current;     /* the functions are as this Accord wants them, or newer */
    bool owned;       /* the schema is this user's */
    char owner[64];
};

/* The catalogs are open to all: who may not call the function may read what it returns. */
static int check_version(struct pg_link *l, struct schema_state *out,
                         char why[BUS_WHY_BYTES_MAX])
{
    static const struct pg_statement version = {
        PG_VERSION,
        "SELECT coalesce(substring(p.prosrc FROM '[0-9]+'), '0')::bigint,"
        " pg_get_userbyid(n.nspowner) = current_user, pg_get_userbyid(n.nspowner)::text"
        " FROM pg_namespace n LEFT JOIN pg_proc p ON p.pronamespace = n.oid"
        " AND p.proname = 'version' AND p.pronargs = 0 WHERE n.nspname = '@'"};
    const struct pg_arguments none = {.count = 0};
    PGresult *r = NULL;

    *out = (struct schema_state){.version = 0};
    int status = pg_asked(pg_link_run(l, &version, &none, &r, why));
    if (status == ACCORD_OK && PQntuples(r) == 1) {
        struct bytes owner = pg_bytes(r, 0, 2);
        out->version = pg_number(r, 0, 0);
        out->current = out->version >= PG_SCHEMA_VERSION;
        out->owned = pg_is_true(r, 0, 1);
        snprintf(out->owner, sizeof out->owner, "%.*s", (int)owner.size_bytes,
                 (const char *)owner.data);
    }
    PQclear(r);
    return status;
}

static int make_schema(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    char said[BUS_WHY_BYTES_MAX] = "";
    char *text = pg_schema_text(l->place->schema);

    if (!text)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    int status = pg_link_script(l, text, said);
    free(text);
    if (status == ACCORD_E_DENIED)
        return bus_fail(why, status,
                        "this user may not make the schema %s (%.200s); let its DBA run what "
                        "`accord bus schema URL` prints, and SELECT %s.allow_node('user')",
                        l->place->schema, said, l->place->schema);
    if (status != ACCORD_OK)
        memcpy(why, said, sizeof said);
    return pg_asked(status);
}

int pg_log_create(struct pg_link *l, uint64_t max_stale_ms, char why[BUS_WHY_BYTES_MAX])
{
    static const struct pg_statement begin = {PG_BEGIN, "SELECT @.begin($1::bigint)"};
    struct pg_arguments a = {.count = 0};
    uint8_t room[8];
    struct schema_state schema;
    PGresult *r = NULL;

    int status = check_version(l, &schema, why);
    if (status == ACCORD_OK && !schema.current)
        status = make_schema(l, why);
    if (status != ACCORD_OK)
        return status;
    pg_put_number(&a, u64_min(u64_max(max_stale_ms, 1), INT64_MAX), room);
    status = pg_asked(pg_link_run(l, &begin, &a, &r, why));
    if (status == ACCORD_E_GONE) { /* a table is missing, though the functions are there */
        status = make_schema(l, why);
        if (status == ACCORD_OK)
            status = pg_asked(pg_link_run(l, &begin, &a, &r, why));
    }
    PQclear(r);
    return status;
}

/* Somebody may hold what is to be made anew, and all who publish would wait with us: so it is
 * given up soon, and tried again with the next connection. This one then ends, and with it what
 * was set for it. */
int pg_log_update(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    struct schema_state schema;

    int status = check_version(l, &schema, why);
    if (status != ACCORD_OK || schema.current || !schema.owned)
        return status;
    if (pg_link_script(l, "SET lock_timeout = 250", why) == ACCORD_OK)
        (void)make_schema(l, why);
    pg_link_close(l);
    return pg_link_open(l, why);
}

void pg_log_advise(struct pg_link *l, char out[BUS_ADVICE_BYTES_MAX])
{
    char why[BUS_WHY_BYTES_MAX];
    struct schema_state s;

    out[0] = '\0';
    if (check_version(l, &s, why) != ACCORD_OK || s.current)
        return;
    if (s.owned)
        snprintf(
            out, BUS_ADVICE_BYTES_MAX,
            "schema %s is of an older Accord (version %" PRIu64
            ", now %d) and could not be updated, as something holds its tables: it is tried "
            "again with the next connection",
            l->place->schema, s.version, PG_SCHEMA_VERSION);
    else
        snprintf(out, BUS_ADVICE_BYTES_MAX,
                 "schema %s is of an older Accord (version %" PRIu64
                 ", now %d) and this user may not update it: its owner (%s) should run what "
                 "`accord bus schema URL` prints; until then the older one serves",
                 l->place->schema, s.version, PG_SCHEMA_VERSION, s.owner);
}
