/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* clone.c - preloaded into daemons: all draw the same from the kernel, so that a second one has
 * the incarnation of the first, as a cloned machine would. */
#include <string.h>
#include <sys/random.h>

ssize_t getrandom(void *to, size_t size, unsigned flags)
{
    (void)flags;
    memset(to, 0x5a, size);
    return (ssize_t)size;
}
