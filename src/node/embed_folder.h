/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* embed_folder.h - where does an embedded node's socket live, and who sweeps up after a process
 * that was killed?
 *
 * A folder "accord-" and six letters, of this user alone, in $XDG_RUNTIME_DIR, else $TMPDIR,
 * else /tmp. It holds the socket and a file "lock", which its process keeps locked: a kernel
 * drops that lock when the process ends, however it ends. Making one removes those in the same
 * place whose lock is free, which are this user's, and which hold nothing else.
 *
 * Threads: any. Fork: the child holds the lock too, so the folder lives as long as either.
 */
#ifndef ACCORD_NODE_EMBED_FOLDER_H
#define ACCORD_NODE_EMBED_FOLDER_H

#include "base/base.h"

enum { EMBED_FOLDER_BYTES_MAX = 80 }; /* the path of a socket has 107 */

struct embed_folder {
    char path[EMBED_FOLDER_BYTES_MAX]; /* "": none */
    int lock_fd;                       /* only where there is a path */
};

/* ACCORD_E_IO: nowhere; *f is as it was. */
MUST_CHECK int embed_folder_make(struct embed_folder *f);
/* Removes it, once the socket is gone. Of a zeroed one: nothing. */
void embed_folder_remove(struct embed_folder *f);

#endif
