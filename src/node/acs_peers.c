/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/acs_peers.h"

#include "net/address.h"
#include "net/time.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum {
    LENGTH_BYTES = 4, /* before each key in a queue */
    WHY_BYTES_MAX = 160,
};
#define TELL_FORGOTTEN_EVERY_NS (60 * NS_PER_S)
static const char flush_path[] = "/SYSTEM/flush-memoized-statement.tcl?statement=";

/* How a server stands; what changed is told on the loop. */
enum standing { STANDS_NEW, STANDS_WELL, STANDS_REFUSING, STANDS_SILENT };

struct peer {
    char server[ACS_PEER_BYTES_MAX];
    struct acs_queue queue;
    bool asked; /* its line is not free: what it asks is the queue's first, unless forgotten */
    uint64_t forgotten_before; /* the queue's count when it was asked */
    uint64_t retry_ms;
    enum standing standing, standing_told;
    char why[WHY_BYTES_MAX]; /* why it is refusing or silent */
    uint64_t told, refused, failures;
    uint64_t forgotten_told, forgot_due_ns; /* of the log's lines about that */
};

struct acs_peers {
    struct http_client *client;
    uv_async_t news;
    acs_peers_note note;
    void *context;
    pthread_mutex_t mutex; /* guards all below; never held while others are called */
    uint64_t unsaid;
    size_t count;
    struct peer list[];
};

/* ---- the queue -----------------------------------------------------------------------------
 */

static void put(struct acs_queue *q, const uint8_t *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        q->bytes[(q->first + q->used++) % ACS_QUEUE_BYTES] = data[i];
}

static uint32_t length_at_first(const struct acs_queue *q)
{
    uint32_t length = 0;

    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length = length << 8 | q->bytes[(q->first + i) % ACS_QUEUE_BYTES];
    return length;
}

void acs_queue_add(struct acs_queue *q, struct bytes key)
{
    uint8_t length[LENGTH_BYTES];

    ASSERT(key.size_bytes > 0);
    ASSERT(key.size_bytes <= KEY_BYTES_MAX);
    while (ACS_QUEUE_BYTES - q->used < LENGTH_BYTES + key.size_bytes) {
        acs_queue_drop(q);
        q->forgotten++;
    }
    for (size_t i = 0; i < LENGTH_BYTES; i++)
        length[i] = (uint8_t)(key.size_bytes >> 8 * (LENGTH_BYTES - 1 - i));
    put(q, length, sizeof length);
    put(q, key.data, key.size_bytes);
    q->count++;
}

size_t acs_queue_first(const struct acs_queue *q, uint8_t key[KEY_BYTES_MAX])
{
    if (q->count == 0)
        return 0;
    uint32_t bytes = length_at_first(q);
    ASSERT(bytes <= KEY_BYTES_MAX);
    for (size_t i = 0; i < bytes; i++)
        key[i] = q->bytes[(q->first + LENGTH_BYTES + i) % ACS_QUEUE_BYTES];
    return bytes;
}

void acs_queue_drop(struct acs_queue *q)
{
    ASSERT(q->count > 0);
    size_t bytes = LENGTH_BYTES + length_at_first(q);
    ASSERT(bytes <= q->used);
    q->first = (q->first + bytes) % ACS_QUEUE_BYTES;
    q->used -= bytes;
    q->count--;
}

/* ---- what is told --------------------------------------------------------------------------
 */

enum acs_news acs_news_of(const struct entry *e, bool own)
{
    const struct change *c = &e->change;
    bool written_by_people = c->origin.size_bytes == 0 && !id128_is_none(c->message);

    /* What was refused comes as a beat of nobody; what is not signed, and came, was applied. */
    if (c->op >= CHANGE_JOIN || !(own || written_by_people))
        return ACS_NO_NEWS;
    return c->op == CHANGE_REMOVE ? ACS_KEY : ACS_WHOLE;
}

static bool is_port(const char *text)
{
    uint32_t port = 0;

    for (const char *c = text; *c; c++) {
        if (*c < '0' || *c > '9' || c - text >= 5)
            return false;
        port = port * 10 + (uint32_t)(*c - '0');
    }
    return port > 0 && port <= 65535;
}

bool acs_peer_is_valid(const char *server)
{
    char host[256], port[8];

    return strlen(server) < ACS_PEER_BYTES_MAX && address_split(server, host, port) &&
           host[0] &&
           strspn(server, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                          "0123456789.-_:[]") == strlen(server) &&
           is_port(port);
}

/* ---- asking --------------------------------------------------------------------------------
 */

/* With the mutex held: asks for the first key of the queue, if there is one. */
static void ask(struct acs_peers *p, struct peer *peer, uint64_t delay_ms)
{
    char url[HTTP_URL_BYTES_MAX];
    uint8_t key[KEY_BYTES_MAX];
    size_t bytes = acs_queue_first(&peer->queue, key);

    peer->asked = bytes > 0;
    if (bytes == 0)
        return;
    snprintf(url, sizeof url, "http://%s%s", peer->server, flush_path);
    bool fits = http_url_add(url, sizeof url, bytes_of(key, bytes));
    ASSERT(fits);
    peer->forgotten_before = peer->queue.forgotten;
    int status =
        http_client_ask(p->client, (size_t)(peer - p->list), url, delay_ms, ACS_TELL_MS);
    ASSERT(status == ACCORD_OK); /* one question a line, and the URL fits */
}

static bool says_successful(struct bytes body)
{
    static const char word[] = "successful";

    for (size_t i = 0; i + sizeof word - 1 <= body.size_bytes; i++) {
        if (strncasecmp((const char *)body.data + i, word, sizeof word - 1) == 0)
            return true;
    }
    return false;
}

/* One that starts or is overloaded answers 5xx: come again. */
static bool answered(const struct http_result *r)
{
    return (r->status == ACCORD_OK || r->status == ACCORD_E_SIZE) && r->code < 500;
}

static void print_why(struct peer *peer, const struct http_result *r)
{
    if (r->status == ACCORD_OK)
        snprintf(peer->why, sizeof peer->why, "it answered %u: %.*s", r->code,
                 (int)u64_min(r->body.size_bytes, 80), (const char *)r->body.data);
    else
        snprintf(peer->why, sizeof peer->why, "%s", r->why);
    for (char *c = peer->why; *c; c++) {
        if ((unsigned char)*c < ' ')
            *c = ' ';
    }
}

static void judge(struct peer *peer, const struct http_result *r)
{
    bool well = r->status == ACCORD_OK && r->code == 200 && says_successful(r->body);

    if (well || answered(r)) {
        peer->standing = well ? STANDS_WELL : STANDS_REFUSING;
        peer->told += well;
        peer->refused += !well;
        peer->retry_ms = 0;
        /* Unless it was forgotten meanwhile: then another one is first. */
        if (peer->queue.forgotten == peer->forgotten_before)
            acs_queue_drop(&peer->queue);
    } else {
        peer->standing = STANDS_SILENT;
        peer->failures++;
        peer->retry_ms =
            peer->retry_ms ? u64_min(2 * peer->retry_ms, ACS_RETRY_MS_MAX) : ACS_RETRY_MS_MIN;
    }
    if (!well)
        print_why(peer, r);
}

/* On the client's thread. */
static void done(void *context, size_t line, const struct http_result *r)
{
    struct acs_peers *p = context;
    struct peer *peer = &p->list[line];

    pthread_mutex_lock(&p->mutex);
    judge(peer, r);
    bool news = peer->standing != peer->standing_told;
    ask(p, peer, peer->retry_ms);
    pthread_mutex_unlock(&p->mutex);
    if (news)
        uv_async_send(&p->news);
}

void acs_peers_applied(struct acs_peers *p, const struct entry *e, bool own)
{
    enum acs_news news = p ? acs_news_of(e, own) : ACS_NO_NEWS;
    bool forgot = false;

    if (news == ACS_NO_NEWS)
        return;
    pthread_mutex_lock(&p->mutex);
    p->unsaid += news == ACS_WHOLE;
    for (size_t i = 0; i < p->count && news == ACS_KEY; i++) {
        struct peer *peer = &p->list[i];
        acs_queue_add(&peer->queue, e->change.key);
        forgot = forgot || peer->queue.forgotten > peer->forgotten_told;
        if (!peer->asked)
            ask(p, peer, 0);
    }
    bool first_unsaid = news == ACS_WHOLE && p->unsaid == 1;
    pthread_mutex_unlock(&p->mutex);
    if (forgot)
        uv_async_send(&p->news);
    if (first_unsaid)
        p->note(p->context, "acs-peer-unsaid", "all",
                "a tag, a prefix, a namespace or everything was removed: ArsDigita's servers "
                "can be told of single keys only (acs_unsaid counts)");
}

/* ---- telling people ------------------------------------------------------------------------
 */

static const char *const standing_notes[] = {
    [STANDS_NEW] = NULL,
    [STANDS_WELL] = "acs-peer-told",
    [STANDS_REFUSING] = "acs-peer-refuses",
    [STANDS_SILENT] = "acs-peer-silent",
};

static void tell_standing(struct acs_peers *p, struct peer *peer)
{
    char why[WHY_BYTES_MAX] = "";

    pthread_mutex_lock(&p->mutex);
    enum standing now = peer->standing;
    bool changed = now != peer->standing_told;
    peer->standing_told = now;
    if (now != STANDS_WELL)
        memcpy(why, peer->why, sizeof why);
    pthread_mutex_unlock(&p->mutex);
    if (changed && standing_notes[now])
        p->note(p->context, standing_notes[now], peer->server, why);
}

/* The first, and while it goes on once in a while: each key that comes may push one out. */
static void tell_forgotten(struct acs_peers *p, struct peer *peer)
{
    uint64_t now_ns = time_monotonic_ns();

    pthread_mutex_lock(&p->mutex);
    bool more = peer->queue.forgotten > peer->forgotten_told && now_ns >= peer->forgot_due_ns;
    if (more) {
        peer->forgotten_told = peer->queue.forgotten;
        peer->forgot_due_ns = now_ns + TELL_FORGOTTEN_EVERY_NS;
    }
    pthread_mutex_unlock(&p->mutex);
    if (more)
        p->note(
            p->context, "acs-peer-forgot", peer->server,
            "262144 bytes of keys wait for it, and the oldest were forgotten: it keeps what "
            "they name");
}

static void news_came(uv_async_t *async)
{
    struct acs_peers *p = async->data;

    for (size_t i = 0; i < p->count; i++) {
        tell_standing(p, &p->list[i]);
        tell_forgotten(p, &p->list[i]);
    }
}

void acs_peers_count(struct acs_peers *p, struct acs_peer_counts *out)
{
    *out = (struct acs_peer_counts){.told = 0};
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    out->unsaid = p->unsaid;
    for (size_t i = 0; i < p->count; i++) {
        const struct peer *peer = &p->list[i];
        out->told += peer->told;
        out->waiting += peer->queue.count;
        out->refused += peer->refused;
        out->failures += peer->failures;
        out->forgotten += peer->queue.forgotten;
    }
    pthread_mutex_unlock(&p->mutex);
}

static int print_peer(const struct peer *peer, char *line, size_t size)
{
    char wait[48] = "";

    if (peer->queue.count > 0)
        snprintf(wait, sizeof wait, ", %llu key%s wait%s",
                 (unsigned long long)peer->queue.count, peer->queue.count == 1 ? "" : "s",
                 peer->queue.count == 1 ? "s" : "");
    switch (peer->standing) {
    case STANDS_NEW:
        return snprintf(line, size, "%s not yet asked%s", peer->server, wait);
    case STANDS_WELL:
        return snprintf(line, size, "%s is told%s", peer->server, wait);
    case STANDS_REFUSING:
        return snprintf(line, size, "%s refuses (%s)%s", peer->server, peer->why, wait);
    case STANDS_SILENT:
        break;
    }
    return snprintf(line, size, "%s does not answer (%s)%s", peer->server, peer->why, wait);
}

void acs_peers_words(struct acs_peers *p, char *line, size_t size)
{
    size_t used = 0;

    line[0] = 0;
    if (!p)
        return;
    pthread_mutex_lock(&p->mutex);
    for (size_t i = 0; i < p->count && used + 3 < size; i++) {
        if (used > 0)
            used += (size_t)snprintf(line + used, size - used, "; ");
        used += (size_t)print_peer(&p->list[i], line + used, size - used);
    }
    pthread_mutex_unlock(&p->mutex);
}

/* ---- life ----------------------------------------------------------------------------------
 */

size_t acs_peers_bytes(size_t count)
{
    return count == 0 ? 0 : sizeof(struct acs_peers) + count * sizeof(struct peer);
}

int acs_peers_new(struct acs_peers **out, uv_loop_t *loop, const char *const *servers,
                  size_t count, acs_peers_note note, void *context, char why[NET_WHY_BYTES_MAX])
{
    ASSERT(count > 0);
    ASSERT(count <= ACS_PEERS_MAX);
    struct acs_peers *p = calloc(1, acs_peers_bytes(count));

    if (!p) {
        snprintf(why, NET_WHY_BYTES_MAX, "no memory for the queues of acs-peer");
        return ACCORD_E_NOMEM;
    }
    p->note = note;
    p->context = context;
    p->count = count;
    for (size_t i = 0; i < count; i++)
        snprintf(p->list[i].server, sizeof p->list[i].server, "%s", servers[i]);
    pthread_mutex_init(&p->mutex, NULL);
    struct http_client_hooks hooks = {p, done};
    int status = http_client_new(&p->client, count, &hooks, why);
    if (status == ACCORD_OK && uv_async_init(loop, &p->news, news_came) != 0) {
        snprintf(why, NET_WHY_BYTES_MAX, "the event loop takes no handles");
        status = ACCORD_E_NOMEM;
    }
    if (status != ACCORD_OK) {
        http_client_free(p->client);
        pthread_mutex_destroy(&p->mutex);
        free(p);
        return status;
    }
    p->news.data = p;
    *out = p;
    return ACCORD_OK;
}

static void closed(uv_handle_t *handle)
{
    struct acs_peers *p = handle->data;

    pthread_mutex_destroy(&p->mutex);
    free(p);
}

void acs_peers_free(struct acs_peers *p)
{
    if (!p)
        return;
    http_client_free(p->client);
    uv_close((uv_handle_t *)&p->news, closed);
}
