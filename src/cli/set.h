/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* set.h - `set` and `seed`, and `remove` and `flush`, are the same under two names: ours, and
 * those of the system that Accord descends from. */
#ifndef ACCORD_CLI_SET_H
#define ACCORD_CLI_SET_H

#include "cli/client.h"

/* The verb's work; `word` says in the answer what was done. */
int set_verb(const char *word, int argc, char **argv);
int remove_verb(int argc, char **argv);

#endif
