/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* link.h - one connection to the server, every call of it bounded in time (B10).
 *
 * libpq never waits for the server here: sockets are polled, names are resolved by a thread of
 * their own, each server listed gets its share of the time. A link belongs to one thread at a
 * time. Whatever fails on the way closes it; an error that the server answers does not.
 */
#ifndef ACCORD_BUS_POSTGRES_LINK_H
#define ACCORD_BUS_POSTGRES_LINK_H

#include <libpq-fe.h>

#include "bus/postgres/place.h"

/* Which server and database this is: what cannot change while a connection lives. */
struct pg_identity {
    uint64_t system, timeline, database;
};

struct pg_link {
    const struct pg_place *place;
    PGconn *conn; /* NULL: closed */
    struct pg_identity identity;
    uint64_t deadline_ns; /* of the call under way; set by the owner before each */
    uint64_t timeout_ms;
    uint64_t prepared; /* bits: statements that this connection knows */
    size_t server;     /* the last one that let us in; the first to be asked next */
    size_t unread;     /* synchronisation points of a pipeline not read yet */
    uint64_t backend;  /* the process that serves this session */
    bool warned;       /* the server gave a warning since this was cleared */
};

/* A statement, prepared at its first use on a link. '@' is the schema's name. */
struct pg_statement {
    unsigned number; /* below 64, its own */
    const char *sql;
};

enum { PG_ARGUMENTS_MAX = 11 };
struct pg_arguments {
    int count;
    const char *values[PG_ARGUMENTS_MAX];
    int lengths[PG_ARGUMENTS_MAX], formats[PG_ARGUMENTS_MAX];
};

/* What was sent and not answered is no answer: ACCORD_E_DOWN for ACCORD_E_TIMEOUT. For
 * questions, and for what may be done twice. */
int pg_asked(int status);

/* Connects where it is closed, or was closed by the server. ACCORD_E_DOWN, ACCORD_E_DENIED
 * (password, TLS, rights), ACCORD_E_INVALID (no such database), ACCORD_E_UNSUPPORTED (too old;
 * a pooler that gives a session away). */
MUST_CHECK int pg_link_open(struct pg_link *l, char why[BUS_WHY_BYTES_MAX]);
/* Another process served what was asked last than began the session: fills in `why`. The link
 * is closed, for what was set for the session does not hold. ACCORD_OK: the same one. */
MUST_CHECK int pg_link_check_backend(struct pg_link *l, uint64_t backend,
                                     char why[BUS_WHY_BYTES_MAX]);
void pg_link_close(struct pg_link *l);

/* On an open link. Runs a statement; *out is the caller's to PQclear(). ACCORD_E_GONE: the
 * schema, or a part of it, is not there. ACCORD_E_TIMEOUT: sent, and no answer: closed.
 * ACCORD_E_DOWN, _DENIED, _INVALID, _IO. */
MUST_CHECK int pg_link_run(struct pg_link *l, const struct pg_statement *s,
                           const struct pg_arguments *a, PGresult **out,
                           char why[BUS_WHY_BYTES_MAX]);

/* The same, and `after`, without arguments, in a transaction of its own whose outcome does not
 * matter and is not waited for. */
MUST_CHECK int pg_link_run_then(struct pg_link *l, const struct pg_statement *s,
                                const struct pg_arguments *a, const char *after, PGresult **out,
                                char why[BUS_WHY_BYTES_MAX]);

/* Runs a text of several statements, '@' being the schema's name, as one transaction. */
MUST_CHECK int pg_link_script(struct pg_link *l, const char *sql, char why[BUS_WHY_BYTES_MAX]);

/* Waits for a notification, until `until_ns` or until `stop_fd` is readable. `heard`: one came.
 * ACCORD_E_DOWN: the connection broke; closed. */
MUST_CHECK int pg_link_listen(struct pg_link *l, int stop_fd, uint64_t until_ns, bool *heard,
                              bool *stopped, char why[BUS_WHY_BYTES_MAX]);

/* Columns of a binary result. */
uint64_t pg_number(const PGresult *r, int row, int column); /* bigint, or oid or bool */
bool pg_is_true(const PGresult *r, int row, int column);
struct id128 pg_id(const PGresult *r, int row, int column); /* uuid; none for NULL */
struct bytes pg_bytes(const PGresult *r, int row, int column);

/* Arguments, in binary; `room` holds one until the statement has run. */
void pg_put_number(struct pg_arguments *a, uint64_t value, uint8_t room[8]);
void pg_put_id(struct pg_arguments *a, struct id128 id, uint8_t room[16]); /* none: NULL */
void pg_put_bytes(struct pg_arguments *a, struct bytes b);                 /* NULL data: NULL */

#endif
