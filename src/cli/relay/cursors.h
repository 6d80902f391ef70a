/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* cursors.h - where a relay stands in its two logs, for its next run.
 *
 * DIR/relay.cursors is one line a log (docs/format/state.txt), replaced as a whole: a crash at
 * any byte leaves the old or the new. What it names is proven by the log before it is used, so
 * an old one costs repeats, and one that is damaged a cleared cache; neither loses a change.
 * DIR/lock is held for as long as the relay runs.
 *
 * One thread at a time.
 */
#ifndef ACCORD_CLI_RELAY_CURSORS_H
#define ACCORD_CLI_RELAY_CURSORS_H

#include "wire/change.h"

enum { RELAY_SIDES = 2, CURSORS_PATH_BYTES_MAX = 1200, CURSORS_WHY_BYTES_MAX = 1024 };

struct cursors {
    bool known[RELAY_SIDES]; /* [0]: of --from */
    struct cursor at[RELAY_SIDES];
};

struct cursors_folder {
    char path[CURSORS_PATH_BYTES_MAX];
    int lock_fd;
};

/* Makes the folder where missing, locks it, and reads. *out knows nothing where there was no
 * file. ACCORD_E_FORMAT: nor where it is damaged; the folder is open all the same, and `why`
 * says so. ACCORD_E_CONFLICT: another relay holds it; ACCORD_E_DENIED, _IO. */
MUST_CHECK int cursors_open(struct cursors_folder *f, const char *folder, struct cursors *out,
                            char why[CURSORS_WHY_BYTES_MAX]);
void cursors_close(struct cursors_folder *f); /* zeroed: nothing happens */

/* Synced. On failure the old ones stay. */
MUST_CHECK int cursors_save(const struct cursors_folder *f, const struct cursors *c,
                            char why[CURSORS_WHY_BYTES_MAX]);

#endif
