/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/hub.h"

#include "bus/chp/pair.h"
#include "net/time.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    CLIENT_BYTES_MAX = 64,
    ANSWER_BYTES_MAX = 4 * 1024 * 1024, /* of records in one answer */
    ENTRY_TTL_S = 60,                   /* for how long a client's map keeps an entry */
};

/* A node's connection, as it named it when it attached. */
struct hub_node {
    struct hub_log *log; /* NULL: the place is free */
    char name[NODE_NAME_BYTES_MAX + 1];
    uint8_t client[CLIENT_BYTES_MAX];
    size_t client_bytes;
};

struct hub {
    struct hub_host host;
    struct hub_logs logs;
    struct pair pair;
    bool paired; /* it is one of two */
    struct hub_node nodes[MEMBERS_MAX];
    struct hub_entry *fresh[PUBLISH_BATCH_MAX]; /* of the batch that is being taken */
    struct hub_counts counts;
};

static uint64_t now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

/* ---- life ----------------------------------------------------------------------------- */

struct hub *hub_new(const struct hub_host *host)
{
    struct hub *h = calloc(1, sizeof *h);

    if (h)
        h->host = *host;
    return h;
}

void hub_free(struct hub *h)
{
    if (!h)
        return;
    hub_logs_free(&h->logs);
    if (h->paired)
        pair_done(&h->pair);
    free(h);
}

int hub_pair(struct hub *h, const struct hub_pair *as)
{
    ASSERT(!h->paired && h->host.say && h->host.noted);
    int status = pair_init(&h->pair, &h->host, &h->logs, as);
    h->paired = status == ACCORD_OK;
    return status;
}

const char *hub_pair_text(const struct hub *h)
{
    return h->paired ? pair_text(&h->pair) : "";
}

bool hub_takes(struct bytes path)
{
    return chp_is_below(bytes_of_text(TALK_TREE), path);
}

void hub_count(const struct hub *h, struct hub_counts *sum)
{
    sum->logs += h->logs.count;
    for (size_t i = 0; i < h->logs.count; i++)
        sum->entries += h->logs.log[i]->count;
    sum->takeovers += h->paired ? h->pair.takeovers : 0;
    sum->appended += h->counts.appended;
    sum->questions += h->counts.questions;
    sum->refused += h->counts.refused;
}

static void refuse(struct hub *h, const char *why, struct bytes about)
{
    h->counts.refused++;
    h->host.refused(h->host.context, why, about);
}

static size_t index_of(const struct hub *h, const char *cluster)
{
    size_t i = 0;

    while (i < h->logs.count && strcmp(h->logs.log[i]->name, cluster) != 0)
        i++;
    return i;
}

static struct hub_log *find(const struct hub *h, const char *cluster)
{
    return hub_logs_find(&h->logs, cluster);
}

/* NULL: there are too many, or there is no memory. */
static struct hub_log *find_or_make(struct hub *h, const char *cluster, uint64_t max_stale_ms)
{
    struct hub_log *log = find(h, cluster);

    if (log || h->logs.count == CHP_LOGS_MAX)
        return log;
    log = hub_log_new(cluster,
                      u64_min(u64_max(max_stale_ms, MAX_STALE_MS_MIN), MAX_STALE_MS_MAX));
    if (log)
        h->logs.log[h->logs.count++] = log;
    return log;
}

static void drop(struct hub *h, const char *cluster)
{
    size_t index = index_of(h, cluster);
    struct hub_log *log = h->logs.log[index];

    for (size_t i = 0; i < COUNT_OF(h->nodes); i++)
        if (h->nodes[i].log == log)
            h->nodes[i].log = NULL;
    h->logs.log[index] = h->logs.log[--h->logs.count];
    hub_log_free(log);
    if (h->paired)
        pair_begin_anew(&h->pair);
}

void hub_cut(struct hub *h, const char *cluster, size_t count)
{
    hub_log_cut(find(h, cluster), count);
    if (h->paired)
        pair_begin_anew(&h->pair);
}

/* ---- what is said --------------------------------------------------------------------- */

static size_t entry_properties(const struct hub_log *log, const struct hub_entry *e,
                               char text[TALK_PROPERTIES_BYTES_MAX])
{
    size_t used = talk_log_print(log->uuid, log->epoch, text);

    used += (size_t)snprintf(text + used, TALK_PROPERTIES_BYTES_MAX - used,
                             "after=%llu\nttl=%d\n", (unsigned long long)e->after, ENTRY_TTL_S);
    struct bytes o = e->origin;
    if (o.size_bytes > 0 && !memchr(o.data, '\n', o.size_bytes))
        used += (size_t)snprintf(text + used, TALK_PROPERTIES_BYTES_MAX - used, "origin=%.*s\n",
                                 (int)o.size_bytes, (const char *)o.data);
    ASSERT(used < TALK_PROPERTIES_BYTES_MAX);
    return used;
}

static int say(struct hub *h, const struct bytes *client, const struct bytes *frames)
{
    if (h->paired)
        return pair_say(&h->pair, client ? *client : bytes_of(NULL, 0), frames, CHP_FRAMES);
    if (client)
        return h->host.send(h->host.context, *client, frames, CHP_FRAMES);
    h->host.publish(h->host.context, frames, CHP_FRAMES);
    return ACCORD_OK;
}

/* Publishes the entry, or sends it to one client. */
static int tell(struct hub *h, const struct hub_log *log, const struct hub_entry *e,
                const struct bytes *client)
{
    char properties[TALK_PROPERTIES_BYTES_MAX];
    uint8_t uuid[CHP_UUID_BYTES], sequence[CHP_SEQUENCE_BYTES];
    struct bytes frames[CHP_FRAMES];
    struct chp_message m = {
        .key = e->key, .sequence = e->position, .uuid = e->uuid, .value = e->record};

    m.properties = bytes_of(properties, entry_properties(log, e, properties));
    if (e->uuid.size_bytes == 0) {
        talk_uuid_print(e->message, uuid);
        m.uuid = bytes_of(uuid, sizeof uuid);
    }
    chp_frames(&m, sequence, frames);
    return say(h, client, frames);
}

/* `log` NULL: there is none; `path` is what was asked. */
static void answer(struct hub *h, struct bytes client, struct bytes path,
                   const struct hub_log *log, const struct talk_question *q,
                   const char *refused)
{
    char properties[TALK_PROPERTIES_BYTES_MAX];
    uint8_t uuid[CHP_UUID_BYTES], sequence[CHP_SEQUENCE_BYTES];
    struct bytes frames[CHP_FRAMES];
    struct talk_answer a = {.head = 0};
    uint64_t term = h->paired ? h->pair.term : 0;
    struct chp_message m = {.key = bytes_of_text(CHP_KTHXBAI), .value = path};

    if (log) {
        a = (struct talk_answer){.log = log->uuid,
                                 .epoch = log->epoch,
                                 .message = hub_log_message_at(log, q->position),
                                 .pruned_to = log->pruned_to,
                                 .view = hub_log_view(log, q->view_ms, now_ms()),
                                 .max_stale_ms = log->max_stale_ms,
                                 .max_stale_before_ms = log->max_stale_before_ms};
        m.sequence = q->verb == TALK_PUBLISH ? q->position : log->newest;
    }
    a.term = term;
    snprintf(a.refused, sizeof a.refused, "%s", refused ? refused : "");
    m.properties = bytes_of(properties, talk_answer_print(&a, properties));
    if (!id128_is_none(a.message)) {
        talk_uuid_print(a.message, uuid);
        m.uuid = bytes_of(uuid, sizeof uuid);
    }
    chp_frames(&m, sequence, frames);
    /* Who does not take it asks again. */
    if (h->paired && h->pair.state != PAIR_ACTIVE)
        (void)h->host.send(h->host.context, client, frames, CHP_FRAMES);
    else
        (void)say(h, &client, frames);
}

/* The entries from records[first] on. False: the client has no room; it asks again. */
static bool send_entries(struct hub *h, struct bytes client, const struct hub_log *log,
                         size_t first)
{
    size_t last = (size_t)u64_min(log->count, (uint64_t)first + TALK_ENTRIES_MAX), bytes = 0;

    for (; first < last && bytes < ANSWER_BYTES_MAX; first++) {
        if (tell(h, log, log->entries[first], &client) != ACCORD_OK)
            return false;
        bytes += log->entries[first]->record.size_bytes;
    }
    return true;
}

/* ---- who is there --------------------------------------------------------------------- */

static bool is_of(const struct hub_node *n, struct bytes client)
{
    return n->log && bytes_equal(bytes_of(n->client, n->client_bytes), client);
}

/* ZeroMQ tells of a connection's end only to who would send something over it. */
static bool is_connected(struct hub *h, const struct hub_node *n)
{
    struct chp_message m = {.key = bytes_of_text(CHP_HUGZ)};
    uint8_t sequence[CHP_SEQUENCE_BYTES];
    struct bytes frames[CHP_FRAMES];

    chp_frames(&m, sequence, frames);
    return h->host.send(h->host.context, bytes_of(n->client, n->client_bytes), frames,
                        CHP_FRAMES) != ACCORD_E_GONE;
}

/* The place of this client, or one that is free; NULL: there is none. */
static struct hub_node *node_place(struct hub *h, struct bytes client)
{
    struct hub_node *place = NULL;

    for (size_t i = 0; i < COUNT_OF(h->nodes); i++) {
        if (is_of(&h->nodes[i], client))
            return &h->nodes[i];
        place = place || h->nodes[i].log ? place : &h->nodes[i];
    }
    return place;
}

static void forget_the_gone(struct hub *h)
{
    for (size_t i = 0; i < COUNT_OF(h->nodes); i++)
        if (h->nodes[i].log && !is_connected(h, &h->nodes[i]))
            h->nodes[i].log = NULL;
}

static void note_node(struct hub *h, struct hub_log *log, const char *name, struct bytes client)
{
    if (!name[0] || client.size_bytes > CLIENT_BYTES_MAX)
        return;
    struct hub_node *place = node_place(h, client);
    if (!place) {
        forget_the_gone(h);
        place = node_place(h, client);
    }
    if (!place) /* of so many nodes it is not known then who is connected */
        return;
    *place = (struct hub_node){.log = log, .client_bytes = client.size_bytes};
    snprintf(place->name, sizeof place->name, "%s", name);
    memcpy(place->client, client.data, client.size_bytes);
}

static bool send_nodes(struct hub *h, struct bytes client, const struct hub_log *log)
{
    uint8_t sequence[CHP_SEQUENCE_BYTES];
    struct bytes frames[CHP_FRAMES];

    for (size_t i = 0; i < COUNT_OF(h->nodes); i++) {
        struct hub_node *n = &h->nodes[i];
        struct chp_message m = {.key = bytes_of_text("node"), .value = bytes_of_text(n->name)};
        if (n->log != log)
            continue;
        if (!is_connected(h, n)) {
            n->log = NULL;
            continue;
        }
        chp_frames(&m, sequence, frames);
        if (say(h, &client, frames) != ACCORD_OK)
            return false;
    }
    return true;
}

/* ---- questions ------------------------------------------------------------------------ */

static void attach(struct hub *h, struct bytes client, struct bytes path,
                   const struct talk_question *q)
{
    struct hub_log *log = find_or_make(h, q->cluster, q->max_stale_ms);

    if (log)
        note_node(h, log, q->node, client);
    answer(h, client, path, log, q,
           log ? NULL
               : TALK_FULL ": it has as many clusters already as it can, or no memory; accord "
                           "bus drop URL ends one");
}

static void drop_asked(struct hub *h, struct bytes client, struct bytes path,
                       const struct talk_question *q)
{
    bool there = find(h, q->cluster) != NULL;

    if (there)
        drop(h, q->cluster);
    answer(h, client, path, NULL, q, there ? NULL : TALK_ABSENT);
}

static void ask(struct hub *h, struct bytes client, struct bytes path,
                const struct talk_question *q)
{
    const struct hub_log *log = find(h, q->cluster);
    bool sent = true;

    if (q->verb == TALK_ATTACH) {
        attach(h, client, path, q);
        return;
    }
    if (q->verb == TALK_DROP) {
        drop_asked(h, client, path, q);
        return;
    }
    if (log && q->verb == TALK_AFTER)
        sent = send_entries(h, client, log, hub_log_first_after(log, q->position));
    else if (log && q->verb == TALK_RECENT)
        sent = send_entries(h, client, log, u64_sub_sat(log->count, TALK_ENTRIES_MAX));
    else if (log && q->verb == TALK_NODES)
        sent = send_nodes(h, client, log);
    if (sent)
        answer(h, client, path, log, q, log ? NULL : TALK_ABSENT);
}

/* ---- what is set ---------------------------------------------------------------------- */

static void append(struct hub *h, struct hub_log *log, struct hub_entry *e)
{
    /* The other server of a pair, from which the log is, may have another clock. */
    hub_log_append(log, e, u64_max(h->host.sequence(h->host.context), log->newest + 1),
                   now_ms());
    h->counts.appended++;
    (void)tell(h, log, e, NULL);
}

/* A person's. It has a message id of its own: clients may use one uuid for all they set. */
static void append_said(struct hub *h, struct hub_log *log, struct change *said,
                        struct bytes uuid)
{
    uint8_t record[CHANGE_RECORD_BYTES_MAX];
    size_t bytes = 0;

    ASSERT(getrandom(&said->message, sizeof said->message, 0) == sizeof said->message);
    said->message.high |= id128_is_none(said->message);
    said->wall_ms = time_wall_ms();
    int status = change_encode(said, record, sizeof record, &bytes);
    ASSERT(status == ACCORD_OK); /* its key is no longer than a key may be */
    struct hub_entry *e =
        hub_log_reserve(log, 1) ? hub_entry_new(log, bytes_of(record, bytes), uuid) : NULL;
    if (!e) {
        refuse(h, "there is no memory for what was set", said->key);
        return;
    }
    append(h, log, e);
    hub_log_prune(log, now_ms());
}

static void take_said(struct hub *h, const struct bytes *frames, size_t count)
{
    char cluster[TALK_CLUSTER_BYTES_MAX];
    struct chp_message m;
    struct change said;
    const char *why;

    if (chp_parse_long(frames, count, SIZE_MAX, &m, &why) != ACCORD_OK) {
        refuse(h, why, count > 0 ? frames[0] : bytes_of(NULL, 0));
        return;
    }
    struct hub_log *log = talk_change_of_key(m.key, cluster, &said) ? find(h, cluster) : NULL;
    if (log)
        append_said(h, log, &said, m.uuid);
    else
        refuse(h,
               "no node is attached to that cluster here: below /accord/, the next word of a "
               "key is a cluster's name",
               m.key);
}

void hub_told(struct hub *h, const struct bytes *frames, size_t count)
{
    if (h->paired && h->pair.state != PAIR_ACTIVE) {
        refuse(h,
               "of the two servers this one is not active: set it at the other one, or at both",
               count > 0 ? frames[0] : bytes_of(NULL, 0));
        return;
    }
    h->pair.held.question++;
    take_said(h, frames, count);
    if (h->paired)
        pair_go_on(&h->pair);
}

/* One record after the other, from all frames of the value. False: something is none; nothing
 * of it is kept, as where there is no memory. *last: the message of the last. */
static bool take_records(struct hub *h, struct hub_log *log, struct bytes value, size_t *total,
                         size_t *fresh, struct id128 *last)
{
    while (value.size_bytes > 0) {
        size_t bytes = change_record_size(value);
        struct bytes record = bytes_of(value.data, bytes), namespace = {0};
        struct change c;

        if (bytes == 0 || bytes > CHANGE_RECORD_BYTES_MAX || *total == PUBLISH_BATCH_MAX ||
            change_decode(record, &c, &namespace) == ACCORD_E_FORMAT ||
            id128_is_none(c.message))
            return false;
        ++*total;
        *last = c.message;
        if (!hub_log_find(log, c.message)) {
            h->fresh[*fresh] = hub_entry_new(log, record, bytes_of(NULL, 0));
            if (!h->fresh[*fresh])
                return false;
            ++*fresh;
        }
        value = bytes_of(value.data + bytes, value.size_bytes - bytes);
    }
    return true;
}

/* All of a batch, or nothing: *position is of its last change. */
static bool take_batch(struct hub *h, struct hub_log *log, const struct bytes *values,
                       size_t count, uint64_t *position)
{
    size_t total = 0, fresh = 0;
    struct id128 last = {0, 0};
    bool good = true;

    for (size_t i = 0; i < count && good; i++)
        good = take_records(h, log, values[i], &total, &fresh, &last);
    good = good && total > 0 && hub_log_reserve(log, fresh);
    for (size_t i = 0; i < fresh; i++) {
        if (good && !hub_log_find(log, h->fresh[i]->message))
            append(h, log, h->fresh[i]);
        else
            hub_entry_free(h->fresh[i]);
    }
    if (good)
        *position = hub_log_find(log, last)->position;
    return good;
}

/* The frames are those of a message, but that its value may go on in more of them. */
static void take(struct hub *h, struct bytes client, const struct bytes *frames, size_t count)
{
    struct talk_question q;
    struct id128 uuid;
    uint64_t epoch;
    const char *why = "only nodes set something there; others set it with the collector";

    if (count < CHP_FRAMES || talk_question_parse(frames[0], &q, &why) != ACCORD_OK ||
        q.verb != TALK_PUBLISH || !talk_log_parse(frames[3], &uuid, &epoch)) {
        refuse(h, why, count > 0 ? frames[0] : bytes_of(NULL, 0));
        return;
    }
    if (h->paired && !pair_is_asked(&h->pair)) {
        answer(h, client, frames[0], NULL, &q, TALK_PASSIVE);
        return;
    }
    struct hub_log *log = find(h, q.cluster);
    bool same = log && id128_equal(uuid, log->uuid) && epoch == log->epoch;
    if (!same) {
        answer(h, client, frames[0], log, &q, log ? TALK_EPOCH : TALK_ABSENT);
        return;
    }
    log->retain_ms = q.retain_ms;
    log->retain_changes = q.retain_changes;
    bool taken =
        take_batch(h, log, frames + CHP_FRAMES - 1, count - CHP_FRAMES + 1, &q.position);
    answer(h, client, frames[0], log, &q,
           taken ? NULL : TALK_FULL ": it has no memory, or what came is no change");
    hub_log_prune(log, now_ms());
}

static void take_question(struct hub *h, struct bytes client, const struct bytes *frames,
                          size_t count)
{
    struct talk_question q;
    struct bytes path;
    const char *why;

    h->counts.questions++;
    if (chp_parse_question(frames, count, &path, &why) != ACCORD_OK ||
        talk_question_parse(path, &q, &why) != ACCORD_OK)
        refuse(h, why, count > 1 ? frames[1] : bytes_of(NULL, 0));
    else if (h->paired && !pair_is_asked(&h->pair))
        answer(h, client, path, NULL, &q, TALK_PASSIVE);
    else
        ask(h, client, path, &q);
}

/* ---- one of two ----------------------------------------------------------------------- */

/* Whoever follows the other has no nodes, and its logs are the other's. */
static void forget_nodes(struct hub *h)
{
    for (size_t i = 0; i < COUNT_OF(h->nodes) && h->pair.state != PAIR_ACTIVE; i++)
        h->nodes[i].log = NULL;
}

void hub_answered(struct hub *h, const struct bytes *frames, size_t count)
{
    pair_answered(&h->pair, frames, count);
    forget_nodes(h);
}

void hub_tick(struct hub *h)
{
    pair_tick(&h->pair);
}

void hub_asked(struct hub *h, struct bytes client, const struct bytes *frames, size_t count)
{
    if (h->paired && count > 0 && pair_takes(frames[0])) {
        pair_asked(&h->pair, client, frames, count);
        forget_nodes(h);
        return;
    }
    h->pair.held.question++;
    if (count > 0 && !bytes_equal(frames[0], bytes_of_text(CHP_ICANHAZ)))
        take(h, client, frames, count);
    else
        take_question(h, client, frames, count);
    if (h->paired)
        pair_go_on(&h->pair);
}
