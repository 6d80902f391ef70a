/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "core/inside.h"

static void check(const struct core *c)
{
    ASSERT(c->wanted_serial <= c->lease.last_serial + 1);
    ASSERT(c->settings.publish_timeout_ns > 0);
}

static void answer(struct core *c, const struct request *r, int status, const char *why)
{
    core_reply(c, r->client, r->id, status)->why_text = why;
}

static bool key_fits(struct bytes key)
{
    return key.size_bytes >= 1 && key.size_bytes <= KEY_BYTES_MAX;
}

static size_t space_of(const struct core *c, struct bytes key)
{
    return writer_namespace_of(c->writer, key);
}

static const struct namespace_settings *settings_of(const struct core *c, struct bytes key)
{
    return policy_of(&c->policy, space_of(c, key));
}

static struct token token_of(struct core *c, struct bytes key)
{
    struct read_result found;

    writer_peek(c->writer, key, c->now_ns, &found);
    return found.token;
}

/* ---- fills ---------------------------------------------------------------------------------
 */

static void count_fill(struct core *c, int status)
{
    c->counts.fills_stored += status == ACCORD_OK;
    c->counts.fills_refused_token += status == ACCORD_E_TOKEN;
    c->counts.fills_refused_version += status == ACCORD_E_VERSION;
    c->counts.fills_refused_size += status == ACCORD_E_SIZE;
    c->counts.fills_refused_unsure += status == ACCORD_E_UNSURE;
    c->counts.fills_refused_held += status == ACCORD_E_HELD;
}

/* Stores `item` as its namespace, `space`, asks. ACCORD_E_UNSURE: there is no lease; it is kept
 * shortly, or not at all, and will never be called fresh. */
static int store_unfenced(struct core *c, const struct item *item, size_t space,
                          const struct token *token)
{
    const struct namespace_settings *n = policy_of(&c->policy, space);
    bool unsure = !core_is_fresh_in(c, space);

    if (unsure && !policy_keeps_unsure(n))
        return ACCORD_E_UNSURE;
    struct item kept = policy_item(n, item, unsure);
    int status = writer_fill(c->writer, &kept, token, c->now_ns);

    return status == ACCORD_OK && unsure ? ACCORD_E_UNSURE : status;
}

/* The same for what was read from the origin: it may come from a copy that lags. What is kept
 * while unsure is never called fresh, so there it does not matter. */
static int store(struct core *c, const struct item *item, size_t space,
                 const struct token *token)
{
    int status = core_is_fresh_in(c, space) ? fencing_check(c, item, space, /* is_set= */ false)
                                            : ACCORD_OK;

    return status == ACCORD_OK ? store_unfenced(c, item, space, token) : status;
}

static const char *why_not_stored(const struct core *c, int status)
{
    return status == ACCORD_E_SIZE ? c->too_large.data : NULL;
}

static void fill(struct core *c, const struct request *r)
{
    if (!r->has_token) {
        answer(c, r, ACCORD_E_INVALID, "a fill needs the token of its miss");
        return;
    }
    int status = key_fits(r->item.key) ? store(c, &r->item, space_of(c, r->item.key), &r->token)
                                       : ACCORD_E_SIZE;

    count_fill(c, status);
    answer(c, r, status, why_not_stored(c, status));
    single_filled(c, r->client, &r->item, &r->token, status);
}

/* ---- changes -------------------------------------------------------------------------------
 */

/* Whether a change can be made at all; else the answer was given, and nothing changed. */
static bool may_change(struct core *c, const struct request *r, size_t count, size_t key_bytes)
{
    if (c->phase >= PHASE_STOPPING) {
        answer(c, r, ACCORD_E_DOWN, "this node is stopping; nothing was removed");
        return false;
    }
    if (c->batch.open && c->outbox.next - c->batch.from + count > PUBLISH_BATCH_MAX) {
        answer(c, r, ACCORD_E_FULL,
               "a batch holds at most 1024 changes; nothing of this was removed");
        return false;
    }
    if (!publish_has_room(c, count, key_bytes) ||
        (r->want_strict && waits_is_full(&c->waits))) {
        answer(c, r, ACCORD_E_FULL,
               "too many changes wait for the bus; nothing was removed; try again later");
        return false;
    }
    return true;
}

/* What was read after the token may be stored; then the slot is bumped, so that loads under way
 * are refused, as everywhere else. Bytes that the bump does not keep are stored once more. */
static int set_with_token(struct core *c, const struct request *r, size_t space)
{
    int fence = core_is_fresh_in(c, space)
                    ? fencing_check(c, &r->item, space, /* is_set= */ false)
                    : ACCORD_OK;

    if (fence != ACCORD_OK) {
        /* As with an outdated token. Who gave a version shall know that there is a newer one.
         */
        writer_remove_key(c->writer, r->item.key, /* soft= */ false, c->now_ns);
        return r->item.version > 0 ? fence : ACCORD_E_HELD;
    }
    int status = store_unfenced(c, &r->item, space, &r->token);

    if (status == ACCORD_E_VERSION)
        return status;
    if (status == ACCORD_E_TOKEN || status == ACCORD_E_SIZE) {
        writer_remove_key(c->writer, r->item.key, /* soft= */ false, c->now_ns);
        return status;
    }
    if (writer_remove_unless(c->writer, r->item.key, value_fingerprint(r->item.value),
                             c->now_ns))
        return status;
    struct token token = token_of(c, r->item.key);

    return store_unfenced(c, &r->item, space, &token);
}

/* Without a token: what a client sets is the newest there is, as far as anybody can know. */
static int set_plainly(struct core *c, const struct request *r, size_t space)
{
    if (r->has_version)
        writer_remove_older(c->writer, r->item.key, r->version, /* soft= */ false, c->now_ns);
    else
        writer_remove_key(c->writer, r->item.key, /* soft= */ false, c->now_ns);
    struct token token = token_of(c, r->item.key);
    int status = fencing_check(c, &r->item, space, /* is_set= */ true);

    return status == ACCORD_OK ? store_unfenced(c, &r->item, space, &token) : status;
}

/* The removal tells peers to keep the same bytes; but not where the bytes were refused: they
 * may be old ones. */
static struct change set_change(struct core *c, const struct request *r, int status)
{
    struct change change = publish_make(c, CHANGE_REMOVE, r->item.key);

    change.has_version = r->has_version;
    change.version = r->version;
    change.has_fingerprint = (status == ACCORD_OK || status == ACCORD_E_UNSURE) &&
                             !(r->item.flags & ITEM_NEGATIVE) && !r->has_version;
    change.fingerprint = change.has_fingerprint ? value_fingerprint(r->item.value) : 0;
    return change;
}

static void set(struct core *c, const struct request *r)
{
    struct bytes key = r->item.key;

    if (!key_fits(key)) {
        answer(c, r, ACCORD_E_SIZE, "a key has 1 to 8192 bytes; nothing was stored");
        return;
    }
    size_t space = space_of(c, key);
    if (r->has_token && policy_of(&c->policy, space)->set == SET_FILL) {
        int status = store(c, &r->item, space, &r->token);
        count_fill(c, status);
        c->counts.sets_not_stored += status == ACCORD_E_TOKEN;
        answer(c, r, status == ACCORD_E_SIZE ? status : ACCORD_OK, why_not_stored(c, status));
        single_filled(c, r->client, &r->item, &r->token, status);
        return;
    }
    if (!may_change(c, r, 1, key.size_bytes))
        return;
    int status = r->has_token ? set_with_token(c, r, space) : set_plainly(c, r, space);
    struct change change = set_change(c, r, status);
    uint64_t ordinal = publish_accept(c, &change);
    struct token token = r->has_token ? r->token : token_of(c, key);

    count_fill(c, status);
    c->counts.sets_not_stored += status == ACCORD_E_TOKEN;
    /* Refused for what it is, not for when it came: the caller must know. Old copies go
     * nevertheless, for whoever sets has changed something. */
    if (status == ACCORD_E_SIZE || status == ACCORD_E_VERSION)
        answer(c, r, status, why_not_stored(c, status));
    else
        publish_await(c, r, ordinal, ordinal, 0);
    single_filled(c, r->client, &r->item, &token, status);
}

static size_t bytes_of_keys(const struct request *r)
{
    size_t sum = 0;

    for (size_t i = 0; i < r->key_count; i++)
        sum += r->keys[i].size_bytes;
    return sum;
}

static bool keys_fit(const struct request *r)
{
    if (r->key_count == 0 || r->key_count > REMOVE_KEYS_MAX)
        return false;
    for (size_t i = 0; i < r->key_count; i++)
        if (!key_fits(r->keys[i]))
            return false;
    return true;
}

static struct change removal(struct core *c, const struct request *r, enum change_op op,
                             struct bytes key)
{
    struct change change = publish_make(c, op, key);

    change.soft = r->soft;
    change.has_version = r->has_version && op != CHANGE_TAG && op != CHANGE_CLEAR;
    change.version = change.has_version ? r->version : 0;
    change.nonce =
        r->want_strict ? random_nonce(&c->random, c->now_ns) : 0; /* asks all to beat at once */
    return change;
}

static bool remove_one(struct core *c, const struct request *r, struct bytes key)
{
    if (r->op == REQUEST_REMOVE_TAG) {
        writer_remove_tag(c->writer, key, r->soft);
        return false;
    }
    return r->has_version ? writer_remove_older(c->writer, key, r->version, r->soft, c->now_ns)
                          : writer_remove_key(c->writer, key, r->soft, c->now_ns);
}

/* Applied here, then published, then answered (L1). */
static void remove_keys(struct core *c, const struct request *r)
{
    enum change_op op = r->op == REQUEST_REMOVE_TAG ? CHANGE_TAG : CHANGE_REMOVE;
    uint64_t from = c->outbox.next, ordinal = 0, count = 0;

    if (!keys_fit(r)) {
        answer(c, r, ACCORD_E_INVALID,
               "a removal names 1 to 1024 keys of 1 to 8192 bytes; nothing was removed");
        return;
    }
    if (!may_change(c, r, r->key_count, bytes_of_keys(r)) || publish_again(c, r))
        return;
    for (size_t i = 0; i < r->key_count; i++) {
        struct change change = removal(c, r, op, r->keys[i]);
        count += remove_one(c, r, r->keys[i]);
        if (i + 1 == r->key_count)
            publish_name(c, r, from, &change);
        ordinal = publish_accept(c, &change);
    }
    publish_join(c, from);
    publish_await(c, r, from, ordinal, count);
}

static const char no_such_namespace[] = "no such namespace in the configuration: only "
                                        "declared ones can be cleared, and prefixes of keys "
                                        "that end in their delimiter";

/* "*", a declared namespace, or a prefix of one: *op says which. False: none of them. */
static bool clear_op(const struct core *c, struct bytes what, enum change_op *op)
{
    if (bytes_equal(what, bytes_of_text("*"))) {
        *op = CHANGE_CLEAR;
        return true;
    }
    for (size_t i = 0; i < c->policy.count; i++)
        if (bytes_equal(what, bytes_of_text(c->policy.list[i].name))) {
            *op = CHANGE_NAMESPACE;
            return true;
        }
    const struct namespace_settings *n = settings_of(c, what);
    size_t name_bytes = n == c->policy.list ? 0 : strlen(n->name) + 1;
    *op = CHANGE_PREFIX;
    return what.size_bytes == name_bytes ||
           (n->delimiter != '\0' && (char)what.data[what.size_bytes - 1] == n->delimiter);
}

static void clear_here(struct core *c, struct bytes what, bool soft, enum change_op op)
{
    int status = ACCORD_OK;

    if (op == CHANGE_CLEAR)
        writer_clear(c->writer, soft);
    else if (op == CHANGE_NAMESPACE)
        status = writer_remove_namespace(c->writer, what, soft);
    else
        status = writer_remove_prefix(c->writer, what, soft);
    ASSERT(status == ACCORD_OK); /* clear_op() has looked */
}

static void clear(struct core *c, const struct request *r)
{
    enum change_op op;

    if (r->key_count != 1 || !key_fits(r->keys[0])) {
        answer(c, r, ACCORD_E_INVALID, "clear takes one namespace, one prefix, or *");
        return;
    }
    if (!clear_op(c, r->keys[0], &op)) {
        answer(c, r, ACCORD_E_ABSENT, no_such_namespace);
        return;
    }
    if (fencing_clear_problem(c, r)) {
        answer(c, r, ACCORD_E_INVALID, fencing_clear_problem(c, r));
        return;
    }
    if (!may_change(c, r, 1, r->keys[0].size_bytes) || publish_again(c, r))
        return;
    clear_here(c, r->keys[0], r->soft, op);
    struct change change =
        removal(c, r, op, op == CHANGE_CLEAR ? bytes_of(NULL, 0) : r->keys[0]);
    publish_name(c, r, c->outbox.next, &change);
    uint64_t ordinal = publish_accept(c, &change);

    publish_await(c, r, ordinal, ordinal, 0);
}

/* What is cleared is looked up first, so that all can be done or nothing is. */
static bool kinds_are_known(struct core *c, const struct request *r)
{
    for (size_t i = 0; i < r->key_count; i++) {
        bool known = r->kinds[i] == REQUEST_REMOVE || r->kinds[i] == REQUEST_REMOVE_TAG;
        enum change_op op;
        if (!known && (r->kinds[i] != REQUEST_CLEAR || !clear_op(c, r->keys[i], &op)))
            return false;
    }
    return true;
}

static void remove_many(struct core *c, const struct request *r)
{
    uint64_t from = c->outbox.next, ordinal = 0, count = 0;

    if (!keys_fit(r)) {
        answer(c, r, ACCORD_E_INVALID,
               "a batch has 1 to 1024 keys of 1 to 8192 bytes; nothing was removed");
        return;
    }
    if (!kinds_are_known(c, r)) {
        answer(c, r, ACCORD_E_ABSENT, no_such_namespace);
        return;
    }
    if (!may_change(c, r, r->key_count, bytes_of_keys(r)) || publish_again(c, r))
        return;
    for (size_t i = 0; i < r->key_count; i++) {
        struct request one = *r;
        enum change_op op = r->kinds[i] == REQUEST_REMOVE ? CHANGE_REMOVE : CHANGE_TAG;
        one.op = (enum request_op)r->kinds[i];
        if (one.op == REQUEST_CLEAR && clear_op(c, r->keys[i], &op))
            clear_here(c, r->keys[i], r->soft, op);
        else
            count += remove_one(c, &one, r->keys[i]);
        struct change change =
            removal(c, r, op, op == CHANGE_CLEAR ? bytes_of(NULL, 0) : r->keys[i]);
        if (i + 1 == r->key_count)
            publish_name(c, r, from, &change);
        ordinal = publish_accept(c, &change);
    }
    publish_join(c, from);
    publish_await(c, r, from, ordinal, count);
}

/* As somebody else's change that the log does not have. */
static void remove_here(struct core *c, const struct request *r)
{
    enum change_op op;

    if (r->key_count != 1 || !keys_fit(r)) {
        answer(c, r, ACCORD_E_INVALID,
               "one key of 1 to 8192 bytes, please; nothing was removed");
        return;
    }
    if (!kinds_are_known(c, r)) {
        answer(c, r, ACCORD_E_ABSENT, no_such_namespace);
        return;
    }
    struct request one = {.op = (enum request_op)r->kinds[0], .soft = r->soft};
    op = one.op == REQUEST_REMOVE ? CHANGE_REMOVE : CHANGE_TAG;
    bool clears = one.op == REQUEST_CLEAR && clear_op(c, r->keys[0], &op);
    c->here =
        (struct entry){.position = c->trail.cursor.position,
                       .change = {.op = op,
                                  .key = op == CHANGE_CLEAR ? bytes_of(NULL, 0) : r->keys[0],
                                  .soft = r->soft}};
    fencing_removed(c, &c->here.change);
    bool was_here = !clears && remove_one(c, &one, r->keys[0]);
    if (clears)
        clear_here(c, r->keys[0], r->soft, op);
    struct effect *e = core_say(c, EFFECT_APPLIED);
    e->applied.entry = &c->here;
    e->applied.own = false;
    core_reply(c, r->client, r->id, ACCORD_OK)->count = was_here;
}

static void expire(struct core *c, const struct request *r)
{
    if (r->key_count != 1 || !key_fits(r->keys[0])) {
        answer(c, r, ACCORD_E_INVALID, "one key, please");
        return;
    }
    struct item item = policy_item(settings_of(c, r->keys[0]), &r->item, /* unsure= */ false);

    answer(c, r, writer_expire(c->writer, r->keys[0], item.ttl_ns, item.grace_ns, c->now_ns),
           NULL);
}

/* ---- waits for a position or a question ----------------------------------------------------
 */

static void sync_ok(struct core *c, uint64_t client, uint64_t id)
{
    struct reply *reply = core_reply(c, client, id, ACCORD_OK);

    reply->has_position = true;
    reply->position = core_position(c);
}

static void wait_for(struct core *c, const struct request *r, struct wait wait)
{
    if (r->wait_ns == 0 || c->phase >= PHASE_STOPPING) {
        answer(c, r, ACCORD_E_TIMEOUT, "not yet");
        return;
    }
    if (waits_is_full(&c->waits)) {
        answer(c, r, ACCORD_E_FULL, "too many requests wait; try again later");
        return;
    }
    wait.client = r->client;
    wait.id = r->id;
    wait.deadline_ns = u64_add_sat(c->now_ns, r->wait_ns);
    waits_add(&c->waits, &wait);
}

static const char other_epoch[] = "the position is of another epoch of the log";

/* A position of another epoch cannot be waited for: the log may have lost it, or given its
 * number to something else, and what this node dropped when it noticed may have been filled
 * again before that change was made. */
static void sync_position(struct core *c, const struct request *r)
{
    if (c->attached_once && r->position.epoch != c->trail.cursor.epoch) {
        answer(c, r, ACCORD_E_GONE, other_epoch);
        return;
    }
    if (c->attached_once && r->position.value <= c->trail.cursor.position && !hole_is_open(c)) {
        sync_ok(c, r->client, r->id);
        return;
    }
    wait_for(c, r,
             (struct wait){.kind = WAIT_APPLIED,
                           .position = r->position.value,
                           .epoch = r->position.epoch});
}

static void sync_request(struct core *c, const struct request *r)
{
    if (r->has_position)
        sync_position(c, r);
    else
        wait_for(c, r, (struct wait){.kind = WAIT_CAUGHT, .serial = coherence_want(c)});
}

/* With a bound of 0 only a question that leaves after now will do. */
static void freshen(struct core *c, const struct request *r)
{
    const struct lease *l = &c->lease;
    uint64_t since_ns = u64_sub_sat(c->now_ns, r->max_stale_ns);

    if (r->max_stale_ns > 0 && core_is_fresh(c) && l->question_ns >= since_ns) {
        answer(c, r, ACCORD_OK, NULL);
        return;
    }
    bool asked = l->question != QUESTION_NONE && r->max_stale_ns > 0 && l->sent_ns >= since_ns;

    wait_for(
        c, r,
        (struct wait){.kind = WAIT_FRESH, .serial = asked ? l->serial : coherence_want(c)});
}

static bool is_caught(const struct core *c, const struct wait *wait)
{
    return wait->serial <= c->lease.caught_serial;
}

void request_answer_waits(struct core *c)
{
    struct wait *wait;

    check(c);
    if (hole_is_open(c))
        return; /* what they wait for may be what is missing */
    while (c->link == LINK_UP && (wait = waits_least(&c->waits, WAIT_APPLIED)) &&
           wait->position <= c->trail.cursor.position) {
        if (wait->epoch == c->trail.cursor.epoch)
            sync_ok(c, wait->client, wait->id);
        else /* asked before the first attach told the epoch */
            core_reply(c, wait->client, wait->id, ACCORD_E_GONE)->why_text = other_epoch;
        waits_remove(&c->waits, wait);
    }
    while ((wait = waits_first(&c->waits, WAIT_CAUGHT)) && is_caught(c, wait)) {
        sync_ok(c, wait->client, wait->id);
        waits_remove(&c->waits, wait);
    }
    while ((wait = waits_least(&c->waits, WAIT_FRESH)) && is_caught(c, wait) &&
           core_is_fresh(c)) {
        core_reply(c, wait->client, wait->id, ACCORD_OK);
        waits_remove(&c->waits, wait);
    }
    check(c);
}

/* Who waited since before the epoch changed named a change acknowledged before that: the cache
 * was dropped after it, so nothing older than the change is left here. */
void request_epoch_changed(struct core *c)
{
    struct wait *wait, *next;

    for (wait = waits_first(&c->waits, WAIT_APPLIED); wait; wait = next) {
        next = waits_next(&c->waits, wait);
        if (wait->epoch == c->trail.cursor.epoch)
            continue;
        sync_ok(c, wait->client, wait->id);
        waits_remove(&c->waits, wait);
    }
    check(c);
}

/* ---- ends of waits -------------------------------------------------------------------------
 */

void request_expire(struct core *c, struct wait *wait)
{
    ASSERT(wait->kind != WAIT_PUBLISH);
    if (wait->kind == WAIT_LOAD) {
        core_reply(c, wait->client, wait->id, ACCORD_OK)->state = ACCORD_BUSY;
        c->counts.loads_busy++;
    } else if (wait->kind == WAIT_STRICT || wait->kind == WAIT_PROOF) {
        strict_expire(c, wait);
    } else {
        struct reply *reply = core_reply(c, wait->client, wait->id, ACCORD_E_TIMEOUT);
        reply->why_text = core_is_fresh(c) ? "still catching up with the log" : c->why.data;
    }
    waits_remove(&c->waits, wait);
}

void request_client_gone(struct core *c, uint64_t client)
{
    struct wait *wait;

    while ((wait = waits_of_client(&c->waits, client)))
        waits_remove(&c->waits, wait);
    single_client_gone(c, client);
    letters_client_gone(c, client);
    check(c);
}

/* Who waits for the log goes on waiting: what was accepted still goes out. */
void request_stop(struct core *c)
{
    static const enum wait_kind kinds[] = {WAIT_APPLIED, WAIT_CAUGHT, WAIT_FRESH, WAIT_STRICT,
                                           WAIT_PROOF};
    struct wait *wait;

    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        while ((wait = waits_first(&c->waits, kinds[i])))
            request_expire(c, wait);
    for (uint32_t load = 0; load < c->loads.used; load++)
        while ((wait = waits_first_of_load(&c->waits, load)))
            request_expire(c, wait);
    letters_stop(c);
    check(c);
}

void request_handle(struct core *c, const struct request *r)
{
    check(c);
    switch (r->op) {
    case REQUEST_LOAD:
        single_load(c, r);
        break;
    case REQUEST_FILL:
        fill(c, r);
        break;
    case REQUEST_SET:
        set(c, r);
        break;
    case REQUEST_REMOVE:
    case REQUEST_REMOVE_TAG:
        remove_keys(c, r);
        break;
    case REQUEST_CLEAR:
        clear(c, r);
        break;
    case REQUEST_REMOVE_MANY:
        remove_many(c, r);
        break;
    case REQUEST_REMOVE_HERE:
        remove_here(c, r);
        break;
    case REQUEST_BATCH_BEGIN:
        publish_begin(c, r);
        break;
    case REQUEST_BATCH_END:
        publish_end(c);
        break;
    case REQUEST_EXPIRE:
        expire(c, r);
        break;
    case REQUEST_SYNC:
        sync_request(c, r);
        break;
    case REQUEST_MAX_STALE:
        stage_request(c, r);
        break;
    case REQUEST_FENCE_FLOOR:
        fencing_floor(c, r);
        break;
    case REQUEST_FRESHEN:
        freshen(c, r);
        break;
    case REQUEST_PING:
        letters_ask(c, r);
        break;
    }
    check(c);
}
