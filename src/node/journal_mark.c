/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* journal_mark.c - how many changes were ever kept, noted outside the database.
 *
 * SQLite takes a WAL whose end is missing, or that is missing altogether, for one that ends
 * earlier: what was committed there is gone without a word. So the database counts in the same
 * transaction what it keeps, and the count is written to DIR/state.mark after the commit was
 * synced. A database that counts less than its mark has lost some. The mark is not synced:
 * after a power failure an older one is there, which notices less; and it costs nothing. */
#include "node/journal_private.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

enum { MARK_BYTES = 14 + 20 + 1 + 16 + 1 }; /* "accord-kept 1 " count checksum "\n" */

int journal_mark_open(struct journal *j, char why[JOURNAL_WHY_BYTES_MAX])
{
    char path[JOURNAL_PATH_BYTES_MAX];

    snprintf(path, sizeof path, "%.1100s/state.mark", j->folder);
    j->mark_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (j->mark_fd >= 0)
        return ACCORD_OK;
    return journal_fail(why, errno == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO,
                        "state folder %.500s: cannot open its mark: %s", j->folder,
                        strerror(errno));
}

static void print(uint64_t kept, char text[MARK_BYTES + 1])
{
    uint64_t sum = journal_checksum((const uint8_t *)&kept, sizeof kept);
    int bytes = snprintf(text, MARK_BYTES + 1, "accord-kept 1 %020" PRIu64 " %016" PRIx64 "\n",
                         kept, sum);

    ASSERT(bytes == MARK_BYTES);
}

/* In place, so that a full disk has room for it. */
void journal_mark_write(struct journal *j)
{
    char text[MARK_BYTES + 1];

    print(j->kept, text);
    if (pwrite(j->mark_fd, text, MARK_BYTES, 0) != MARK_BYTES)
        return; /* the one before still stands, or none: less is noticed */
}

uint64_t journal_mark_read(const struct journal *j)
{
    char text[MARK_BYTES + 1] = "", again[MARK_BYTES + 1];
    uint64_t kept = 0;

    if (pread(j->mark_fd, text, MARK_BYTES, 0) != MARK_BYTES ||
        sscanf(text, "accord-kept 1 %20" SCNu64, &kept) != 1)
        return 0;
    print(kept, again);
    return memcmp(text, again, MARK_BYTES) == 0 ? kept : 0;
}
