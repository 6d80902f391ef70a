/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* publisher.h - appends batches, each as one message that the hub takes whole or not at all.
 *
 * Each names the log that is meant, so that one which comes to another is refused. The hub
 * knows a message that its log holds (bus.h, B12). One thread, but for aim(). */
#ifndef ACCORD_BUS_CHP_PUBLISHER_H
#define ACCORD_BUS_CHP_PUBLISHER_H

#include "bus/chp/link.h"

#include <pthread.h>

struct chp_publisher {
    struct chp_link link;
    pthread_mutex_t mutex; /* guards the five below */
    bool aimed;
    struct id128 log;
    uint64_t epoch;
    size_t server; /* that told of it */
    bool is_new_aim;
    uint8_t *records; /* of PUBLISH_BATCH_MAX changes; what is not used is no memory */
};

MUST_CHECK int chp_publisher_init(struct chp_publisher *p, const struct chp_place *place,
                                  void *context, char why[BUS_WHY_BYTES_MAX]);
void chp_publisher_done(struct chp_publisher *p);

/* From now on into that log, at that one of two servers. Any thread. */
void chp_publisher_aim(struct chp_publisher *p, struct id128 log, uint64_t epoch,
                       size_t server);

/* As in bus.h. */
int chp_publisher_publish(struct chp_publisher *p, const struct change *changes, size_t count,
                          struct position *last, char why[BUS_WHY_BYTES_MAX]);

#endif
