/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/chp/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

enum {
    TICK_MS = 250,          /* looks at a quarter of what clients know */
    LOOKS_PER_TICK = 16384, /* or so many */
    PACE_MS = 2,            /* clients that had no room for their snapshot are tried again */
    PACE_UNSURE_MS = 50,
    HUGZ_MS = 1000,
    MESSAGES_PER_TURN = 256,
    COMPLAINT_MS = 60000,
    ABOUT_BYTES_MAX = 64,
};

bool chp_is_fresh(const struct chp_door *d)
{
    return reader_now_ns(&d->reader) < reader_deadline_ns(&d->reader, NULL, NULL);
}

/* ---- complaints ----------------------------------------------------------------------- */

static void print_about(struct bytes about, char text[ABOUT_BYTES_MAX + 1])
{
    size_t bytes = u64_min(about.size_bytes, ABOUT_BYTES_MAX);

    for (size_t i = 0; i < bytes; i++)
        text[i] = about.data[i] >= ' ' && about.data[i] < 127 ? (char)about.data[i] : '?';
    text[bytes] = 0;
}

void chp_complain(struct chp_door *d, const char *what, const char *why, struct bytes about)
{
    char text[ABOUT_BYTES_MAX + 1], line[512];
    uint64_t now_ms = uv_now(d->host->loop);

    if (!d->host->note || (d->said == why && now_ms - d->said_ms < COMPLAINT_MS))
        return;
    d->said = why;
    d->said_ms = now_ms;
    print_about(about, text);
    snprintf(line, sizeof line, "%s: %s%s%s%s", d->address.text, why, text[0] ? ": \"" : "",
             text, text[0] ? "\"" : "");
    d->host->note(d->host->node, what, line);
}

/* ---- beside the cache's tree ---------------------------------------------------------- */

/* A question's subtree, or a key. */
static bool is_beside(const struct chp_door *d, enum chp_socket which,
                      const struct bytes *frames, size_t count)
{
    size_t at = which == CHP_COLLECTOR ? 0 : 1;

    if (!d->beside || at >= count)
        return false;
    if (which == CHP_SNAPSHOTS && bytes_equal(frames[at], bytes_of_text(CHP_ICANHAZ)))
        at++;
    return at < count && chp_is_below(bytes_of_text(CHP_BUS_TREE), frames[at]);
}

static void hand_beside(struct chp_door *d, enum chp_socket which, const struct bytes *frames,
                        size_t count)
{
    if (which == CHP_COLLECTOR)
        d->beside->told(d->beside->context, frames, count);
    else
        d->beside->asked(d->beside->context, frames[0], frames + 1, count - 1);
}

void chp_door_serve(struct chp_door *d, const struct chp_beside *beside)
{
    ASSERT(!d->beside);
    d->beside = beside;
}

uint64_t chp_door_sequence(struct chp_door *d)
{
    return ++d->sequence;
}

int chp_door_send(struct chp_door *d, struct bytes client, const struct bytes *frames,
                  size_t count)
{
    chp_busy(d); /* sending may swallow the sign that something came */
    return chp_send(d->sockets, client, frames, count);
}

void chp_door_publish(struct chp_door *d, const struct bytes *frames, size_t count)
{
    chp_subscribed(d->sockets);
    chp_publish(d->sockets, frames, count);
}

void chp_door_refused(struct chp_door *d, const char *why, struct bytes about)
{
    d->counts.refused++;
    chp_complain(d, "chp-refused", why, about);
}

/* ---- the loop's turns ----------------------------------------------------------------- */

static void receive(struct chp_door *d, enum chp_socket which)
{
    struct bytes frames[CHP_RECEIVED_MAX];

    for (unsigned i = 0; i < MESSAGES_PER_TURN; i++) {
        if (which == CHP_COLLECTOR && d->sets_open >= CHP_SETS_MAX)
            return; /* until some are answered: clients wait, or ZeroMQ drops at theirs */
        size_t count = chp_receive(d->sockets, which, frames);
        if (count == 0)
            return;
        if (is_beside(d, which, frames, count))
            hand_beside(d, which, frames, count);
        else if (which == CHP_COLLECTOR)
            chp_take(d, frames, count);
        else
            chp_ask(d, frames, count);
    }
    chp_busy(d);
}

static void on_pace(uv_timer_t *timer);

static void keep_pace(struct chp_door *d)
{
    uint64_t ms = chp_is_fresh(d) ? PACE_MS : PACE_UNSURE_MS;

    if (d->snapshot_count == 0)
        uv_timer_stop(&d->pace);
    else if (!uv_is_active((uv_handle_t *)&d->pace))
        uv_timer_start(&d->pace, on_pace, ms, 0);
}

/* Sending may have swallowed the sign that something came: so it is looked for afterwards. */
static void serve(struct chp_door *d)
{
    if (chp_snapshots_go_on(d))
        chp_busy(d);
    receive(d, CHP_SNAPSHOTS);
    keep_pace(d);
}

static void on_pace(uv_timer_t *timer)
{
    serve(timer->data);
}

static void on_busy(uv_idle_t *idle)
{
    struct chp_door *d = idle->data;

    uv_idle_stop(idle);
    receive(d, CHP_COLLECTOR);
    serve(d);
    if (chp_look_on(d))
        chp_busy(d);
}

void chp_busy(struct chp_door *d)
{
    if (!d->ending)
        uv_idle_start(&d->busy, on_busy);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct chp_door *d = poll->data;

    (void)status;
    (void)events;
    receive(d, poll == &d->collector ? CHP_COLLECTOR : CHP_SNAPSHOTS);
    keep_pace(d);
}

static void on_tick(uv_timer_t *timer)
{
    struct chp_door *d = timer->data;
    uint64_t now_ms = uv_now(d->host->loop);
    bool before = d->fresh;

    d->fresh = chp_is_fresh(d);
    if (!d->fresh)
        return;
    if (!before)
        chp_door_changed(d);
    chp_look(d, (uint32_t)u64_min(LOOKS_PER_TICK, d->map.places / 4 + 1));
    if (now_ms - d->hugz_ms >= HUGZ_MS || d->hugz_ms == 0) {
        d->hugz_ms = now_ms;
        chp_hugz(d);
    }
}

/* ---- life ----------------------------------------------------------------------------- */

bool chp_door_takes(const char *address)
{
    return strncmp(address, "chp:", 4) == 0;
}

static int fail(char why[DOOR_WHY_BYTES_MAX], int status, const char *address, const char *what)
{
    snprintf(why, DOOR_WHY_BYTES_MAX, "%.160s: %s", address, what);
    return status;
}

static int open_handles(struct chp_door *d)
{
    uv_loop_t *loop = d->host->loop;

    uv_timer_init(loop, &d->tick);
    uv_timer_init(loop, &d->pace);
    uv_idle_init(loop, &d->busy);
    d->handles = 3;
    if (uv_poll_init(loop, &d->questions, chp_sockets_fd(d->sockets, CHP_SNAPSHOTS)) != 0)
        return ACCORD_E_IO;
    d->handles++;
    if (uv_poll_init(loop, &d->collector, chp_sockets_fd(d->sockets, CHP_COLLECTOR)) != 0)
        return ACCORD_E_IO;
    d->handles++;
    uv_poll_start(&d->questions, UV_READABLE, on_poll);
    uv_poll_start(&d->collector, UV_READABLE, on_poll);
    uv_timer_start(&d->tick, on_tick, 0, TICK_MS);
    return ACCORD_OK;
}

static uint64_t wall_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static int begin(struct chp_door *d, const char *address, char why[DOOR_WHY_BYTES_MAX])
{
    const struct reader *r = d->host->reader;
    uint64_t seed;

    int status = chp_address_parse(address, &d->address, why);
    if (status != ACCORD_OK)
        return status;
    status = reader_init(&d->reader, r->segment, r->segment_bytes, NULL, 0);
    if (status != ACCORD_OK || getrandom(&seed, sizeof seed, 0) != sizeof seed)
        return fail(why, ACCORD_E_IO, address,
                    "the segment, or random numbers, cannot be read");
    chp_map_init(&d->map, seed);
    d->client = d->host->new_client(d->host->node);
    d->sequence = wall_us();
    return chp_sockets_new(&d->sockets, &d->address, why);
}

/* The sockets go with the last handle: their descriptors are polled until then. */
static void on_closed(uv_handle_t *handle)
{
    struct chp_door *d = handle->data;

    ASSERT(d->handles > 0);
    if (--d->handles > 0)
        return;
    chp_sockets_free(d->sockets);
    chp_snapshots_drop(d);
    chp_map_done(&d->map);
    free(d);
}

void chp_door_free(struct chp_door *d)
{
    if (!d)
        return;
    d->ending = true;
    uv_close((uv_handle_t *)&d->tick, on_closed);
    uv_close((uv_handle_t *)&d->pace, on_closed);
    uv_close((uv_handle_t *)&d->busy, on_closed);
    if (d->handles > 3)
        uv_close((uv_handle_t *)&d->questions, on_closed);
    if (d->handles > 4)
        uv_close((uv_handle_t *)&d->collector, on_closed);
}

int chp_door_new(struct chp_door **out, const struct door_host *host, const char *address,
                 char why[DOOR_WHY_BYTES_MAX])
{
    struct chp_door *d = calloc(1, sizeof *d);

    if (!d)
        return fail(why, ACCORD_E_NOMEM, address, "out of memory");
    d->host = host;
    d->tick.data = d->pace.data = d->busy.data = d->questions.data = d->collector.data = d;
    int status = begin(d, address, why);
    if (status != ACCORD_OK) {
        free(d);
        return status;
    }
    status = open_handles(d);
    if (status != ACCORD_OK) {
        chp_door_free(d);
        return fail(why, status, address, "the event loop does not take it");
    }
    *out = d;
    return ACCORD_OK;
}

void chp_door_count(const struct chp_door *d, struct chp_counts *sum)
{
    const struct chp_counts *c = &d->counts;

    sum->keys += d->map.count;
    sum->snapshots_open += d->snapshot_count;
    sum->snapshots += c->snapshots;
    sum->updates += c->updates;
    sum->sets += c->sets;
    sum->sets_failed += c->sets_failed;
    sum->refused += c->refused;
    sum->unlisted += c->unlisted;
}
