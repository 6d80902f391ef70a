/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* mapping.h - the two memories of a node: the sealed segment, and the hints clients may write.
 *
 * The segment is a memfd of mode 0400, mapped writable once, here, then sealed: the kernel
 * itself keeps everyone, us too, from ever mapping or writing it again (FUTURE_WRITE), and from
 * shrinking it under a reader (SHRINK: no SIGBUS). Without the mode a memfd is 0777, and any
 * uid could open it for writing through /proc. The hints are of mode 0600 and sealed against a
 * change of size alone. The descriptor handed to clients is open for reading only.
 *
 * Whoever inherits from the segment must know that its writer is dead: the writer's own
 * description, which no client has, carries a lock that ends with the process.
 */
#ifndef ACCORD_NODE_MAPPING_H
#define ACCORD_NODE_MAPPING_H

#include "base/base.h"

struct mapping {
    int writer_fd;  /* a description that nobody else has, locked (flock) while we live */
    int segment_fd; /* read-only; what clients get. -1: none */
    int hints_fd;   /* read-write; what clients get. -1: none */
    void *segment, *hints;
    size_t segment_bytes, hints_bytes;
};

/* Maps both, zeroed. On failure *out is untouched and `why` has one line. ACCORD_E_NOMEM,
 * ACCORD_E_UNSUPPORTED: the kernel lacks what keeps readers out. */
MUST_CHECK int mapping_new(struct mapping *out, size_t segment_bytes, size_t hints_bytes,
                           char *why, size_t why_bytes);
void mapping_done(struct mapping *m); /* zeroed or done: nothing happens */

#endif
