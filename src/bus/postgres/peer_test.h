/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* peer_test.h - what the tests of this bus share: a bus with its reading side and the database
 * behind it, on a real server. */
#ifndef ACCORD_BUS_POSTGRES_PEER_TEST_H
#define ACCORD_BUS_POSTGRES_PEER_TEST_H

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bus/postgres/postgres.h"
#include "postgres_server.h"
#include "test.h"

enum { TIMEOUT_MS = 20000, VIEW_ALL_MS = 3600 * 1000 };

static _Thread_local char why[BUS_WHY_BYTES_MAX];

#define OK(e)                                                                                  \
    do {                                                                                       \
        int status_of_e = (e);                                                                 \
        if (status_of_e != ACCORD_OK)                                                          \
            fprintf(stderr, "%s: %s\n", status_text(status_of_e), why);                        \
        CHECK(status_of_e == ACCORD_OK);                                                       \
    } while (0)

/* A bus with its reading side where it stands, and the database behind it. */
struct peer {
    struct bus *bus;
    char url[512], database[32];
    uint16_t port;
    struct bus_attached attached;
    struct cursor at;
    uint64_t sequence;
};

static inline struct bus_settings settings_of(const char *url, uint64_t timeout_ms)
{
    return (struct bus_settings){.url = url,
                                 .max_stale_ms = 3000,
                                 .retain_ms = 24ull * 3600 * 1000,
                                 .retain_changes = 1000000,
                                 .timeout_ms = timeout_ms};
}

static inline void attach(struct peer *p)
{
    OK(bus_postgres.attach(p->bus, NULL, VIEW_ALL_MS, &p->attached, why));
    p->at = (struct cursor){
        .log = p->attached.log, .epoch = p->attached.epoch, .position = p->attached.after};
}

static inline void open_at(struct peer *p, uint16_t port, const char *database)
{
    *p = (struct peer){.port = port};
    snprintf(p->database, sizeof p->database, "%s", database);
    snprintf(p->url, sizeof p->url, "postgres://postgres@127.0.0.1:%u/%s", port, database);
    struct bus_settings s = settings_of(p->url, TIMEOUT_MS);
    OK(bus_postgres.open(&p->bus, &s, why));
    attach(p);
}

/* Of the shared server, in a database of this test's own. */
static inline struct peer opened(void)
{
    static char database[32];
    struct peer p;
    uint16_t port = postgres_server_shared();
    char sql[64];

    if (!database[0]) {
        snprintf(database, sizeof database, "b%d", (int)getpid());
        snprintf(sql, sizeof sql, "CREATE DATABASE %s", database);
        postgres_say(port, "postgres", sql);
    }
    open_at(&p, port, database);
    return p;
}

static inline void closed(struct peer *p)
{
    bus_postgres.close(p->bus);
}

static inline void say(const struct peer *p, const char *sql)
{
    postgres_say(p->port, p->database, sql);
}

static inline long number_of(const struct peer *p, const char *sql)
{
    return strtol(postgres_ask(p->port, p->database, sql), NULL, 10);
}

static inline struct change removal(struct peer *p, const char *key)
{
    static uint64_t unique;

    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text(key),
                           .message = {(uint64_t)getpid(), ++unique},
                           .origin = bytes_of_text("web1"),
                           .incarnation = {7, 7},
                           .sequence = ++p->sequence};
}

static inline uint64_t published(struct peer *p, const char *key)
{
    struct change c = removal(p, key);
    struct position last = {0};

    OK(bus_postgres.publish(p->bus, &c, 1, &last, why));
    CHECK(last.epoch == p->attached.epoch);
    return last.value;
}

/* One entry at a time: what read() gave beyond it is read again. NULL: none came. */
static inline const struct entry *next(struct peer *p, uint64_t timeout_ms)
{
    const struct entry *entries = NULL;
    size_t count = 0;

    OK(bus_postgres.read(p->bus, p->at.position, timeout_ms, &entries, &count, why));
    if (count == 0)
        return NULL;
    p->at.position = entries[0].position;
    p->at.message = entries[0].change.message;
    return entries;
}

static inline void expect(struct peer *p, enum change_op op, const char *key)
{
    const struct entry *e = next(p, TIMEOUT_MS);

    CHECK(e);
    if (!bytes_equal(e->change.key, bytes_of_text(key)))
        fprintf(stderr, "expected %s, not %.*s\n", key, (int)e->change.key.size_bytes,
                (const char *)e->change.key.data);
    CHECK(e->change.op == op);
    CHECK(bytes_equal(e->change.key, bytes_of_text(key)));
}

static inline void expect_nothing(struct peer *p)
{
    CHECK(!next(p, 600)); /* twice the poll of who is not elected */
}

static inline uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* A session of an application. */
static inline PGconn *session(const struct peer *p)
{
    char text[256];

    snprintf(text, sizeof text,
             "host=127.0.0.1 port=%u user=postgres dbname=%s sslmode=disable "
             "options='-c client_min_messages=warning'",
             p->port, p->database);
    PGconn *conn = PQconnectdb(text);
    CHECK(PQstatus(conn) == CONNECTION_OK);
    return conn;
}

static inline void run(PGconn *conn, const char *sql)
{
    PGresult *r = PQexec(conn, sql);
    ExecStatusType status = PQresultStatus(r);

    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        fprintf(stderr, "%s: %s\n", sql, PQerrorMessage(conn));
    CHECK(status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK);
    PQclear(r);
}

/* Fails, and the message holds `text`. */
static inline void refused(PGconn *conn, const char *sql, const char *text)
{
    PGresult *r = PQexec(conn, sql);

    CHECK(PQresultStatus(r) == PGRES_FATAL_ERROR);
    if (!strstr(PQerrorMessage(conn), text))
        fprintf(stderr, "%s", PQerrorMessage(conn));
    CHECK(strstr(PQerrorMessage(conn), text));
    PQclear(r);
}

static inline void cannot_open(const char *url, uint64_t timeout_ms, int status,
                               const char *text)
{
    struct bus_settings s = settings_of(url, timeout_ms);
    struct bus *bus = NULL;
    uint64_t began_ms = now_ms();

    int got = bus_postgres.open(&bus, &s, why);
    if (got != status || !strstr(why, text))
        fprintf(stderr, "%s: %s\n", status_text(got), why);
    CHECK(got == status);
    CHECK(strstr(why, text));
    CHECK(!strstr(why, "secret"));
    CHECK(now_ms() - began_ms < timeout_ms + 5000);
}

#endif
