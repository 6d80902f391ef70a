/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* house.h - for tests: the door in a house of one node: a real loop, segment and core, a log in
 * memory, and guests that connect over real sockets.
 *
 * Time of the segment and of the core stands still but where a test moves it; the loop's does
 * not. The log can be made to hold its acknowledgements back, or to be down.
 */
#ifndef ACCORD_DOOR_HOUSE_H
#define ACCORD_DOOR_HOUSE_H

#include "cache/fixture.h"
#include "door/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { HOUSE_LOG_MAX = 20000, HOUSE_PENDING_MAX = 256, HOUSE_NOTES_MAX = 32 };

struct house_pending {
    enum event_type type;
    uint64_t number; /* nonce, batch */
    uint64_t last;
    int status;
};

struct house {
    uv_loop_t loop;
    struct fixture segment;
    struct namespace_settings namespaces[8];
    size_t namespace_count;
    struct core *core;
    struct door_host host;
    struct resp_settings settings;
    struct resp_door *door;
    char path[108], address[120], why[DOOR_WHY_BYTES_MAX];

    struct entry *log; /* positions are indexes plus 1; keys and origins are ours */
    uint64_t newest, given;
    struct house_pending pending[HOUSE_PENDING_MAX];
    size_t pending_count;
    bool hold, down; /* acknowledgements wait; publishes and questions fail */
    unsigned publishes;
    bool stop_wanted;
    uint64_t letter; /* the view "ping" is of it */

    bool carrying;
    struct request deferred[16];
    struct bytes deferred_keys[16];
    size_t deferred_count;
    uint64_t clients;
    uint64_t gone_count;
    uint32_t lines_freed;
    char notes[HOUSE_NOTES_MAX][160];
    size_t note_count;
};

/* ---- the node ------------------------------------------------------------------------- */

static inline struct bytes house_copy(struct bytes b)
{
    uint8_t *data = malloc(b.size_bytes + 1);

    CHECK(data);
    if (b.size_bytes > 0)
        memcpy(data, b.data, b.size_bytes);
    return bytes_of(data, b.size_bytes);
}

static inline void house_post(struct house *h, struct house_pending p)
{
    CHECK(h->pending_count < HOUSE_PENDING_MAX);
    h->pending[h->pending_count++] = p;
}

static inline void house_publish(struct house *h, const struct effect *e)
{
    h->publishes++;
    for (size_t i = 0; i < e->publish.count && !h->down; i++) {
        CHECK(h->newest < HOUSE_LOG_MAX);
        struct entry *at = &h->log[h->newest++];
        at->position = h->newest;
        at->change = e->publish.changes[i];
        at->change.key = house_copy(at->change.key);
        at->change.origin = house_copy(at->change.origin);
        at->change.about = house_copy(at->change.about);
    }
    house_post(h, (struct house_pending){EVENT_BUS_PUBLISHED, e->publish.batch, h->newest,
                                         h->down ? ACCORD_E_DOWN : ACCORD_OK});
}

static inline void house_carry(struct house *h, const struct effect *e)
{
    if (e->type == EFFECT_REPLY && h->door)
        resp_door_reply(h->door, &e->reply);
    else if (e->type == EFFECT_ATTACH)
        house_post(h, (struct house_pending){.type = EVENT_BUS_ATTACHED});
    else if (e->type == EFFECT_ASK_HEAD)
        house_post(h, (struct house_pending){EVENT_BUS_HEAD, e->ask_head.nonce, 0,
                                             h->down ? ACCORD_E_DOWN : ACCORD_OK});
    else if (e->type == EFFECT_PUBLISH)
        house_publish(h, e);
    else if (e->type == EFFECT_APPLIED && h->door)
        resp_door_applied(h->door, e->applied.entry, e->applied.own, 1);
    else
        CHECK(e->type != EFFECT_FATAL);
}

static inline void house_step(struct house *h, struct event *e)
{
    struct effects effects;

    CHECK(!h->carrying);
    e->now_ns = h->segment.now_ns;
    e->wall_ms = wall_now_ms();
    core_step(h->core, e, &effects);
    h->carrying = true;
    for (size_t i = 0; i < effects.count; i++)
        house_carry(h, &effects.list[i]);
    h->carrying = false;
    while (h->deferred_count > 0) {
        struct event again = {.type = EVENT_REQUEST, .request = h->deferred[0]};
        struct bytes key = h->deferred_keys[0];
        h->deferred_count--;
        memmove(h->deferred, h->deferred + 1, h->deferred_count * sizeof h->deferred[0]);
        memmove(h->deferred_keys, h->deferred_keys + 1, h->deferred_count * sizeof key);
        again.request.keys = &key;
        again.request.item.key = key;
        house_step(h, &again);
        free((void *)(uintptr_t)key.data);
    }
}

static inline void house_submit(void *node, const struct request *request, size_t count)
{
    struct house *h = node;
    struct event e = {.type = EVENT_REQUEST, .request = *request};

    if (count > 1)
        e = (struct event){.type = EVENT_REQUESTS, .requests = {request, count}};
    if (!h->carrying) {
        house_step(h, &e);
        return;
    }
    CHECK(count == 1);
    CHECK(h->deferred_count < COUNT_OF(h->deferred));
    CHECK(request->key_count == 1);
    h->deferred[h->deferred_count] = *request;
    h->deferred_keys[h->deferred_count++] = house_copy(request->keys[0]);
}

static inline void house_gone(void *node, uint64_t client)
{
    struct house *h = node;
    struct event e = {.type = EVENT_CLIENT_GONE, .client_gone = client};

    h->gone_count++;
    house_step(h, &e);
}

static inline uint64_t house_new_client(void *node)
{
    return ++((struct house *)node)->clients;
}

static inline void house_pinged(void *node, uint64_t letter)
{
    ((struct house *)node)->letter = letter;
}

static inline void house_view_ping(const struct house *h, const struct view_sink *sink)
{
    struct core_answer a;

    for (size_t at = 0; core_answer(h->core, h->letter, &at, &a);) {
        sink->row(sink->context);
        sink->text(sink->context, "name", a.name);
        sink->flag(sink->context, "answered", a.answered);
    }
}

static inline int house_view(void *node, const char *name, const struct view_sink *sink)
{
    struct house *h = node;

    if (strcmp(name, "clients") == 0) {
        resp_door_clients(h->door, sink);
        return ACCORD_OK;
    }
    if (strcmp(name, "ping") == 0) {
        house_view_ping(h, sink);
        return ACCORD_OK;
    }
    if (strcmp(name, "status") != 0 && strcmp(name, "nodes") != 0)
        return ACCORD_E_ABSENT;
    for (unsigned i = 0; i < (name[0] == 's' ? 1u : 2u); i++) {
        sink->row(sink->context);
        sink->text(sink->context, "name", i ? "two" : "one");
        sink->number(sink->context, "applied", h->newest);
        sink->real(sink->context, "share", 0.5);
        sink->flag(sink->context, "self", i == 0);
    }
    return ACCORD_OK;
}

static inline void house_stop(void *node)
{
    ((struct house *)node)->stop_wanted = true;
}

static inline void house_line_freed(void *node, uint32_t line)
{
    (void)line;
    ((struct house *)node)->lines_freed++;
}

static inline void house_note(void *node, const char *what, const char *why)
{
    struct house *h = node;

    if (h->note_count < HOUSE_NOTES_MAX)
        snprintf(h->notes[h->note_count++], sizeof h->notes[0], "%s: %s", what, why);
}

static inline bool house_noted(const struct house *h, const char *text)
{
    for (size_t i = 0; i < h->note_count; i++) {
        if (strstr(h->notes[i], text))
            return true;
    }
    return false;
}

/* What the log says next, if anything. */
static inline bool house_answer(struct house *h)
{
    size_t at = 0;

    while (at < h->pending_count && h->hold && h->pending[at].type == EVENT_BUS_PUBLISHED)
        at++;
    if (at == h->pending_count)
        return false;
    struct house_pending p = h->pending[at];
    memmove(h->pending + at, h->pending + at + 1, (--h->pending_count - at) * sizeof p);
    struct event e = {.type = p.type};
    if (p.type == EVENT_BUS_ATTACHED) {
        e.attached.log = (struct id128){1, 1};
        e.attached.epoch = 1;
        e.attached.head = h->newest;
        e.attached.max_stale_ns = 3 * NS_PER_S;
    } else if (p.type == EVENT_BUS_HEAD) {
        e.head.nonce = p.number;
        e.head.status = p.status;
        e.head.head = h->newest;
    } else {
        e.published.batch = p.number;
        e.published.status = p.status;
        e.published.last = p.last;
        e.published.epoch = 1;
        e.published.why = "the test says so";
    }
    house_step(h, &e);
    return true;
}

static inline bool house_deliver(struct house *h)
{
    uint64_t count = u64_min(h->newest - h->given, DELIVER_BATCH_MAX);
    struct event e = {.type = EVENT_BUS_ENTRIES};

    if (count == 0 || h->hold || h->down)
        return false;
    e.entries.entries = h->log + h->given;
    e.entries.count = count;
    h->given += count;
    house_step(h, &e);
    return true;
}

/* One turn: the log's answers, the core's deadline, the loop. */
static inline void house_turn(struct house *h)
{
    while (house_answer(h) || house_deliver(h))
        ;
    if (core_deadline_ns(h->core) <= h->segment.now_ns)
        house_step(h, &(struct event){.type = EVENT_TICK});
    uv_run(&h->loop, UV_RUN_NOWAIT);
}

static inline void house_pass(struct house *h, uint64_t ms)
{
    for (uint64_t i = 0; i < ms; i += 10) {
        fixture_at(&h->segment, h->segment.now_ns + 10 * NS_PER_MS);
        house_turn(h);
    }
}

/* As a node that has applied that entry says it (core/trail.c). */
static inline uint64_t house_hash(const struct house *h, uint64_t position)
{
    if (position == 0 || position > h->newest)
        return 0;
    return entry_hash(position, h->log[position - 1].change.message);
}

/* Another node writes a join or a beat into the log. */
static inline void house_beat(struct house *h, const char *name, struct id128 incarnation,
                              uint64_t applied, uint64_t epoch)
{
    struct entry *at = &h->log[h->newest++];

    CHECK(h->newest < HOUSE_LOG_MAX);
    *at = (struct entry){.position = h->newest,
                         .change = {.op = CHANGE_BEAT,
                                    .message = {incarnation.low + 1, h->newest},
                                    .key = house_copy(bytes_of(NULL, 0)),
                                    .origin = house_copy(bytes_of_text(name)),
                                    .about = house_copy(bytes_of(NULL, 0)),
                                    .incarnation = incarnation,
                                    .nonce = h->newest,
                                    .applied = applied,
                                    .applied_hash = house_hash(h, applied),
                                    .lease_epoch = epoch}};
}

static inline bool house_is_fresh(const struct house *h)
{
    struct core_status status;

    core_status(h->core, h->segment.now_ns, &status);
    return status.fresh;
}

/* ---- life ----------------------------------------------------------------------------- */

static inline struct namespace_settings house_namespace(const char *name)
{
    struct namespace_settings n = {.ttl_ns = UINT64_MAX,
                                   .negative_ttl_ns = 10 * NS_PER_S,
                                   .unsure_ttl_ns = NS_PER_S,
                                   .max_stale_ns = UINT64_MAX,
                                   .hold_off_ns = 0};

    snprintf(n.name, sizeof n.name, "%s", name);
    return n;
}

/* "default", and one for each policy that a door looks at. */
static inline void house_namespaces(struct house *h)
{
    static const char *const names[] = {"default", "old",   "strict", "local",
                                        "fill",    "grace", "lsn",    "held"};

    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct namespace_settings *n = &h->namespaces[h->namespace_count++];
        *n = house_namespace(names[i]);
        n->when_unsure = i == 1   ? WHEN_UNSURE_STALE
                         : i == 2 ? WHEN_UNSURE_ERROR
                                  : WHEN_UNSURE_LOAD;
        n->nx_local = i == 3;
        n->set = i == 4 ? SET_FILL : SET_PUBLISH;
        n->grace_ns = i == 5 ? 60 * NS_PER_S : 0;
        n->version = i == 6 ? VERSION_LSN : VERSION_NONE;
        n->hold_off_ns = i >= 6 ? NS_PER_S : 0;
        if (i > 0) {
            struct segment_namespace s = {.when_unsure = n->when_unsure};
            snprintf(s.name, sizeof s.name, "%s", names[i]);
            fixture_namespace(&h->segment, s);
        }
    }
}

static inline void house_core(struct house *h)
{
    struct core_settings s = {.name = "one",
                              .about = "app test 0",
                              .incarnation = {7, 9},
                              .random = {1, 2, 3, 4},
                              .max_stale_ns = 3 * NS_PER_S,
                              .publish_timeout_ns = NS_PER_S,
                              .load_timeout_ns = 2 * NS_PER_S,
                              .join_settle_ns = 200 * NS_PER_MS,
                              .head_linearizable = true,
                              .namespaces = h->namespaces,
                              .namespace_count = h->namespace_count};

    CHECK(core_new(&h->core, &s, h->segment.writer, h->segment.now_ns) == ACCORD_OK);
}

/* All but the door; a test may change h->host and h->settings before house_open(). */
static inline struct house *house_new(void)
{
    struct house *h = calloc(1, sizeof *h);

    CHECK(h);
    CHECK(uv_loop_init(&h->loop) == 0);
    h->log = calloc(HOUSE_LOG_MAX, sizeof *h->log);
    CHECK(h->log);
    fixture_settings(&h->segment, 16 * MIB);
    house_namespaces(h);
    fixture_start(&h->segment);
    house_core(h);
    h->host = (struct door_host){.node = h,
                                 .loop = &h->loop,
                                 .reader = &h->segment.reader,
                                 .core = h->core,
                                 .submit = house_submit,
                                 .gone = house_gone,
                                 .new_client = house_new_client,
                                 .view = house_view,
                                 .pinged = house_pinged,
                                 .segment_fd = -1,
                                 .hints_fd = -1,
                                 .segment_bytes = h->segment.sizes.segment_bytes,
                                 .hints_bytes = h->segment.sizes.hints_bytes,
                                 .namespaces = h->namespaces,
                                 .namespace_count = h->namespace_count,
                                 .version = "0.0.0",
                                 .stop = house_stop,
                                 .line_freed = house_line_freed,
                                 .note = house_note};
    snprintf(h->path, sizeof h->path, "%s/door.sock", test_folder());
    unlink(h->path);
    snprintf(h->address, sizeof h->address, "unix:%s", h->path);
    h->settings.address = h->address;
    return h;
}

static inline void house_open(struct house *h)
{
    int status = resp_door_new(&h->door, &h->host, &h->settings, h->why);

    if (status != ACCORD_OK)
        fprintf(stderr, "%s\n", h->why);
    CHECK(status == ACCORD_OK);
}

/* With the door open and a lease held. */
static inline struct house *house_ready(void)
{
    struct house *h = house_new();

    house_open(h);
    for (unsigned i = 0; i < 1000 && !house_is_fresh(h); i++)
        house_pass(h, 10);
    CHECK(house_is_fresh(h));
    return h;
}

static inline void house_free(struct house *h)
{
    resp_door_free(h->door);
    h->door = NULL;
    CHECK(uv_run(&h->loop, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&h->loop) == 0);
    core_free(h->core);
    fixture_done(&h->segment);
    for (uint64_t i = 0; i < h->newest; i++) {
        free((void *)(uintptr_t)h->log[i].change.key.data);
        free((void *)(uintptr_t)h->log[i].change.origin.data);
        free((void *)(uintptr_t)h->log[i].change.about.data);
    }
    free(h->log);
    free(h);
}

/* ---- guests --------------------------------------------------------------------------- */

static inline int guest_new(struct house *h)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    CHECK(fd >= 0);
    memcpy(address.sun_path, h->path, strlen(h->path));
    CHECK(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    house_turn(h);
    return fd;
}

static inline void guest_write(struct house *h, int fd, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    while (bytes > 0) {
        ssize_t n = send(fd, at, bytes, MSG_NOSIGNAL);
        CHECK(n > 0 || (n < 0 && errno == EAGAIN));
        if (n > 0) {
            at += n;
            bytes -= (size_t)n;
        }
        house_turn(h);
    }
}

static inline void guest_say(struct house *h, int fd, const char *text)
{
    guest_write(h, fd, text, strlen(text));
}

/* Reads until `bytes` came, or the connection ends, or nothing comes for a while. */
static inline size_t guest_read(struct house *h, int fd, char *out, size_t bytes)
{
    size_t count = 0;

    for (unsigned quiet = 0; count < bytes && quiet < 3000; quiet++) {
        ssize_t n = recv(fd, out + count, bytes - count, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN))
            break;
        if (n > 0) {
            count += (size_t)n;
            quiet = 0;
            continue;
        }
        house_turn(h);
        if (quiet > 100)
            usleep(1000);
    }
    return count;
}

static inline bool guest_is_quiet(struct house *h, int fd)
{
    char byte;

    for (unsigned i = 0; i < 20; i++)
        house_turn(h);
    return recv(fd, &byte, 1, MSG_PEEK) < 0 && errno == EAGAIN;
}

/* Whether the connection ends now, with nothing more to read. */
static inline bool guest_is_closed(struct house *h, int fd)
{
    char byte;

    for (unsigned i = 0; i < 2000; i++) {
        ssize_t n = recv(fd, &byte, 1, MSG_PEEK);
        if (n == 0 || (n < 0 && errno == ECONNRESET))
            return true;
        if (n > 0)
            return false;
        house_turn(h);
        if (i > 100)
            usleep(1000);
    }
    return false;
}

static inline bool guest_hears(struct house *h, int fd, const char *expected)
{
    static char heard[65536];
    size_t bytes = strlen(expected);

    CHECK(bytes < sizeof heard);
    memset(heard, 0, bytes + 1);
    size_t count = guest_read(h, fd, heard, bytes);
    if (count == bytes && memcmp(heard, expected, bytes) == 0)
        return true;
    fprintf(stderr, "expected: %s\nheard: %.*s\n", expected, (int)count, heard);
    return false;
}

/* Sends one or more inline commands; what comes back is exactly this. */
static inline bool asks(struct house *h, int fd, const char *line, const char *expected)
{
    guest_say(h, fd, line);
    guest_say(h, fd, "\r\n");
    return guest_hears(h, fd, expected);
}

/* What comes back for one or more inline commands, as far as it comes at once. */
static inline const char *tells(struct house *h, int fd, const char *line)
{
    static char heard[65536];
    size_t count = 0;

    guest_say(h, fd, line);
    guest_say(h, fd, "\r\n");
    for (unsigned quiet = 0; quiet < 40; quiet++) {
        ssize_t n = recv(fd, heard + count, sizeof heard - 1 - count, 0);
        count += n > 0 ? (size_t)n : 0;
        quiet = n > 0 ? 0 : quiet;
        house_turn(h);
        if (quiet > 20)
            usleep(1000); /* TCP comes late */
    }
    heard[count] = 0;
    return heard;
}

#endif
