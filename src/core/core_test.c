/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/fleet.h"

/* The whole against its promises: three nodes, a database, loaders, writers, and whatever can
 * go wrong between them. Versions of a row are numbers, and so are the values in the caches. */

enum {
    KEYS = 7,
    JOBS = 10,
    VERSIONS_MAX = 2000,
    FLOORS_MAX = 20000,
    GHOSTS_MAX = 8,
    STALL_MS_MAX = 7000
};

static const char *const keys[KEYS] = {"k0",       "k1",      "k2",     "fill:p:1",
                                       "fill:q:2", "short:a", "short:b"};
static const struct bytes tag = {(const uint8_t *)"t", 1};

/* The bus took a removal that was accepted when the key had `version`. */
struct floor {
    uint64_t at_ns, version;
};

struct row {
    uint64_t version;
    uint64_t committed_ns[VERSIONS_MAX];
    size_t floor_count;
    struct floor floors[FLOORS_MAX];
};

enum job_state { JOB_IDLE, JOB_TO_READ, JOB_TO_FILL };

struct job {
    enum job_state state;
    size_t node, key;
    uint64_t due_ns, version, client;
    struct id128 incarnation; /* of the node when it began */
    struct token token;
    bool sets;
};

struct removal {
    size_t node, key;
    uint64_t wall_ms, answer, due_ns;
    bool asked, taken, synced;
};

struct ghost {
    struct fixture segment;
    uint64_t offset_ns, until_ns;
};

struct world {
    struct fleet *f;
    uint64_t *rng;
    struct row rows[KEYS];
    struct job jobs[JOBS];
    size_t removal_count;
    struct removal removals[8000];
    uint64_t local[FLEET_NODES_MAX][KEYS]; /* what a node must not fall below: its own word */
    uint64_t expect[FLEET_ANSWERS_MAX];    /* version that a waiting LOAD must give at least */
    uint64_t sync_key[FLEET_ANSWERS_MAX];  /* 1 + key whose removal a SYNC waits for */
    uint64_t sync_floor[FLEET_ANSWERS_MAX][KEYS];
    size_t load_key[FLEET_ANSWERS_MAX];
    struct ghost ghosts[GHOSTS_MAX];
    uint64_t restart_ns[FLEET_NODES_MAX];
    uint64_t hits, stored, refused, delivered, synced;
    uint64_t write_every, write_keys; /* the less is removed, the longer old copies can live */
};

static uint64_t roll(struct world *w, uint64_t below)
{
    return test_random(w->rng, below);
}

/* The version of a row that was committed before the millisecond `wall_ms` began. */
static uint64_t version_at(const struct row *row, uint64_t wall_ms)
{
    uint64_t version = row->version;

    while (version > 0 && row->committed_ns[version] / NS_PER_MS >= wall_ms)
        version--;
    return version;
}

/* What nobody may fall below who knows all that the bus took until `at_ns`. */
static uint64_t floor_at(const struct row *row, uint64_t at_ns)
{
    uint64_t version = 0;

    for (size_t i = row->floor_count; i-- > 0;)
        if (row->floors[i].at_ns < at_ns)
            version = u64_max(version, row->floors[i].version);
    return version;
}

static bool concerns(const struct change *c, const char *key)
{
    struct bytes whole = bytes_of_text(key);

    if (c->has_fingerprint) /* of a SET: peers may keep the same bytes, however old */
        return false;
    if (c->op == CHANGE_REMOVE)
        return bytes_equal(c->key, whole);
    if (c->op == CHANGE_TAG || c->op == CHANGE_CLEAR)
        return true;
    return (c->op == CHANGE_PREFIX || c->op == CHANGE_NAMESPACE) &&
           c->key.size_bytes <= whole.size_bytes &&
           memcmp(c->key.data, key, c->key.size_bytes) == 0;
}

static void on_taken(struct fleet *f, const struct change *c)
{
    struct world *w = f->context;

    for (size_t k = 0; k < KEYS; k++) {
        struct row *row = &w->rows[k];
        if (!concerns(c, keys[k]))
            continue;
        CHECK(row->floor_count < FLOORS_MAX);
        row->floors[row->floor_count++] =
            (struct floor){f->now_ns, version_at(row, c->wall_ms)};
    }
    for (size_t i = 0; i < w->removal_count; i++) {
        struct removal *r = &w->removals[i];
        const char *name = f->nodes[r->node].name;
        r->taken |= r->asked && r->wall_ms == c->wall_ms && concerns(c, keys[r->key]) &&
                    bytes_equal(c->origin, bytes_of_text(name));
    }
}

static uint64_t number_of(const uint8_t *text, size_t size)
{
    uint64_t n = 0;

    for (size_t i = 0; i < size; i++)
        n = n * 10 + (uint64_t)(text[i] - '0');
    return n;
}

static void on_answered(struct fleet *f, struct fleet_answer *a)
{
    struct world *w = f->context;
    size_t id = (size_t)(a - f->answers);

    CHECK(f->now_ns - a->asked_ns <= 10 * NS_PER_S);
    if (a->reply.has_value && a->reply.state == ACCORD_HIT) {
        CHECK(number_of(a->value, a->reply.value.size_bytes) >= w->expect[id]);
        w->delivered++;
    }
    if (w->sync_key[id] > 0 && a->reply.status == ACCORD_OK) {
        for (size_t k = 0; k < KEYS; k++)
            w->local[a->node][k] = u64_max(w->local[a->node][k], w->sync_floor[id][k]);
        w->synced++;
    }
}

/* ---- reads ---------------------------------------------------------------------------------
 */

static void check_read(struct world *w, struct fixture *segment, uint64_t clock_ns, size_t k,
                       uint64_t floor)
{
    fixture_at(segment, clock_ns);
    struct read_result r = fixture_get(segment, keys[k]);

    if (r.state != ACCORD_HIT)
        return;
    w->hits++;
    uint64_t version = number_of((const uint8_t *)fixture_text, r.value_bytes);
    CHECK(version <= w->rows[k].version);
    CHECK(version >= floor);
    CHECK(version >= floor_at(&w->rows[k], w->f->now_ns - FLEET_L)); /* P1 */
}

static void check_reads(struct world *w)
{
    struct fleet *f = w->f;

    for (size_t k = 0; k < KEYS; k++) {
        for (size_t i = 0; i < f->count; i++)
            if (f->nodes[i].alive)
                check_read(w, &f->nodes[i].segment, fleet_clock(f, &f->nodes[i]), k,
                           w->local[i][k]);
        for (size_t g = 0; g < GHOSTS_MAX; g++)
            if (w->ghosts[g].until_ns > 0)
                check_read(w, &w->ghosts[g].segment, f->now_ns + w->ghosts[g].offset_ns, k, 0);
    }
}

/* ---- loaders -------------------------------------------------------------------------------
 */

static struct fleet_node *some_node(struct world *w)
{
    struct fleet_node *n = &w->f->nodes[roll(w, w->f->count)];

    return n->alive && !n->stalled && !n->stopped ? n : NULL;
}

static void begin_job(struct world *w, struct job *job)
{
    struct fleet_node *n = some_node(w);

    if (!n)
        return;
    *job = (struct job){.node = (size_t)(n - w->f->nodes),
                        .key = roll(w, KEYS),
                        .client = 1 + roll(w, 40),
                        .incarnation = n->settings.incarnation,
                        .sets = roll(w, 5) == 0,
                        .due_ns = w->f->now_ns + roll(w, 1500) * NS_PER_MS};
    if (roll(w, 2) == 0) {
        struct read_result r = fleet_get(w->f, n, keys[job->key]);
        if (r.state == ACCORD_HIT)
            return;
        job->token = r.token;
        job->state = JOB_TO_READ;
        return;
    }
    uint64_t id = w->f->answer_count;
    struct request load = fleet_load(keys[job->key], roll(w, 2) * roll(w, 2000) * NS_PER_MS);
    load.client = job->client;
    w->expect[id] = u64_max(w->local[job->node][job->key],
                            floor_at(&w->rows[job->key], u64_sub_sat(w->f->now_ns, FLEET_L)));
    struct fleet_answer *a = fleet_request(w->f, n, load);
    if (a->count == 1 && a->reply.has_token) {
        job->token = a->reply.token;
        job->state = JOB_TO_READ;
    }
}

static void end_job(struct world *w, struct job *job)
{
    struct fleet_node *n = &w->f->nodes[job->node];
    char value[24];

    job->state = JOB_IDLE;
    if (!n->alive || n->stalled || n->stopped)
        return;
    snprintf(value, sizeof value, "%llu", (unsigned long long)job->version);
    struct request r = fleet_fill(keys[job->key], value, &job->token);
    r.op = job->sets ? REQUEST_SET : REQUEST_FILL;
    r.client = job->client;
    r.item.tags = &tag;
    r.item.tag_count = 1;
    struct fleet_answer *a = fleet_request(w->f, n, r);
    if (job->sets)
        return;
    CHECK(a->count == 1);
    w->stored += a->reply.status == ACCORD_OK;
    w->refused += a->reply.status == ACCORD_E_TOKEN;
    if (a->reply.status == ACCORD_OK)
        CHECK(job->version >= w->local[job->node][job->key]);
}

static void run_jobs(struct world *w)
{
    for (size_t i = 0; i < JOBS; i++) {
        struct job *job = &w->jobs[i];
        if (job->state == JOB_IDLE && roll(w, 4) == 0) {
            begin_job(w, job);
        } else if (job->state == JOB_TO_READ && w->f->now_ns >= job->due_ns) {
            job->version = w->rows[job->key].version;
            job->due_ns = w->f->now_ns + roll(w, 800) * NS_PER_MS;
            job->state = JOB_TO_FILL;
        } else if (job->state == JOB_TO_FILL && w->f->now_ns >= job->due_ns) {
            end_job(w, job);
        }
    }
}

/* ---- writers -------------------------------------------------------------------------------
 */

static uint64_t commit(struct world *w, size_t k)
{
    struct row *row = &w->rows[k];

    CHECK(row->version + 1 < VERSIONS_MAX);
    row->committed_ns[++row->version] = w->f->now_ns;
    return row->version;
}

static struct request removal_request(struct world *w, const struct removal *r)
{
    struct request request = fleet_remove(keys[r->key]);

    switch (roll(w, 30)) {
    case 0:
        return fleet_clear("*");
    case 1:
        request = fleet_remove("t");
        request.op = REQUEST_REMOVE_TAG;
        return request;
    case 2:
        return r->key == 3   ? fleet_clear("fill:p:")
               : r->key == 4 ? fleet_clear("fill")
                             : request;
    default:
        request.soft = roll(w, 6) == 0;
        return request;
    }
}

static void on_accepted(struct world *w, struct removal *r)
{
    for (size_t k = 0; k < KEYS; k++)
        if (k == r->key)
            w->local[r->node][k] = u64_max(w->local[r->node][k],
                                           version_at(&w->rows[k], w->f->now_ns / NS_PER_MS));
}

/* A removal is made some time after the commit, by any node. */
static void run_writers(struct world *w)
{
    if (roll(w, w->write_every) == 0 && w->removal_count < COUNT_OF(w->removals)) {
        size_t k = roll(w, 10) == 0 ? roll(w, KEYS) : roll(w, w->write_keys);
        commit(w, k);
        if (roll(w, 8) == 0) {
            w->f->now_ns += NS_PER_MS; /* the trigger's row is of a later millisecond */
            fleet_insert(w->f, CHANGE_REMOVE, keys[k]);
        } else {
            w->removals[w->removal_count++] =
                (struct removal){.key = k, .due_ns = w->f->now_ns + roll(w, 300) * NS_PER_MS};
        }
    }
    for (size_t i = 0; i < w->removal_count; i++) {
        struct removal *r = &w->removals[i];
        struct fleet_node *n;
        if (r->asked || w->f->now_ns < r->due_ns || !(n = some_node(w)))
            continue;
        r->node = (size_t)(n - w->f->nodes);
        r->asked = true;
        r->wall_ms = w->f->now_ns / NS_PER_MS;
        r->answer = w->f->answer_count;
        fleet_request(w->f, n, removal_request(w, r));
        int status = w->f->answers[r->answer].reply.status;
        CHECK(status != ACCORD_E_FULL && status != ACCORD_E_INVALID);
        on_accepted(w, r);
    }
}

/* Whoever asks for a position, or for all there is by now, knows it when the answer is OK. */
static void run_syncs(struct world *w)
{
    struct fleet_node *n = some_node(w);
    uint64_t id = w->f->answer_count;
    struct request r = fleet_sync(roll(w, 2000) * NS_PER_MS);

    if (!n || roll(w, 4) > 0)
        return;
    w->sync_key[id] = 1;
    memset(w->sync_floor[id], 0, sizeof w->sync_floor[id]);
    if (roll(w, 2) == 0 && w->removal_count > 0) {
        const struct removal *removal = &w->removals[roll(w, w->removal_count)];
        const struct fleet_answer *a = &w->f->answers[removal->answer];
        if (!removal->asked || a->count == 0 || !a->reply.has_position)
            return;
        r.has_position = true;
        r.position = a->reply.position;
        w->sync_floor[id][removal->key] = version_at(&w->rows[removal->key], removal->wall_ms);
    } else {
        r.op = roll(w, 2) == 0 ? REQUEST_SYNC : REQUEST_FRESHEN;
        for (size_t k = 0; k < KEYS; k++)
            w->sync_floor[id][k] = floor_at(&w->rows[k], w->f->now_ns);
    }
    fleet_request(w->f, n, r);
}

/* ---- faults --------------------------------------------------------------------------------
 */

static void kill_node(struct world *w, struct fleet_node *n)
{
    for (size_t g = 0; g < GHOSTS_MAX; g++)
        if (w->ghosts[g].until_ns == 0) {
            w->ghosts[g] = (struct ghost){n->segment, n->offset_ns, w->f->now_ns + 2 * FLEET_L};
            w->restart_ns[n - w->f->nodes] = w->f->now_ns + roll(w, 3000) * NS_PER_MS;
            fleet_kill(w->f, n);
            return;
        }
}

static void run_ghosts(struct world *w, bool all)
{
    for (size_t g = 0; g < GHOSTS_MAX; g++)
        if (w->ghosts[g].until_ns > 0 && (all || w->ghosts[g].until_ns <= w->f->now_ns)) {
            fixture_done(&w->ghosts[g].segment);
            w->ghosts[g].until_ns = 0;
        }
    for (size_t i = 0; i < w->f->count; i++)
        if (!w->f->nodes[i].alive && (all || w->restart_ns[i] <= w->f->now_ns))
            fleet_start(w->f, &w->f->nodes[i]);
}

static void run_faults(struct world *w)
{
    struct fleet_node *n = some_node(w);

    if (!n)
        return;
    switch (roll(w, 150)) {
    case 0:
        fleet_cut(w->f, n, true);
        break;
    case 1:
        kill_node(w, n);
        break;
    case 2:
        n->stalled = true;
        n->stalled_until_ns = w->f->now_ns + roll(w, STALL_MS_MAX) * NS_PER_MS;
        break;
    case 3:
        if (w->f->log_count > 0)
            fleet_lose_tail(w->f, 1 + roll(w, u64_min(4, w->f->log_count)));
        break;
    case 4:
        fleet_gone(w->f, n, 1 + roll(w, 40));
        break;
    case 5:
    case 6:
    case 7:
        fleet_cut(w->f, &w->f->nodes[roll(w, w->f->count)], false);
        break;
    default:
        break;
    }
}

/* ---- the promises --------------------------------------------------------------------------
 */

static struct world *world_new(uint64_t *rng, bool head_linearizable)
{
    struct world *w = calloc(1, sizeof *w);

    CHECK(w);
    w->rng = rng;
    w->f = fleet_new(rng);
    w->f->context = w;
    w->f->taken = on_taken;
    w->f->answered = on_answered;
    w->write_every = 2 + roll(w, 60);
    w->write_keys = 1 + roll(w, KEYS);
    w->f->delay_max_ns = (1 + roll(w, 400)) * NS_PER_MS;
    w->f->fail_permille = (unsigned)roll(w, 100);
    w->f->unknown_permille = (unsigned)roll(w, 100);
    w->f->gathers = roll(w, 2) == 0;
    w->f->repeat_permille = (unsigned)roll(w, 200);
    for (size_t i = 0; i < 3; i++) {
        struct fleet_node *n = fleet_add(w->f, i == 0 ? "web1" : i == 1 ? "web2" : "web3");
        n->settings.head_linearizable = head_linearizable;
        n->settings.ack_local = roll(w, 4) == 0;
        fleet_start(w->f, n);
    }
    return w;
}

static void world_free(struct world *w)
{
    fleet_free(w->f);
    free(w);
}

/* The bus is whole again: all are fresh soon, and nothing that was accepted is missing. */
static void heal(struct world *w)
{
    struct fleet *f = w->f;

    f->fail_permille = f->unknown_permille = 0;
    f->delay_max_ns = 5 * NS_PER_MS;
    for (size_t i = 0; i < f->count; i++)
        fleet_cut(f, &f->nodes[i], false);
    run_ghosts(w, /* all= */ true);
    fleet_run(f, (STALL_MS_MAX + 10000) * NS_PER_MS);
    for (size_t i = 0; i < f->count; i++) {
        struct core_status status = fleet_status(f, &f->nodes[i]);
        CHECK(!f->nodes[i].fatal);
        CHECK(status.fresh);
        CHECK(status.outbox == 0);
        CHECK(status.waiters == 0);
        CHECK(status.loads == 0);
        CHECK(status.cursor.position == f->newest || status.head_known);
        CHECK(f->nodes[i].journal_count == 0);
    }
    for (uint64_t i = 0; i < f->answer_count; i++)
        CHECK(f->answers[i].count == 1 || f->answers[i].abandoned);
    for (size_t i = 0; i < w->removal_count; i++) {
        const struct removal *r = &w->removals[i];
        int status = f->answers[r->answer].reply.status;
        if (r->asked && !f->answers[r->answer].abandoned &&
            (status == ACCORD_OK || status == ACCORD_E_UNPUBLISHED))
            CHECK(r->taken);
    }
    for (size_t k = 0; k < KEYS; k++)
        for (size_t i = 0; i < f->count; i++)
            check_read(w, &f->nodes[i].segment, fleet_clock(f, &f->nodes[i]), k,
                       floor_at(&w->rows[k], f->now_ns - NS_PER_S));
}

static void live(struct world *w, uint64_t for_ns)
{
    uint64_t end_ns = w->f->now_ns + for_ns;

    while (w->f->now_ns < end_ns) {
        fleet_run(w->f, 1 + roll(w, 80 * NS_PER_MS));
        run_ghosts(w, /* all= */ false);
        check_reads(w);
        run_faults(w);
        run_writers(w);
        run_syncs(w);
        run_jobs(w);
        check_reads(w);
    }
}

TEST_SEEDS(core_keeps_its_promises_whatever_fails, 100)
{
    struct world *w = world_new(rng, /* head_linearizable= */ true);

    live(w, 60 * NS_PER_S);
    heal(w);
    world_free(w);
}

TEST_SEEDS(core_keeps_its_promises_where_only_its_own_beats_prove_anything, 60)
{
    struct world *w = world_new(rng, /* head_linearizable= */ false);

    live(w, 60 * NS_PER_S);
    heal(w);
    world_free(w);
}
