/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* journal_thread.h - a disk may take its time, the loop must not wait for it.
 *
 * One thread owns the state journal from start to stop, and does what it is asked in that
 * order. What is to be kept meanwhile goes to disk together, with one sync. Whether it did is
 * said on the loop thread, in the order of the tickets; who may be answered only then is the
 * owner's business.
 *
 * Bound: KEEPS_MAX changes not yet on disk; who asks for more waits for the disk.
 */
#ifndef ACCORD_NODE_JOURNAL_THREAD_H
#define ACCORD_NODE_JOURNAL_THREAD_H

#include "node/journal.h"

#include <uv.h>

enum { KEEPS_MAX = OUTBOX_CHANGES_MAX };

enum journal_work { JOURNAL_KEEP, JOURNAL_FORGET, JOURNAL_SAVE, JOURNAL_SAVE_FENCES };

struct journal_thread;

/* The answer to each journal_thread_keep(), and the failures of the others (ticket 0): `count`
 * of what was asked; `why` only where it failed. */
typedef void (*journal_thread_answer)(void *context, enum journal_work work, uint64_t ticket,
                                      int status, size_t count, const char *why);

/* ACCORD_E_NOMEM: nothing was started. The journal is the thread's until journal_thread_stop().
 */
MUST_CHECK int journal_thread_start(struct journal_thread **out, uv_loop_t *loop,
                                    struct journal *journal, journal_thread_answer answer,
                                    void *context);
/* Does what was asked; no answer comes any more. The memory goes when the loop has run once
 * more. NULL is fine. */
void journal_thread_stop(struct journal_thread *t);

/* Loop thread; what they are given is copied. Tickets grow from 1. ACCORD_E_NOMEM: not asked.
 */
MUST_CHECK int journal_thread_keep(struct journal_thread *t, const struct change *changes,
                                   size_t count, uint64_t *ticket);
MUST_CHECK int journal_thread_forget(struct journal_thread *t, const struct id128 *messages,
                                     size_t count);
MUST_CHECK int journal_thread_save(struct journal_thread *t, const struct journal_place *place);
MUST_CHECK int journal_thread_save_fences(struct journal_thread *t, const struct cursor *at,
                                          const struct fence_saved *list, size_t count);

/* Waits until all that was asked is done, and gives the answers. */
void journal_thread_flush(struct journal_thread *t);

#endif
