/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* beside.h - what stands beside a text in the room, for machines: where the sender of a message
 * stood in the log, and its changes as records (docs/decision/xmpp.md).
 *
 *     <accord xmlns='accord:bus:1' log='LOG' at='ID' state='…' batch='…' voice='…'>
 *     records</accord>
 *
 *   log    the log, 32 hexadecimal digits
 *   at     the archive's id of the newest archived message that the sender had counted
 *   state  epoch (hex), its number there, the place of the newest unarchived, how far back the
 *          log is cut off, max_stale, max_stale before (ms), 1 where these two are set by this
 *          message; all but the first decimal; then the message id of the change `number`
 *   records  of docs/format/change.txt, one after the other, as a zlib stream in base64
 *   batch  id (hex), how many changes, part, parts (0 of 1: whole); absent: `begin`, which
 * opens the epoch, if `at` is the newest message of the archive indeed
 *   voice  incarnation (hex), the sequence of the batch's first change, and that of its last
 *          archived change before the batch (missed.h); left out where that is not known
 */
#ifndef ACCORD_BUS_XMPP_BESIDE_H
#define ACCORD_BUS_XMPP_BESIDE_H

#include "wire/change.h"

enum {
    XMPP_AID_BYTES_MAX =
        80, /* of an archive's id, with its end; longer ones are not believed */
    XMPP_PARTS_MAX = 1024,
    /* Records of one message; with one more record than that it is still taken. */
    XMPP_PART_RECORDS_BYTES_MAX = 24 << 10,
    XMPP_PART_BYTES_MAX = XMPP_PART_RECORDS_BYTES_MAX + CHANGE_RECORD_BYTES_MAX,
    XMPP_BESIDE_BYTES_MAX = 640, /* of all but the records */
};

#define XMPP_BESIDE_NS "accord:bus:1"

struct xmpp_voice {
    struct id128 incarnation;
    uint64_t first; /* 0: not said */
    uint64_t kept;  /* 0: none; always before `first` */
};

struct xmpp_beside {
    struct id128 log;
    char at[XMPP_AID_BYTES_MAX]; /* "": the archive was empty */
    uint64_t epoch, number, place, floor;
    uint64_t max_stale_ms, max_stale_before_ms;
    bool sets_max_stale;
    struct id128 last; /* of the change `number`; none where that is 0 */
    bool begin;
    uint64_t batch;
    uint32_t count, part, parts;
    struct xmpp_voice voice;
};

/* The element's beginning, up to its '>'. */
size_t xmpp_beside_print(const struct xmpp_beside *b, char out[XMPP_BESIDE_BYTES_MAX]);

/* From the attributes; NULL: there is none. False: torn; *out is untouched. */
MUST_CHECK bool xmpp_beside_parse(const char *log, const char *at, const char *state,
                                  const char *batch, struct xmpp_beside *out);

/* From its attribute; NULL, or what cannot be read: not said. */
struct xmpp_voice xmpp_voice_parse(const char *voice);

/* Whether an archive's id may stand in an attribute as it is, and is not too long. */
bool xmpp_aid_is_valid(const char *aid);

/* A position: number, place, fingerprint. */
enum {
    XMPP_PLACE_BITS = 14,
    XMPP_PRINT_BITS = 18,
    XMPP_PLACE_MAX = (1 << XMPP_PLACE_BITS) - 1
};
/* `last`: the archived change `number`; none where that is 0. `message`: of what stands at
 * place > 0; none at place 0. */
uint64_t xmpp_position(uint64_t number, uint64_t place, struct id128 last,
                       struct id128 message);
static inline uint64_t xmpp_number_of(uint64_t position)
{
    return position >> (XMPP_PLACE_BITS + XMPP_PRINT_BITS);
}
static inline uint64_t xmpp_place_of_position(uint64_t position)
{
    return position >> XMPP_PRINT_BITS & XMPP_PLACE_MAX;
}

#endif
