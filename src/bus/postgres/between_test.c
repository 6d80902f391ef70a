/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What stands between a node and the server's disks: a pooler, a synchronous standby. */
#include <signal.h>
#include <sys/wait.h>

#include "bus/postgres/peer_test.h"

/* ---- poolers ---- */

TEST(postgres_works_through_a_pooler_that_keeps_sessions)
{
    struct peer direct = opened(), p;
    uint16_t port = postgres_pooler_start("pooler", direct.port, "session");
    PGconn *app = session(&direct);
    uint64_t head = 0;

    open_at(&p, port, direct.database);
    CHECK(id128_equal(p.attached.log, direct.attached.log));
    CHECK(p.attached.epoch == direct.attached.epoch);
    published(&p, "through it");
    expect(&direct, CHANGE_REMOVE, "through it");
    expect(&p, CHANGE_REMOVE, "through it");
    run(app, "SELECT accord.remove('by the application')");
    expect(&p, CHANGE_REMOVE, "by the application");
    OK(bus_postgres.head(p.bus, &p.at, &head, why));
    CHECK(head == p.at.position);
    PQfinish(app);

    /* Its wake-ups come through. */
    char text[256];
    snprintf(text, sizeof text, "host=127.0.0.1 port=%u user=postgres dbname=%s", port,
             direct.database);
    app = PQconnectdb(text);
    CHECK(PQstatus(app) == CONNECTION_OK);
    run(app, "LISTEN accord");
    published(&direct, "heard");
    PGnotify *heard = NULL;
    for (int i = 0; i < TIMEOUT_MS / 10 && !heard; i++) {
        CHECK(PQconsumeInput(app));
        heard = PQnotifies(app);
        usleep(10000);
    }
    CHECK(heard);
    PQfreemem(heard);
    PQfinish(app);
    closed(&p);
    closed(&direct);
}

/* 1.7.2: LISTEN does not pass through one. */
TEST(postgres_refuses_a_pooler_that_gives_sessions_away)
{
    static const char *const modes[] = {"transaction", "statement"};
    struct peer direct = opened();

    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        char url[256];
        uint16_t port = postgres_pooler_start(modes[i], direct.port, modes[i]);
        snprintf(url, sizeof url, "postgres://postgres@127.0.0.1:%u/%s", port, direct.database);
        cannot_open(url, TIMEOUT_MS, ACCORD_E_UNSUPPORTED, "pool_mode = session");
    }
    closed(&direct);
}

/* ---- a synchronous standby ---- */

/* Waits until the server's answer to a question is `answer`. */
static void wait_for_answer(const struct postgres_server *s, const char *sql,
                            const char *answer)
{
    for (int i = 0; i < 600; i++) {
        if (strcmp(postgres_ask(s->port, "postgres", sql), answer) == 0)
            return;
        usleep(100000);
    }
    fprintf(stderr, "%s: %s\n", sql, postgres_ask(s->port, "postgres", sql));
    test_fail("the server does not come to say so", __FILE__, __LINE__);
}

/* Until commits wait for it. */
static void follow(const struct postgres_server *primary)
{
    wait_for_answer(primary, "SELECT count(*) FROM pg_stat_replication", "1");
    postgres_say(primary->port, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    postgres_say(primary->port, "postgres", "SELECT pg_reload_conf()");
    wait_for_answer(primary, "SELECT sync_state FROM pg_stat_replication", "sync");
}

/* Each try is bounded, and what waits there in vain does not grow. */
static void expect_no_head(struct peer *p, const struct postgres_server *s)
{
    uint64_t head = 7;

    for (int i = 0; i < 4; i++) {
        struct bus_attached a;
        OK(bus_postgres.attach(p->bus, &p->at, 0, &a, why));
        CHECK(bus_postgres.head(p->bus, &p->at, &head, why) == ACCORD_E_DOWN);
        CHECK(strstr(why, "it may have been replaced"));
        CHECK(head == 7);
    }
    wait_for_answer(s, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'",
                    "1");
}

/* Where the standby was promoted, the new primary's changes are nothing that the old one knows
 * of: it must not say what the head is (P1), however well it still answers. */
TEST(postgres_trusts_no_primary_whose_synchronous_standby_has_left)
{
    struct postgres_server primary, standby;
    struct peer p, q;
    uint64_t head = 0;

    postgres_server_make(&primary, "primary");
    postgres_server_start(&primary);
    postgres_server_make_standby(&standby, "standby", &primary);
    postgres_server_start(&standby);
    open_at(&p, primary.port, "postgres");
    follow(&primary);
    published(&p, "before");
    expect(&p, CHANGE_REMOVE, "before");
    OK(bus_postgres.head(p.bus, &p.at, &head, why));
    CHECK(head == p.at.position);
    bus_postgres.close(p.bus);
    struct bus_settings s = settings_of(p.url, /* timeout_ms= */ 1000);
    OK(bus_postgres.open(&p.bus, &s, why));

    postgres_server_promote(&standby);
    open_at(&q, standby.port, "postgres");
    published(&q, "after");
    expect_no_head(&p, &primary);
    closed(&q);
    closed(&p);
    postgres_server_end(&primary, SIGQUIT);
    postgres_server_end(&standby, SIGQUIT);
}

/* The commit waits for it: whether it is there is unknown, and nobody is given it. */
TEST(postgres_does_not_know_what_a_synchronous_standby_has_not_confirmed)
{
    struct postgres_server primary, standby;
    struct peer p, reader;
    struct position last = {0};

    postgres_server_make(&primary, "primary");
    postgres_server_start(&primary);
    postgres_server_make_standby(&standby, "standby", &primary);
    postgres_server_start(&standby);
    open_at(&p, primary.port, "postgres");
    open_at(&reader, primary.port, "postgres");
    follow(&primary);
    published(&p, "confirmed");
    expect(&reader, CHANGE_REMOVE, "confirmed");
    closed(&p);

    postgres_server_end(&standby, SIGKILL);
    struct bus_settings s = settings_of(p.url, /* timeout_ms= */ 1000);
    struct change c = removal(&p, "waits for the standby");
    OK(bus_postgres.open(&p.bus, &s, why));
    OK(bus_postgres.attach(p.bus, NULL, VIEW_ALL_MS, &p.attached, why));
    CHECK(bus_postgres.publish(p.bus, &c, 1, &last, why) == ACCORD_E_TIMEOUT);
    CHECK(last.value == 0);
    expect_nothing(&reader);
    /* Again, while the first still waits: bounded, and no more is known. */
    int status = bus_postgres.publish(p.bus, &c, 1, &last, why);
    CHECK(status == ACCORD_E_TIMEOUT || status == ACCORD_E_DOWN);
    CHECK(last.value == 0);

    postgres_server_start(&standby);
    for (int i = 0; i < 60 && status != ACCORD_OK; i++)
        status = bus_postgres.publish(p.bus, &c, 1, &last, why);
    OK(status);
    expect(&reader, CHANGE_REMOVE, "waits for the standby");
    CHECK(reader.at.position == last.value);
    expect_nothing(&reader); /* once, however often it was said */
    closed(&reader);
    closed(&p);
    postgres_server_end(&primary, SIGQUIT);
    postgres_server_end(&standby, SIGQUIT);
}

/* 1.7.2: who is tired of waiting for the standby cancels: the server commits alone, and warns.
 */
TEST(postgres_takes_a_commit_without_its_standby_for_unknown)
{
    struct postgres_server primary;
    struct peer p, reader;
    struct position last = {0};
    struct change c;

    postgres_server_make(&primary, "primary");
    postgres_server_start(&primary);
    open_at(&p, primary.port, "postgres");
    open_at(&reader, primary.port, "postgres");
    c = removal(&p, "committed alone");
    published(&p, "before");
    expect(&reader, CHANGE_REMOVE, "before");
    postgres_say(primary.port, "postgres", "ALTER SYSTEM SET synchronous_standby_names = '*'");
    postgres_say(primary.port, "postgres", "SELECT pg_reload_conf()");
    wait_for_answer(&primary, "SHOW synchronous_standby_names", "*");

    pid_t dba = fork();
    CHECK(dba >= 0);
    if (dba == 0) {
        wait_for_answer(&primary,
                        "SELECT bool_or(CASE WHEN wait_event = 'SyncRep' THEN"
                        " pg_cancel_backend(pid) END) FROM pg_stat_activity",
                        "t");
        _exit(0);
    }
    CHECK(bus_postgres.publish(p.bus, &c, 1, &last, why) == ACCORD_E_TIMEOUT);
    CHECK(strstr(why, "perhaps not on the synchronous standby"));
    CHECK(last.value == 0);
    int ended = 1;
    CHECK(waitpid(dba, &ended, 0) == dba && ended == 0);
    expect(&reader, CHANGE_REMOVE, "committed alone");

    postgres_say(primary.port, "postgres", "ALTER SYSTEM RESET synchronous_standby_names");
    postgres_say(primary.port, "postgres", "SELECT pg_reload_conf()");
    wait_for_answer(&primary, "SHOW synchronous_standby_names", "");
    OK(bus_postgres.publish(p.bus, &c, 1, &last, why));
    CHECK(last.value == reader.at.position);
    expect_nothing(&reader);
    closed(&reader);
    closed(&p);
    postgres_server_end(&primary, SIGQUIT);
}
