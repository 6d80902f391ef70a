/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* attach.h - how a process on this host gets the segment: ACCORD.ATTACH, protocol 1.
 *
 * Over the unix socket only. The client sends, with nothing else in flight on the connection:
 *
 *     ACCORD.ATTACH 1 <boottime_ns>       boottime_ns: its clock_gettime(CLOCK_BOOTTIME), now
 *
 * The answer is a map (in RESP2 an array of pairs; the client should take the fields by name,
 * in any order, and skip what it does not know):
 *
 *     protocol       :1
 *     segment_bytes  :n      what to map, PROT_READ, MAP_SHARED, from the first descriptor
 *     hints_bytes    :n      what to map, PROT_READ|PROT_WRITE, MAP_SHARED, from the second
 *     incarnation    $32     32 hex digits: high then low half of the segment's incarnation
 *     line           :n      index of the reader line in the hints that is this connection's
 *                            for as long as it lives; -1: none is free, count nothing
 *     boottime_ns    :n      the daemon's CLOCK_BOOTTIME when it answered
 *     pid            :n      the daemon's process
 *     version        $n      the daemon's version, for people
 *     wanted         $32     the incarnation of an earlier segment of this daemon that it would
 *                            like to copy from; absent where it wants none
 *
 * The two descriptors, segment first, travel as one SCM_RIGHTS message with the answer's first
 * byte: read the answer with recvmsg() and MSG_CMSG_CLOEXEC. They stay valid after the
 * connection is gone; the daemon's end is noticed by the closed connection and by the lease.
 *
 * A client that maps the segment of the incarnation `wanted` gives it back, before it asks
 * anything else:
 *
 *     ACCORD.OFFER <incarnation>          with that segment's descriptor as one SCM_RIGHTS
 * message with the command's first byte
 *
 * The answer is +OK, or -NOTWANTED and why; either way the client is done with it.
 *
 * Errors (the connection stays usable, for reads and writes over the socket):
 *     -NOATTACH …   not over TCP; another protocol (the text says which is spoken here); or the
 *                   client's clock is in another time namespace: it differs from ours by more
 *                   than ATTACH_CLOCK_NS_MAX. A client that was merely held up between reading
 *                   its clock and our reading ours may try again: at most ATTACH_TRIES times.
 *     -ERR …        arguments that are no numbers; an ATTACH whose answer is still on its way.
 */
#ifndef ACCORD_DOOR_ATTACH_H
#define ACCORD_DOOR_ATTACH_H

#include "base/base.h"

enum {
    ATTACH_PROTOCOL = 1,
    ATTACH_CLOCK_NS_MAX = 50000000, /* 50 ms */
    ATTACH_TRIES = 3,
};

/* CLOCK_BOOTTIME in nanoseconds. Any thread. */
uint64_t attach_boottime_ns(void);

/* Whether a client's reading of CLOCK_BOOTTIME can be of our own clock, read just now. */
bool attach_same_clock(uint64_t client_ns, uint64_t ours_ns);

/* As recv() without waiting, for a client that may pass a descriptor: the first of them is put
 * into *passed (-1: none came), the others are closed. */
long attach_receive(int fd, void *room, size_t bytes, int *passed);

/* Sends `bytes` (at least 1) with the two descriptors on the first of them; never blocks.
 * Returns what sendmsg() returned: bytes sent, or -1 and errno; then no descriptor was sent. */
long attach_send(int fd, const void *bytes, size_t count, int segment_fd, int hints_fd);

#endif
