/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* change.h - what travels on a bus: a command with an envelope (design, section 6).
 *
 * The struct is the decoded form that core and buses share. A bus with a natural form of its
 * own (a SQL row, a chat line) carries the change in that form; the binary record here is for
 * the others and for the state journal. Its layout is docs/format/change.txt.
 *
 * Pure. Records are hostile bytes: whatever they hold, decoding reads only what it was given.
 */
#ifndef ACCORD_WIRE_CHANGE_H
#define ACCORD_WIRE_CHANGE_H

#include "base/base.h"
#include "base/limits.h"

/* CHANGE(NAME, value, "word"): append only; values and words are on the wire. */
#define CHANGE_OPS(CHANGE)                                                                     \
    CHANGE(REMOVE, 1, "remove")       /* the item of a key */                                  \
    CHANGE(TAG, 2, "tag")             /* every item with a tag */                              \
    CHANGE(PREFIX, 3, "prefix")       /* every item under a prefix */                          \
    CHANGE(NAMESPACE, 4, "namespace") /* every item of a namespace */                          \
    CHANGE(CLEAR, 5, "clear")         /* every item */                                         \
    CHANGE(JOIN, 6, "join")           /* an incarnation begins */                              \
    CHANGE(LEAVE, 7, "leave")         /* it ends; its lease word is zero by now */             \
    CHANGE(BEAT, 8, "beat")           /* it lives, and has applied up to `applied` */

enum change_op {
#define CHANGE(name, value, word) CHANGE_##name = value,
    CHANGE_OPS(CHANGE)
#undef CHANGE
};

const char *change_op_word(enum change_op op); /* static; NULL for a number that is none */
/* ACCORD_E_FORMAT: no such word; *out untouched. */
MUST_CHECK int change_op_parse(struct bytes word, enum change_op *out);

struct change {
    enum change_op op;
    bool soft; /* what it names becomes stale instead of absent */
    bool has_version;
    bool has_fingerprint;
    struct bytes key;     /* key, tag, prefix or namespace; empty for CLEAR and members' ops */
    uint64_t version;     /* with has_version: removes only what is older */
    uint64_t fingerprint; /* with has_fingerprint: a holder of these bytes keeps them */
    struct id128 message; /* names this change; given by the bus where a person wrote it */
    uint64_t wall_ms;     /* Unix time of the origin, for people; decides nothing */

    /* Empty origin: written by a person or a trigger; foreign to all, outside all sequences. */
    struct bytes origin; /* the node's name */
    struct id128 incarnation;
    uint64_t sequence; /* 1, 2, … without holes within one incarnation; CHANGE_SEQUENCE_MAX */

    /* JOIN and BEAT; the nonce of a removal: not 0 asks every node to beat at once. */
    uint64_t nonce;        /* fresh; finds the sending time at the sender (never 0) */
    uint64_t applied;      /* position in the log that the sender has applied */
    uint64_t applied_hash; /* rolling hash there: two nodes that differ have diverged */
    uint64_t lease_epoch;  /* of the sender */
    struct bytes about; /* JOIN, BEAT: "role address version", a tab and more, for people; may
                           be empty; at most CHANGE_ABOUT_BYTES_MAX */
};

/* Put by a bus that does not keep beats in the place of one that its reader missed: it has the
 * number, but not the message. Who beats gives a nonce, never 0. */
static inline bool change_is_missed_beat(const struct change *c)
{
    return c->op == CHANGE_BEAT && c->nonce == 0;
}

/* A beat with a version says that from here on L is so many milliseconds; its fingerprint, that
 * some nodes may have gone by so many until a moment ago: the larger of both, while a change of
 * L is under way (bus.h, B16). */
static inline bool change_sets_max_stale(const struct change *c)
{
    return c->op == CHANGE_BEAT && c->has_version && c->version >= MAX_STALE_MS_MIN &&
           c->version <= MAX_STALE_MS_MAX;
}
/* What it says of that; never less than the new L. */
static inline uint64_t change_max_stale_before(const struct change *c)
{
    uint64_t before_ms = c->has_fingerprint ? c->fingerprint : c->version;

    return before_ms < c->version         ? c->version
           : before_ms > MAX_STALE_MS_MAX ? MAX_STALE_MS_MAX
                                          : before_ms;
}

/* Whether an entry comes from who it says. Where changes are not signed, all do. */
enum trust {
    TRUST_FULL,
    TRUST_UNSIGNED, /* without origin and signature: a person's, a trigger's */
    TRUST_NAKED,    /* of a node, as it says, without signature */
    TRUST_KEYS,     /* signed with a key that is not known here */
    TRUST_ALTERED,  /* signed with a known key, but not these bytes in this log */
    TRUST_REPLAYED, /* what it says was in the log before */
    TRUST_LATE,     /* signed long before its place in the log, by who was not heard since */
    TRUST_KINDS
};

/* One place in the log. Positions grow; they may have holes; 0 is before all. */
struct entry {
    uint64_t position;
    struct change change; /* its bytes belong to whoever delivered the entry */
    enum trust trust;
};

/* A place in a log, with proof (law L5): the entry there must still be the one we saw. */
struct cursor {
    struct id128 log;     /* uuid of the log */
    uint64_t epoch;       /* changes whenever the log may have lost or changed its tail */
    uint64_t position;    /* applied up to here */
    struct id128 message; /* of the entry there; none where the log was empty */
    uint64_t hash;        /* rolling hash of all applied since attach */
};

/* Folds one applied entry into a rolling hash: the same on every node that applied the same. */
uint64_t cursor_hash(uint64_t hash, uint64_t position, struct id128 message);

/* Of one entry and its place alone, as a beat carries it (applied_hash). Never 0, which says
 * "none". */
uint64_t entry_hash(uint64_t position, struct id128 message);

/* A position as users see it: "<position>@<epoch in hex>". */
struct position {
    uint64_t epoch;
    uint64_t value;
};
void position_print(struct position p, char text[POSITION_TEXT_BYTES_MAX]);
/* ACCORD_E_FORMAT: not a position; *out untouched. */
MUST_CHECK int position_parse(struct bytes text, struct position *out);

enum {
    CHANGE_ABOUT_BYTES_MAX = 512,
    CHANGE_RECORD_BYTES_MAX = KEY_BYTES_MAX + 1024,
};

/* No sender counts so far: what says more is forged or damaged. The number after it is one,
 * too: who adds to a sequence need not look. */
#define CHANGE_SEQUENCE_MAX ((uint64_t)INT64_MAX)

/* Writes `c` as one record. ACCORD_E_SIZE: does not fit, or key, origin or about too long;
 * nothing written. */
MUST_CHECK int change_encode(const struct change *c, uint8_t *out, size_t out_bytes,
                             size_t *written);
/* Reads one record; what *out points to lies within `record`. ACCORD_E_FORMAT: not a record;
 * *out and *namespace_out are untouched. ACCORD_E_UNSUPPORTED: of a later format, op or flag;
 * *out is what stands for it (change_stand_in()), and is to be applied in its place;
 * *namespace_out names what that drops: the namespace to which a key "<it>:…" belongs here
 * (empty: everything, or, of a record that may be ignored, nothing). */
MUST_CHECK int change_decode(struct bytes record, struct change *out,
                             struct bytes *namespace_out);

/* What a record of any version says at its beginning; whether it is one otherwise is not looked
 * at. Its size, or 0: it does not lie within `bytes`, which it begins. */
size_t change_record_size(struct bytes bytes);
/* Its message id. False: it is too short to have one; *out is untouched. */
MUST_CHECK bool change_record_message(struct bytes record, struct id128 *out);

/* Makes of a change that this version does not know what stands for it: the removal of the
 * namespace that the first bytes of its key name, or of everything; or, where its writer says
 * that it may be ignored, a beat that tells nothing. Who wrote it, its sequence and its message
 * stay: else its writer's next change would show a gap, and nodes of the two versions would
 * take each other for diverged. A sequence that no sender reaches makes it nobody's. See
 * docs/format/versions.txt. */
void change_stand_in(struct change *c, size_t scope_bytes, bool ignorable);

/* The same where a bus carries the op as a word. One of a later version begins so, where who
 * does not know it must drop the namespace of its key, or everything; or may ignore it. Any
 * other word is nobody's, and stands for everything. */
#define CHANGE_WORD_REQUIRED  "must-"
#define CHANGE_WORD_IGNORABLE "may-"
void change_stand_in_word(struct change *c, struct bytes word);

/* A signature, where there is one, ends `about` (bus/signing.h). Before it a sign of life may
 * say that its sender takes what is not signed, too. What comes before both. */
#define CHANGE_SIGNATURE_MARK "\tsign1 "
#define CHANGE_ACCEPTS        "\taccepts unsigned"
enum { CHANGE_SIGNATURE_BYTES = 97, CHANGE_ACCEPTS_BYTES = sizeof CHANGE_ACCEPTS - 1 };
struct bytes change_about_text(const struct change *c);
bool change_is_signed(const struct change *c);
bool change_accepts_unsigned(const struct change *c);

/* Says what is wrong with a change that a person or program wrote, or NULL: key lengths, an op
 * without its key, a number out of bounds. Static text. */
const char *change_problem(const struct change *c);

#endif
