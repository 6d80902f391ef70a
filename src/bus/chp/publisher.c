/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/publisher.h"

#include <stdlib.h>

int chp_publisher_init(struct chp_publisher *p, const struct chp_place *place, void *context,
                       char why[BUS_WHY_BYTES_MAX])
{
    *p = (struct chp_publisher){.aimed = false};
    chp_link_init(&p->link, place, context, /* wants_to_hear= */ false);
    p->records = malloc((size_t)PUBLISH_BATCH_MAX * CHANGE_RECORD_BYTES_MAX);
    if (!p->records)
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    pthread_mutex_init(&p->mutex, NULL);
    return ACCORD_OK;
}

void chp_publisher_done(struct chp_publisher *p)
{
    chp_link_close(&p->link);
    pthread_mutex_destroy(&p->mutex);
    free(p->records);
}

void chp_publisher_aim(struct chp_publisher *p, struct id128 log, uint64_t epoch, size_t server)
{
    pthread_mutex_lock(&p->mutex);
    p->log = log;
    p->epoch = epoch;
    p->server = server;
    p->is_new_aim = true;
    p->aimed = true;
    pthread_mutex_unlock(&p->mutex);
}

/* The records, in frames that the server takes, each of whole records. Returns their number. */
static size_t pack(struct chp_publisher *p, const struct change *changes, size_t count,
                   struct bytes values[CHP_VALUES_MAX])
{
    uint8_t *begin = p->records, *to = begin;
    size_t frames = 0, bytes = 0;

    for (size_t i = 0; i < count; i++) {
        int status = change_encode(&changes[i], to, CHANGE_RECORD_BYTES_MAX, &bytes);
        ASSERT(status == ACCORD_OK); /* bus_check_changes() has looked */
        if ((size_t)(to - begin) + bytes > MIB) {
            values[frames++] = bytes_of(begin, (size_t)(to - begin));
            begin = to;
        }
        to += bytes;
    }
    values[frames++] = bytes_of(begin, (size_t)(to - begin));
    ASSERT(frames <= CHP_VALUES_MAX);
    return frames;
}

/* The hub took none of it. */
static int refused(const struct chp_publisher *p, const struct talk_answer *a,
                   char why[BUS_WHY_BYTES_MAX])
{
    const struct chp_place *place = p->link.place;
    bool is_full = strncmp(a->refused, TALK_FULL, strlen(TALK_FULL)) == 0;

    if (is_full)
        return bus_fail(why, ACCORD_E_IO, "chp: %s takes no changes of %s: %s",
                        chp_link_server(&p->link), place->cluster, a->refused);
    return bus_fail(why, ACCORD_E_DOWN,
                    "chp: the log of %s at %s is another one; it is being attached anew",
                    place->cluster, chp_link_server(&p->link));
}

int chp_publisher_publish(struct chp_publisher *p, const struct change *changes, size_t count,
                          struct position *last, char why[BUS_WHY_BYTES_MAX])
{
    const struct chp_place *place = p->link.place;
    struct talk_question q = chp_place_question(place, TALK_PUBLISH);
    char properties[TALK_PROPERTIES_BYTES_MAX];
    struct bytes values[CHP_VALUES_MAX];
    struct talk_answer a;

    pthread_mutex_lock(&p->mutex);
    bool aimed = p->aimed;
    struct id128 log = p->log;
    uint64_t epoch = p->epoch;
    size_t server = p->is_new_aim ? p->server : p->link.server;
    p->is_new_aim = false;
    pthread_mutex_unlock(&p->mutex);
    if (!aimed)
        return bus_fail(why, ACCORD_E_DOWN, "chp: not attached");
    chp_link_turn_to(&p->link, server);
    q.retain_ms = place->retain_ms;
    q.retain_changes = place->retain_changes;
    size_t frames = pack(p, changes, count, values);
    int status = chp_link_publish(&p->link, &q,
                                  bytes_of(properties, talk_log_print(log, epoch, properties)),
                                  values, frames, &a, chp_place_deadline(place), why);
    if (status != ACCORD_OK)
        return status;
    if (a.refused[0])
        return refused(p, &a, why);
    *last = (struct position){a.epoch, a.head};
    return ACCORD_OK;
}
