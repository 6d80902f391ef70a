/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* acs.h - what the servers of ArsDigita's community system, and of OpenACS, say to each other:
 * "flush this". They say it to this node as to one of their own.
 *
 *     GET /SYSTEM/flush-memoized-statement.tcl?statement=KEY
 *         answers "Successful."
 *     GET /acs-cluster-do?cmd=COMMAND&f=LOCATION&t=MILLISECONDS&s=SIGNATURE
 *         200 and the number of keys that were here, or 417 and why not. The signature is
 *         HMAC-SHA256(secret, the Tcl list of COMMAND and MILLISECONDS), in hex. COMMAND is
 *         itself a list; those that flush caches are known, and nothing is ever evaluated.
 *
 * Only addresses that match settings->machines may ask. What is removed goes from this host's
 * cache alone and is told to nobody: the sender has told every peer, and who passed it on would
 * have all pass it on to all.
 */
#ifndef ACCORD_DOOR_HTTP_ACS_H
#define ACCORD_DOOR_HTTP_ACS_H

#include "door/http/private.h"

#define ACS_SKEW_MS 60000ull /* a signature older, or as far ahead, is refused */
enum {
    ACS_WORDS_MAX = 16, /* of a command */
};

struct acs_removal {
    enum request_op kind; /* REQUEST_REMOVE, or REQUEST_CLEAR */
    struct bytes name;    /* a key; a namespace, or "*" */
    bool or_all;          /* CLEAR: where no such namespace is declared, "default" is cleared */
};

enum acs_sense { ACS_FLUSH, ACS_NO_LIST, ACS_NO_FLUSH, ACS_TOO_MANY };

/* Of `room` for a command: its own bytes, and as many names made of them as it has words. */
#define ACS_ROOM_BYTES(command_bytes) (((command_bytes) + 1) * (ACS_WORDS_MAX + 1))

/* What a command asks to be removed. `room` (ACS_ROOM_BYTES) holds what the names point to.
 * *count_out may be 0. Pure. */
enum acs_sense acs_understand(struct bytes command, uint8_t *room,
                              struct acs_removal removals[ACS_WORDS_MAX], size_t *count_out);

void acs_flush_memoized(struct http_door *d, const struct http_request *r,
                        struct http_answer *a);
void acs_cluster_do(struct http_door *d, const struct http_request *r, struct http_answer *a);
void acs_done(struct http_door *d);

#endif
