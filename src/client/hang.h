/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hang.h - does the daemon hang, so that asking it would only cost one more timeout?
 *
 * It is found to hang by a call that ran into its timeout, if nothing at all came from the
 * daemon since that call began: no reply on any connection of the handle, no renewal of the
 * lease and no change in the segment; and if it does not answer a PING at once either. From
 * then on calls that need it fail at once, with ACCORD_E_TIMEOUT; calls under way wait on.
 *
 * It is over with the first sign of life. Whoever calls looks for one, in one thread at a time
 * and without waiting: at the segment, and at the PING, which stays asked until the daemon
 * answers it or its connection ends. So a daemon that is merely slow is believed again when its
 * answer comes, however late; and one that was stopped, with the first call after it goes on.
 *
 * Of one handle. Threads: any. Fork: the child believes what the parent found, and asks anew.
 */
#ifndef ACCORD_CLIENT_HANG_H
#define ACCORD_CLIENT_HANG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    HANG_LEAST_MS = 1000,     /* a call that waited less finds nothing, but see hang.c */
    HANG_ASK_MS = 50,         /* how long the call that finds it waits for the PING */
    HANG_CONNECT_MS = 50,     /* how long asking again may take */
    HANG_ASK_AGAIN_MS = 1000, /* how often, where the PING could not even be sent */
};

struct accord;
struct seat;

struct hang {
    atomic_uint_least64_t since_ns; /* when the call that found it had begun; 0: it does not */
    atomic_uint_least64_t heard;    /* replies so far, on any connection */
    atomic_uint_least64_t sign;     /* of the segment, when it was found */
    atomic_bool looking;            /* somebody has the rest */
    struct seat *ping;              /* waits for the answer; NULL: none */
    uint64_t ask_again_ns;
};

/* What there was of the daemon before a call. */
struct hang_mark {
    uint64_t began_ns, heard, sign;
};
struct hang_mark hang_mark(struct accord *a);

/* A reply came. */
void hang_heard(struct accord *a);
/* The call that began with `mark` ran into its timeout. */
void hang_timed_out(struct accord *a, const struct hang_mark *mark);
/* Whether a call should fail at once. Waits HANG_CONNECT_MS at most, in one thread. */
bool hang_is_on(struct accord *a);
/* In the child after fork(), with the handle's lock held. */
void hang_forked(struct accord *a);

/* The status that a call answers which failed with `status`, its words remembered for
 * accord_last_error(). SEAT_HANGS is ACCORD_E_TIMEOUT, and says since when. */
int hang_say(struct accord *a, int status);

#endif
