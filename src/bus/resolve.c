/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/resolve.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

/* Belongs to both threads; the last one frees it. */
struct question {
    pthread_mutex_t mutex;
    pthread_cond_t answered;
    bool done, abandoned;
    char host[256];
    int failure; /* of getaddrinfo() */
    struct resolved found;
};

static void question_free(struct question *q)
{
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->mutex);
    free(q);
}

static int look_up(const char *host, int flags, struct resolved *out)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags}, *list = NULL;

    int failure = getaddrinfo(host, NULL, &hints, &list);
    if (failure != 0)
        return failure;
    out->count = 0;
    for (struct addrinfo *a = list; a && out->count < RESOLVED_MAX; a = a->ai_next)
        if (getnameinfo(a->ai_addr, a->ai_addrlen, out->address[out->count], RESOLVED_BYTES_MAX,
                        NULL, 0, NI_NUMERICHOST) == 0)
            out->count++;
    freeaddrinfo(list);
    return out->count > 0 ? 0 : EAI_NONAME;
}

static void *answer(void *context)
{
    struct question *q = context;
    struct resolved found = {.count = 0};

    int failure = look_up(q->host, AI_ADDRCONFIG, &found);
    pthread_mutex_lock(&q->mutex);
    q->failure = failure;
    q->found = found;
    q->done = true;
    bool abandoned = q->abandoned;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->mutex);
    if (abandoned)
        question_free(q);
    return NULL;
}

static struct question *question_new(const char *host)
{
    struct question *q = calloc(1, sizeof *q);
    pthread_condattr_t monotonic;

    if (!q)
        return NULL;
    snprintf(q->host, sizeof q->host, "%s", host);
    pthread_mutex_init(&q->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->answered, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return q;
}

/* Waits; frees the question, or leaves it to its thread. True: *out and *failure are set. */
static bool wait_for(struct question *q, uint64_t deadline_ns, struct resolved *out,
                     int *failure)
{
    struct timespec until = {(time_t)(deadline_ns / NS_PER_S), (long)(deadline_ns % NS_PER_S)};

    pthread_mutex_lock(&q->mutex);
    while (!q->done && pthread_cond_timedwait(&q->answered, &q->mutex, &until) == 0)
        ;
    bool done = q->done;
    q->abandoned = true;
    if (done) {
        *out = q->found;
        *failure = q->failure;
    }
    pthread_mutex_unlock(&q->mutex);
    if (done)
        question_free(q);
    return done;
}

int resolve(const char *host, uint64_t deadline_ns, struct resolved *out,
            char why[BUS_WHY_BYTES_MAX])
{
    struct resolved found = {.count = 0};
    pthread_t thread;
    int failure = 0;

    if (look_up(host, AI_NUMERICHOST, &found) == 0) {
        *out = found;
        return ACCORD_OK;
    }
    struct question *q = question_new(host);
    if (!q || pthread_create(&thread, NULL, answer, q) != 0) {
        if (q)
            question_free(q);
        return bus_fail(why, ACCORD_E_DOWN, "out of memory or threads");
    }
    pthread_detach(thread);
    if (!wait_for(q, deadline_ns, &found, &failure))
        return bus_fail(why, ACCORD_E_DOWN, "the name %.200s was not resolved in time", host);
    if (failure != 0)
        return bus_fail(why, ACCORD_E_DOWN, "the name %.200s: %s", host, gai_strerror(failure));
    *out = found;
    return ACCORD_OK;
}
