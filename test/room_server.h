/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* room_server.h - real chat servers for tests, Prosody and ejabberd: one for all tests of a
 * program, on a loopback port and in a folder of its own; it ends soon after the program. Rooms
 * are of rooms.localhost, with archives; the account is accord@localhost.
 *
 * Every function ends the test as skipped where the server is not installed, and as failed
 * where something goes wrong. */
#ifndef ACCORD_TEST_ROOM_SERVER_H
#define ACCORD_TEST_ROOM_SERVER_H

#include <stddef.h>
#include <stdint.h>

struct room_server_kind; /* prosody_server.c, ejabberd_server.c */
extern const struct room_server_kind prosody_server, ejabberd_server;

/* Started by who asks first; waits until it answers. Its port. */
uint16_t room_server_shared(const struct room_server_kind *kind);

/* The server is ended, the archive of the room loses its newest messages, and it is started
 * again; waits until it answers. */
void room_server_cut(const struct room_server_kind *kind, const char *room, unsigned count);

/* What a kind says of itself. All paths are within `folder`. */
struct room_server_kind {
    const char *name;
    const char *program; /* looked for in PATH */
    int end_signal;      /* before a cut */
    void (*configure)(const char *folder, uint16_t port);
    void (*become)(const char *folder); /* exec; of a process of its own, in that folder */
    void (*cut)(const char *folder, const char *room, unsigned count);
};

/* For them. */
void room_server_write(const char *folder, const char *name, const char *text);
void room_server_make_folder(const char *folder, const char *name);

#endif
