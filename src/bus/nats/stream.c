/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/nats/stream.h"

#define XXH_INLINE_ALL
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <xxhash.h>

#include "net/time.h"

enum {
    BEATS_KEEP = 8192,        /* messages: minutes of a large fleet */
    DUPLICATE_WINDOW_S = 120, /* in which the server itself knows a repeated message */
    CLOCK_MARGIN_MS = 60000,  /* where the server does not tell its time */
};

static uint64_t random_number(void)
{
    uint64_t n;

    ASSERT(getrandom(&n, sizeof n, 0) == sizeof n);
    return n | 1; /* never 0 */
}

/* The server's clock and ours need not agree: it tells the time with its answers. */
static uint64_t time_parse(const char *text)
{
    struct tm t = {0};
    char fraction[10] = "000000000";
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &t) : NULL;

    if (!rest)
        return 0;
    if (*rest == '.')
        for (size_t i = 0; i < 9 && rest[1 + i] >= '0' && rest[1 + i] <= '9'; i++)
            fraction[i] = rest[1 + i];
    return (uint64_t)timegm(&t) * 1000 + strtoull(fraction, NULL, 10) / NS_PER_MS;
}

static void time_print(uint64_t wall_ms, char text[40])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm t;
    size_t used = strftime(text, 40, "%Y-%m-%dT%H:%M:%S", gmtime_r(&seconds, &t));

    snprintf(text + used, 40 - used, ".%03uZ", (unsigned)(wall_ms % 1000));
}

static uint64_t number(json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

static int stream_parse(struct nats_link *l, json_t *info, struct nats_stream *out,
                        char why[BUS_WHY_BYTES_MAX])
{
    json_t *config = json_object_get(info, "config"), *state = json_object_get(info, "state");
    const char *text = json_string_value(json_object_get(config, "description"));
    const char *created = json_string_value(json_object_get(info, "created"));

    *out = (struct nats_stream){0};
    if (json_object_get(config, "mirror"))
        return bus_fail(why, ACCORD_E_UNSUPPORTED,
                        "nats: the stream %s is a mirror, which may lag and takes no changes; "
                        "name the cluster of the stream that it copies",
                        l->stream);
    if (!text || !created || !nats_meta_parse(text, &out->meta))
        return bus_fail(
            why, ACCORD_E_UNSUPPORTED,
            "nats: the stream %s is not Accord's (its description is not); name another "
            "cluster in the URL",
            l->stream);
    out->epoch = out->meta.epoch ^ XXH3_64bits(created, strlen(created));
    out->first = number(state, "first_seq");
    out->last = number(state, "last_seq");
    out->deleted = number(state, "num_deleted");
    out->messages = number(state, "messages");
    out->server_ms = time_parse(json_string_value(json_object_get(info, "ts")));
    snprintf(out->log_subject, sizeof out->log_subject, "accord.%s.log.%016" PRIx64, l->cluster,
             out->meta.epoch);
    snprintf(out->beat_subject, sizeof out->beat_subject, "accord.%s.beat.%016" PRIx64,
             l->cluster, out->meta.epoch);
    return ACCORD_OK;
}

static int stream_info(struct nats_link *l, json_t **info, struct nats_stream *out,
                       char why[BUS_WHY_BYTES_MAX])
{
    int status = nats_link_ask(l, "STREAM.INFO", NULL, info, why);

    if (status != ACCORD_OK)
        return status;
    status = stream_parse(l, *info, out, why);
    if (status != ACCORD_OK) {
        json_decref(*info);
        *info = NULL;
    }
    return status;
}

int nats_stream_look(struct nats_link *l, struct nats_stream *out, char why[BUS_WHY_BYTES_MAX])
{
    json_t *info = NULL;

    int status = stream_info(l, &info, out, why);
    json_decref(info);
    return status;
}

static void set_meta(struct nats_link *l, json_t *config, const struct nats_meta *m)
{
    char text[NATS_META_BYTES_MAX], log[2 * NATS_NAME_BYTES_MAX], beat[2 * NATS_NAME_BYTES_MAX];
    char people[2 * NATS_NAME_BYTES_MAX];

    nats_meta_print(m, text);
    snprintf(log, sizeof log, "accord.%s.log.%016" PRIx64, l->cluster, m->epoch);
    snprintf(beat, sizeof beat, "accord.%s.beat.%016" PRIx64, l->cluster, m->epoch);
    snprintf(people, sizeof people, "accord.%s.do.>", l->cluster);
    json_object_set_new(config, "description", json_string(text));
    json_object_set_new(config, "subjects", json_pack("[s,s,s]", log, beat, people));
}

int nats_stream_make(struct nats_link *l, uint64_t max_stale_ms, struct nats_stream *out,
                     char why[BUS_WHY_BYTES_MAX])
{
    struct nats_meta m = {.log = {random_number(), random_number()},
                          .epoch = random_number(),
                          .max_stale_ms = max_stale_ms,
                          .max_stale_before_ms = max_stale_ms};
    json_t *reply = NULL;

    int status = nats_stream_look(l, out, why);
    if (status != ACCORD_E_GONE)
        return status;
    json_t *config =
        json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "name", l->stream, "retention", "limits",
                  "storage", "file", "discard", "old", "num_replicas", (json_int_t)l->replicas,
                  "duplicate_window", (json_int_t)DUPLICATE_WINDOW_S * (json_int_t)NS_PER_S);
    set_meta(l, config, &m);
    status = nats_link_ask(l, "STREAM.CREATE", config, &reply, why);
    json_decref(reply);
    if (status != ACCORD_OK && status != ACCORD_E_IO) /* perhaps another made it just now */
        return status;
    char ignored[BUS_WHY_BYTES_MAX];
    int found = nats_stream_look(l, out, status == ACCORD_OK ? why : ignored);
    return found == ACCORD_OK || status == ACCORD_OK ? found : status;
}

/* Writes another meta with the configuration as it stands. */
static void update(struct nats_link *l, json_t *info, const struct nats_meta *m)
{
    json_t *config = json_deep_copy(json_object_get(info, "config")), *reply = NULL;
    char why[BUS_WHY_BYTES_MAX];

    set_meta(l, config, m);
    if (nats_link_ask(l, "STREAM.UPDATE", config, &reply, why) == ACCORD_OK)
        json_decref(reply);
}

void nats_stream_lost(struct nats_link *l, uint64_t was)
{
    char why[BUS_WHY_BYTES_MAX];
    struct nats_stream s;
    json_t *info = NULL;

    if (stream_info(l, &info, &s, why) != ACCORD_OK)
        return;
    if (s.meta.epoch == was) {
        s.meta.epoch = random_number();
        update(l, info, &s.meta);
    }
    json_decref(info);
}

void nats_stream_set_max_stale(struct nats_link *l, const struct change *c, uint64_t position)
{
    char why[BUS_WHY_BYTES_MAX];
    struct nats_stream s;
    json_t *info = NULL;

    if (stream_info(l, &info, &s, why) != ACCORD_OK)
        return;
    if (s.meta.set_at < position) {
        s.meta.set_at = position;
        s.meta.max_stale_ms = c->version;
        s.meta.max_stale_before_ms = change_max_stale_before(c);
        update(l, info, &s.meta);
    }
    json_decref(info);
}

/* A consumer that begins at a time says where that is; it is not read from. */
int nats_stream_since(struct nats_link *l, uint64_t wall_ms, uint64_t *sequence,
                      char why[BUS_WHY_BYTES_MAX])
{
    char time[40], subject[4 * NATS_NAME_BYTES_MAX];
    json_t *reply = NULL;

    time_print(wall_ms, time);
    json_t *body =
        json_pack("{s:s, s:{s:s, s:s, s:s, s:s, s:I, s:b}}", "stream_name", l->stream, "config",
                  "deliver_policy", "by_start_time", "opt_start_time", time, "ack_policy",
                  "none", "replay_policy", "instant", "inactive_threshold",
                  (json_int_t)NS_PER_S, "mem_storage", 1);
    int status = nats_link_ask(l, "CONSUMER.CREATE", body, &reply, why);
    if (status != ACCORD_OK)
        return status;
    *sequence = number(json_object_get(reply, "delivered"), "stream_seq") + 1;
    const char *name = json_string_value(json_object_get(reply, "name"));
    snprintf(subject, sizeof subject, "%s.CONSUMER.DELETE.%s.%s", l->api, l->stream,
             name ? name : "");
    /* Nobody waits for the answer: it would end by itself a second later. */
    (void)natsConnection_PublishString(l->connection, subject, "");
    json_decref(reply);
    return ACCORD_OK;
}

/* The first message of a subject; UINT64_MAX where there is none. */
static int first_of(struct nats_link *l, const char *kind, uint64_t *sequence,
                    char why[BUS_WHY_BYTES_MAX])
{
    char subject[2 * NATS_NAME_BYTES_MAX];
    json_t *reply = NULL;

    snprintf(subject, sizeof subject, "accord.%s.%s.>", l->cluster, kind);
    int status = nats_link_ask(
        l, "STREAM.MSG.GET",
        json_pack("{s:I, s:s}", "seq", (json_int_t)1, "next_by_subj", subject), &reply, why);
    if (status == ACCORD_E_GONE) {
        *sequence = UINT64_MAX;
        return ACCORD_OK;
    }
    if (status != ACCORD_OK)
        return status;
    *sequence = number(json_object_get(reply, "message"), "seq");
    json_decref(reply);
    return ACCORD_OK;
}

/* Each kind is pruned from its old end, so from the latest of the first ones on none is
 * missing. */
int nats_stream_whole_from(struct nats_link *l, const struct nats_stream *s, uint64_t from,
                           uint64_t *sequence, char why[BUS_WHY_BYTES_MAX])
{
    static const char *const kinds[] = {"log", "beat", "do"};
    uint64_t whole = u64_max(from, s->first), first = 0;

    for (size_t i = 0; i < COUNT_OF(kinds) && s->deleted > 0; i++) {
        int status = first_of(l, kinds[i], &first, why);
        if (status != ACCORD_OK)
            return status;
        if (first != UINT64_MAX)
            whole = u64_max(whole, first);
    }
    *sequence = whole;
    return ACCORD_OK;
}

static int purge(struct nats_link *l, const char *kind, const char *bound, uint64_t value,
                 char why[BUS_WHY_BYTES_MAX])
{
    char subject[2 * NATS_NAME_BYTES_MAX];
    json_t *reply = NULL;

    snprintf(subject, sizeof subject, "accord.%s.%s.>", l->cluster, kind);
    int status = nats_link_ask(
        l, "STREAM.PURGE", json_pack("{s:s, s:I}", "filter", subject, bound, (json_int_t)value),
        &reply, why);
    json_decref(reply);
    return status;
}

uint64_t nats_stream_now_ms(const struct nats_stream *s)
{
    return s->server_ms ? s->server_ms : u64_sub_sat(time_wall_ms(), CLOCK_MARGIN_MS);
}

void nats_stream_prune(struct nats_link *l, uint64_t changes, uint64_t retain_ms)
{
    char why[BUS_WHY_BYTES_MAX];
    struct nats_stream s;
    uint64_t old = 0;

    if (purge(l, "log", "keep", u64_max(changes, 1), why) != ACCORD_OK ||
        purge(l, "do", "keep", u64_max(changes, 1), why) != ACCORD_OK ||
        purge(l, "beat", "keep", BEATS_KEEP, why) != ACCORD_OK ||
        nats_stream_look(l, &s, why) != ACCORD_OK ||
        nats_stream_since(l, u64_sub_sat(nats_stream_now_ms(&s), retain_ms), &old, why) !=
            ACCORD_OK)
        return;
    old = u64_min(old, s.last); /* without it: the newest of all stays */
    if (old > s.first && purge(l, "log", "seq", old, why) == ACCORD_OK)
        (void)purge(l, "do", "seq", old, why);
}

int nats_stream_drop(struct nats_link *l, char why[BUS_WHY_BYTES_MAX])
{
    json_t *reply = NULL;

    int status = nats_link_ask(l, "STREAM.DELETE", NULL, &reply, why);
    json_decref(reply);
    return status;
}
