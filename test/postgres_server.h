/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* postgres_server.h - real PostgreSQL servers for tests: on a loopback port and in a folder of
 * their own, as a user that is not root, and gone with the test whatever becomes of that.
 *
 * Every function ends the test as skipped where PostgreSQL is not installed, and as failed
 * where something goes wrong. */
#ifndef ACCORD_TEST_POSTGRES_SERVER_H
#define ACCORD_TEST_POSTGRES_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { POSTGRES_OPTIONS_MAX = 16 };

struct postgres_server {
    pid_t pid; /* 0: not running */
    uint16_t port;
    char folder[256];
    const char *options[POSTGRES_OPTIONS_MAX]; /* "fsync=on", …; ended by NULL */
};

/* One server for all tests of this program that can share one, each in a database of its own;
 * it ends soon after the program. Its port. */
uint16_t postgres_server_shared(void);

/* An empty server in a sub-folder of test_folder(), stopped. Its users and passwords: postgres,
 * without one. */
void postgres_server_make(struct postgres_server *s, const char *name);
/* A standby of a running server, stopped: a copy that follows it once it is started. */
void postgres_server_make_standby(struct postgres_server *s, const char *name,
                                  const struct postgres_server *primary);
void postgres_server_start(struct postgres_server *s); /* waits until it lets people in */
/* SIGINT is a clean end, SIGQUIT a crash, SIGKILL a crash of all of its processes. */
void postgres_server_end(struct postgres_server *s, int signal_number);
void postgres_server_promote(struct postgres_server *s);

/* A pgbouncer before the server on `port`, on a loopback port of its own, which is answered. It
 * ends with the test. Ends the test as skipped where it is not installed. */
uint16_t postgres_pooler_start(const char *name, uint16_t port, const char *pool_mode);

/* Appends a line to a file of its folder ("pg_hba.conf"), or replaces the file. */
void postgres_server_write(const struct postgres_server *s, const char *file, const char *mode,
                           const char *text);
/* Runs a command, ended by NULL, as the server's user, in its folder; it must succeed. */
void postgres_server_run(const struct postgres_server *s, const char *const *command);

/* SQL past everything that is tested; it must succeed. */
void postgres_say(uint16_t port, const char *database, const char *sql);
/* The first column of the first row; "" where there is none. Static. */
const char *postgres_ask(uint16_t port, const char *database, const char *sql);

#endif
