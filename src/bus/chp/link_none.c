/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* link_none.c - what a build without libzmq has in place of link.c. */
#include "bus/chp/link.h"

#if !__has_include(<zmq.h>)

int chp_context_new(void **context, char why[BUS_WHY_BYTES_MAX])
{
    (void)context;
    return bus_fail(why, ACCORD_E_UNSUPPORTED,
                    "chp: this accord was built without libzmq: install libzmq3-dev, then make "
                    "clean all");
}

void chp_context_free(void *context)
{
    ASSERT(!context);
}

void chp_link_init(struct chp_link *l, const struct chp_place *p, void *context,
                   bool wants_to_hear)
{
    *l = (struct chp_link){.place = p, .context = context, .wants_to_hear = wants_to_hear};
}

void chp_link_close(struct chp_link *l)
{
    ASSERT(!l->asks);
}

const char *chp_link_server(const struct chp_link *l)
{
    return l->place->server[l->server];
}

void chp_link_turn_to(struct chp_link *l, size_t server)
{
    ASSERT(!l->asks);
    l->server = server;
}

static int none(char why[BUS_WHY_BYTES_MAX])
{
    return bus_fail(why, ACCORD_E_UNSUPPORTED, "chp: built without libzmq");
}

int chp_link_open(struct chp_link *l, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    (void)l;
    (void)deadline_ns;
    return none(why);
}

int chp_link_ask(struct chp_link *l, struct talk_question *q, chp_each each, void *context,
                 struct talk_answer *out, uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    (void)l;
    (void)q;
    (void)each;
    (void)context;
    (void)out;
    (void)deadline_ns;
    return none(why);
}

int chp_link_publish(struct chp_link *l, struct talk_question *q, struct bytes properties,
                     const struct bytes *values, size_t count, struct talk_answer *out,
                     uint64_t deadline_ns, char why[BUS_WHY_BYTES_MAX])
{
    (void)l;
    (void)q;
    (void)properties;
    (void)values;
    (void)count;
    (void)out;
    (void)deadline_ns;
    return none(why);
}

void chp_link_hear(struct chp_link *l, bool (*each)(void *context, const struct chp_message *m),
                   void *context)
{
    (void)each;
    (void)context;
    ASSERT(!l->hears);
}

void chp_link_wait(struct chp_link *l, int fd, uint64_t timeout_ms)
{
    (void)fd;
    (void)timeout_ms;
    ASSERT(!l->hears);
}

#endif
