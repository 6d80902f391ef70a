/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp.h - the frames of ZeroMQ's Clustered Hashmap Protocol (RFC 12).
 *
 * A message of a tree is five frames: key, sequence (8 bytes, the largest first), uuid (16
 * bytes or none), properties ("name=value\n", any number), value. An empty value is a removal.
 * Two keys are the protocol's own: KTHXBAI ends a snapshot, HUGZ says that the server lives.
 * A question for a snapshot is two frames: "ICANHAZ?" and a subtree, which is empty (all) or
 * begins and ends with a slash: without the last one, "/client" would also name "/clientele".
 *
 * Pure. Any thread. Frames are hostile bytes; what is parsed points into them.
 */
#ifndef ACCORD_WIRE_CHP_H
#define ACCORD_WIRE_CHP_H

#include "base/base.h"

enum { CHP_FRAMES = 5, CHP_SEQUENCE_BYTES = 8, CHP_UUID_BYTES = 16, CHP_TTL_BYTES_MAX = 32 };

#define CHP_ICANHAZ "ICANHAZ?"
#define CHP_KTHXBAI "KTHXBAI"
#define CHP_HUGZ    "HUGZ"
/* What is below it is no key of a cache: the logs of the CHP bus (bus/chp/talk.h). */
#define CHP_BUS_TREE "/accord/"

struct chp_message {
    struct bytes key;
    uint64_t sequence; /* 0 where the frame is empty */
    struct bytes uuid; /* 16 bytes, or none */
    struct bytes properties;
    struct bytes value;
};

/* ACCORD_E_FORMAT: not a message of a tree; *why (static) says what is wrong with it.
 * ACCORD_E_SIZE: key or properties are too long. Then *out is untouched. */
MUST_CHECK int chp_parse(const struct bytes *frames, size_t count, struct chp_message *out,
                         const char **why);
/* The same of a tree whose keys may be longer than the cache's. */
MUST_CHECK int chp_parse_long(const struct bytes *frames, size_t count, size_t key_bytes_max,
                              struct chp_message *out, const char **why);

/* The subtree that is asked for. Errors as above. */
MUST_CHECK int chp_parse_question(const struct bytes *frames, size_t count,
                                  struct bytes *subtree, const char **why);

/* Writes the frames of `m`, the sequence's into `sequence`; the others point where m does. */
void chp_frames(const struct chp_message *m, uint8_t sequence[CHP_SEQUENCE_BYTES],
                struct bytes frames[CHP_FRAMES]);

bool chp_is_subtree(struct bytes text);
bool chp_is_below(struct bytes subtree, struct bytes key);
/* HUGZ and KTHXBAI: no key may be called so. */
bool chp_is_reserved(struct bytes key);

/* The first property of that name; false: none. `properties` as chp_parse() accepted them. */
bool chp_property(struct bytes properties, const char *name, struct bytes *value);

/* How long the key is to live: "ttl=30", also "ttl=0.5". UINT64_MAX: for ever, which is what
 * none and 0 mean. ACCORD_E_FORMAT: no number of seconds; *ttl_ms is untouched. */
MUST_CHECK int chp_ttl_ms(struct bytes properties, uint64_t *ttl_ms);
/* "ttl=30\n", rounded up to seconds: relative, as all that travels (what a server keeps is an
 * instant of its own clock). Returns its length, 0 for UINT64_MAX. */
size_t chp_ttl_print(uint64_t ttl_ms, char text[CHP_TTL_BYTES_MAX]);
/* Copies all properties but ttl to `out`, which has room for all. Returns how many bytes. */
size_t chp_without_ttl(struct bytes properties, uint8_t *out);

#endif
