/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Whatever goes wrong. A new kind is a line in FAULTS (sim.h), a weight or a permille in
 * plan.c, and what it does here or where it strikes. */
#include "sim/sim.h"

static void next_fault(struct sim *s)
{
    if (s->plan.weights > 0 && !s->healing)
        sim_push(s, (struct happening){.at_ns = s->now_ns + 1 +
                                                rng_below(&s->rng, 2 * s->plan.fault_every_ns),
                                       .kind = HAPPEN_FAULT});
}

void fault_begin(struct sim *s)
{
    if (s->scenario)
        scene_begin(s);
    next_fault(s);
}

static void later(struct sim *s, enum happening_kind kind, const struct host *h,
                  uint64_t after_ns)
{
    sim_push(s,
             (struct happening){.at_ns = s->now_ns + after_ns, .kind = kind, .host = h->index});
}

/* In one world of thirteen; no seed of seeds/kept.txt from before there were clones is among
 * these. */
bool fault_has_clones(const struct sim *s)
{
    return s->theme == THEME_TWINS ||
           (!s->scenario && s->theme == THEME_NONE && s->seed % 13 == 5);
}

static uint64_t some_time_ns(struct sim *s)
{
    if (s->plan.theme == THEME_STRICT)
        return rng_below(&s->rng, 12 * s->plan.max_stale_ns); /* a silence takes 5.5 of them */
    if (s->plan.theme == THEME_LEASE || s->plan.theme == THEME_HEIR)
        return rng_below(&s->rng, 4 * s->plan.max_stale_ns);
    return s->plan.outage_min_ns +
           rng_skewed(&s->rng, s->plan.outage_max_ns - s->plan.outage_min_ns);
}

/* ---- the network ---------------------------------------------------------------------------
 */

static void cut(struct sim *s, struct host *h, bool read, bool write)
{
    h->link.cut_read |= read;
    h->link.cut_write |= write;
    if (read)
        link_lose(s, h);
}

static void uncut(struct host *h)
{
    h->link.cut_read = h->link.cut_write = false;
}

/* One after the other is cut, in one order, and all come back, in another. */
static void swizzle(struct sim *s)
{
    uint64_t at_ns = 0;

    for (size_t i = 0; i < s->host_count; i++) {
        struct host *h = &s->hosts[i];
        if (rng_chance(&s->rng, 600)) {
            at_ns = rng_below(&s->rng, 2 * s->plan.max_stale_ns);
            later(s, HAPPEN_CUT, h, at_ns);
            later(s, HAPPEN_UNCUT, h, at_ns + rng_below(&s->rng, 4 * s->plan.max_stale_ns));
        }
    }
}

/* ---- processes and machines ----------------------------------------------------------------
 */

void fault_crash(struct sim *s, struct host *h)
{
    daemon_kill(s, h);
    disk_crash(&h->disk, &s->rng, /* stale= */ false, /* torn= */ false);
    heir_crashed(s, h);
}

static void crash(struct sim *s, struct host *h, bool stale, bool torn)
{
    if (!h->daemon.alive)
        return;
    bool soon = rng_chance(&s->rng, s->plan.soon_permille);

    daemon_kill(s, h);
    disk_crash(&h->disk, &s->rng, stale, torn);
    heir_crashed(s, h);
    if (stale) {
        h->fence_count = 0;
        h->boot++;
    }
    if (rng_chance(&s->rng, s->plan.lost_permille))
        heir_lost(h);
    later(s, HAPPEN_START, h,
          rng_below(&s->rng, soon ? 300 * NS_PER_MS : s->plan.restart_max_ns));
}

static void freeze(struct sim *s, struct host *h, uint64_t for_ns)
{
    h->frozen_until_ns = s->now_ns + for_ns;
    later(s, HAPPEN_THAW, h, for_ns);
}

/* Its clock stands too. Such pauses sum to less than a quarter of max_stale within the longest
 * time that one lease can rest on (member_ttl and what a slow clock makes of it). */
static void vm_pause(struct sim *s, struct host *h)
{
    uint64_t window_ns = 7 * s->plan.most_stale_ns, most_ns = s->plan.least_stale_ns / 4;

    if (host_is_frozen(s, h))
        return;
    if (s->now_ns > h->vm_pause_from_ns + window_ns) {
        h->vm_pause_from_ns = s->now_ns;
        h->vm_pause_ns = 0;
    }
    uint64_t for_ns = rng_below(&s->rng, most_ns - u64_min(most_ns, h->vm_pause_ns));
    h->vm_pause_ns += for_ns;
    h->vm_pause_from_ns = s->now_ns + for_ns;
    clock_rate(&h->clock, s->now_ns, 0);
    freeze(s, h, for_ns);
}

static void set_rate(struct sim *s, struct host *h, uint32_t permille)
{
    h->permille = permille;
    if (host_is_frozen(s, h))
        return; /* when it thaws */
    clock_rate(&h->clock, s->now_ns, permille);
    trace(s, TRACE_CLOCK, h->index, NO_KEY, permille, clock_at(&h->clock, s->now_ns));
    if (h->daemon.alive)
        daemon_run(s, h);
}

/* A second daemon takes the name of a living one, and perhaps a copy of its disk. */
static void start_twice(struct sim *s, struct host *h)
{
    const struct host *other = &s->hosts[rng_below(&s->rng, s->host_count)];

    if (other == h || !h->daemon.alive || strcmp(h->name, h->real_name) != 0)
        return;
    crash(s, h, false, false);
    memcpy(h->name, other->name, sizeof h->name);
    if (rng_chance(&s->rng, 500)) {
        disk_copy(&h->disk, &other->disk);
        h->place = other->place;
        call_disk_lost(s, h->index);
    }
}

/* The machine of another host is copied while it runs, with its disk and what its daemon was
 * started with; the copy begins anew in the place of this one. */
static void start_clone(struct sim *s, struct host *h)
{
    const struct host *other = &s->hosts[rng_below(&s->rng, s->host_count)];

    if (other == h || !h->daemon.alive || !other->daemon.alive || h->twin || other->twin ||
        strcmp(h->name, h->real_name) != 0)
        return;
    crash(s, h, false, false);
    memcpy(h->name, other->name, sizeof h->name);
    disk_copy(&h->disk, &other->disk);
    call_disk_lost(s, h->index);
    h->place = other->place;
    memcpy(h->fences, other->fences, sizeof h->fences);
    h->fence_count = other->fence_count;
    h->fences_at = other->fences_at;
    h->image = (struct image){
        .taken = true, .of = other->index, .incarnation = other->daemon.settings.incarnation};
    memcpy(h->image.random, other->daemon.settings.random, sizeof h->image.random);
}

static void stop(struct sim *s, struct host *h)
{
    if (!host_takes(s, h))
        return;
    h->daemon.stopping = true;
    daemon_post(s, h, letter_new(s, EVENT_STOP));
}

/* The segment's clock is found wrong, and readers are told to use another. */
static void break_clock(struct sim *s, struct host *h)
{
    struct daemon *d = &h->daemon;
    struct segment_clock_settings other = {.clock = CLOCK_CLASS_BOOTTIME};

    if (!d->alive || d->stepping || d->cache->fallback || host_is_frozen(s, h))
        return;
    d->cache->fallback = true;
    step_enter(s, h, UINT64_MAX);
    writer_set_clock(d->writer, &other);
    daemon_post(s, h, letter_new(s, EVENT_CLOCK_BROKEN));
}

static void lose_client(struct sim *s, struct host *h)
{
    struct task *t = &s->tasks[rng_below(&s->rng, TASKS_MAX)];

    if (t->kind != TASK_LOAD || !h->daemon.alive || t->host != h->index ||
        t->generation != h->daemon.generation)
        return;
    struct letter *l = letter_new(s, EVENT_CLIENT_GONE);
    l->event.client_gone = t->client;
    daemon_post(s, h, l);
    t->kind = TASK_NONE;
}

/* ---- the disk ------------------------------------------------------------------------------
 */

static void damage(struct sim *s, struct host *h, bool misdirected)
{
    disk_damage(&h->disk, &s->rng, misdirected);
    if (rng_chance(&s->rng, 300))
        heir_lost(h); /* its checksum is wrong */
    call_disk_lost(s, h->index);
}

static void lose_disk(struct sim *s, struct host *h)
{
    crash(s, h, false, false);
    disk_clear(&h->disk);
    heir_lost(h);
    poison_lost(h);
    h->fence_count = 0;
    call_disk_lost(s, h->index);
}

/* ---- one of them ---------------------------------------------------------------------------
 */

/* For a while; and perhaps it was moved, and starts anew where the bus cannot be reached. */
static void cut_off(struct sim *s, struct host *h)
{
    cut(s, h, true, true);
    later(s, HAPPEN_UNCUT, h, some_time_ns(s));
    if (rng_chance(&s->rng, s->plan.moved_permille))
        lose_disk(s, h);
}

static void strike_host(struct sim *s, struct host *h, enum fault kind)
{
    switch (kind) {
    case FAULT_ONE_WAY: {
        bool read = rng_chance(&s->rng, 500);
        cut(s, h, read, !read);
        later(s, HAPPEN_UNCUT, h, some_time_ns(s));
        break;
    }
    case FAULT_CUT:
        cut_off(s, h);
        break;
    case FAULT_CRASH:
        crash(s, h, false, false);
        break;
    case FAULT_STALE_DISK:
        crash(s, h, true, false);
        break;
    case FAULT_TORN_WRITE:
        crash(s, h, false, true);
        break;
    case FAULT_LOST_DISK:
        lose_disk(s, h);
        break;
    case FAULT_STEP_CRASH:
        s->faults[kind]--; /* counted where it strikes */
        h->daemon.crash_in_step = h->daemon.alive && !h->daemon.stepping;
        break;
    case FAULT_PAUSE:
        h->daemon.stopped_until_ns = s->now_ns + (s->plan.theme == THEME_STRICT
                                                      ? rng_below(&s->rng, s->plan.max_stale_ns)
                                                      : some_time_ns(s));
        break;
    case FAULT_SUSPEND:
        if (!host_is_frozen(s, h))
            freeze(s, h, some_time_ns(s));
        break;
    case FAULT_VM_PAUSE:
        vm_pause(s, h);
        break;
    case FAULT_SLOW:
        set_rate(s, h, 900 + (uint32_t)rng_skewed(&s->rng, 100));
        break;
    case FAULT_FAST:
        set_rate(s, h, 1100 - (uint32_t)rng_skewed(&s->rng, 100));
        break;
    case FAULT_TWICE:
    case FAULT_CLONE:
        (kind == FAULT_CLONE ? start_clone : start_twice)(s, h);
        break;
    case FAULT_STOP:
        stop(s, h);
        break;
    case FAULT_CLOCK_BROKEN:
        break_clock(s, h);
        break;
    case FAULT_CLIENT_GONE:
        lose_client(s, h);
        break;
    case FAULT_READER_KILL:
        reader_kill(s, h->index * READERS + rng_below(&s->rng, s->plan.readers));
        break;
    case FAULT_NO_MEMORY:
        h->starts_without_memory = true;
        crash(s, h, false, false);
        break;
    default:
        ASSERT(kind == FAULT_KINDS); /* every fault of hosts is above */
    }
}

/* Where holes are the theme, rather one that has some: what it leaves behind is not whole. */
static struct host *who_dies(struct sim *s, struct host *h)
{
    for (size_t i = 0; i < s->host_count && s->plan.theme == THEME_HOLES; i++) {
        struct host *other = &s->hosts[i];
        struct core_status t;
        if (!other->daemon.alive || other->daemon.stepping)
            continue;
        core_status(other->daemon.core, clock_at(&other->clock, s->now_ns), &t);
        if (t.holes_open > 0)
            return other;
    }
    return h;
}

static void strike(struct sim *s, enum fault kind)
{
    struct host *h = &s->hosts[rng_below(&s->rng, s->host_count)];

    if (kind == FAULT_CRASH || kind == FAULT_STEP_CRASH)
        h = who_dies(s, h);

    s->faults[kind]++;
    switch (kind) {
    case FAULT_SWIZZLE:
        swizzle(s);
        break;
    case FAULT_DISK_FULL:
        h->disk.full = !h->disk.full;
        break;
    case FAULT_FSYNC:
        h->disk.fails_sync = !h->disk.fails_sync;
        break;
    case FAULT_BIT_FLIP:
        damage(s, h, false);
        break;
    case FAULT_MISDIRECTED:
        damage(s, h, true);
        break;
    case FAULT_FAILOVER:
        bus_failover(s, rng_skewed(&s->rng, 12), false);
        break;
    case FAULT_SPLIT:
        bus_failover(s, rng_skewed(&s->rng, 4), true);
        break;
    case FAULT_TRUNCATE: {
        if (s->plan.theme == THEME_MOVED) {
            bus_move(s);
            break;
        }
        bool says_so = rng_chance(&s->rng, 500);
        bus_truncate(s, 1 + rng_skewed(&s->rng, 10), says_so);
        if (rng_chance(&s->rng, 300)) /* what cuts a log back often takes a host with it */
            crash(s, h, false, false);
        break;
    }
    case FAULT_RESTORE: {
        bool says_so = rng_chance(&s->rng, 500);
        bus_truncate(s, rng_below(&s->rng, 500), says_so);
        break;
    }
    case FAULT_REPLACE:
        bus_replace(s);
        break;
    case FAULT_PRUNE:
        bus_prune(s);
        break;
    case FAULT_BUS_DOWN:
        s->bus.servers[s->bus.primary].alive = false;
        sim_push(s, (struct happening){.at_ns = s->now_ns + some_time_ns(s),
                                       .kind = HAPPEN_BUS_UP,
                                       .a = s->bus.primary});
        break;
    default:
        strike_host(s, h, kind);
        trace(s, TRACE_FAULT, h->index, NO_KEY, kind, 0);
        return;
    }
    trace(s, TRACE_FAULT, NO_HOST, NO_KEY, kind, 0);
}

static enum fault draw(struct sim *s)
{
    unsigned at = (unsigned)rng_below(&s->rng, s->plan.weights);
    int kind = 0;

    while (at >= s->plan.weight[kind])
        at -= s->plan.weight[kind++];
    return (enum fault)kind;
}

static void thaw(struct sim *s, struct host *h)
{
    if (host_is_frozen(s, h))
        return;
    clock_rate(&h->clock, s->now_ns, h->permille);
    if (h->daemon.alive)
        daemon_run(s, h);
}

static void start(struct sim *s, struct host *h)
{
    if (h->daemon.alive)
        return;
    if (h->starts_without_memory && !s->healing) {
        h->starts_without_memory = false;
        SOMETIMES(true, "daemon: no memory at start");
        later(s, HAPPEN_START, h, NS_PER_S);
        return;
    }
    daemon_start(s, h);
}

static void end_server(struct sim *s, size_t index)
{
    struct server *v = &s->bus.servers[index];

    v->alive = v->used = false;
    for (size_t i = 0; i < s->host_count; i++) {
        struct host *h = &s->hosts[i];
        h->on_old_side = false;
        if (h->link.server == index)
            link_lose(s, h);
        if (h->excused_until_ns == UINT64_MAX)
            h->excused_until_ns = s->now_ns + 2 * s->plan.most_stale_ns;
    }
}

/* Somebody mends the configuration. */
static void mend_name(struct sim *s, struct host *h)
{
    if (strcmp(h->name, h->real_name) == 0)
        return;
    crash(s, h, false, false);
    memcpy(h->name, h->real_name, sizeof h->name);
    h->image.taken = false;
}

/* Of two that bear one incarnation both have ended by now, without anybody's help. A clone that
 * is alone with its original's incarnation bears its name still. */
static void part_twins(struct sim *s)
{
    for (size_t i = 0; i < s->host_count; i++)
        for (size_t k = 0; k < i; k++)
            if (hosts_are_twins(&s->hosts[i], &s->hosts[k]))
                sim_fail(s, "twins", "%s and %s still bear one incarnation",
                         s->hosts[i].real_name, s->hosts[k].real_name);
    for (size_t i = 0; i < s->host_count; i++) {
        mend_name(s, &s->hosts[i]);
        later(s, HAPPEN_START, &s->hosts[i], rng_below(&s->rng, NS_PER_S)); /* if it is dead */
    }
}

void fault_happens(struct sim *s, const struct happening *x)
{
    struct host *h = &s->hosts[x->host];

    switch (x->kind) {
    case HAPPEN_FAULT:
        if (!s->healing)
            strike(s, draw(s));
        next_fault(s);
        break;
    case HAPPEN_SCENE:
        scene_happens(s, x->a);
        break;
    case HAPPEN_CUT:
        if (!s->healing)
            cut(s, h, true, true);
        break;
    case HAPPEN_UNCUT:
        uncut(h);
        break;
    case HAPPEN_ROOM:
        h->disk.full = false;
        break;
    case HAPPEN_THAW:
        thaw(s, h);
        break;
    case HAPPEN_START:
        start(s, h);
        break;
    case HAPPEN_PART_TWINS:
        part_twins(s);
        break;
    case HAPPEN_SERVER_END:
        end_server(s, x->a);
        break;
    case HAPPEN_BUS_UP:
        s->bus.servers[x->a].alive = s->bus.servers[x->a].used;
        break;
    default:
        ASSERT(x->kind > HAPPEN_BUS_UP); /* all others are sim.c's */
    }
}

/* From now on everything is well: what is stopped goes on, what is dead starts. */
void fault_heal(struct sim *s)
{
    struct server *v = &s->bus.servers[s->bus.primary];

    v->alive = true;
    v->locked_until_ns = 0;
    if (s->plan.weight[FAULT_CLONE] > 0)
        sim_push(s, (struct happening){.at_ns = s->now_ns + s->plan.heal_ns / 2,
                                       .kind = HAPPEN_PART_TWINS});
    for (size_t i = 0; i < SERVERS_MAX; i++)
        if (i != s->bus.primary && s->bus.servers[i].used)
            end_server(s, i);
    for (size_t i = 0; i < s->host_count; i++) {
        struct host *h = &s->hosts[i];
        uncut(h);
        h->frozen_until_ns = u64_min(h->frozen_until_ns, s->now_ns);
        h->daemon.stopped_until_ns = u64_min(h->daemon.stopped_until_ns, s->now_ns);
        h->daemon.crash_in_step = false;
        h->daemon.dies_in = 0;
        h->disk.full = h->disk.fails_sync = false;
        clock_rate(&h->clock, s->now_ns, h->permille);
        later(s, HAPPEN_THAW, h, 0);
        if (!h->twin)
            mend_name(s, h);
        h->returns_ns = 0;
        if (!h->daemon.alive && !h->absent)
            later(s, HAPPEN_START, h, rng_below(&s->rng, NS_PER_S));
    }
    for (size_t i = 0; i < READERS_MAX; i++) {
        s->readers[i].stopped_until_ns = 0;
        if (s->readers[i].host < s->host_count && s->readers[i].fiber.running)
            reader_kill(s, i); /* one may sleep for long */
    }
}
