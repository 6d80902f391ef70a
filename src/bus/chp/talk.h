/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* talk.h - what nodes and a hub say to each other, in the words of CHP (RFC 12).
 *
 * A cluster's log is the subtree "/accord/<cluster>/" of a CHP server. An entry of it is a
 * message whose key says what it does, so that a person reads it, and can write the like:
 *
 *     /accord/shop/remove/greeble:43      sequence: the position; uuid: the message
 *         after=1764359085123455          the position before: a gap in the subtree shows
 *         log=… epoch=…                   which log it is of
 *         origin=web1  ttl=60             for people, and for clients that keep a map
 *         value: the record of docs/format/change.txt; what a person sets has none
 *
 * A question is ICANHAZ? of a subtree below it that says what is asked, and ends as every
 * snapshot does, with KTHXBAI, that subtree, the log's head as sequence, and what else is to be
 * known as properties. Words in a question that are not known are passed over.
 *
 * Pure. Any thread. Whatever comes is hostile.
 */
#ifndef ACCORD_BUS_CHP_TALK_H
#define ACCORD_BUS_CHP_TALK_H

#include "wire/change.h"
#include "wire/chp.h"

#define TALK_TREE CHP_BUS_TREE

enum {
    TALK_CLUSTER_BYTES_MAX = 33, /* with its end */
    TALK_PATH_BYTES_MAX = 512,   /* of a question, with its end */
    TALK_PREFIX_BYTES_MAX = 64,
    TALK_PROPERTIES_BYTES_MAX = 768,
    TALK_REFUSED_BYTES_MAX = 200,
};

enum talk_verb {
    TALK_RECENT,  /* of a person: the newest entries */
    TALK_ATTACH,  /* makes the log where it is missing */
    TALK_HEAD,    /* the newest position */
    TALK_AFTER,   /* the entries after a position, TALK_ENTRIES_MAX of them */
    TALK_NODES,   /* which have a connection */
    TALK_DROP,    /* the log is removed */
    TALK_PUBLISH, /* no question: the key of a message that nodes send */
};
enum { TALK_ENTRIES_MAX = DELIVER_BATCH_MAX };

struct talk_question {
    char cluster[TALK_CLUSTER_BYTES_MAX];
    enum talk_verb verb;
    uint64_t nonce;
    uint64_t position;                  /* ATTACH, HEAD, AFTER: the entry there is told of */
    uint64_t view_ms, max_stale_ms;     /* ATTACH */
    char node[NODE_NAME_BYTES_MAX + 1]; /* ATTACH: who asks; "": a tool */
    uint64_t retain_ms, retain_changes; /* PUBLISH */
};

/* What KTHXBAI says. */
struct talk_answer {
    struct id128 log;
    uint64_t epoch;
    uint64_t head;        /* the sequence */
    struct id128 message; /* the uuid: of the entry at `position`; none: there is none */
    uint64_t pruned_to;   /* what lay up to here may be gone */
    uint64_t view;        /* ATTACH: where the view begins */
    uint64_t max_stale_ms, max_stale_before_ms;
    uint64_t
        term; /* of a pair's server: grows with each takeover (pair.h); 0: it has no pair */
    char refused[TALK_REFUSED_BYTES_MAX]; /* "": it was not; begins with a word */
};
/* Those words. */
#define TALK_ABSENT  "absent" /* there is no such log */
#define TALK_EPOCH   "epoch"  /* it is another than the one meant */
#define TALK_FULL    "full"
#define TALK_PASSIVE "passive" /* of two servers this one does not answer now (pair.h) */

/* "/accord/shop/" */
size_t talk_prefix(const char *cluster, char text[TALK_PREFIX_BYTES_MAX]);

void talk_question_print(const struct talk_question *q, char text[TALK_PATH_BYTES_MAX]);
/* ACCORD_E_FORMAT: *why (static) says what is wrong; *out is untouched. */
MUST_CHECK int talk_question_parse(struct bytes path, struct talk_question *out,
                                   const char **why);

/* The properties of an answer. Returns their length. */
size_t talk_answer_print(const struct talk_answer *a, char text[TALK_PROPERTIES_BYTES_MAX]);
/* ACCORD_E_FORMAT: not an answer of a hub; *out is untouched. */
MUST_CHECK int talk_answer_parse(const struct chp_message *kthxbai, struct talk_answer *out);

/* Which log is meant: "log=…\nepoch=…\n". Returns the length. */
size_t talk_log_print(struct id128 log, uint64_t epoch, char text[TALK_PROPERTIES_BYTES_MAX]);
bool talk_log_parse(struct bytes properties, struct id128 *log, uint64_t *epoch);

/* A decimal property. False: it is not there, or no number; *out is untouched. */
bool talk_number(struct bytes properties, const char *name, uint64_t *out);

void talk_uuid_print(struct id128 id, uint8_t uuid[CHP_UUID_BYTES]);
struct id128 talk_uuid_parse(struct bytes uuid); /* none, where it has not 16 bytes */

/* What a person sets: "/accord/shop/remove/greeble:43" is that removal, of no origin. What
 * cannot be understood stands for all (bus.h, B14). False: it is below no cluster's tree. */
bool talk_change_of_key(struct bytes key, char cluster[TALK_CLUSTER_BYTES_MAX],
                        struct change *out);

#endif
