/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* link.h - a thread's connections to a hub: one that asks and is answered, and for a reader one
 * that hears what is published.
 *
 * Of two servers it is with one at a time, and turns to the other where this one is silent, or
 * says that it is the passive one: with the next question, so that no answers are mixed.
 *
 * A question is sent only over a connection that stands, and one that was not answered in time
 * takes its connection with it, so that nothing lies in a queue and arrives later. An answer is
 * known by its subtree, which holds a number of its own.
 *
 * One thread at a time. Built without libzmq, chp_link_begin() says so, and nothing else is
 * called. */
#ifndef ACCORD_BUS_CHP_LINK_H
#define ACCORD_BUS_CHP_LINK_H

#include "bus/chp/place.h"

enum { CHP_VALUES_MAX = 12 }; /* frames of what is published */

struct chp_link {
    const struct chp_place *place;
    size_t server; /* of the place's: the one that it is with */
    void *context; /* of libzmq; shared by the links of a bus */
    void *asks;    /* NULL: not connected */
    void *hears;   /* NULL: none */
    bool wants_to_hear;
    uint64_t nonce; /* given last */
};

/* What libzmq needs once for all links of a bus. ACCORD_E_UNSUPPORTED: built without it. */
MUST_CHECK int chp_context_new(void **context, char why[BUS_WHY_BYTES_MAX]);
void chp_context_free(void *context); /* after its links; NULL is fine */

void chp_link_init(struct chp_link *l, const struct chp_place *p, void *context,
                   bool wants_to_hear);
/* Connects, where it is not; waits for nobody but a name server. ACCORD_E_INVALID: the host is
 * not this one. ACCORD_E_DOWN: no such name, or no answer in time. ACCORD_E_IO. */
MUST_CHECK int chp_link_open(struct chp_link *l, uint64_t deadline_ns,
                             char why[BUS_WHY_BYTES_MAX]);
void chp_link_close(struct chp_link *l);               /* closed is fine */
const char *chp_link_server(const struct chp_link *l); /* for people: the one that it is with */
/* From now on with that one. */
void chp_link_turn_to(struct chp_link *l, size_t server);

/* What comes before the answer; borrowed for the call. */
typedef void (*chp_each)(void *context, const struct chp_message *m);

/* Asks, and waits for the answer. ACCORD_E_DOWN: it was not sent, or not taken by the passive
 * one of two. ACCORD_E_TIMEOUT: it was, but there was no answer, and the link is closed. `each`
 * may be NULL. */
MUST_CHECK int chp_link_ask(struct chp_link *l, struct talk_question *q, chp_each each,
                            void *context, struct talk_answer *out, uint64_t deadline_ns,
                            char why[BUS_WHY_BYTES_MAX]);
/* The same with what is published: records, in up to CHP_VALUES_MAX frames. */
MUST_CHECK int chp_link_publish(struct chp_link *l, struct talk_question *q,
                                struct bytes properties, const struct bytes *values,
                                size_t count, struct talk_answer *out, uint64_t deadline_ns,
                                char why[BUS_WHY_BYTES_MAX]);

/* Gives to `each` what was published meanwhile, until it returns false or there is nothing. */
void chp_link_hear(struct chp_link *l, bool (*each)(void *context, const struct chp_message *m),
                   void *context);
/* Waits until something was published, `fd` is readable, or the time is over. */
void chp_link_wait(struct chp_link *l, int fd, uint64_t timeout_ms);

#endif
