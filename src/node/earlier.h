/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* earlier.h - is this descriptor the segment that an earlier run of this node wrote?
 *
 * It comes from the service manager, or from any process that may connect to the socket: so it
 * is taken only if it is exactly the file that the state folder names (this boot, device,
 * inode, incarnation), is ours, of our mode, and sealed as we seal: then nobody else can ever
 * have written it. Its writer must be dead: it holds a lock on a description of its own for as
 * long as it lives (mapping.h), so the state folder may be copied and the segment is still
 * inherited from no living daemon.
 */
#ifndef ACCORD_NODE_EARLIER_H
#define ACCORD_NODE_EARLIER_H

#include "cache/reader.h"

/* Which file, of which boot, written by whom. */
struct segment_identity {
    struct id128 boot; /* the kernel's boot_id */
    uint64_t device, inode, bytes;
    struct id128 incarnation;
    uint64_t seed; /* of the hash secret, which a successor has to share */
};

/* Of this boot; false: the kernel does not say. */
MUST_CHECK bool earlier_boot(struct id128 *out);
/* Of the file behind `fd`. false: fstat() failed. */
MUST_CHECK bool earlier_identify(int fd, struct segment_identity *out);

struct earlier {
    void *segment; /* read-only */
    size_t bytes;
    struct reader reader;
    void *memory; /* inherit_bytes() of it */
};

/* Maps the segment behind `fd`, which stays the caller's. On failure *out is untouched and
 * `why` (static) says what is wrong: ACCORD_E_CONFLICT: its writer lives; ACCORD_E_DENIED: it
 * is not the one; ACCORD_E_FORMAT: it is, but cannot be read by this version; ACCORD_E_NOMEM.
 */
MUST_CHECK int earlier_open(struct earlier *out, int fd, const struct segment_identity *wanted,
                            const char **why);
void earlier_done(struct earlier *e); /* zeroed: nothing happens */

#endif
