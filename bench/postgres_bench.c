/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* postgres_bench.c - the PostgreSQL bus beside plain libpq, on one server of their own.
 *
 * Removal: from sending DEL to one of three nodes until a prober finds the key in none of their
 * shared memories, against an INSERT and a NOTIFY of one connection until another process has
 * SELECTed the row. Sustained: rows a second through the bus's publish(), against INSERTs of as
 * many rows. Catch-up: rows a second through read(), against a SELECT by pages. They take
 * turns.
 */
#include "bench.h"
#include "three.h"

#include "bus/bus.h"

#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    TIMEOUT_MS = 10000,
    BATCH = 256,
    BATCHES = 40,
    TURNS = 5,
    PORT = 54329 /* of the name of a unix socket in the folder: nobody listens there by TCP */
};

static char key[FILL_KEY_BYTES + 1];

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
        "-c listen_addresses= -c max_connections=40";
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

_Noreturn static void receive(struct receiver *s, __attribute__((unused)) const char *argument)
{
    PGconn *c = connected();
    char sql[128];
    long last = 0;

    say(c, "LISTEN bare");
    receiver_saw(s, 1, 0);
    for (;;) {
        struct pollfd p = {.fd = PQsocket(c), .events = POLLIN};
        PGnotify *n;
        poll(&p, 1, 60000);
        PQconsumeInput(c);
        while ((n = PQnotifies(c)))
            PQfreemem(n);
        snprintf(sql, sizeof sql, "SELECT id, key FROM bare WHERE id > %ld ORDER BY id", last);
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

static double publish_bare(PGconn *c, struct receiver *s)
{
    uint32_t before = receiver_rest(s);

    uint64_t sent_ns = bench_now_ns();
    say(c, "INSERT INTO bare (key) VALUES ('0123456789abcdef'); NOTIFY bare");
    return receiver_us(s, before, sent_ns);
}

/* ---- three nodes ---- */

static void report(const char *name, double ours, double bare, const char *unit, bool more)
{
    bench_report(&(struct bench_result){.name = name,
                                        .ours = ours,
                                        .against = bare,
                                        .unit = unit,
                                        .more_is_better = more,
                                        .peer = "libpq: INSERT and NOTIFY, LISTEN and SELECT",
                                        .goal = 1 / 1.5,
                                        .bus = "postgres, unix socket",
                                        .durability = "fsync at each commit, both",
                                        .clock = "CLOCK_BOOTTIME"});
}

static void measure_removals(PGconn *c)
{
    static struct three nodes;
    static double bare[THREE_ROUNDS];
    char url[512];

    url_of(url, "nodes");
    three_start(&nodes, url);
    struct receiver *subscriber = receiver_start(receive, NULL);
    for (int i = 0; i < THREE_ROUNDS; i++) {
        three_remove(&nodes, i);
        bare[i] = publish_bare(c, subscriber);
    }
    receiver_stop(subscriber);
    double ours = three_report(&nodes);
    report("removal-postgres-3", ours, three_p50("libpq", bare), "µs", false);
}

/* ---- rates ---- */

static double rate_since(uint64_t began_ns)
{
    return (double)BATCH * BATCHES * 1e9 / (double)(bench_now_ns() - began_ns);
}

static void must(int status, const char *why)
{
    if (status == ACCORD_OK)
        return;
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

static double publish_batches(const struct bus_ops *ops, struct bus *b, uint64_t *sequence)
{
    static struct change changes[BATCH];
    char why[BUS_WHY_BYTES_MAX] = "";
    struct position last;

    uint64_t began_ns = bench_now_ns();
    for (int n = 0; n < BATCHES; n++) {
        for (int i = 0; i < BATCH; i++) {
            ++*sequence;
            changes[i] = (struct change){.op = CHANGE_REMOVE,
                                         .key = bytes_of(key, FILL_KEY_BYTES),
                                         .message = {*sequence << 16 | 1, *sequence},
                                         .origin = bytes_of_text("bench"),
                                         .incarnation = {1, 1},
                                         .sequence = *sequence};
        }
        must(ops->publish(b, changes, BATCH, &last, why), why);
    }
    return rate_since(began_ns);
}

static double insert_batches(PGconn *c)
{
    uint64_t began_ns = bench_now_ns();

    for (int n = 0; n < BATCHES; n++)
        say(c, "INSERT INTO bare (key) SELECT '0123456789abcdef' FROM generate_series(1, 256);"
               "NOTIFY bare");
    return rate_since(began_ns);
}

static double read_batches(const struct bus_ops *ops, struct bus *b, uint64_t *after)
{
    const struct entry *entries;
    char why[BUS_WHY_BYTES_MAX] = "";
    size_t count = 0;

    uint64_t began_ns = bench_now_ns();
    for (size_t n = 0; n < (size_t)BATCH * BATCHES; n += count) {
        must(ops->read(b, *after, TIMEOUT_MS, &entries, &count, why), why);
        if (count > 0)
            *after = entries[count - 1].position;
    }
    return rate_since(began_ns);
}

static double select_batches(PGconn *c, long *last)
{
    char sql[128];
    int count = 0;

    uint64_t began_ns = bench_now_ns();
    for (int n = 0; n < BATCH * BATCHES; n += count) {
        snprintf(sql, sizeof sql, "SELECT * FROM bare WHERE id > %ld ORDER BY id LIMIT %d",
                 *last, BATCH);
        PGresult *r = run(c, sql);
        count = PQntuples(r);
        *last = strtol(PQgetvalue(r, count - 1, 0), NULL, 10);
        PQclear(r);
    }
    return rate_since(began_ns);
}

static void measure_rates(PGconn *c)
{
    double ours[TURNS], bare[TURNS], replay[TURNS], selects[TURNS];
    struct bus_settings s = {.max_stale_ms = 3000,
                             .retain_ms = 3600000,
                             .retain_changes = 1000000,
                             .timeout_ms = TIMEOUT_MS};
    char url[512], why[BUS_WHY_BYTES_MAX] = "";
    struct bus_attached attached;
    struct bus *b = NULL;
    uint64_t sequence = 0;

    url_of(url, "rates");
    s.url = url;
    const struct bus_ops *ops = bus_find(url, why);
    must(ops ? ops->open(&b, &s, why) : ACCORD_E_INVALID, why);
    must(ops->attach(b, NULL, 0, &attached, why), why);
    uint64_t after = attached.after;
    say(c, "TRUNCATE bare RESTART IDENTITY");
    long last = 0;
    for (int i = 0; i < TURNS; i++) {
        ours[i] = publish_batches(ops, b, &sequence);
        bare[i] = insert_batches(c);
        replay[i] = read_batches(ops, b, &after);
        selects[i] = select_batches(c, &last);
    }
    ops->close(b);
    report("postgres-sustained", bench_median(ours, TURNS), bench_median(bare, TURNS), "op/s",
           true);
    report("postgres-catch-up", bench_median(replay, TURNS), bench_median(selects, TURNS),
           "op/s", true);
}

int main(void)
{
    fill_key(43, key);
    start_server();
    PGconn *c = connected();
    say(c,
        "CREATE TABLE bare (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, key text,"
        " message uuid UNIQUE DEFAULT gen_random_uuid(), inserted timestamptz DEFAULT now())");
    measure_removals(c);
    measure_rates(c);
    PQfinish(c);
    return 0;
}
