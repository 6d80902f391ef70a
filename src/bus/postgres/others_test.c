/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What others do on the same server: transactions elsewhere, locks, wake-ups, whoever else
 * moves the outbox, a server that does not wait for its disk. Section 1.7.2 of the reliability
 * review, row by row, where postgres_test.c and between_test.c do not show it. */
#include <signal.h>

#include "bus/postgres/peer_test.h"

/* Of another database of the server. */
static PGconn *session_elsewhere(const struct peer *p)
{
    struct peer elsewhere = {.port = p->port, .database = "postgres"};

    return session(&elsewhere);
}

static void send(PGconn *conn, const char *sql)
{
    CHECK(PQsendQuery(conn, sql));
}

static void answered(PGconn *conn)
{
    PGresult *r;

    while ((r = PQgetResult(conn))) {
        if (PQresultStatus(r) == PGRES_FATAL_ERROR)
            fprintf(stderr, "%s", PQerrorMessage(conn));
        CHECK(PQresultStatus(r) != PGRES_FATAL_ERROR);
        PQclear(r);
    }
}

/* ---- transactions ---- */

/* 1.7.2, the horizon: a transaction that has written, anywhere on the server, would hold it
 * back, and with it every lease. Here it holds up nobody. */
TEST(postgres_transactions_of_other_databases_hold_up_nobody)
{
    struct peer p = opened();
    PGconn *app = session(&p), *open = session_elsewhere(&p), *prepared = session_elsewhere(&p);
    uint64_t head = 0;
    char sql[64];

    run(open, "BEGIN; SELECT pg_current_xact_id()");
    snprintf(sql, sizeof sql, "PREPARE TRANSACTION 'elsewhere %d'", (int)getpid());
    run(prepared, "BEGIN; SELECT pg_current_xact_id()");
    run(prepared, sql);
    run(app, "SELECT accord.remove('app')");
    published(&p, "node");
    expect(&p, CHANGE_REMOVE, "app");
    expect(&p, CHANGE_REMOVE, "node");
    OK(bus_postgres.head(p.bus, &p.at, &head, why));
    CHECK(head == p.at.position);
    run(open, "ROLLBACK");
    snprintf(sql, sizeof sql, "ROLLBACK PREPARED 'elsewhere %d'", (int)getpid());
    run(prepared, sql);
    PQfinish(app);
    PQfinish(open);
    PQfinish(prepared);
    closed(&p);
}

static void wait_for_number(const struct peer *p, const char *sql, long number)
{
    for (int i = 0; i < TIMEOUT_MS / 20 && number_of(p, sql) != number; i++)
        usleep(20000);
    CHECK(number_of(p, sql) == number);
}

/* T15; 1.7.2: a listener that sits in a transaction keeps the server's queue from being cleaned
 * up. What a node does with what it read takes as long as it takes, and nobody waits for it. */
TEST(postgres_nodes_hold_nothing_while_they_work_on_what_they_read)
{
    struct peer p = opened();
    PGconn *app = session(&p);
    uint64_t head = 0;

    published(&p, "k");
    expect(&p, CHANGE_REMOVE, "k");
    OK(bus_postgres.head(p.bus, &p.at, &head, why));
    run(app, "SET lock_timeout = '10s'");
    run(app, "BEGIN; LOCK TABLE accord.changes, accord.outbox, accord.log, accord.floor"
             " IN ACCESS EXCLUSIVE MODE; COMMIT");
    wait_for_number(&p,
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name LIKE 'accord%'",
                    2);
    wait_for_number(&p,
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND application_name LIKE 'accord%'"
                    " AND (xact_start IS NOT NULL OR state <> 'idle')",
                    0);
    PQfinish(app);
    closed(&p);
}

TEST(postgres_moves_a_large_outbox_before_the_head_is_read)
{
    struct peer p = opened();
    struct bus_settings s = settings_of(p.url, /* timeout_ms= */ 10 * TIMEOUT_MS);
    uint64_t head = 0, n = 0;

    bus_postgres.close(p.bus); /* for one that lets the server take its time */
    OK(bus_postgres.open(&p.bus, &s, why));
    attach(&p);
    say(&p, "SELECT accord.remove('k:' || i) FROM generate_series(1, 25000) i");
    OK(bus_postgres.head(p.bus, &p.at, &head, why));
    CHECK(head == 25000);
    const struct entry *entries;
    size_t count = 1;
    while (count > 0) {
        OK(bus_postgres.read(p.bus, p.at.position, 0, &entries, &count, why));
        for (size_t i = 0; i < count; i++) {
            char key[32];
            snprintf(key, sizeof key, "k:%llu", (unsigned long long)++n);
            CHECK(bytes_equal(entries[i].change.key, bytes_of_text(key)));
            p.at.position = entries[i].position;
        }
    }
    CHECK(n == 25000);
    say(&p, "SELECT accord.remove('k') FROM generate_series(1, 25000)");
    CHECK(published(&p, "behind all of them") == 50001);
    closed(&p);
}

/* ---- wake-ups ---- */

static bool hears(PGconn *listener, int ms)
{
    PGnotify *heard = NULL;

    for (int i = 0; i < ms / 10 && !heard; i++) {
        CHECK(PQconsumeInput(listener));
        heard = PQnotifies(listener);
        usleep(10000);
    }
    PQfreemem(heard);
    return heard != NULL;
}

/* 1.7.2: NOTIFY takes a lock of the whole server at the commit, and fails it where the queue is
 * full. That must not befall an application. */
TEST(postgres_removals_of_applications_notify_nobody)
{
    struct peer p = opened(), node;
    PGconn *app = session(&p), *listener = session(&p);

    run(listener, "LISTEN accord");
    closed(&p); /* nodes notify when they move the outbox */
    run(app, "CREATE TABLE t (id integer); SELECT accord.watch_table('t', 't:{id}')");
    run(app, "INSERT INTO t VALUES (1); SELECT accord.remove('k'), accord.clear(); TRUNCATE t");
    CHECK(!hears(listener, 500));
    open_at(&node, p.port, p.database);
    CHECK(node.attached.head == 4);
    CHECK(hears(listener, TIMEOUT_MS));
    PQfinish(app);
    PQfinish(listener);
    closed(&node);
}

/* 1.7.2: a wake-up, and no more. Here none comes. */
TEST(postgres_finds_what_nobody_notified_it_of)
{
    struct peer p = opened();
    PGconn *app = session(&p);

    expect_nothing(&p);
    send(app, "SELECT pg_sleep(0.5), accord.remove('k'); SELECT accord.move()");
    expect(&p, CHANGE_REMOVE, "k"); /* it waits before there is anything */
    answered(app);
    PQfinish(app);
    closed(&p);
}

/* ---- locks and roles ---- */

/* T2: where the row to be locked is missing, FOR UPDATE locks nothing. This lock has none. */
TEST(postgres_lock_excludes_where_every_row_is_missing)
{
    struct peer p = opened();
    struct bus_settings s = settings_of(p.url, /* timeout_ms= */ 1000);
    PGconn *other = session(&p);
    struct bus_attached a;
    struct bus *bus;

    published(&p, "k");
    expect(&p, CHANGE_REMOVE, "k");
    OK(bus_postgres.open(&bus, &s, why));
    run(other, "BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('accord accord', 0))");
    say(&p, "DELETE FROM accord.log; DELETE FROM accord.floor");
    CHECK(bus_postgres.attach(bus, NULL, 0, &a, why) == ACCORD_E_DOWN);
    CHECK(strstr(why, "something holds the log's lock"));
    CHECK(number_of(&p, "SELECT count(*) FROM accord.log") == 0);
    run(other, "COMMIT");
    OK(bus_postgres.attach(bus, NULL, 0, &a, why));
    CHECK(!id128_equal(a.log, p.attached.log));
    CHECK(bus_postgres.attach(p.bus, &p.at, 0, &p.attached, why) == ACCORD_E_GONE);
    bus_postgres.close(bus);
    PQfinish(other);
    closed(&p);
}

/* T13: who was elected to move the outbox may have been followed by another, and not know it.
 * Nothing rests on there being one. */
TEST(postgres_gives_each_row_one_place_however_many_move_the_outbox)
{
    enum { ROWS = 300 };
    struct peer p = opened(), q = opened();
    PGconn *app = session(&p), *movers[] = {session(&p), session(&p)};
    uint64_t head;
    char text[64];

    for (int i = 0; i < ROWS; i++) {
        for (size_t j = 0; j < COUNT_OF(movers); j++)
            send(movers[j], "SELECT accord.move()");
        snprintf(text, sizeof text, "SELECT accord.remove('k:%d')", i);
        run(app, text);
        if (i % 10 == 0)
            OK(bus_postgres.head(i % 20 ? p.bus : q.bus, &p.at, &head, why));
        for (size_t j = 0; j < COUNT_OF(movers); j++)
            answered(movers[j]);
    }
    for (int i = 0; i < ROWS; i++) {
        snprintf(text, sizeof text, "k:%d", i);
        expect(&q, CHANGE_REMOVE, text);
    }
    expect_nothing(&q);
    PQfinish(app);
    for (size_t j = 0; j < COUNT_OF(movers); j++)
        PQfinish(movers[j]);
    closed(&q);
    closed(&p);
}

/* ---- a server that answers before it has written ---- */

/* 1.7.2: with synchronous_commit off a crash loses what was acknowledged, and gives its places
 * again. Not what a node was told or given: also an application's removal is on disk by then.
 */
TEST(postgres_waits_for_the_disk_where_its_server_would_not)
{
    struct postgres_server s;
    struct bus_attached a;
    struct peer p;

    postgres_server_make(&s, "server");
    s.options[0] = "synchronous_commit=off";
    s.options[1] = "wal_writer_delay=10s";
    postgres_server_start(&s);
    open_at(&p, s.port, "postgres");
    for (int i = 0; i < 3; i++) {
        postgres_say(s.port, "postgres", "SELECT accord.remove('app')");
        expect(&p, CHANGE_REMOVE, "app");
        if (i > 0)
            published(&p, "node");
        if (i > 0)
            expect(&p, CHANGE_REMOVE, "node");
        postgres_server_end(&s, SIGQUIT);
        postgres_server_start(&s);
        OK(bus_postgres.attach(p.bus, &p.at, 0, &a, why));
        CHECK(a.epoch == p.attached.epoch && a.head == p.at.position);
    }
    closed(&p);
    postgres_server_end(&s, SIGQUIT);
}
