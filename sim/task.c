/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* The applications: rows that are committed, removals after it, loaders with all their delays,
 * and whoever asks for certainty. A task may die between any two of its acts. */
#include "sim/sim.h"

const char *const key_names[KEYS] = {"k0",       "k1",       "k2",      "k3",      "fill:p:1",
                                     "fill:p:2", "fill:q:1", "short:a", "short:b", "stale:a",
                                     "stale:b",  "v:a",      "set:a",   "set:b",   "lag:a",
                                     "lsn:a",    "row:a",    "tight:a"};
enum {
    KEY_VERSIONED = 11,
    KEY_SET = 12,
    KEY_LAGGING = 14,
    KEY_LSN = 15,
    KEY_ROW = 16,
    KEY_TIGHT = 17,
    SET_KEYS = 2
};
/* So far a replica may be behind, and so long may a load from it take, from the reading until
 * the daemon takes the fill: a namespace's hold_off covers both, also by a clock 10 % fast. It
 * is longer than the view of the log that reading begins with, where max_stale is short. */
#define LAG_NS      (9 * NS_PER_S)
#define LAG_LOAD_NS (2 * NS_PER_S)
#define HOLD_OFF_NS (13 * NS_PER_S)
_Static_assert(HOLD_OFF_NS > (LAG_NS + LAG_LOAD_NS) / 10 * 11, "as hold_off must be set");

static const struct namespace_settings declared[SPACES] = {
    {.name = "default"},
    {.name = "fill", .set = SET_FILL, .delimiter = ':'},
    {.name = "short",
     .ttl_ns = 4 * NS_PER_S,
     .grace_ns = 5 * NS_PER_S,
     .negative_ttl_ns = 2 * NS_PER_S,
     .refresh_permille = 500,
     .jitter_permille = 200,
     .when_unsure = WHEN_UNSURE_ERROR},
    {.name = "stale", .unsure_ttl_ns = 3 * NS_PER_S, .when_unsure = WHEN_UNSURE_STALE},
    {.name = "lag", .hold_off_ns = HOLD_OFF_NS},
    {.name = "lsn", .version = VERSION_LSN, .hold_off_ns = HOLD_OFF_NS},
    {.name = "row", .version = VERSION_ROW, .hold_off_ns = HOLD_OFF_NS},
    {.name = "tight", .when_unsure = WHEN_UNSURE_STALE},
};

static void declare_spaces(struct sim *s)
{
    for (size_t i = 0; i < SPACES; i++) {
        struct namespace_settings *n = &s->spaces[i];
        *n = declared[i];
        n->ttl_ns = n->ttl_ns > 0 ? n->ttl_ns : UINT64_MAX;
        n->negative_ttl_ns = n->negative_ttl_ns > 0 ? n->negative_ttl_ns : 10 * NS_PER_S;
        n->unsure_ttl_ns = n->unsure_ttl_ns > 0 ? n->unsure_ttl_ns : NS_PER_S;
        n->max_stale_ns = UINT64_MAX;
    }
    s->spaces[SPACES - 1].max_stale_ns = s->plan.tight_ns;
}

uint64_t key_max_stale_ns(const struct sim *s, size_t key, uint64_t max_stale_ns)
{
    return key == KEY_TIGHT ? u64_min(s->plan.tight_ns, max_stale_ns) : max_stale_ns;
}

/* Of a namespace in which an outage degrades to a short ttl, and no fence may refuse. */
bool key_keeps_unsure(size_t key)
{
    return key != 7 && key != 8 && (key < KEY_LAGGING || key == KEY_TIGHT);
}

bool key_sets_are_fills(size_t key)
{
    return key >= 4 && key <= 6; /* of the namespace "fill" */
}

bool key_is_protected(size_t key)
{
    return key < KEYS; /* all, since fences guard what is read from a replica */
}

const struct bytes *key_tags(size_t key, size_t *count)
{
    static const struct bytes tags[3][2] = {
        {{(const uint8_t *)"t0", 2}, {(const uint8_t *)"even", 4}},
        {{(const uint8_t *)"t1", 2}, {(const uint8_t *)"even", 4}},
        {{(const uint8_t *)"t2", 2}, {(const uint8_t *)"even", 4}}};

    *count = key % 2 == 0 ? 2 : 1;
    return tags[key % 3];
}

/* ---- values --------------------------------------------------------------------------------
 */

static uint64_t mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    return x ^ (x >> 27);
}

bool value_is_negative(size_t key, uint64_t version)
{
    return key < KEY_SET && key != KEY_LSN && mixed(key * 7919 + version) % 7 == 0;
}

static size_t put_number(uint8_t *to, uint64_t number)
{
    uint8_t digits[20];
    size_t count = 0;

    do
        digits[count++] = (uint8_t)('0' + number % 10);
    while ((number /= 10) > 0);
    for (size_t i = 0; i < count; i++)
        to[i] = digits[count - 1 - i];
    return count;
}

/* Key, version, and bytes that only this version has, as many as it happens to have. */
size_t value_write(const struct sim *s, size_t key, uint64_t version, uint8_t *to)
{
    uint64_t word = mixed(key * 1000003 + version);
    bool large = s->plan.large_only || (s->plan.large_values && word % 4 == 0);
    size_t most = s->plan.large_only ? VALUE_BYTES_LARGE / 3 : VALUE_BYTES_LARGE;
    size_t extra = large ? word % most : word % 150;
    size_t size = put_number(to, key);

    to[size++] = ':';
    size += put_number(to + size, version);
    to[size++] = ':';
    for (size_t i = 0; i < extra; i++)
        to[size++] = (uint8_t)(word >> (i % 8 * 8));
    return size;
}

bool value_read(const struct sim *s, size_t key, const uint8_t *bytes, size_t size,
                uint64_t *version)
{
    static uint8_t expected[VALUE_BYTES_LARGE + 1024];
    size_t at = 0, named = 0;

    for (; at < size && bytes[at] >= '0' && bytes[at] <= '9'; at++)
        named = named * 10 + (size_t)(bytes[at] - '0');
    if (at == size || bytes[at++] != ':' || named != key)
        return false;
    *version = 0;
    for (; at < size && bytes[at] >= '0' && bytes[at] <= '9'; at++)
        *version = *version * 10 + (uint64_t)(bytes[at] - '0');
    return *version <= s->rows[key].version &&
           value_write(s, key, *version, expected) == size &&
           memcmp(expected, bytes, size) == 0;
}

/* ---- the origin ----------------------------------------------------------------------------
 */

uint64_t version_at_wall(const struct sim *s, size_t key, uint64_t wall)
{
    const struct row *row = &s->rows[key];
    uint64_t low = 0, high = row->version; /* the answer lies between */

    while (low < high) {
        uint64_t middle = high - (high - low) / 2;
        if (row->committed_wall[middle] < wall)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

/* The version that a removal names is the row's own, or, where one order is for all, a place in
 * that order. */
uint64_t key_version_of(const struct sim *s, const struct change *c, size_t key)
{
    return key == KEY_LSN ? version_at_wall(s, key, c->version + 1) : c->version;
}

static bool commit(struct sim *s, size_t key)
{
    struct row *row = &s->rows[key];

    if (row->version + 1 == VERSIONS_MAX)
        return false;
    row->version++;
    row->committed_wall[row->version] = wall_next(s);
    row->committed_ns[row->version] = s->now_ns;
    check_committed(&s->check, key, row->version);
    trace(s, TRACE_COMMIT, NO_HOST, key, row->version, s->wall);
    return true;
}

/* What a replica shows that is so far behind. */
static uint64_t version_behind(const struct sim *s, size_t key, uint64_t lag_ns)
{
    const struct row *row = &s->rows[key];
    uint64_t version = row->version;

    while (version > 0 && row->committed_ns[version] + lag_ns > s->now_ns)
        version--;
    return version;
}

/* How far that replica has come, in the one order of all commits. */
static uint64_t lsn_behind(const struct sim *s, uint64_t lag_ns)
{
    uint64_t lsn = 1;

    for (size_t k = 0; k < KEYS; k++) {
        uint64_t version = version_behind(s, k, lag_ns);
        lsn = u64_max(lsn, version > 0 ? s->rows[k].committed_wall[version] : 0);
    }
    return lsn;
}

/* What a trigger writes has no envelope. */
static struct change row_of(struct sim *s, size_t key)
{
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text(key_names[key]),
                           .message = {rng_next(&s->rng) | 1, 0xf00},
                           .wall_ms = wall_next(s)};
}

bool task_row(struct sim *s, struct change *out)
{
    size_t key = rng_below(&s->rng, KEY_VERSIONED);

    if (!commit(s, key))
        return false;
    *out = row_of(s, key);
    return true;
}

/* A row in the data's own transaction: a trigger wrote it. */
static void outbox_row(struct sim *s, size_t key)
{
    struct server *v = bus_primary(s);
    struct change c = row_of(s, key);

    if (v)
        bus_take(s, s->bus.primary, &c);
    SOMETIMES(v, "origin: a removal in the data's own transaction");
}

/* ---- tasks ---------------------------------------------------------------------------------
 */

static struct task *task_new(struct sim *s, enum task_kind kind)
{
    for (size_t i = 0; i < TASKS_MAX; i++) {
        struct task *t = &s->tasks[i];
        if (t->kind != TASK_NONE)
            continue;
        *t = (struct task){.kind = kind,
                           .serial = ++s->task_serial,
                           .client = ++s->clients,
                           .first = SIZE_MAX};
        return t;
    }
    return NULL;
}

static void next_act(struct sim *s, struct task *t, uint64_t after_ns)
{
    sim_push(s, (struct happening){.at_ns = s->now_ns + after_ns,
                                   .kind = HAPPEN_TASK,
                                   .a = (uint64_t)(t - s->tasks),
                                   .b = t->serial});
}

static void task_end(struct task *t)
{
    t->kind = TASK_NONE;
}

static bool dies(struct sim *s)
{
    return !s->plan.quiet && rng_chance(&s->rng, s->plan.die_permille);
}

static struct host *some_host(struct sim *s)
{
    struct host *h = &s->hosts[rng_below(&s->rng, s->host_count)];

    return host_takes(s, h) ? h : NULL;
}

size_t key_of_replica(struct sim *s)
{
    if (rng_chance(&s->rng, s->plan.lsn_permille))
        return KEY_LSN;
    return KEY_LAGGING + rng_below(&s->rng, KEY_ROW - KEY_LAGGING + 1);
}

size_t key_of_order(void)
{
    return KEY_LSN;
}

/* The one with a bound of its own most of all. */
size_t key_of_space(struct sim *s)
{
    static const size_t keys[] = {4,  5,         6,         7,         8,        9,
                                  10, KEY_TIGHT, KEY_TIGHT, KEY_TIGHT, KEY_TIGHT};

    return keys[rng_below(&s->rng, COUNT_OF(keys))];
}

static size_t some_key(struct sim *s)
{
    if (s->plan.space_permille > 0 && rng_chance(&s->rng, s->plan.space_permille))
        return key_of_space(s);
    if (rng_chance(&s->rng, s->plan.lagging_permille))
        return key_of_replica(s);
    if (rng_chance(&s->rng, 800))
        return rng_below(&s->rng, s->plan.hot_keys);
    return rng_below(&s->rng, KEYS);
}

/* False: it cannot be asked, and the task is over. */
static bool ask(struct sim *s, struct task *t, struct host *h, struct request *r)
{
    r->client = t->client;
    struct call *c = call_make(s, h, r, t->key);

    if (!c) {
        task_end(t);
        return false;
    }
    c->task = (size_t)(t - s->tasks);
    c->task_serial = t->serial;
    c->version = t->version;
    c->first = t->first;
    t->host = h->index;
    t->generation = h->daemon.generation;
    return true;
}

static const struct bytes *key_bytes(size_t key)
{
    static struct bytes names[KEYS];

    names[key] = bytes_of_text(key_names[key]);
    return &names[key];
}

static struct item item_of(struct sim *s, size_t key, uint64_t version, uint64_t lsn)
{
    struct item item = {.key = *key_bytes(key), .grace_ns = UINT64_MAX};
    size_t count;

    item.tags = key_tags(key, &count);
    item.tag_count = s->plan.untagged ? 0 : count;
    if (value_is_negative(key, version))
        item.flags = ITEM_NEGATIVE;
    if (value_is_negative(key, version) || key == KEY_VERSIONED || key == KEY_ROW)
        item.version = version;
    if (key == KEY_LSN)
        item.version = lsn;
    if (!(item.flags & ITEM_NEGATIVE)) {
        static uint8_t bytes[VALUE_BYTES_LARGE + 1024];
        size_t size = value_write(s, key, version, bytes);
        item.value = bytes_of(memcpy(sim_alloc(s, size), bytes, size), size);
    }
    return item;
}

/* ---- loaders -------------------------------------------------------------------------------
 */

enum { LOAD_ASKED, LOAD_TO_READ, LOAD_TO_FILL, LOAD_FILLING };

/* What a daemon gives in the midst of losing its lease may be of before or after. */
static void keep_token(struct sim *s, struct task *t, const struct token *token)
{
    const struct daemon *d = &s->hosts[t->host].daemon;

    t->token = *token;
    t->token_generation = d->generation;
    t->token_losses = d->stepping ? UINT64_MAX : d->losses;
}

static void begin_load(struct sim *s)
{
    struct host *h = some_host(s);
    struct task *t = h ? task_new(s, TASK_LOAD) : NULL;

    if (!t)
        return;
    t->key = some_key(s);
    t->host = h->index;
    t->generation = h->daemon.generation;
    t->lagging = t->key >= KEY_LAGGING && t->key <= KEY_ROW;
    t->sets = rng_chance(&s->rng, 150) && t->key < KEY_SET;
    if (rng_chance(&s->rng, 400)) {
        /* Without the daemon: a read gives the token. */
        struct read_result found;
        step_enter(s, h, UINT64_MAX);
        reader_get(&h->daemon.cache->reader, *key_bytes(t->key), NULL, 0, &found);
        if (found.state == ACCORD_HIT || found.state == ACCORD_NEGATIVE) {
            task_end(t);
            return;
        }
        keep_token(s, t, &found.token);
        t->state = LOAD_TO_READ;
        next_act(s, t, rng_skewed(&s->rng, 2 * s->plan.think_ns));
        return;
    }
    struct request r = {.op = REQUEST_LOAD,
                        .keys = key_bytes(t->key),
                        .key_count = 1,
                        .wait_ns = rng_maybe(&s->rng, 3 * NS_PER_S)};
    ask(s, t, h, &r);
}

static void go_away(struct sim *s, struct task *t)
{
    struct host *h = &s->hosts[t->host];

    if (h->daemon.alive && h->daemon.generation == t->generation && rng_chance(&s->rng, 600)) {
        struct letter *l = letter_new(s, EVENT_CLIENT_GONE);
        l->event.client_gone = t->client;
        daemon_post(s, h, l);
    }
    SOMETIMES(true, "task: died in the middle");
    task_end(t);
}

static void fill(struct sim *s, struct task *t)
{
    struct host *h = &s->hosts[t->host];
    struct request r = {.op = t->sets ? REQUEST_SET : REQUEST_FILL,
                        .has_token = true,
                        .token = t->token,
                        .item = item_of(s, t->key, t->version, t->lsn)};

    /* A daemon that was started since knows nothing of the token, and says so. */
    if (!host_takes(s, h)) {
        task_end(t);
        return;
    }
    t->state = LOAD_FILLING;
    if (!ask(s, t, h, &r))
        return;
    struct call *c = &s->calls[s->call_count - 1];
    c->token_generation = t->token_generation;
    c->token_losses = t->token_losses;
    if (t->lagging)
        c->void_ns = t->read_ns + LAG_LOAD_NS;
}

/* In half of the cases near its limit: only so a hold_off that ends early is seen. */
static uint64_t lagging_ns(struct sim *s, uint64_t most_ns)
{
    bool near = rng_chance(&s->rng, 500);
    uint64_t some_ns = rng_skewed(&s->rng, most_ns);

    return near ? most_ns - some_ns : some_ns;
}

static void act_load(struct sim *s, struct task *t)
{
    if (dies(s)) {
        go_away(s, t);
    } else if (t->state == LOAD_TO_READ) {
        uint64_t lag_ns = t->lagging ? lagging_ns(s, LAG_NS) : 0;
        t->version = version_behind(s, t->key, lag_ns);
        t->lsn = lsn_behind(s, lag_ns);
        SOMETIMES(t->version < s->rows[t->key].version,
                  "loader: read from a replica that lags");
        t->read_ns = s->now_ns;
        trace(s, TRACE_LOADED, t->host, t->key, t->version, t->serial);
        t->state = LOAD_TO_FILL;
        next_act(s, t,
                 t->lagging ? lagging_ns(s, LAG_LOAD_NS)
                            : rng_skewed(&s->rng, 3 * s->plan.think_ns));
    } else {
        ASSERT(t->state == LOAD_TO_FILL);
        fill(s, t);
    }
}

static void load_answered(struct sim *s, struct task *t, const struct reply *r)
{
    if (t->state != LOAD_ASKED || !r->has_token) {
        task_end(t);
        return;
    }
    keep_token(s, t, &r->token);
    t->state = LOAD_TO_READ;
    next_act(s, t, rng_skewed(&s->rng, s->plan.think_ns));
}

/* ---- writers -------------------------------------------------------------------------------
 */

static void begin_write(struct sim *s)
{
    struct task *t = task_new(s, TASK_WRITE);

    if (!t)
        return;
    t->key = some_key(s);
    if (t->key >= KEY_SET && t->key < KEY_SET + SET_KEYS)
        t->key = 0; /* those have a writer each */
    if (!commit(s, t->key)) {
        task_end(t);
        return;
    }
    if (rng_chance(&s->rng, s->plan.outbox_permille)) {
        outbox_row(s, t->key);
        task_end(t);
        return;
    }
    t->version = s->rows[t->key].version;
    next_act(s, t, rng_skewed(&s->rng, s->plan.think_ns));
}

/* One that reaches more than the key: its tags, its prefix, its namespace, or all. */
static void widen(struct sim *s, size_t key, struct request *r)
{
    static const struct bytes all = {(const uint8_t *)"*", 1};
    static const struct bytes places[] = {
        {(const uint8_t *)"fill:p:", 7}, {(const uint8_t *)"fill", 4},
        {(const uint8_t *)"fill:", 5},   {(const uint8_t *)"short", 5},
        {(const uint8_t *)"stale", 5},   {(const uint8_t *)"lsn", 3},
        {(const uint8_t *)"row", 3},     {(const uint8_t *)"tight", 5}};
    size_t count;
    const struct bytes *tags = key_tags(key, &count);

    r->has_version = false;
    if (rng_chance(&s->rng, 500) && !s->plan.untagged) {
        r->op = REQUEST_REMOVE_TAG;
        r->keys = &tags[rng_below(&s->rng, count)];
        return;
    }
    r->op = REQUEST_CLEAR;
    r->keys = &all;
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct change c = {.op = places[i].data[places[i].size_bytes - 1] == ':'
                                     ? CHANGE_PREFIX
                                     : CHANGE_NAMESPACE,
                           .key = places[i]};
        if (change_covers(&c, key) && rng_chance(&s->rng, 500))
            r->keys = &places[i];
    }
}

/* More keys, of every kind, in one request: all or none. */
static void add_more(struct sim *s, size_t key, struct request *r)
{
    static struct bytes keys[3];
    static const uint8_t kinds[] = {REQUEST_REMOVE, REQUEST_REMOVE_TAG, REQUEST_REMOVE};
    size_t count;

    keys[0] = *key_bytes(key);
    keys[1] = key_tags(key, &count)[0];
    keys[2] = *key_bytes(rng_below(&s->rng, KEYS));
    r->op = REQUEST_REMOVE_MANY;
    r->keys = keys;
    r->kinds = kinds;
    r->key_count = 2 + rng_below(&s->rng, 2);
}

static void mark_batch(struct sim *s, const struct task *t, struct host *h, enum request_op op)
{
    struct letter *l = letter_new(s, EVENT_REQUEST);

    l->event.request = (struct request){
        .op = op, .client = t->client, .batch_count = 8, .batch_bytes = 4 * KEY_BYTES_MAX};
    daemon_post(s, h, l);
}

/* It and a removal of another key, in one publish. */
static void ask_batch(struct sim *s, struct task *t, struct host *h, struct request *r)
{
    size_t other = rng_below(&s->rng, KEYS);
    struct request more = {
        .op = REQUEST_REMOVE, .keys = key_bytes(other), .key_count = 1, .client = t->client};

    r->want_strict = false;
    mark_batch(s, t, h, REQUEST_BATCH_BEGIN);
    ask(s, t, h, r);
    call_make(s, h, &more, other);
    mark_batch(s, t, h, REQUEST_BATCH_END);
}

static void act_write(struct sim *s, struct task *t)
{
    struct host *h = some_host(s);
    struct request r = {.op = REQUEST_REMOVE, .keys = key_bytes(t->key), .key_count = 1};

    if (dies(s)) {
        SOMETIMES(true, "writer: died before the removal");
        task_end(t);
        return;
    }
    if (!h) {
        next_act(s, t, NS_PER_S);
        return;
    }
    bool versioned = t->key == KEY_VERSIONED || t->key == KEY_ROW;

    if (versioned && rng_chance(&s->rng, 600)) {
        r.has_version = true;
        r.version = t->version;
    }
    if (t->key == KEY_LSN && rng_chance(&s->rng, s->plan.versioned_permille)) {
        r.has_version = true;
        r.version = s->rows[t->key].committed_wall[t->version];
    }
    if (rng_chance(&s->rng, s->plan.wide_permille))
        widen(s, t->key, &r);
    else if (rng_chance(&s->rng, 100) && !r.has_version && !s->plan.untagged)
        add_more(s, t->key, &r);
    r.soft = rng_chance(&s->rng, 150);
    if (rng_chance(&s->rng, s->plan.strict_permille)) {
        r.want_strict = true;
        r.wait_ns = rng_below(&s->rng, 4 * s->plan.max_stale_ns);
    }
    if (rng_chance(&s->rng, 250)) {
        uint64_t *id = sim_alloc(s, sizeof *id);
        *id = t->serial;
        r.retry_id = bytes_of(id, sizeof *id);
    }
    if (rng_chance(&s->rng, 100))
        ask_batch(s, t, h, &r);
    else
        ask(s, t, h, &r);
    t->again = r;
}

/* Nobody knows whether it was made: asked for again, with its id, it is made once. */
static bool write_again(struct sim *s, struct task *t, const struct reply *r)
{
    struct host *h = &s->hosts[t->host];
    struct call *c = &s->calls[r->id];
    bool doubtful = r->status == ACCORD_E_TIMEOUT || r->status == ACCORD_E_UNPUBLISHED ||
                    r->status == ACCORD_OK;

    if (!doubtful || t->again.retry_id.size_bytes == 0 || t->first != SIZE_MAX ||
        !host_takes(s, h) || t->generation != h->daemon.generation || rng_chance(&s->rng, 500))
        return false;
    t->first = (size_t)(c - s->calls);
    struct request again = t->again;
    again.keys = c->keys;
    SOMETIMES(true, "writer: asked again with the same id");
    return ask(s, t, h, &again);
}

/* Its position is for who wants to wait for it elsewhere. */
static void write_answered(struct sim *s, struct task *t, const struct reply *r)
{
    const struct call *c = &s->calls[r->id];

    if (write_again(s, t, r))
        return;
    if (!r->has_position || c->request.op != REQUEST_REMOVE || rng_chance(&s->rng, 500)) {
        task_end(t);
        return;
    }
    t->kind = TASK_SYNC;
    t->version =
        u64_min(t->version,
                version_at_wall(s, t->key,
                                t->first < s->call_count ? s->calls[t->first].wall : c->wall));
    t->has_position = true;
    t->position = r->position;
    next_act(s, t, rng_skewed(&s->rng, 2 * NS_PER_S));
}

/* ---- setters: one per key, for who sets without a version must be alone -------------------
 */

static void act_set(struct sim *s, struct task *t)
{
    struct host *h = some_host(s);

    if (s->healing) {
        task_end(t);
        return;
    }
    if (!h || !commit(s, t->key)) {
        next_act(s, t, NS_PER_S);
        return;
    }
    t->version = s->rows[t->key].version;
    struct request r = {.op = REQUEST_SET, .item = item_of(s, t->key, t->version, 0)};
    ask(s, t, h, &r);
}

/* ---- who wants to be certain --------------------------------------------------------------
 */

static void begin_ask(struct sim *s)
{
    bool floor = rng_chance(&s->rng, 80);
    bool sync = rng_chance(&s->rng, 850);
    struct task *t = task_new(s, floor ? TASK_FLOOR : sync ? TASK_SYNC : TASK_EXPIRE);

    if (!t)
        return;
    t->key = some_key(s);
    next_act(s, t, 0);
}

static void act_ask(struct sim *s, struct task *t)
{
    struct host *h = some_host(s);
    static const struct bytes lsn = {(const uint8_t *)"lsn", 3};
    struct request r = {.op = REQUEST_SYNC, .wait_ns = rng_below(&s->rng, 3 * NS_PER_S)};

    if (!h) {
        task_end(t);
        return;
    }
    if (t->kind == TASK_FLOOR) {
        t->key = KEY_LSN;
        r = (struct request){.op = REQUEST_FENCE_FLOOR,
                             .keys = &lsn,
                             .key_count = 1,
                             .version = lsn_behind(s, 0)}; /* read from the primary just now */
    } else if (t->kind == TASK_EXPIRE) {
        r.op = REQUEST_EXPIRE;
        r.keys = key_bytes(t->key);
        r.key_count = 1;
        r.item.key = *r.keys;
        r.item.ttl_ns =
            rng_chance(&s->rng, 250) ? UINT64_MAX : 1 + rng_below(&s->rng, 5 * NS_PER_S);
        r.item.grace_ns = rng_below(&s->rng, NS_PER_S);
    } else if (t->has_position) {
        r.has_position = true;
        r.position = t->position;
    } else if (rng_chance(&s->rng, 600)) {
        r.op = REQUEST_FRESHEN;
        r.max_stale_ns = rng_maybe(&s->rng, s->plan.max_stale_ns);
    }
    ask(s, t, h, &r);
}

/* ---- the acts of all -----------------------------------------------------------------------
 */

void task_answered(struct sim *s, struct call *c, const struct reply *r)
{
    struct task *t = c->task < TASKS_MAX ? &s->tasks[c->task] : NULL;

    if (!t || t->kind == TASK_NONE || t->serial != c->task_serial)
        return;
    if (t->kind == TASK_SET)
        next_act(s, t, 1 + rng_skewed(&s->rng, 3 * s->plan.write_every_ns));
    else if (!r)
        task_end(t);
    else if (t->kind == TASK_LOAD)
        load_answered(s, t, r);
    else if (t->kind == TASK_WRITE)
        write_answered(s, t, r);
    else
        task_end(t);
}

static void act(struct sim *s, struct task *t)
{
    switch (t->kind) {
    case TASK_LOAD:
        act_load(s, t);
        break;
    case TASK_WRITE:
        act_write(s, t);
        break;
    case TASK_SET:
        act_set(s, t);
        break;
    case TASK_SYNC:
    case TASK_EXPIRE:
    case TASK_FLOOR:
        act_ask(s, t);
        break;
    case TASK_NONE:
        break;
    }
}

static void again_after(struct sim *s, enum happening_kind kind, uint64_t mean_ns)
{
    if (!s->healing)
        sim_push(s, (struct happening){.at_ns = s->now_ns + 1 + rng_below(&s->rng, 2 * mean_ns),
                                       .kind = kind});
}

void task_happens(struct sim *s, const struct happening *x)
{
    if (x->kind == HAPPEN_TASK) {
        struct task *t = &s->tasks[x->a];
        if (t->kind != TASK_NONE && t->serial == x->b)
            act(s, t);
    } else if (s->healing) {
        return; /* no new ones: what is under way comes to its end */
    } else if (x->kind == HAPPEN_NEW_LOAD) {
        begin_load(s);
        again_after(s, x->kind, s->plan.load_every_ns);
    } else if (x->kind == HAPPEN_NEW_WRITE) {
        begin_write(s);
        again_after(s, x->kind, s->plan.write_every_ns);
    } else {
        begin_ask(s);
        again_after(s, x->kind, s->plan.ask_every_ns);
    }
}

void task_begin(struct sim *s)
{
    declare_spaces(s);
    for (size_t k = 0; k < KEYS; k++)
        s->rows[k].version = 0;
    for (size_t i = 0; i < TASKS_MAX; i++)
        s->tasks[i].kind = TASK_NONE;
    for (size_t i = 0; i < SET_KEYS; i++) {
        struct task *t = task_new(s, TASK_SET);
        t->key = KEY_SET + i;
        next_act(s, t, rng_below(&s->rng, s->plan.write_every_ns));
    }
    again_after(s, HAPPEN_NEW_LOAD, s->plan.load_every_ns);
    again_after(s, HAPPEN_NEW_WRITE, s->plan.write_every_ns);
    again_after(s, HAPPEN_NEW_ASK, s->plan.ask_every_ns);
}
