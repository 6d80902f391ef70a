/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* What the contract's suite does not bring about: transactions of applications, and servers
 * that fail. Against real servers. */
#include <arpa/inet.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bus/postgres/peer_test.h"
#include "bus/postgres/place.h"
#include "bus/postgres/schema.h"
#include "fault_proxy.h"

/* ---- URLs ---- */

static void refuses_url(const char *url, const char *text)
{
    struct bus_settings s = settings_of(url, 1000);
    struct bus *bus = NULL;

    CHECK(bus_postgres.open(&bus, &s, why) == ACCORD_E_INVALID);
    if (!strstr(why, text))
        fprintf(stderr, "%s: %s\n", url, why);
    CHECK(strstr(why, text));
    CHECK(!strstr(why, "secret"));
    CHECK(!bus);
}

TEST(postgres_explains_a_url_that_it_cannot_use)
{
    refuses_url("postgres://me:secret@host", "names no database");
    refuses_url("postgres://me:secret@host/", "names no database");
    refuses_url("postgres://me:secret@host/a/b", "names no database");
    refuses_url("postgres://me:secret@host/db?cluster=Shop", "1 to 32 of a-z");
    refuses_url("postgres://me:secret@host/db?sslmod=require", "sslmod");
    refuses_url("postgres://me:secret@host:99999/db", "host:port");
    refuses_url("postgres://me:secret@127.0.0.1/db?sslmode=perhaps", "sslmode");
    CHECK(bus_find("postgresql://host/db", why) == &bus_postgres);
}

/* ---- applications ---- */

/* T10, T11: said in the transaction, it is neither too early nor forgotten. */
TEST(postgres_removals_take_effect_if_and_only_if_their_transaction_commits)
{
    struct peer p = opened();
    PGconn *app = session(&p);

    run(app, "BEGIN");
    run(app, "SELECT accord.remove('greeble:43')");
    expect_nothing(&p);
    run(app, "COMMIT");
    expect(&p, CHANGE_REMOVE, "greeble:43");

    run(app, "BEGIN");
    run(app, "SELECT accord.remove('never')");
    run(app, "ROLLBACK");
    run(app, "BEGIN; SAVEPOINT s; SELECT accord.remove('neither'); ROLLBACK TO s;"
             "SELECT accord.remove_tag('red'); COMMIT");
    expect(&p, CHANGE_TAG, "red");
    run(app, "SELECT accord.remove_prefix('a:'), accord.remove_namespace('b'), accord.clear()");
    expect(&p, CHANGE_PREFIX, "a:");
    expect(&p, CHANGE_NAMESPACE, "b");
    expect(&p, CHANGE_CLEAR, "");
    refused(app, "SELECT accord.remove('')", "1 to 8192 bytes");
    refused(app, "SELECT accord.remove(NULL)", "1 to 8192 bytes");
    refused(app, "SELECT accord.remove(repeat('x', 8193))", "1 to 8192 bytes");
    expect_nothing(&p);
    PQfinish(app);
    closed(&p);
}

/* T1, 1.7.2: the row was written first, and is committed last. */
TEST(postgres_never_skips_a_transaction_that_commits_late)
{
    struct peer p = opened();
    PGconn *slow = session(&p), *quick = session(&p);

    run(slow, "BEGIN; SELECT accord.remove('slow')");
    run(quick, "SELECT accord.remove('quick')");
    uint64_t began_ms = now_ms();
    expect(&p, CHANGE_REMOVE, "quick");
    published(&p, "node");
    expect(&p, CHANGE_REMOVE, "node");
    CHECK(now_ms() - began_ms < TIMEOUT_MS / 2); /* the slow one holds up nobody */
    uint64_t head = 0;
    OK(bus_postgres.head(p.bus, &p.at, &head, why));
    CHECK(head == p.at.position);
    run(slow, "COMMIT");
    OK(bus_postgres.head(p.bus, &p.at, &head, why)); /* has its position by now */
    CHECK(head > p.at.position);
    expect(&p, CHANGE_REMOVE, "slow");
    PQfinish(slow);
    PQfinish(quick);
    closed(&p);
}

TEST(postgres_removals_bear_deferred_constraints_and_two_phases)
{
    struct peer p = opened();
    PGconn *app = session(&p), *other = session(&p);

    run(app, "BEGIN; SELECT accord.remove('now'); SET CONSTRAINTS ALL IMMEDIATE");
    run(other, "SELECT accord.remove('other')"); /* waits for nothing */
    published(&p, "node");
    expect(&p, CHANGE_REMOVE, "other");
    expect(&p, CHANGE_REMOVE, "node");
    run(app, "COMMIT");
    expect(&p, CHANGE_REMOVE, "now");

    run(app, "BEGIN; SELECT accord.remove('two phases'); PREPARE TRANSACTION 'x'");
    published(&p, "meanwhile");
    expect(&p, CHANGE_REMOVE, "meanwhile");
    expect_nothing(&p);
    run(other, "COMMIT PREPARED 'x'");
    expect(&p, CHANGE_REMOVE, "two phases");
    PQfinish(app);
    PQfinish(other);
    closed(&p);
}

/* ---- watched tables ---- */

TEST(postgres_watched_tables_remove_the_keys_of_their_rows)
{
    struct peer p = opened();
    PGconn *app = session(&p);

    run(app, "CREATE TABLE greeble (greeble_id integer PRIMARY KEY, name text, notes json)");
    run(app, "CREATE TABLE part (a integer, b text) PARTITION BY LIST (a);"
             "CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1)");
    run(app, "SELECT accord.watch_table('greeble', 'greeble:{greeble_id}')");
    run(app, "SELECT accord.watch_table('part', 'part:{a}:{b}:x')");
    run(app, "INSERT INTO greeble VALUES (43, 'a')");
    expect(&p, CHANGE_REMOVE, "greeble:43");
    run(app, "UPDATE greeble SET name = 'b'");
    expect(&p, CHANGE_REMOVE, "greeble:43");
    run(app, "UPDATE greeble SET greeble_id = 44");
    expect(&p, CHANGE_REMOVE, "greeble:43");
    expect(&p, CHANGE_REMOVE, "greeble:44");
    run(app, "BEGIN; DELETE FROM greeble; ROLLBACK");
    run(app, "SET session_replication_role = replica; DELETE FROM greeble");
    run(app, "SET session_replication_role = origin");
    expect(&p, CHANGE_REMOVE, "greeble:44");
    run(app, "TRUNCATE greeble");
    expect(&p, CHANGE_PREFIX, "greeble:");
    run(app, "INSERT INTO part1 VALUES (1, 'y'), (1, NULL)"); /* past the partitioned table */
    expect(&p, CHANGE_REMOVE, "part:1:y:x");

    /* A column that is not called so any more: wider, but never nothing. */
    run(app, "ALTER TABLE greeble RENAME greeble_id TO id; INSERT INTO greeble VALUES (1)");
    expect(&p, CHANGE_PREFIX, "greeble:");
    run(app, "SELECT accord.unwatch_table('greeble')");
    run(app, "UPDATE greeble SET name = 'c'");
    expect_nothing(&p);
    refused(app, "SELECT accord.watch_table('greeble', 'greeble:{none}')", "has no column");
    refused(app, "SELECT accord.watch_table('greeble', 'greeble')", "is no template");
    refused(app, "SELECT accord.watch_table('greeble', 'greeble:{id')", "is no template");
    PQfinish(app);
    closed(&p);
}

TEST(postgres_watched_tables_bring_their_partitions_and_children)
{
    struct peer p = opened();
    PGconn *app = session(&p);

    run(app,
        "CREATE TABLE part (a integer, b text) PARTITION BY LIST (a);"
        "CREATE TABLE part1 PARTITION OF part FOR VALUES IN (1);"
        "CREATE TABLE \"Kind\" (id text); CREATE TABLE child (n integer) INHERITS (\"Kind\");"
        "CREATE TABLE grandchild () INHERITS (child)");
    run(app, "SELECT accord.watch_table('part', 'part:{a}:{b}')");
    run(app, "SELECT accord.watch_table('\"Kind\"', 'käse''%{id}')");
    run(app, "TRUNCATE part1");
    expect(&p, CHANGE_PREFIX, "part:");
    run(app, "INSERT INTO grandchild VALUES ('1')");
    expect(&p, CHANGE_REMOVE, "käse'%1");
    run(app, "UPDATE \"Kind\" SET id = '2'"); /* which has no row of its own */
    expect(&p, CHANGE_REMOVE, "käse'%1");
    expect(&p, CHANGE_REMOVE, "käse'%2");
    run(app, "TRUNCATE child");
    expect(&p, CHANGE_PREFIX, "käse'%");
    expect(&p, CHANGE_PREFIX, "käse'%"); /* of the grandchild */
    CHECK(number_of(&p, "SELECT count(*) FROM accord.watched WHERE name = 'part'"
                        " AND template = 'part:{a}:{b}'") == 1);
    CHECK(number_of(&p, "SELECT count(*) FROM accord.watched WHERE template = 'käse''%{id}'"
                        " AND name IN ('\"Kind\"', 'child', 'grandchild')") == 3);
    run(app, "SELECT accord.unwatch_table('\"Kind\"'), accord.unwatch_table('part')");
    run(app, "INSERT INTO grandchild VALUES ('3'); TRUNCATE child; TRUNCATE part1");
    expect_nothing(&p);
    CHECK(number_of(&p, "SELECT count(*) FROM accord.watched") == 0);
    PQfinish(app);
    closed(&p);
}

/* No cache can hold a key that is longer, so there is nothing to remove. */
TEST(postgres_watched_tables_pass_over_what_can_be_no_key)
{
    struct peer p = opened();
    PGconn *app = session(&p);

    run(app, "CREATE TABLE long (id text); SELECT accord.watch_table('long', '{id}')");
    run(app, "INSERT INTO long VALUES (repeat('x', 8193)), (''), ('y')");
    expect(&p, CHANGE_REMOVE, "y");
    expect_nothing(&p);
    run(app, "UPDATE long SET id = 'z' WHERE length(id) > 8192");
    expect(&p, CHANGE_REMOVE, "z");
    PQfinish(app);
    closed(&p);
}

/* A version before kept them in a table, which anyone who may watch could change. */
TEST(postgres_lists_what_is_watched_from_the_triggers)
{
    struct peer p = opened();
    char *schema = NULL;

    say(&p, "DROP VIEW accord.watched; CREATE TABLE accord.watched (target oid);"
            "CREATE FUNCTION accord.note_watched(regclass, text) RETURNS void LANGUAGE sql"
            " AS 'SELECT'; CREATE TABLE mine (id text)");
    say(&p, "SELECT accord.watch_table('mine', 'mine:{id}')");
    const struct bus_settings settings = {.url = "postgres://h/x"};
    OK(bus_postgres.tools.schema(&settings, &schema, why));
    say(&p, schema);
    free(schema);
    CHECK(number_of(&p, "SELECT count(*) FROM accord.watched WHERE template = 'mine:{id}'") ==
          1);
    closed(&p);
}

/* Its rows cannot be let go of alone, so half of it would stay. */
TEST(postgres_says_that_a_partition_is_watched_with_its_table)
{
    struct peer p = opened();
    PGconn *app = session(&p);

    run(app, "CREATE TABLE event (id text, year int) PARTITION BY LIST (year);"
             "CREATE TABLE event_2026 PARTITION OF event FOR VALUES IN (2026);"
             "SELECT accord.watch_table('event', 'event:{id}')");
    refused(app, "SELECT accord.unwatch_table('event_2026')", "is watched with event");
    refused(app, "SELECT accord.watch_table('event_2026', '{id}')", "is watched with event");
    run(app, "TRUNCATE event_2026");
    expect(&p, CHANGE_PREFIX, "event:");
    run(app, "SELECT accord.watch_table('event', 'e:{id}'), accord.unwatch_table('event')");
    run(app, "INSERT INTO event VALUES ('x', 2026); TRUNCATE event_2026");
    expect_nothing(&p);
    PQfinish(app);
    closed(&p);
}

/* Its rows' trigger goes as it is detached; that of TRUNCATE stays. */
TEST(postgres_a_partition_that_was_detached_is_watched_no_more)
{
    struct peer p = opened();
    PGconn *app = session(&p);

    run(app, "CREATE TABLE sale (id text, year int) PARTITION BY LIST (year);"
             "CREATE TABLE sale_2026 PARTITION OF sale FOR VALUES IN (2026);"
             "SELECT accord.watch_table('sale', 'sale:{id}')");
    run(app, "INSERT INTO sale VALUES ('x', 2026)");
    expect(&p, CHANGE_REMOVE, "sale:x");
    run(app, "ALTER TABLE sale DETACH PARTITION sale_2026");
    run(app, "DELETE FROM sale_2026");
    run(app, "TRUNCATE sale_2026");
    expect_nothing(&p);
    run(app, "ALTER TABLE sale ATTACH PARTITION sale_2026 FOR VALUES IN (2026)");
    run(app, "TRUNCATE sale_2026"); /* again one */
    expect(&p, CHANGE_PREFIX, "sale:");
    run(app, "ALTER TABLE sale DETACH PARTITION sale_2026");
    run(app, "SELECT accord.unwatch_table('sale_2026')");
    CHECK(number_of(&p, "SELECT count(*) FROM pg_trigger"
                        " WHERE tgrelid = 'sale_2026'::regclass") == 0);
    run(app, "SELECT accord.watch_table('sale_2026', 'old:{id}')"); /* a table of its own */
    run(app, "TRUNCATE sale_2026");
    expect(&p, CHANGE_PREFIX, "old:");
    PQfinish(app);
    closed(&p);
}

/* The trigger runs with the rights of the schema's owner; a type's owner may say what a cast
 * does. */
TEST(postgres_watched_tables_run_nobody_s_code_with_the_owner_s_rights)
{
    struct peer p = opened();

    say(&p, "CREATE ROLE webapp LOGIN; SELECT accord.allow_writer('webapp');"
            "GRANT CREATE ON SCHEMA public TO webapp");
    PGconn *app = session(&p);
    run(app, "SET SESSION AUTHORIZATION webapp");
    run(app, "CREATE TYPE evil AS ENUM ('a b');"
             "CREATE FUNCTION to_json_of(evil) RETURNS json LANGUAGE plpgsql AS"
             " $$ BEGIN EXECUTE 'ALTER ROLE webapp CREATEROLE'; RETURN '\"x\"'::json; END $$;"
             "CREATE FUNCTION to_text_of(evil) RETURNS text LANGUAGE plpgsql AS"
             " $$ BEGIN RAISE 'boom'; END $$;"
             "CREATE CAST (evil AS json) WITH FUNCTION to_json_of(evil) AS IMPLICIT;"
             "CREATE CAST (evil AS text) WITH FUNCTION to_text_of(evil) AS IMPLICIT;"
             "CREATE DOMAIN id AS integer;"
             "CREATE TABLE tt (id id, e evil, flag boolean)");
    run(app, "SELECT accord.watch_table('tt', 'tt:{id}:{e}:{flag}')");
    run(app, "INSERT INTO tt VALUES (1, 'a b', true), (2, NULL, true)");
    expect(&p, CHANGE_REMOVE, "tt:1:a b:true");
    run(app, "ALTER TABLE tt RENAME flag TO other; UPDATE tt SET id = 3 WHERE id = 1");
    expect(&p, CHANGE_PREFIX, "tt:");
    CHECK(number_of(&p, "SELECT count(*) FROM pg_roles WHERE rolname = 'webapp'"
                        " AND NOT rolcreaterole") == 1);
    PQfinish(app);
    closed(&p);
}

/* Whoever writes a row names its key as all others do. */
TEST(postgres_watched_tables_name_keys_alike_in_every_session)
{
    struct peer p = opened();
    PGconn *app = session(&p);

    run(app, "CREATE TABLE ev (at timestamptz, raw bytea, long interval)");
    run(app, "SELECT accord.watch_table('ev', 'ev:{at}:{raw}:{long}')");
    run(app, "SET timezone = 'UTC'");
    run(app, "INSERT INTO ev VALUES ('2026-01-01 00:00:00Z', '\\x00ff', '26 hours')");
    expect(&p, CHANGE_REMOVE, "ev:2026-01-01T00:00:00+00:00:\\x00ff:26:00:00");
    run(app, "SET timezone = 'Europe/Berlin'; SET bytea_output = 'escape';"
             "SET intervalstyle = 'iso_8601'; SET datestyle = 'SQL, DMY'");
    run(app, "UPDATE ev SET long = long");
    expect(&p, CHANGE_REMOVE, "ev:2026-01-01T00:00:00+00:00:\\x00ff:26:00:00");
    PQfinish(app);
    closed(&p);
}

TEST(postgres_forgotten_triggers_prune_their_own_outbox)
{
    struct peer p = opened();
    struct peer none = p;

    say(&p, "CREATE TABLE t (id integer); SELECT accord.watch_table('t', 't:{id}')");
    published(&p, "k");
    expect(&p, CHANGE_REMOVE, "k");
    closed(&p);
    /* As if the last node had been there two days ago. */
    say(&none, "SET session_replication_role = replica;"
               "UPDATE accord.changes SET inserted = now() - interval '2 days'");
    say(&none, "INSERT INTO t SELECT generate_series(1, 1000)");
    say(&none, "UPDATE accord.outbox SET inserted = now() - interval '2 days'");
    say(&none, "INSERT INTO t SELECT generate_series(1, 300)");
    CHECK(number_of(&none, "SELECT count(*) FROM accord.outbox") < 600);
    CHECK(strcmp(postgres_ask(none.port, none.database,
                              "SELECT count(*) > 0 FROM accord.outbox WHERE op = 'clear'"),
                 "t") == 0);
}

/* ---- a schema that an older Accord made ---- */

/* Until the text had said so once more, those whom it had let in could not call what is new. */
static const char made_older[] =
    "CREATE OR REPLACE FUNCTION accord.version() RETURNS integer LANGUAGE sql AS 'SELECT 3';"
    "DROP FUNCTION accord.family(regclass)";

/* The autovacuum may stand in the way, too. */
static void update_as_owner(struct peer *p)
{
    const struct bus_settings own = settings_of(p->url, TIMEOUT_MS);

    OK(bus_postgres.open(&p->bus, &own, why));
    for (int tries = 0; number_of(p, "SELECT accord.version()") != PG_SCHEMA_VERSION; tries++) {
        CHECK(tries < 100);
        closed(p);
        OK(bus_postgres.open(&p->bus, &own, why));
    }
}

TEST(postgres_nodes_that_own_an_older_schema_bring_it_up_to_date)
{
    struct peer p = opened();
    const struct bus_settings own = settings_of(p.url, TIMEOUT_MS);
    struct bus_settings s;
    char url[256], sql[256];

    snprintf(sql, sizeof sql,
             "CREATE ROLE low_%d LOGIN; CREATE ROLE web_%d LOGIN;"
             "SELECT accord.allow_node('low_%d'), accord.allow_writer('web_%d');"
             "CREATE ROLE dba_%d LOGIN SUPERUSER",
             (int)getpid(), (int)getpid(), (int)getpid(), (int)getpid(), (int)getpid());
    say(&p, sql);
    say(&p, made_older);
    closed(&p);

    struct peer low = {.port = p.port};
    snprintf(url, sizeof url, "postgres://low_%d@127.0.0.1:%u/%s", (int)getpid(), p.port,
             p.database);
    s = settings_of(url, TIMEOUT_MS);
    OK(bus_postgres.open(&low.bus, &s, why)); /* goes on with it */
    attach(&low);
    CHECK(strstr(low.attached.advice, "schema accord is of an older Accord (version 3"));
    CHECK(
        strstr(low.attached.advice, "its owner (postgres) should run what `accord bus schema"));
    published(&low, "by one who may not");
    CHECK(number_of(&p, "SELECT accord.version()") == 3);

    struct bus *dba = NULL; /* what he made would be his */
    snprintf(url, sizeof url, "postgres://dba_%d@127.0.0.1:%u/%s", (int)getpid(), p.port,
             p.database);
    OK(bus_postgres.open(&dba, &s, why));
    bus_postgres.close(dba);
    CHECK(number_of(&p, "SELECT accord.version()") == 3);

    PGconn *in_the_way = session(&p);
    run(in_the_way, "BEGIN; LOCK TABLE accord.changes IN ROW EXCLUSIVE MODE");
    OK(bus_postgres.open(&p.bus, &own, why)); /* so does he, once he has tried */
    attach(&p);
    CHECK(strstr(p.attached.advice, "something holds its tables"));
    CHECK(number_of(&p, "SELECT accord.version()") == 3);
    closed(&p);
    run(in_the_way, "ROLLBACK");
    PQfinish(in_the_way);

    update_as_owner(&p);
    attach(&low);
    CHECK(!low.attached.advice[0]);
    published(&low, "the log is the same");
    expect(&low, CHANGE_REMOVE, "by one who may not");
    expect(&low, CHANGE_REMOVE, "the log is the same");

    snprintf(sql, sizeof sql,
             "SET ROLE web_%d; CREATE TEMP TABLE t (id text);"
             "SELECT accord.watch_table('t', 't:{id}'), accord.unwatch_table('t')",
             (int)getpid());
    say(&p, sql);
    closed(&low);
    closed(&p);
}

/* ---- rights ---- */

TEST(postgres_node_fills_a_schema_that_was_made_for_it)
{
    struct peer p = opened();
    char sql[256], url[256];

    closed(&p);
    snprintf(sql, sizeof sql,
             "DROP SCHEMA accord CASCADE; CREATE ROLE may_%d LOGIN;"
             "CREATE SCHEMA accord AUTHORIZATION may_%d",
             (int)getpid(), (int)getpid());
    say(&p, sql);
    snprintf(url, sizeof url, "postgres://may_%d@127.0.0.1:%u/%s", (int)getpid(), p.port,
             p.database);
    const struct bus_settings s = settings_of(url, TIMEOUT_MS);
    OK(bus_postgres.open(&p.bus, &s, why));
    attach(&p);
    published(&p, "in it");
    expect(&p, CHANGE_REMOVE, "in it");
    OK(bus_postgres.tools.drop(&s, why));
    closed(&p);
}

TEST(postgres_works_for_roles_that_may_do_little)
{
    struct peer p = opened();
    struct bus_settings s;
    struct bus *bus = NULL;
    char url[256], *schema = NULL, role[64], sql[256];

    say(&p, "DROP SCHEMA accord CASCADE; REVOKE CREATE ON SCHEMA public FROM PUBLIC");
    snprintf(role, sizeof role, "node_%d", (int)getpid());
    snprintf(sql, sizeof sql, "CREATE ROLE %s LOGIN; CREATE ROLE app_%d LOGIN", role,
             (int)getpid());
    say(&p, sql);
    snprintf(url, sizeof url, "postgres://%s@127.0.0.1:%u/%s", role, p.port, p.database);
    s = settings_of(url, TIMEOUT_MS);
    CHECK(bus_postgres.open(&bus, &s, why) == ACCORD_E_DENIED);
    CHECK(strstr(why, "accord bus schema"));

    OK(bus_postgres.tools.schema(&s, &schema, why));
    say(&p, schema);
    free(schema);
    CHECK(bus_postgres.open(&bus, &s, why) == ACCORD_E_DENIED);
    CHECK(strstr(why, "allow_node"));
    snprintf(sql, sizeof sql, "SELECT accord.allow_node('%s'), accord.allow_writer('app_%d')",
             role, (int)getpid());
    say(&p, sql);
    CHECK(bus_postgres.tools.drop(&s, why) == ACCORD_E_DENIED);
    CHECK(strstr(why, "only the schema's owner") && !strstr(why, "allow_node"));
    struct peer node = {.port = p.port};
    OK(bus_postgres.open(&node.bus, &s, why));
    attach(&node);
    published(&node, "by a node");
    expect(&node, CHANGE_REMOVE, "by a node");

    /* Another role's connections are seen too. */
    const char *names[] = {"web1", "web2"};
    bool there[2];
    char owner[256];
    snprintf(owner, sizeof owner, "postgres://postgres@127.0.0.1:%u/%s", p.port, p.database);
    struct bus_settings named = settings_of(owner, TIMEOUT_MS);
    named.node = "web2";
    struct bus *web2 = NULL;
    OK(bus_postgres.open(&web2, &named, why));
    OK(bus_postgres.present(node.bus, names, 2, there, why));
    CHECK(!there[0] && there[1]);
    bus_postgres.close(web2);

    PGconn *app = session(&p);
    snprintf(sql, sizeof sql, "SET ROLE app_%d", (int)getpid());
    run(app, sql);
    run(app, "SELECT accord.remove('by an application')");
    expect(&node, CHANGE_REMOVE, "by an application");
    refused(app, "SELECT * FROM accord.changes", "permission denied");
    refused(app, "SELECT accord.move()", "permission denied");

    /* Its own table; and somebody who may nothing but write there. */
    run(app, "RESET ROLE; CREATE TABLE mine (id integer)");
    snprintf(sql, sizeof sql,
             "ALTER TABLE mine OWNER TO app_%d; GRANT INSERT ON mine TO %s; SET ROLE app_%d",
             (int)getpid(), role, (int)getpid());
    run(app, sql);
    run(app, "SELECT accord.watch_table('mine', 'mine:{id}')");
    snprintf(sql, sizeof sql, "RESET ROLE; SET ROLE %s", role);
    run(app, sql);
    run(app, "INSERT INTO mine VALUES (7)");
    expect(&node, CHANGE_REMOVE, "mine:7");
    refused(app, "INSERT INTO accord.changes VALUES (1)", "permission denied");
    PQfinish(app);
    closed(&node);
    closed(&p);
}

TEST(postgres_drop_leaves_the_database_as_it_was)
{
    static const char count[] =
        "SELECT (SELECT count(*) FROM pg_class) + (SELECT count(*) FROM pg_proc) +"
        " (SELECT count(*) FROM pg_trigger) + (SELECT count(*) FROM pg_namespace)";
    struct peer p = opened();
    struct bus_settings s = settings_of(p.url, TIMEOUT_MS);

    OK(bus_postgres.tools.drop(&s, why));
    say(&p, "CREATE TABLE t (id integer)");
    long before = number_of(&p, count);
    attach(&p); /* makes it anew */
    say(&p, "SELECT accord.watch_table('t', 't:{id}')");
    CHECK(number_of(&p, count) > before);
    OK(bus_postgres.tools.drop(&s, why));
    CHECK(number_of(&p, count) == before);
    say(&p, "INSERT INTO t VALUES (1)");
    CHECK(bus_postgres.tools.drop(&s, why) == ACCORD_E_GONE); /* nothing is there */
    closed(&p);
}

/* ---- other logs ---- */

static void expect_gone(struct peer *p)
{
    const struct entry *entries;
    struct bus_attached a;
    size_t count;
    uint64_t head;

    CHECK(bus_postgres.read(p->bus, p->at.position, 0, &entries, &count, why) == ACCORD_E_GONE);
    CHECK(bus_postgres.head(p->bus, &p->at, &head, why) == ACCORD_E_GONE);
    CHECK(bus_postgres.attach(p->bus, &p->at, 0, &a, why) == ACCORD_E_GONE);
}

/* T5: cursors are beyond the end then. */
TEST(postgres_notices_a_truncated_table)
{
    struct peer p = opened();

    published(&p, "k");
    expect(&p, CHANGE_REMOVE, "k");
    uint64_t epoch = p.attached.epoch;
    say(&p, "TRUNCATE accord.changes");
    expect_gone(&p);
    attach(&p);
    CHECK(p.attached.epoch != epoch);
    PGconn *app = session(&p);
    refused(app, "DELETE FROM accord.changes", "by itself");
    refused(app, "UPDATE accord.changes SET key = NULL", "by itself");
    PQfinish(app);
    published(&p, "k");
    expect(&p, CHANGE_REMOVE, "k");
    closed(&p);
}

/* T5. As pg_restore --clean does: the same rows in other tables. */
TEST(postgres_notices_a_restored_dump)
{
    struct peer p = opened();

    published(&p, "k");
    expect(&p, CHANGE_REMOVE, "k");
    struct id128 log = p.attached.log;
    say(&p, "ALTER TABLE accord.changes RENAME TO was;"
            "CREATE TABLE accord.changes (LIKE accord.was INCLUDING ALL);"
            "INSERT INTO accord.changes SELECT * FROM accord.was; DROP TABLE accord.was");
    expect_gone(&p);
    attach(&p);
    CHECK(!id128_equal(p.attached.log, log));
    closed(&p);
}

/* ---- servers that fail ---- */

TEST(postgres_says_what_is_wrong_with_password_and_database)
{
    struct postgres_server s;
    char url[256];

    postgres_server_make(&s, "server");
    postgres_server_write(&s, "pg_hba.conf", "w",
                          "host all postgres 127.0.0.1/32 trust\n"
                          "host all all 127.0.0.1/32 scram-sha-256\n");
    postgres_server_start(&s);
    postgres_say(s.port, "postgres", "CREATE ROLE me LOGIN PASSWORD 'right'");
    postgres_say(s.port, "postgres", "CREATE DATABASE db OWNER me");
    snprintf(url, sizeof url, "postgres://me:secret@127.0.0.1:%u/db", s.port);
    cannot_open(url, TIMEOUT_MS, ACCORD_E_DENIED, "password");
    snprintf(url, sizeof url, "postgres://me@127.0.0.1:%u/db", s.port);
    cannot_open(url, TIMEOUT_MS, ACCORD_E_DENIED, "password");
    snprintf(url, sizeof url, "postgres://me:right@127.0.0.1:%u/none", s.port);
    cannot_open(url, TIMEOUT_MS, ACCORD_E_INVALID, "create the database");
    snprintf(url, sizeof url, "postgres://me:right@127.0.0.1:%u/db?sslmode=require", s.port);
    cannot_open(url, TIMEOUT_MS, ACCORD_E_DENIED, "TLS");

    struct peer p = {.port = s.port};
    snprintf(url, sizeof url, "postgres://me:right@127.0.0.1:%u/db", s.port);
    struct bus_settings settings = settings_of(url, TIMEOUT_MS);
    OK(bus_postgres.open(&p.bus, &settings, why));
    attach(&p);
    closed(&p);
    postgres_server_end(&s, SIGQUIT);
}

static void make_certificate(const struct postgres_server *s, const char *name)
{
    char key[64], certificate[64];

    snprintf(key, sizeof key, "data/%s.key", name);
    snprintf(certificate, sizeof certificate, "data/%s.crt", name);
    postgres_server_run(s, (const char *const[]){"/usr/bin/openssl", "req", "-new", "-x509",
                                                 "-newkey", "rsa:2048", "-days", "2", "-nodes",
                                                 "-keyout", key, "-out", certificate, "-subj",
                                                 "/CN=127.0.0.1", "-addext",
                                                 "subjectAltName=IP:127.0.0.1", NULL});
}

TEST(postgres_trusts_no_server_of_another_authority)
{
    struct postgres_server s;
    char url[512];

    if (access("/usr/bin/openssl", X_OK) != 0)
        test_skip("openssl is not installed");
    postgres_server_make(&s, "server");
    make_certificate(&s, "server");
    make_certificate(&s, "other");
    s.options[0] = "ssl=on";
    postgres_server_start(&s);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(url, sizeof url,
                 "postgres://postgres:secret@127.0.0.1:%u/postgres?sslmode=verify-full&"
                 "sslrootcert=%s/data/%s",
                 s.port, s.folder, i == 0 ? "other.crt" : "none.crt");
        cannot_open(url, TIMEOUT_MS, ACCORD_E_DENIED, "certificate");
    }
    snprintf(url, sizeof url,
             "postgres://postgres@127.0.0.1:%u/postgres?sslmode=verify-full&"
             "sslrootcert=%s/data/server.crt",
             s.port, s.folder);
    struct bus_settings settings = settings_of(url, TIMEOUT_MS);
    struct peer p = {.port = s.port};
    OK(bus_postgres.open(&p.bus, &settings, why));
    attach(&p);
    CHECK(strcmp(postgres_ask(s.port, "postgres",
                              "SELECT bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity "
                              "USING (pid) WHERE application_name = 'accord'"),
                 "t") == 0);
    closed(&p);
    postgres_server_end(&s, SIGQUIT);
}

/* Verification is the default where the server is not this host. */
TEST(postgres_verifies_a_server_that_is_elsewhere_unless_told_otherwise)
{
    struct pg_place place;
    struct pg_parameters parameters;
    bool verified = false;

    OK(pg_place_init(&place, "postgres://me@db1,localhost,%2Frun%2Fpostgresql/shop", why));
    for (size_t server = 0; server < 3; server++) {
        pg_place_parameters(&place, server, NULL, 1000, &parameters);
        verified = false;
        for (size_t i = 0; parameters.names[i]; i++)
            verified = verified || (strcmp(parameters.names[i], "sslmode") == 0 &&
                                    strcmp(parameters.values[i], "verify-full") == 0);
        CHECK(verified == (server == 0));
    }
    pg_place_done(&place);
}

/* T14: who hangs has not failed. */
TEST(postgres_gives_up_on_a_server_that_accepts_and_never_answers)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char url[256];

    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof a) == 0 && listen(fd, 8) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&a, &size) == 0);
    snprintf(url, sizeof url, "postgres://me:secret@127.0.0.1:%u/db", ntohs(a.sin_port));
    cannot_open(url, 400, ACCORD_E_DOWN, "no answer in time");

    /* The next one listed gets its share of the time. */
    struct peer p = opened(), q = {.port = p.port};
    snprintf(url, sizeof url, "postgres://postgres@127.0.0.1:%u,127.0.0.1:%u/%s",
             ntohs(a.sin_port), p.port, p.database);
    struct bus_settings s = settings_of(url, TIMEOUT_MS);
    OK(bus_postgres.open(&q.bus, &s, why));
    attach(&q);
    closed(&q);
    closed(&p);
    close(fd);
    cannot_open("postgres://me@no.such.host.invalid/db", 3000, ACCORD_E_DOWN, "no.such.host");
}

/* T14: neither has a network that is silent. */
TEST(postgres_calls_end_in_time_where_the_network_stalls)
{
    struct peer p = opened();
    struct fault_proxy *proxy = fault_proxy_start(p.port, 1);
    char url[256];

    snprintf(url, sizeof url, "postgres://postgres@127.0.0.1:%u/%s", fault_proxy_port(proxy),
             p.database);
    struct bus_settings s = settings_of(url, 2000);
    struct peer q = {.port = p.port};
    OK(bus_postgres.open(&q.bus, &s, why));
    attach(&q);
    published(&q, "before");
    expect(&q, CHANGE_REMOVE, "before");

    CHECK(fault_proxy_command(proxy, "stall down")); /* it is done, and nobody hears of it */
    struct change c = removal(&q, "unheard");
    struct position last = {0};
    uint64_t head = 0, began_ms = now_ms();
    CHECK(bus_postgres.publish(q.bus, &c, 1, &last, why) == ACCORD_E_TIMEOUT);
    CHECK(bus_postgres.head(q.bus, &q.at, &head, why) == ACCORD_E_DOWN);
    CHECK(now_ms() - began_ms < 3 * 2000 + 3000);
    CHECK(fault_proxy_command(proxy, "heal"));
    CHECK(fault_proxy_command(proxy, "reset"));
    struct bus_attached a;
    OK(bus_postgres.attach(q.bus, &q.at, 0, &a, why));
    OK(bus_postgres.publish(q.bus, &c, 1, &last, why)); /* the same message */
    expect(&q, CHANGE_REMOVE, "unheard");
    CHECK(q.at.position == last.value);
    closed(&q);
    fault_proxy_stop(proxy);
    expect(&p, CHANGE_REMOVE, "before");
    expect(&p, CHANGE_REMOVE, "unheard");
    expect_nothing(&p);
    closed(&p);
}

TEST(postgres_gives_ten_thousand_changes_to_who_was_away)
{
    static struct change batch[PUBLISH_BATCH_MAX];
    struct peer p = opened(), away = opened();
    const struct entry *entries;
    size_t count = 0, n = 0;
    struct position last;

    published(&p, "first");
    expect(&away, CHANGE_REMOVE, "first");
    struct cursor at = away.at;
    closed(&away);
    for (unsigned i = 0; i < 10; i++) {
        for (size_t j = 0; j < 1000; j++)
            batch[j] = removal(&p, "k");
        OK(bus_postgres.publish(p.bus, batch, 1000, &last, why));
    }
    away = opened();
    OK(bus_postgres.attach(away.bus, &at, 0, &away.attached, why));
    CHECK(away.attached.resumed && away.attached.head == last.value);
    do {
        OK(bus_postgres.read(away.bus, at.position, 0, &entries, &count, why));
        for (size_t i = 0; i < count; i++) {
            CHECK(entries[i].change.sequence == 2 + n++);
            at.position = entries[i].position;
        }
    } while (count > 0);
    CHECK(n == 10000);
    closed(&away);
    closed(&p);
}

/* Publishes until told to stop; what was acknowledged is kept. */
struct load {
    struct peer peer;
    pthread_t thread;
    bool stop; /* atomic */
    uint64_t acknowledged[20000];
    size_t count; /* atomic */
};

static void *publish_under_load(void *context)
{
    struct load *l = context;
    struct bus_attached a;

    while (!__atomic_load_n(&l->stop, __ATOMIC_RELAXED) &&
           l->count < COUNT_OF(l->acknowledged)) {
        struct change c = removal(&l->peer, "k");
        struct position last = {0};
        int status = bus_postgres.publish(l->peer.bus, &c, 1, &last, why);
        while (status != ACCORD_OK && !__atomic_load_n(&l->stop, __ATOMIC_RELAXED)) {
            usleep(20000);
            (void)!bus_postgres.attach(l->peer.bus, NULL, 0, &a, why);
            status = bus_postgres.publish(l->peer.bus, &c, 1, &last, why);
        }
        if (status != ACCORD_OK)
            break;
        l->acknowledged[l->count] = c.message.low;
        __atomic_store_n(&l->count, l->count + 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

static void wait_for_load(struct load *l, size_t more)
{
    size_t until = __atomic_load_n(&l->count, __ATOMIC_ACQUIRE) + more;

    for (int i = 0; i < 6000 && __atomic_load_n(&l->count, __ATOMIC_ACQUIRE) < until; i++)
        usleep(10000);
    CHECK(__atomic_load_n(&l->count, __ATOMIC_ACQUIRE) >= until);
}

TEST(postgres_keeps_what_it_acknowledged_when_the_server_is_killed)
{
    static struct load load;
    struct postgres_server s;
    struct peer p;
    const struct entry *entries;
    size_t count = 0, n = 0;

    postgres_server_make(&s, "server");
    postgres_server_start(&s);
    open_at(&load.peer, s.port, "postgres");
    open_at(&p, s.port, "postgres");
    CHECK(pthread_create(&load.thread, NULL, publish_under_load, &load) == 0);
    wait_for_load(&load, 20);
    postgres_server_end(&s, SIGKILL);
    usleep(300000);
    postgres_server_start(&s);
    wait_for_load(&load, 20);
    __atomic_store_n(&load.stop, true, __ATOMIC_RELAXED);
    CHECK(pthread_join(load.thread, NULL) == 0);

    /* The log is the same, and whole: no cache is dropped for a restart. */
    struct bus_attached a;
    OK(bus_postgres.attach(p.bus, &p.at, 0, &a, why));
    CHECK(a.epoch == p.attached.epoch);
    do {
        OK(bus_postgres.read(p.bus, p.at.position, 0, &entries, &count, why));
        for (size_t i = 0; i < count; i++) {
            p.at.position = entries[i].position;
            if (n < load.count && entries[i].change.message.low == load.acknowledged[n])
                n++; /* once each, in their order */
        }
    } while (count > 0);
    CHECK(n == load.count);
    closed(&p);
    closed(&load.peer);
    postgres_server_end(&s, SIGQUIT);
}

TEST(postgres_notices_a_standby_that_was_promoted_without_the_tail)
{
    struct postgres_server primary, standby;
    struct peer p, q;
    char url[256];

    postgres_server_make(&primary, "primary");
    postgres_server_start(&primary);
    open_at(&p, primary.port, "postgres");
    published(&p, "first");
    expect(&p, CHANGE_REMOVE, "first");
    postgres_server_make_standby(&standby, "standby", &primary);
    postgres_server_start(&standby);
    for (int i = 0; i < 600 && strcmp(postgres_ask(standby.port, "postgres",
                                                   "SELECT pg_is_in_recovery() AND EXISTS "
                                                   "(SELECT FROM accord.changes)"),
                                      "t") != 0;
         i++)
        usleep(100000);
    /* A standby is no bus (1.7.2), nor one that lost something. */
    snprintf(url, sizeof url, "postgres://postgres@127.0.0.1:%u/postgres", standby.port);
    cannot_open(url, TIMEOUT_MS, ACCORD_E_DOWN, "read-only");

    /* Both listed: the one that takes writes is found. */
    snprintf(url, sizeof url, "postgres://postgres@127.0.0.1:%u,127.0.0.1:%u/postgres",
             standby.port, primary.port);
    struct bus_settings s = settings_of(url, TIMEOUT_MS);
    q = (struct peer){.port = standby.port};
    OK(bus_postgres.open(&q.bus, &s, why));
    attach(&q);
    expect(&q, CHANGE_REMOVE, "first");
    uint64_t epoch = q.attached.epoch;
    CHECK(epoch == p.attached.epoch);

    /* The standby does not get the tail. */
    postgres_say(standby.port, "postgres",
                 "ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port=1'");
    postgres_say(standby.port, "postgres", "SELECT pg_reload_conf()");
    for (int i = 0; i < 600 && strcmp(postgres_ask(primary.port, "postgres",
                                                   "SELECT count(*) FROM pg_stat_replication"),
                                      "0") != 0;
         i++)
        usleep(100000);
    published(&p, "lost");
    expect(&q, CHANGE_REMOVE, "lost");
    postgres_server_end(&primary, SIGKILL);
    postgres_server_promote(&standby);

    struct bus_attached a;
    struct cursor at = q.at;
    struct change c = removal(&q, "astray");
    struct position last = {.value = 7};
    int status = bus_postgres.publish(q.bus, &c, 1, &last, why);
    CHECK(status == ACCORD_E_DOWN || status == ACCORD_E_TIMEOUT);
    CHECK(bus_postgres.attach(q.bus, &at, 0, &a, why) == ACCORD_E_GONE);
    attach(&q);
    CHECK(q.attached.epoch != epoch);
    CHECK(id128_equal(q.attached.log, at.log));
    published(&q, "after");
    expect(&q, CHANGE_REMOVE, "first");
    expect(&q, CHANGE_REMOVE, "after");
    closed(&q);
    closed(&p);
    postgres_server_end(&standby, SIGQUIT);
}

TEST(postgres_names_the_connections_of_a_node_unless_the_url_does)
{
    struct pg_place place;
    char name[128];

    OK(pg_place_init(&place, "postgres://db1/shop", why));
    CHECK(strcmp(place.application, "accord") == 0);
    pg_place_of_node(&place, "web1");
    CHECK(strcmp(place.application, "accord node web1") == 0);
    pg_place_done(&place);
    OK(pg_place_init(&place, "postgres://db1/shop?cluster=x", why));
    memset(name, 'n', NODE_NAME_BYTES_MAX);
    name[NODE_NAME_BYTES_MAX] = '\0';
    pg_place_of_node(&place, name);
    CHECK(strncmp(place.application, "accord_x node nnn", 17) == 0);
    CHECK(strlen(place.application) == PG_APPLICATION_BYTES_MAX - 1);
    pg_place_done(&place);
    OK(pg_place_init(&place, "postgres://db1/shop?application_name=mine", why));
    pg_place_of_node(&place, "web1");
    CHECK(strcmp(place.application, "mine") == 0);
    pg_place_done(&place);
}

TEST(postgres_says_what_a_list_of_servers_leaves_open)
{
    CHECK(strstr(bus_postgres.tools.caveat("postgres://a,b:5433/shop"),
                 "synchronous_standby_names"));
    CHECK(!bus_postgres.tools.caveat("postgres://a/shop"));
}
