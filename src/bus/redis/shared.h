/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* shared.h - what the reading and the writing side of one bus know of each other. */
#ifndef ACCORD_BUS_REDIS_SHARED_H
#define ACCORD_BUS_REDIS_SHARED_H

#include <pthread.h>

#include "bus/redis/log.h"
#include "net/time.h"

struct redis_shared {
    const struct redis_place *place;
    const struct bus_settings *settings;
    struct redis_tls_context *tls; /* NULL: plain */
    pthread_mutex_t mutex; /* guards the mark, whose log and epoch are what was attached */
    struct redis_mark mark;
};

static inline struct redis_mark redis_mark_of(struct redis_shared *s)
{
    pthread_mutex_lock(&s->mutex);
    struct redis_mark mark = s->mark;
    pthread_mutex_unlock(&s->mutex);
    return mark;
}

/* An entry of the attached log was seen; of another epoch, or older: nothing new. */
static inline void redis_mark_move(struct redis_shared *s, uint64_t epoch, uint64_t position,
                                   struct id128 message)
{
    pthread_mutex_lock(&s->mutex);
    if (s->mark.epoch == epoch && s->mark.position < position) {
        s->mark.position = position;
        s->mark.message = message;
    }
    pthread_mutex_unlock(&s->mutex);
}

static inline uint64_t redis_deadline(const struct redis_shared *s)
{
    return time_monotonic_ns() + s->settings->timeout_ms * NS_PER_MS;
}

#endif
