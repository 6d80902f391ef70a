/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* reach.h - where the daemon's socket is, and why nobody can be spoken to there. */
#ifndef ACCORD_CLI_REACH_H
#define ACCORD_CLI_REACH_H

#include "base/base.h"

enum { REACH_PATH_BYTES_MAX = 256 };

/* As accord_open() looks for it: `given`, else $ACCORD_SOCKET, else the system's, else the
 * user's. What is answered may be in `room`. */
const char *reach_socket(const char *given, char room[REACH_PATH_BYTES_MAX]);

/* `status` is what became of an attempt to speak to the daemon at `path` within so many
 * milliseconds. Looks there, says on standard error what is wrong and what to do, and answers
 * the exit code. Looking may connect, and waits half a second at most. */
int reach_fail(int status, const char *path, uint64_t within_ms);

/* A daemon that has no room for another connection says so, in Redis's words. `path` may be
 * NULL. */
bool reach_is_full(struct bytes error);
int reach_fail_full(const char *path);

#endif
