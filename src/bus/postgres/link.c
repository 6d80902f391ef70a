/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/postgres/link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bus/resolve.h"
#include "net/time.h"

enum { SERVER_VERSION_MIN = 140000, SQLSTATE_BYTES = 6 };

/* ---- failures ---- */

/* One line of libpq's several. */
static const char *first_line(const char *text, char line[BUS_WHY_BYTES_MAX])
{
    size_t length = strcspn(text, "\n");

    snprintf(line, BUS_WHY_BYTES_MAX, "%.*s", (int)u64_min(length, BUS_WHY_BYTES_MAX - 1),
             text);
    return line;
}

static const struct bus_url_server *server_of(const struct pg_link *l)
{
    return &l->place->url.servers[l->server];
}

static int broken(struct pg_link *l, int status, const char *doing, char why[BUS_WHY_BYTES_MAX])
{
    const struct bus_url_server *server = server_of(l);
    char line[BUS_WHY_BYTES_MAX];

    const char *said = l->conn ? first_line(PQerrorMessage(l->conn), line) : "";
    (void)bus_fail(why, status, "%.100s port %u: %s%s%.250s", server->host, server->port, doing,
                   said[0] ? ": " : "", said);
    pg_link_close(l);
    return status;
}

#define HELD                                                                                   \
    "; something holds the log's lock (a commit that waits for a synchronous standby, too), "  \
    "or the server is overloaded"

static const struct {
    const char *prefix; /* of an SQLSTATE */
    int status;
    const char *cure;
} answers[] = {
    {"42501", ACCORD_E_DENIED,
     "; grant it: SELECT accord.allow_node('role') (docs/operating/bus_postgres.md)"},
    {"28", ACCORD_E_DENIED, "; see the user and password of the URL, and pg_hba.conf"},
    {"3D000", ACCORD_E_INVALID, "; create the database, or mend the URL"},
    {"3F000", ACCORD_E_GONE, ""},
    {"42P01", ACCORD_E_GONE, ""},
    {"42883", ACCORD_E_GONE, ""},
    {"42703", ACCORD_E_GONE, ""},
    {"25006", ACCORD_E_DOWN, "; this server is a standby"},
    {"57014", ACCORD_E_DOWN, HELD},
    {"55P03", ACCORD_E_DOWN, HELD},
    {"57P", ACCORD_E_DOWN, ""},
    {"08", ACCORD_E_DOWN, ""},
    {"40", ACCORD_E_DOWN, ""},
    {"53300", ACCORD_E_DOWN, "; raise max_connections"},
};

static int answer_of(const char *sqlstate, const char **cure)
{
    for (size_t i = 0; i < COUNT_OF(answers); i++) {
        if (strncmp(sqlstate, answers[i].prefix, strlen(answers[i].prefix)) == 0) {
            *cure = answers[i].cure;
            return answers[i].status;
        }
    }
    *cure = "";
    return ACCORD_E_IO;
}

/* What the server answered instead of a result. */
static int refused(const struct pg_link *l, const PGresult *r, char why[BUS_WHY_BYTES_MAX])
{
    const char *sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE), *cure = "";
    const char *said = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
    const struct bus_url_server *server = server_of(l);
    int status = answer_of(sqlstate ? sqlstate : "", &cure);

    return bus_fail(why, status, "%.100s port %u: %.250s%s", server->host, server->port,
                    said ? said : "no result", cure);
}

/* The SQLSTATE that a failed connection's verbose message has behind its severity ("FATAL:
 * 28P01: …"): libpq gives it in no other way. */
static bool sqlstate_of(const char *message, char out[SQLSTATE_BYTES])
{
    for (const char *at = message; (at = strstr(at, ":  ")); at += 3) {
        const char *code = at + 3;
        if (strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5 && code[5] == ':') {
            snprintf(out, SQLSTATE_BYTES, "%.5s", code);
            return true;
        }
    }
    return false;
}

static int not_let_in(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    const char *said = PQerrorMessage(l->conn), *cure = "";
    char code[SQLSTATE_BYTES];

    if (sqlstate_of(said, code)) {
        int status = answer_of(code, &cure);
        (void)broken(l, status, "refused", why);
        size_t used = strlen(why);
        snprintf(why + used, BUS_WHY_BYTES_MAX - used, "%s", cure);
        return status == ACCORD_E_IO ? ACCORD_E_DOWN : status;
    }
    if (PQconnectionNeedsPassword(l->conn))
        return broken(l, ACCORD_E_DENIED, "it wants a password, and the URL has none", why);
    if (strstr(said, "certificate") || strstr(said, "server does not support SSL"))
        return broken(l, ACCORD_E_DENIED, "TLS (see sslmode, sslrootcert)", why);
    if (strstr(said, "invalid ")) /* libpq looks at its parameters before it connects */
        return broken(l, ACCORD_E_INVALID, "an option of the URL", why);
    return broken(l, ACCORD_E_DOWN, "cannot connect", why);
}

/* ---- waiting ---- */

/* What the socket is ready for of `events`; 0: the deadline has passed. */
static short wait_socket(const struct pg_link *l, short events, uint64_t deadline_ns)
{
    struct pollfd p = {.fd = PQsocket(l->conn), .events = events};

    for (;;) {
        uint64_t now_ns = time_monotonic_ns();
        if (now_ns >= deadline_ns)
            return 0;
        struct timespec left = {(time_t)((deadline_ns - now_ns) / NS_PER_S),
                                (long)((deadline_ns - now_ns) % NS_PER_S)};
        int ready = ppoll(&p, 1, &left, NULL);
        if (ready > 0)
            return p.revents;
        if (ready < 0 && errno != EINTR)
            return POLLERR;
    }
}

static int flush(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    for (;;) {
        int left = PQflush(l->conn);
        if (left == 0)
            return ACCORD_OK;
        if (left < 0)
            return broken(l, ACCORD_E_TIMEOUT, "the connection broke", why);
        short ready = wait_socket(l, POLLIN | POLLOUT, l->deadline_ns);
        if (ready == 0)
            return broken(l, ACCORD_E_TIMEOUT, "no answer in time", why);
        if ((ready & ~POLLOUT) && !PQconsumeInput(l->conn))
            return broken(l, ACCORD_E_TIMEOUT, "the connection broke", why);
    }
}

/* *out: the next result, or NULL behind the last one of a command. */
static int next_result(struct pg_link *l, PGresult **out, char why[BUS_WHY_BYTES_MAX])
{
    while (PQisBusy(l->conn)) {
        if (wait_socket(l, POLLIN, l->deadline_ns) == 0)
            return broken(l, ACCORD_E_TIMEOUT, "no answer in time", why);
        if (!PQconsumeInput(l->conn))
            return broken(l, ACCORD_E_TIMEOUT, "the connection broke", why);
    }
    *out = PQgetResult(l->conn);
    return ACCORD_OK;
}

static bool is_good(const PGresult *r)
{
    ExecStatusType status = PQresultStatus(r);

    return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
           status == PGRES_PIPELINE_SYNC;
}

/* All results of a command: *out is the last good one, or the first refusal, which is told. A
 * connection that the server closed may still have said why. */
static int results(struct pg_link *l, PGresult **out, char why[BUS_WHY_BYTES_MAX])
{
    PGresult *kept = NULL, *r = NULL;

    for (;;) {
        int status = next_result(l, &r, why);
        if (status != ACCORD_OK) {
            PQclear(kept);
            return status;
        }
        if (!r)
            break;
        if (kept && !is_good(kept)) {
            PQclear(r);
            continue;
        }
        PQclear(kept);
        kept = r;
    }
    int status = ACCORD_OK;
    if (!kept || PQstatus(l->conn) != CONNECTION_OK)
        status = broken(l, ACCORD_E_TIMEOUT, "the connection broke", why);
    else if (!is_good(kept))
        status = refused(l, kept, why);
    if (status != ACCORD_OK)
        PQclear(kept);
    else
        *out = kept;
    return status;
}

/* What is still to come of the pipeline before; its outcome does not matter. */
static int leave_pipeline(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    PGresult *r = NULL;

    while (l->unread > 0) {
        int status = next_result(l, &r, why);
        if (status != ACCORD_OK)
            return status;
        if (PQstatus(l->conn) != CONNECTION_OK) {
            PQclear(r);
            return broken(l, ACCORD_E_DOWN, "the connection broke", why);
        }
        l->unread -= PQresultStatus(r) == PGRES_PIPELINE_SYNC;
        PQclear(r);
    }
    if (PQpipelineStatus(l->conn) != PQ_PIPELINE_OFF && !PQexitPipelineMode(l->conn))
        return broken(l, ACCORD_E_DOWN, "the pipeline", why);
    return ACCORD_OK;
}

/* ---- opening ---- */

static void on_notice(void *context, const PGresult *r)
{
    struct pg_link *l = context;
    const char *severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);

    l->warned = l->warned || (severity && strcmp(severity, "WARNING") == 0);
}

static int let_in(struct pg_link *l, uint64_t until_ns, char why[BUS_WHY_BYTES_MAX])
{
    PostgresPollingStatusType state = PGRES_POLLING_WRITING;

    while (state != PGRES_POLLING_OK && state != PGRES_POLLING_FAILED) {
        short events = state == PGRES_POLLING_READING ? POLLIN : POLLOUT;
        if (wait_socket(l, events, until_ns) == 0)
            return broken(l, ACCORD_E_DOWN, "no answer in time", why);
        state = PQconnectPoll(l->conn);
    }
    if (state == PGRES_POLLING_FAILED)
        return not_let_in(l, why);
    return ACCORD_OK;
}

/* SET, not parameters of the start: a pooler would refuse those. An acknowledgement means that
 * the commit is on disk, whatever the server's own default; a statement that waits for long
 * ends by itself before we give it up, so that its outcome is known. */
static const char session_sql[] =
    "SET statement_timeout = %llu; SET lock_timeout = %llu;"
    "SET idle_in_transaction_session_timeout = %llu;"
    "SET idle_session_timeout = 0;"
    "SET default_transaction_isolation = 'read committed';"
    "SET client_min_messages = warning;"
    "SET jit = off;" /* compiling a look at an empty log took two seconds */
    /* A plan for each statement, made once, that goes by the indexes: it holds for a log that
     * was empty and never analysed when it was made, and for one of a million rows. Planning
     * anew took longer than most statements do. */
    "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;"
    "SET enable_bitmapscan = off; SET enable_sort = off;"
    "SELECT set_config('synchronous_commit', CASE current_setting('synchronous_commit')"
    " WHEN 'off' THEN 'on' ELSE current_setting('synchronous_commit') END, false);"
    "SELECT system_identifier, ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))"
    "::bit(32)::bigint, (SELECT oid FROM pg_database WHERE datname = current_database()),"
    " pg_backend_pid()"
    " FROM pg_control_system()";

static int begin_session(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    unsigned long long ms = l->timeout_ms - l->timeout_ms / 8;
    char sql[sizeof session_sql + 64];
    PGresult *r = NULL;

    if (PQserverVersion(l->conn) < SERVER_VERSION_MIN)
        return broken(l, ACCORD_E_UNSUPPORTED, "PostgreSQL 14 or later is needed", why);
    snprintf(sql, sizeof sql, session_sql, ms, ms, ms);
    if (PQsetnonblocking(l->conn, 1) != 0 || !PQsendQuery(l->conn, sql))
        return broken(l, ACCORD_E_DOWN, "the connection broke", why);
    int status = flush(l, why);
    if (status == ACCORD_OK)
        status = results(l, &r, why);
    if (status != ACCORD_OK) {
        pg_link_close(l);
        return pg_asked(status);
    }
    l->identity = (struct pg_identity){strtoull(PQgetvalue(r, 0, 0), NULL, 10),
                                       strtoull(PQgetvalue(r, 0, 1), NULL, 10),
                                       strtoull(PQgetvalue(r, 0, 2), NULL, 10)};
    l->backend = strtoull(PQgetvalue(r, 0, 3), NULL, 10);
    PQclear(r);
    return ACCORD_OK;
}

int pg_link_check_backend(struct pg_link *l, uint64_t backend, char why[BUS_WHY_BYTES_MAX])
{
    if (backend == l->backend)
        return ACCORD_OK;
    return broken(l, ACCORD_E_UNSUPPORTED,
                  "a pooler gives this session to others, too (pool_mode = transaction or "
                  "statement): what Accord sets, listens to and locks is lost; give it a pool "
                  "with pool_mode = session, or the server itself",
                  why);
}

static int open_address(struct pg_link *l, const char *address, uint64_t until_ns, bool probe,
                        char why[BUS_WHY_BYTES_MAX]);

/* Who tells another process than serves us stands between: a pooler. One that keeps a session
 * together serves a second one by another process while the first lasts; one that does not, by
 * the one that is idle, which is ours. No second session to be had: that is none of those. */
static int check_pooler(struct pg_link *l, const char *address, uint64_t until_ns,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct pg_link second = {
        .place = l->place, .timeout_ms = l->timeout_ms, .server = l->server};
    uint64_t now_ns = time_monotonic_ns();

    if ((uint64_t)PQbackendPID(l->conn) == l->backend)
        return ACCORD_OK;
    second.deadline_ns = now_ns + u64_sub_sat(until_ns, now_ns) / 4;
    int status = open_address(&second, address, second.deadline_ns, /* probe= */ true, why);
    bool shared = status == ACCORD_OK && second.backend == l->backend;
    pg_link_close(&second);
    return shared ? pg_link_check_backend(l, /* backend= */ 0, why) : ACCORD_OK;
}

static int open_address(struct pg_link *l, const char *address, uint64_t until_ns, bool probe,
                        char why[BUS_WHY_BYTES_MAX])
{
    struct pg_parameters parameters;

    pg_place_parameters(l->place, l->server, address, l->timeout_ms, &parameters);
    l->conn = PQconnectStartParams(parameters.names, parameters.values, 0);
    if (!l->conn)
        return bus_fail(why, ACCORD_E_DOWN, "out of memory");
    (void)PQsetErrorVerbosity(l->conn, PQERRORS_VERBOSE);
    (void)PQsetNoticeReceiver(l->conn, on_notice, l);
    if (PQstatus(l->conn) == CONNECTION_BAD)
        return not_let_in(l, why);
    int status = let_in(l, until_ns, why);
    if (status != ACCORD_OK)
        return status;
    (void)PQsetErrorVerbosity(l->conn, PQERRORS_DEFAULT);
    status = begin_session(l, why);
    return status == ACCORD_OK && !probe ? check_pooler(l, address, until_ns, why) : status;
}

/* Each of what is left gets its share of the time. */
static uint64_t share(uint64_t until_ns, size_t left)
{
    uint64_t now_ns = time_monotonic_ns();

    return now_ns + u64_sub_sat(until_ns, now_ns) / u64_max(left, 1);
}

static int open_server(struct pg_link *l, uint64_t until_ns, char why[BUS_WHY_BYTES_MAX])
{
    const char *host = server_of(l)->host;
    struct resolved found = {.count = 1};

    if (host[0] == '/')
        return open_address(l, NULL, until_ns, /* probe= */ false, why);
    int status = resolve(host, share(until_ns, 2), &found, why);
    if (status != ACCORD_OK)
        return status;
    for (size_t i = 0; i < found.count; i++) {
        status = open_address(l, found.address[i], share(until_ns, found.count - i),
                              /* probe= */ false, why);
        if (status != ACCORD_E_DOWN)
            break;
    }
    return status;
}

/* Whether the server has not closed the connection meanwhile: its last words may come first. */
static bool is_alive(const struct pg_link *l)
{
    struct pollfd p = {.fd = l->conn ? PQsocket(l->conn) : -1, .events = POLLIN};

    if (!l->conn)
        return false;
    for (int i = 0; i < 8 && PQstatus(l->conn) == CONNECTION_OK; i++) {
        if (poll(&p, 1, 0) == 0)
            return true;
        if (!PQconsumeInput(l->conn))
            return false;
    }
    return PQstatus(l->conn) == CONNECTION_OK;
}

int pg_link_open(struct pg_link *l, char why[BUS_WHY_BYTES_MAX])
{
    size_t count = l->place->url.server_count, first = l->server;
    char last[BUS_WHY_BYTES_MAX] = "";
    int worst = ACCORD_E_DOWN;

    if (is_alive(l))
        return ACCORD_OK;
    pg_link_close(l);
    for (size_t i = 0; i < count; i++) {
        l->server = (first + i) % count;
        int status = open_server(l, share(l->deadline_ns, count - i), last);
        if (status == ACCORD_OK)
            return ACCORD_OK;
        pg_link_close(l);
        /* What somebody must mend is said rather than what may pass. */
        if (i == 0 || (worst == ACCORD_E_DOWN && status != ACCORD_E_DOWN)) {
            worst = status;
            memcpy(why, last, sizeof last);
        }
    }
    return worst;
}

void pg_link_close(struct pg_link *l)
{
    PQfinish(l->conn);
    l->conn = NULL;
    l->prepared = 0;
    l->unread = 0;
}

int pg_asked(int status)
{
    return status == ACCORD_E_TIMEOUT ? ACCORD_E_DOWN : status;
}

/* ---- running ---- */

static int prepare(struct pg_link *l, const struct pg_statement *s, const char *name,
                   char why[BUS_WHY_BYTES_MAX])
{
    char *sql = pg_expand(s->sql, l->place->schema);
    PGresult *r = NULL;

    if (!sql)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    bool sent = PQsendPrepare(l->conn, name, sql, 0, NULL) != 0;
    free(sql);
    if (!sent)
        return broken(l, ACCORD_E_DOWN, "the connection broke", why);
    int status = flush(l, why);
    if (status == ACCORD_OK)
        status = results(l, &r, why);
    if (status != ACCORD_OK)
        return pg_asked(status); /* nothing was done */
    PQclear(r);
    l->prepared |= 1ull << s->number;
    return ACCORD_OK;
}

/* Open, out of the pipeline, and knowing the statement, whose name is written to `name`. */
static int make_ready(struct pg_link *l, const struct pg_statement *s, char name[16],
                      char why[BUS_WHY_BYTES_MAX])
{
    ASSERT(s->number < 64);
    /* Never anew by itself: a new connection listens to nothing, and may be another server. */
    if (!l->conn)
        return bus_fail(why, ACCORD_E_DOWN, "not connected");
    int status = pg_asked(leave_pipeline(l, why));
    snprintf(name, 16, "s%u", s->number);
    if (status == ACCORD_OK && !(l->prepared & 1ull << s->number))
        status = prepare(l, s, name, why);
    return status;
}

static bool send_prepared(struct pg_link *l, const char *name, const struct pg_arguments *a)
{
    return PQsendQueryPrepared(l->conn, name, a->count, a->values, a->lengths, a->formats,
                               /* resultFormat= */ 1) != 0;
}

int pg_link_run(struct pg_link *l, const struct pg_statement *s, const struct pg_arguments *a,
                PGresult **out, char why[BUS_WHY_BYTES_MAX])
{
    char name[16];

    int status = make_ready(l, s, name, why);
    if (status != ACCORD_OK)
        return status;
    if (!send_prepared(l, name, a))
        return broken(l, ACCORD_E_DOWN, "the connection broke", why);
    status = flush(l, why);
    return status == ACCORD_OK ? results(l, out, why) : status;
}

int pg_link_run_then(struct pg_link *l, const struct pg_statement *s,
                     const struct pg_arguments *a, const char *after, PGresult **out,
                     char why[BUS_WHY_BYTES_MAX])
{
    char name[16];

    int status = make_ready(l, s, name, why);
    if (status != ACCORD_OK)
        return status;
    if (!PQenterPipelineMode(l->conn) || !send_prepared(l, name, a) ||
        !PQpipelineSync(l->conn) ||
        !PQsendQueryParams(l->conn, after, 0, NULL, NULL, NULL, NULL, 0) ||
        !PQpipelineSync(l->conn))
        return broken(l, ACCORD_E_TIMEOUT, "the connection broke", why);
    l->unread = 2;
    status = flush(l, why);
    return status == ACCORD_OK ? results(l, out, why) : status;
}

int pg_link_script(struct pg_link *l, const char *sql, char why[BUS_WHY_BYTES_MAX])
{
    PGresult *r = NULL;

    if (!l->conn)
        return bus_fail(why, ACCORD_E_DOWN, "not connected");
    int status = pg_asked(leave_pipeline(l, why));
    if (status != ACCORD_OK)
        return status;
    char *text = pg_expand(sql, l->place->schema);
    if (!text)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    bool sent = PQsendQuery(l->conn, text) != 0;
    free(text);
    if (!sent)
        return broken(l, ACCORD_E_DOWN, "the connection broke", why);
    status = flush(l, why);
    if (status == ACCORD_OK)
        status = results(l, &r, why);
    if (status == ACCORD_OK)
        PQclear(r);
    /* A script that failed midway left its transaction open. */
    if (status != ACCORD_OK && l->conn)
        pg_link_close(l);
    return status;
}

int pg_link_listen(struct pg_link *l, int stop_fd, uint64_t until_ns, bool *heard,
                   bool *stopped, char why[BUS_WHY_BYTES_MAX])
{
    PGnotify *n;

    for (;;) {
        /* Some may have come along with an answer. */
        while ((n = PQnotifies(l->conn))) {
            *heard = true;
            PQfreemem(n);
        }
        if (PQstatus(l->conn) != CONNECTION_OK)
            return broken(l, ACCORD_E_DOWN, "the connection broke", why);
        if (*heard)
            return ACCORD_OK;
        uint64_t now_ns = time_monotonic_ns();
        struct pollfd p[2] = {{.fd = PQsocket(l->conn), .events = POLLIN},
                              {.fd = stop_fd, .events = POLLIN}};
        uint64_t left_ns = u64_sub_sat(until_ns, now_ns);
        struct timespec left = {(time_t)(left_ns / NS_PER_S), (long)(left_ns % NS_PER_S)};

        int ready = ppoll(p, 2, &left, NULL);
        if (ready < 0 && errno != EINTR)
            return broken(l, ACCORD_E_DOWN, "poll", why);
        if (ready > 0 && p[0].revents && !PQconsumeInput(l->conn))
            return broken(l, ACCORD_E_DOWN, "the connection broke", why);
        *stopped = ready > 0 && p[1].revents;
        if (*stopped || ready == 0)
            return ACCORD_OK;
    }
}

/* ---- values ---- */

static uint64_t big_endian(const uint8_t *at, size_t size)
{
    uint64_t value = 0;

    for (size_t i = 0; i < size; i++)
        value = value << 8 | at[i];
    return value;
}

struct bytes pg_bytes(const PGresult *r, int row, int column)
{
    if (PQgetisnull(r, row, column))
        return bytes_of(NULL, 0);
    return bytes_of(PQgetvalue(r, row, column), (size_t)PQgetlength(r, row, column));
}

uint64_t pg_number(const PGresult *r, int row, int column)
{
    struct bytes b = pg_bytes(r, row, column);

    return b.size_bytes <= 8 ? big_endian(b.data, b.size_bytes) : 0;
}

bool pg_is_true(const PGresult *r, int row, int column)
{
    return pg_number(r, row, column) != 0;
}

struct id128 pg_id(const PGresult *r, int row, int column)
{
    struct bytes b = pg_bytes(r, row, column);

    if (b.size_bytes != 16)
        return (struct id128){0, 0};
    return (struct id128){big_endian(b.data, 8), big_endian(b.data + 8, 8)};
}

static void put(struct pg_arguments *a, const void *value, size_t size)
{
    ASSERT(a->count < PG_ARGUMENTS_MAX);
    ASSERT(size <= INT32_MAX);
    a->values[a->count] = value;
    a->lengths[a->count] = (int)size;
    a->formats[a->count] = 1;
    a->count++;
}

static void to_big_endian(uint64_t value, uint8_t out[8])
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

void pg_put_number(struct pg_arguments *a, uint64_t value, uint8_t room[8])
{
    to_big_endian(value, room);
    put(a, room, 8);
}

void pg_put_id(struct pg_arguments *a, struct id128 id, uint8_t room[16])
{
    to_big_endian(id.high, room);
    to_big_endian(id.low, room + 8);
    put(a, id128_is_none(id) ? NULL : room, 16);
}

void pg_put_bytes(struct pg_arguments *a, struct bytes b)
{
    put(a, b.data, b.size_bytes);
}
