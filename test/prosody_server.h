/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* prosody_server.h - a real Prosody of the running test: on a loopback port and in a folder of
 * its own, without TLS, ended with the test whatever becomes of that. Rooms are of
 * rooms.localhost, with archives; the account is accord@localhost. */
#ifndef ACCORD_TEST_PROSODY_SERVER_H
#define ACCORD_TEST_PROSODY_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct prosody_server {
    pid_t pid; /* 0: not running */
    uint16_t port;
    char folder[256];
};

/* Fills in port and folder (a sub-folder of test_folder()), and starts it. Ends the test as
 * skipped where Prosody is not installed. */
void prosody_server_begin(struct prosody_server *s);
void prosody_server_start(struct prosody_server *s); /* again; waits until it answers */
void prosody_server_kill(struct prosody_server *s);  /* SIGKILL; waits until it is gone */

/* The URL of a room. */
void prosody_server_url(const struct prosody_server *s, const char *room, char *out,
                        size_t bytes);

/* The archive of a room loses its newest messages; it does not run. */
void prosody_server_cut(const struct prosody_server *s, const char *room, unsigned count);

#endif
