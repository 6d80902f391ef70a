/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp_server.h - a process that serves a hub over the three sockets of CHP, as a node's door
 * does, and does to it what befalls servers. */
#ifndef ACCORD_TEST_CHP_SERVER_H
#define ACCORD_TEST_CHP_SERVER_H

#include "base/base.h"

#include <sys/types.h>

struct chp_server {
    uint16_t port; /* and the two after it */
    pid_t pid;     /* 0: it does not run */
    int control;   /* what befalls it is said here, and answered */
    uint16_t peer; /* where the other of a pair is; 0: it serves alone */
    bool is_backup;
};

/* The ports of two that serve one log; each is started then. */
void chp_pair_choose(struct chp_server pair[2]);
/* Ends the test as skipped where there is no libzmq. */
void chp_server_start(struct chp_server *s); /* on free ports; again: on the same */
void chp_server_kill(struct chp_server *s);  /* SIGKILL */
/* Whether it is the active one of a pair, and the other has all that it has. */
bool chp_server_is_whole(const struct chp_server *s);
void chp_server_cut(struct chp_server *s, const char *cluster, unsigned count);

/* Sets a key as any client of CHP does, and waits until its log has it: the
 * cluster must have one. */
void chp_server_set(const struct chp_server *s, struct bytes key);

#endif
