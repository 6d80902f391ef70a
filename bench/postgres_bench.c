/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* postgres_bench.c - the PostgreSQL bus beside plain libpq, on one server of their own.
 *
 * Removal: from sending DEL to one of three nodes until a prober finds the key in none of their
 * shared memories, against an INSERT and a NOTIFY of one connection until another process has
 * SELECTed the row; and against three such processes, until the same prober has seen that the
 * last of them has it. Sustained: rows a second through the bus's publish(), against INSERTs of
 * the same. Catch-up: rows a second through read(), against a SELECT by pages. They take turns.
 * And what nodes ask that have nothing to do (idle.h).
 */
#include "bench.h"
#include "idle.h"
#include "many.h"
#include "three.h"

#include "bus/bus.h"

#include <inttypes.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PORT = 54329 /* of the name of a unix socket in the folder: nobody listens there by TCP */
};

/* ---- the server ---- */

static void start_server(void)
{
    static const char script[] =
        "folder=$1; bin=$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)\n"
        "run=; [ \"$(id -u)\" = 0 ] && run='setpriv --reuid postgres --regid postgres "
        "--clear-groups'\n"
        "mkdir \"$folder/pg\"; [ -z \"$run\" ] || chown postgres: \"$folder/pg\"\n"
        "cd \"$folder/pg\"\n"
        "$run \"$bin/initdb\" -D data -A trust -U postgres -E UTF8 --locale=C || exit 1\n"
        "exec $run \"$bin/postgres\" -D data -p 54329 -k \"$folder/pg\" "
        "-c listen_addresses= -c max_connections=160";
    char *argv[] = {
        "/bin/sh", "-c", (char *)(uintptr_t)script, "sh", (char *)(uintptr_t)bench_folder(),
        NULL};

    if (chmod(bench_folder(), 0711) != 0)
        bench_die("chmod");
    (void)bench_start("postgres", -1, argv);
}

static PGconn *connected(void)
{
    char text[512];

    snprintf(text, sizeof text, "host=%s port=%d user=postgres dbname=postgres",
             bench_path("pg"), PORT);
    for (int i = 0; i < 600; i++) {
        PGconn *c = PQconnectdb(text);
        if (PQstatus(c) == CONNECTION_OK)
            return c;
        PQfinish(c);
        usleep(100000);
    }
    fprintf(stderr, "bench: PostgreSQL does not answer\n");
    exit(1);
}

static PGresult *run(PGconn *c, const char *sql)
{
    PGresult *r = PQexec(c, sql);

    if (PQresultStatus(r) != PGRES_TUPLES_OK && PQresultStatus(r) != PGRES_COMMAND_OK) {
        fprintf(stderr, "bench: %s: %s\n", sql, PQerrorMessage(c));
        exit(1);
    }
    return r;
}

static void say(PGconn *c, const char *sql)
{
    PQclear(run(c, sql));
}

static void url_of(char url[512], const char *cluster)
{
    char folder[400] = "";
    size_t used = 0;

    for (const char *at = bench_path("pg"); *at && used + 4 < sizeof folder; at++)
        used += (size_t)snprintf(folder + used, sizeof folder - used,
                                 *at == '/' ? "%%2F" : "%c", *at);
    snprintf(url, 512, "postgres://postgres@%s:%d/postgres?cluster=%s", folder, PORT, cluster);
}

/* ---- the bare client ---- */

/* `table` is the channel's name, too. */
_Noreturn static void receive(struct receiver *s, const char *table)
{
    PGconn *c = connected();
    char sql[128];
    long last = 0;

    snprintf(sql, sizeof sql, "LISTEN %s", table);
    say(c, sql);
    receiver_saw(s, 1, 0);
    for (;;) {
        struct pollfd p = {.fd = PQsocket(c), .events = POLLIN};
        PGnotify *n;
        poll(&p, 1, 60000);
        PQconsumeInput(c);
        while ((n = PQnotifies(c)))
            PQfreemem(n);
        snprintf(sql, sizeof sql, "SELECT id, key FROM %s WHERE id > %ld ORDER BY id", table,
                 last);
        PGresult *r = run(c, sql);
        int count = PQntuples(r);
        if (count > 0) {
            last = strtol(PQgetvalue(r, count - 1, 0), NULL, 10);
            uint64_t seen_ns = bench_now_ns();
            receiver_saw(s, (uint32_t)count, seen_ns);
        }
        PQclear(r);
    }
}

struct bare {
    PGconn *c;
    const char *table;
};

static void send_bare(void *context)
{
    const struct bare *b = context;
    char sql[128];

    snprintf(sql, sizeof sql, "INSERT INTO %s (key) VALUES ('0123456789abcdef'); NOTIFY %s",
             b->table, b->table);
    say(b->c, sql);
}

/* ---- three nodes ---- */

static void measure_removals(PGconn *c)
{
    static struct three nodes;
    struct bare one = {c, "bare"}, all = {c, "bare3"};
    char url[512];

    url_of(url, "nodes");
    for (int i = 0; i < THREE_NODES; i++)
        nodes.receivers[i] = receiver_start(receive, "bare3");
    three_start(&nodes, url);
    three_compare(&nodes,
                  &(struct three_raw){
                      .bus = "postgres",
                      .where = "postgres, unix socket",
                      .durability = "fsync at each commit, both",
                      .peer_one = "libpq: INSERT and NOTIFY, LISTEN and SELECT, one subscriber",
                      .peer_all = "the same, three subscribers",
                      .send = send_bare,
                      .one = &one,
                      .all = &all,
                      .receiver = receiver_start(receive, "bare")});
}

/* ---- rates ---- */

enum { COLUMNS = 5, TEXT_BYTES = PUBLISH_BATCH_MAX * 512 };

/* One array of each column, as text: what the bus writes of a change, without its proofs. */
struct rows {
    char *text[COLUMNS];
    size_t used[COLUMNS];
};

static void add(struct rows *r, size_t column, const char *format, ...)
{
    va_list more;

    va_start(more, format);
    int size = vsnprintf(r->text[column] + r->used[column], TEXT_BYTES - r->used[column],
                         format, more);
    va_end(more);
    r->used[column] += (size_t)size;
    if (size < 0 || r->used[column] >= TEXT_BYTES)
        bench_die("room for a batch");
}

static void add_bytes(struct rows *r, size_t column, struct bytes b)
{
    add(r, column, "\"\\\\x");
    for (size_t i = 0; i < b.size_bytes; i++)
        add(r, column, "%02x", b.data[i]);
    add(r, column, "\"");
}

static void add_change(struct rows *r, uint64_t number)
{
    static uint8_t record[CHANGE_RECORD_BYTES_MAX];
    char name[FILL_KEY_BYTES + 1];
    struct change c = many_change(number, name);
    size_t size = 0;

    if (change_encode(&c, record, sizeof record, &size) != ACCORD_OK)
        bench_die("a record");
    for (size_t i = 0; i < COLUMNS; i++)
        add(r, i, r->used[i] == 0 ? "{" : ",");
    add(r, 0, "remove");
    add_bytes(r, 1, c.key);
    add(r, 2, "%016" PRIx64 "%016" PRIx64, c.message.high, c.message.low);
    add_bytes(r, 3, c.origin);
    add_bytes(r, 4, bytes_of(record, size));
}

static double insert_many(PGconn *c, size_t first, size_t count)
{
    static struct rows r;
    uint64_t began_ns = bench_now_ns();

    for (size_t i = 0; i < COLUMNS && !r.text[i]; i++)
        if (!(r.text[i] = malloc(TEXT_BYTES)))
            bench_die("memory");
    for (size_t at = 0; at < count; at += PUBLISH_BATCH_MAX) {
        memset(r.used, 0, sizeof r.used);
        for (size_t i = 0; i < PUBLISH_BATCH_MAX; i++)
            add_change(&r, first + at + i);
        for (size_t i = 0; i < COLUMNS; i++)
            add(&r, i, "}");
        PGresult *done =
            PQexecPrepared(c, "many", COLUMNS, (const char *const *)r.text, NULL, NULL, 0);
        if (PQresultStatus(done) != PGRES_COMMAND_OK)
            bench_die(PQerrorMessage(c));
        PQclear(done);
        say(c, "NOTIFY bare");
    }
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

static double select_many(PGconn *c, size_t count)
{
    char sql[160];
    long last = 0;
    size_t some;

    uint64_t began_ns = bench_now_ns();
    for (size_t got = 0; got < count; got += some) {
        snprintf(sql, sizeof sql,
                 "SELECT id, op, key, message, origin, record FROM bare WHERE id > %ld"
                 " ORDER BY id LIMIT %d",
                 last, DELIVER_BATCH_MAX);
        PGresult *r = run(c, sql);
        some = (size_t)PQntuples(r);
        if (some == 0)
            bench_die("rows are missing");
        last = strtol(PQgetvalue(r, (int)some - 1, 0), NULL, 10);
        PQclear(r);
    }
    return (double)(bench_now_ns() - began_ns) / 1e9;
}

static void measure_many(PGconn *c)
{
    struct bus_attached attached;
    double ours = 0, bare = 0;
    char url[512], why[BUS_WHY_BYTES_MAX] = "";

    url_of(url, "rates");
    const struct bus_ops *ops = bus_find(url, why);
    if (!ops)
        bench_die(why);
    struct bus *b = many_open(ops, url, &attached);
    say(c, "TRUNCATE bare RESTART IDENTITY");
    PQclear(PQprepare(c, "many",
                      "INSERT INTO bare (op, key, message, origin, record) SELECT * FROM"
                      " unnest($1::text[], $2::bytea[], $3::uuid[], $4::bytea[], $5::bytea[])",
                      0, NULL));
    for (int i = 0; i < MANY_TURNS; i++) {
        size_t some = many_changes() / MANY_TURNS, first = (size_t)i * some;
        ours += many_publish(ops, b, first, some);
        bare += insert_many(c, first, some);
    }
    many_report("postgres-sustained", "postgres, unix socket", ours, bare,
                "libpq: INSERT of the same rows by arrays, and NOTIFY", 0.8,
                "fsync at each commit, both");
    ours = bare = 0;
    for (int i = 0; i < MANY_TURNS; i++) {
        ours += many_read(ops, b, attached.after, many_changes());
        bare += select_many(c, many_changes());
    }
    many_report("postgres-catch-up", "postgres, unix socket", ours / MANY_TURNS,
                bare / MANY_TURNS, "libpq: SELECT of the same rows, 256 at a time", 1 / 1.5,
                "fsync at each commit, both");
    ops->close(b);
}

/* ---- nothing ---- */

/* Each question of ours is a transaction of its own. */
static double transactions_of(void *context)
{
    PGresult *r =
        run(context, "SELECT pg_stat_clear_snapshot(), sum(xact_commit + xact_rollback)"
                     " FROM pg_stat_database");
    double count = strtod(PQgetvalue(r, 0, 1), NULL);

    PQclear(r);
    return count;
}

/* The head every L/6; a beat and its NOTIFY every L; a look after each node's beat; a poll each
 * 250 ms and a try to be elected each second; and of the one elected, a poll each 20 ms. */
static double designed(int nodes)
{
    return 6.0 / IDLE_L_S + 2.0 / IDLE_L_S + (double)nodes / IDLE_L_S + 4 + 1 + 45.0 / nodes;
}

static void measure_idle(PGconn *c, int nodes)
{
    char url[512], cluster[16];
    struct idle_bus b = {.bus = "postgres",
                         .unit = "transactions/s, each node",
                         .peer = "heads, beats, looks and polls of the design",
                         .count = transactions_of,
                         .context = c,
                         .designed = designed,
                         .durability = "fsync at each commit"};

    snprintf(cluster, sizeof cluster, "idle%d", nodes);
    url_of(url, cluster);
    idle_measure(&b, url, nodes);
}

int main(void)
{
    start_server();
    PGconn *c = connected();
    say(c,
        "CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, op text,"
        " key bytea, message uuid UNIQUE DEFAULT gen_random_uuid(), origin bytea, record bytea,"
        " inserted timestamptz DEFAULT now());"
        "CREATE TABLE bare3 (LIKE bare INCLUDING ALL)");
    measure_idle(c, IDLE_FEW);
    measure_idle(c, IDLE_MANY);
    measure_removals(c);
    measure_many(c);
    PQfinish(c);
    return 0;
}
