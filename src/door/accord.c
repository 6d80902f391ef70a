/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* accord.c - ACCORD.*: what Redis has no word for. Their answers are listed in resp.h. */
#include "door/attach.h"
#include "door/connection.h"

#include <stdio.h>
#include <unistd.h>

enum {
    FRESHEN_WAIT_MS = 1000, /* MAXSTALE: how long the bus may take to answer */
    SYNC_WAIT_MS = 5000,
};

/* Milliseconds as nanoseconds; more than there are is for ever. */
static uint64_t ns_of_ms(uint64_t ms)
{
    return ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : ms * NS_PER_MS;
}

static bool unsigned_argument(struct connection *c, struct bytes text, uint64_t *out)
{
    if (resp_unsigned(text, out) == ACCORD_OK)
        return true;
    reply_error(c, "ERR value is not an integer or out of range");
    return false;
}

static void syntax_error(struct connection *c)
{
    const struct command *command = command_find(c->door, bytes_of_text(c->last_command));
    char usage[COMMAND_USAGE_BYTES_MAX];

    ASSERT(command); /* it is running */
    reply_error(c, "ERR syntax error: %s", command_usage(command, usage));
}

/* ---- ACCORD.GET ----------------------------------------------------------------------- */

struct answer {
    enum accord_state state;
    enum accord_why why;
    bool has_value, has_token, may_load, refresh;
    struct bytes value;
    struct token token;
    uint64_t version, age_ns, ttl_ns;
};

static void reply_answer(struct connection *c, const struct answer *a)
{
    char token[TOKEN_TEXT_BYTES_MAX];

    reply_map(c, 9);
    reply_text(c, "state");
    reply_text(c, state_word((int)a->state));
    reply_text(c, "why");
    reply_text(c, why_word((int)a->why));
    reply_text(c, "value");
    if (a->has_value)
        reply_bulk(c, a->value);
    else
        reply_null(c);
    reply_text(c, "token");
    if (a->has_token) {
        token_print(&a->token, token);
        reply_text(c, token);
    } else {
        reply_null(c);
    }
    reply_text(c, "age_ms");
    reply_unsigned(c, a->age_ns / NS_PER_MS);
    reply_text(c, "version");
    reply_unsigned(c, a->version);
    reply_text(c, "ttl_ms");
    if (a->ttl_ns == UINT64_MAX)
        reply_integer(c, -1);
    else
        reply_unsigned(c, a->ttl_ns / NS_PER_MS);
    reply_text(c, "may_load");
    reply_integer(c, a->may_load);
    reply_text(c, "refresh");
    reply_integer(c, a->refresh);
}

/* Reads the key as it is here now; the value lies in door->temporary until the next reply that
 * needs it. False: out of memory. */
static bool read_answer(struct connection *c, struct bytes key, struct answer *a)
{
    struct resp_door *d = c->door;
    struct read_result result;
    size_t room = BUFFER_BYTES;

    do {
        if (!buffer_room(d, &d->temporary, room)) {
            connection_doom(c, "out of memory");
            return false;
        }
        reader_get(d->host->reader, key, d->temporary.data, d->temporary.capacity, &result);
        room = result.value_bytes;
    } while (result.truncated);
    bool negative = result.flags & ITEM_NEGATIVE;
    bool served = result.state == ACCORD_HIT || result.state == ACCORD_STALE;
    *a = (struct answer){.state = result.state,
                         .why = result.why,
                         .has_value = served && !negative,
                         .has_token = true,
                         .refresh = result.refresh,
                         .value = bytes_of(d->temporary.data, result.value_bytes),
                         .token = result.token,
                         .version = result.version,
                         .age_ns = result.age_ns,
                         .ttl_ns = result.ttl_ns};
    return true;
}

static void send_answer(struct connection *c, const struct answer *a)
{
    reply_answer(c, a);
    buffer_release(c->door, &c->door->temporary);
}

/* A hit that is due asks whether this caller is the one to refresh it; it does not wait. */
static bool wants_load(const struct answer *a)
{
    return a->refresh || (a->state != ACCORD_HIT && a->state != ACCORD_NEGATIVE);
}

static void load_failed(struct connection *c, struct slot *s, const struct reply *reply,
                        struct answer *a)
{
    if (reply->status != ACCORD_E_BUSY && reply->status != ACCORD_E_TIMEOUT &&
        reply->status != ACCORD_E_UNSURE) {
        slot_failed(c, s);
        return;
    }
    a->has_value = false;
    a->why = ACCORD_WHY_NONE;
    a->state = reply->status == ACCORD_E_UNSURE ? ACCORD_UNSURE : ACCORD_BUSY;
    send_answer(c, a);
}

/* The key is the slot's prepared material. */
static void finish_load(struct connection *c, struct slot *s, const struct reply *reply)
{
    struct answer a;

    if (!read_answer(c, slot_prepared(c, s), &a))
        return;
    bool due = a.state == ACCORD_HIT && a.refresh; /* answered as it is, whoever loads */
    if (reply->status != ACCORD_OK && !due) {
        load_failed(c, s, reply, &a);
        return;
    }
    bool same = reply->state == a.state && !reply->has_value;
    a.may_load = reply->has_token;
    if (reply->has_token)
        a.token = reply->token;
    if (reply->has_value) {
        a.has_value = true;
        a.value = reply->value;
        a.version = reply->version;
        a.state = reply->state;
        a.why = reply->why;
    } else if (!due && !same && reply->state != ACCORD_HIT) {
        a.state = reply->state;
        a.why = reply->why;
        a.has_value = a.has_value && reply->state == ACCORD_STALE;
    }
    send_answer(c, &a);
}

static void submit_load(struct connection *c, uint64_t slot_id, struct bytes key,
                        uint64_t wait_ms)
{
    struct request r = request_make(REQUEST_LOAD, &key, 1);

    r.wait_ns = ns_of_ms(wait_ms);
    slot_submit(c, slot_id, &r);
}

/* s->note: LOAD's milliseconds plus 1; 0: no LOAD. */
static void finish_freshen(struct connection *c, struct slot *s, const struct reply *reply)
{
    struct bytes kept = slot_prepared(c, s);
    uint64_t load = s->note;
    struct answer a;

    if (!read_answer(c, kept, &a))
        return;
    if (reply->status != ACCORD_OK) {
        a.state = ACCORD_UNSURE;
        a.why = ACCORD_WHY_MAXSTALE;
        a.has_value = false;
        send_answer(c, &a);
        return;
    }
    if (load == 0 || !wants_load(&a)) {
        send_answer(c, &a);
        return;
    }
    buffer_release(c->door, &c->door->temporary);
    memcpy(c->door->key, kept.data, kept.size_bytes); /* c->held may move meanwhile */
    s->finish = finish_load;
    s->waiting = 1;
    submit_load(c, s->id, bytes_of(c->door->key, kept.size_bytes), load - 1);
}

static void freshen(struct connection *c, const struct bytes *key, uint64_t max_stale_ns,
                    uint64_t load)
{
    struct request r = request_make(REQUEST_FRESHEN, key, 1);
    struct slot *s = slot_new(c, finish_freshen, 1);

    if (!s)
        return;
    slot_prepare(c, s, *key);
    s->note = load;
    r.max_stale_ns = max_stale_ns;
    r.wait_ns = ns_of_ms(FRESHEN_WAIT_MS);
    slot_submit(c, s->id, &r);
}

static bool rests_on_newer(const struct connection *c, uint64_t max_stale_ns)
{
    const struct reader *r = c->door->host->reader;
    uint64_t asked = reader_asked_ns(r);

    return asked != 0 && u64_sub_sat(reader_now_ns(r), asked) < max_stale_ns;
}

void command_ACCORD_GET(struct connection *c, const struct bytes *args, size_t count)
{
    uint64_t load_ms = 0, max_stale_ms = UINT64_MAX;
    bool load = false;
    struct answer a;

    for (size_t i = 2; i < count; i += 2) {
        bool is_load = word_is(args[i], "load");
        if (i + 1 == count || (!is_load && !word_is(args[i], "maxstale"))) {
            syntax_error(c);
            return;
        }
        if (!unsigned_argument(c, args[i + 1], is_load ? &load_ms : &max_stale_ms))
            return;
        load |= is_load;
    }
    load_ms = u64_min(load_ms, UINT64_MAX / NS_PER_MS);
    if (!key_fits(c, args[1]))
        return;
    if (max_stale_ms != UINT64_MAX && !rests_on_newer(c, ns_of_ms(max_stale_ms))) {
        freshen(c, args + 1, ns_of_ms(max_stale_ms), load ? load_ms + 1 : 0);
        return;
    }
    if (!read_answer(c, args[1], &a))
        return;
    if (!load || !wants_load(&a)) {
        send_answer(c, &a);
        return;
    }
    buffer_release(c->door, &c->door->temporary);
    struct slot *s = slot_new(c, finish_load, 1);
    if (!s)
        return;
    slot_prepare(c, s, args[1]);
    submit_load(c, s->id, args[1], a.state == ACCORD_HIT ? 0 : load_ms);
}

/* ---- ACCORD.FILL, ACCORD.SET ---------------------------------------------------------- */

static void finish_fill(struct connection *c, struct slot *s, const struct reply *reply)
{
    switch (reply->status) {
    case ACCORD_OK:
        reply_line(c, "STORED");
        break;
    case ACCORD_E_TOKEN:
        reply_line(c, "REFUSED token");
        break;
    case ACCORD_E_VERSION:
        reply_line(c, "REFUSED version");
        break;
    case ACCORD_E_SIZE:
        reply_line(c, "REFUSED size");
        break;
    case ACCORD_E_UNSURE:
        reply_line(c, "REFUSED unsure");
        break;
    case ACCORD_E_HELD:
        reply_line(c, "REFUSED held");
        break;
    default:
        slot_failed(c, s);
    }
}

void finish_position(struct connection *c, struct slot *s, const struct reply *reply)
{
    if (slot_failed(c, s))
        return;
    if (reply->is_strict)
        reply_strict(c, reply, s->position);
    else if (s->has_position)
        reply_position(c, s->position);
    else
        reply_ok(c);
}

static bool fill_tags(struct connection *c, const struct bytes *args, size_t count, size_t *i,
                      struct request *r)
{
    uint64_t n;

    if (*i + 1 >= count) {
        syntax_error(c);
        return false;
    }
    if (!unsigned_argument(c, args[*i + 1], &n))
        return false;
    if (n > ITEM_TAGS_MAX) {
        reply_error(c, "TOOLARGE an item has at most %d tags", ITEM_TAGS_MAX);
        return false;
    }
    if (n > count - *i - 2) {
        syntax_error(c);
        return false;
    }
    r->item.tags = args + *i + 2;
    r->item.tag_count = n;
    *i += 1 + n;
    return keys_fit(c, r->item.tags, n, 1);
}

static bool fill_ttl(struct connection *c, struct bytes text, struct request *r)
{
    int64_t ms;

    if (!integer_argument(c, text, &ms))
        return false;
    if (ms == 0 || ms < -1) {
        reply_error(c, "ERR PX takes milliseconds from 1 on, or -1 for never");
        return false;
    }
    r->item.ttl_ns = ms == -1 ? UINT64_MAX : ns_of_ms((uint64_t)ms);
    return true;
}

static bool fill_token(struct connection *c, struct bytes text, struct request *r)
{
    if (token_parse(text, &r->token) == ACCORD_OK) {
        r->has_token = true;
        return true;
    }
    reply_error(c, "ERR that is no token: hand back what ACCORD.GET gave");
    return false;
}

static bool fill_version(struct connection *c, struct bytes text, struct request *r)
{
    if (!unsigned_argument(c, text, &r->version))
        return false;
    r->has_version = true;
    r->item.version = r->version;
    return true;
}

static bool fill_grace(struct connection *c, struct bytes text, struct request *r)
{
    uint64_t ms;

    if (!unsigned_argument(c, text, &ms))
        return false;
    /* The largest number of all asks for the namespace's grace: that is not what was said. */
    r->item.grace_ns = u64_min(ns_of_ms(ms), UINT64_MAX - 1);
    return true;
}

/* Reads the option at args[*i] into *r, and moves *i to its last word. False: replied to. */
static bool fill_option(struct connection *c, const struct bytes *args, size_t count, size_t *i,
                        struct request *r)
{
    static const struct {
        const char *word;
        bool (*read)(struct connection *, struct bytes, struct request *);
    } options[] = {{"token", fill_token},
                   {"px", fill_ttl},
                   {"grace", fill_grace},
                   {"version", fill_version}};

    if (word_is(args[*i], "tags"))
        return fill_tags(c, args, count, i, r);
    if (r->op == REQUEST_FILL && word_is(args[*i], "negative")) {
        r->item.flags |= ITEM_NEGATIVE;
        r->item.value = bytes_of(NULL, 0);
        return true;
    }
    for (size_t o = 0; o < COUNT_OF(options); o++) {
        if (word_is(args[*i], options[o].word) && *i + 1 < count)
            return options[o].read(c, args[++*i], r);
    }
    syntax_error(c);
    return false;
}

static void fill_or_set(struct connection *c, enum request_op op, const struct bytes *args,
                        size_t count, slot_finish finish)
{
    struct request r = request_make(op, args + 1, 1);

    r.item.value = args[2];
    if (!key_fits(c, args[1]))
        return;
    for (size_t i = 3; i < count; i++) {
        if (!fill_option(c, args, count, &i, &r))
            return;
    }
    if (op == REQUEST_FILL && !r.has_token) {
        reply_error(c, "ERR a fill needs the TOKEN that ACCORD.GET gave");
        return;
    }
    struct slot *s = slot_new(c, finish, 1);
    if (s)
        slot_submit(c, s->id, &r);
}

void command_ACCORD_FILL(struct connection *c, const struct bytes *args, size_t count)
{
    fill_or_set(c, REQUEST_FILL, args, count, finish_fill);
}

void command_ACCORD_SET(struct connection *c, const struct bytes *args, size_t count)
{
    fill_or_set(c, REQUEST_SET, args, count, finish_position);
}

/* ---- removals ------------------------------------------------------------------------- */

static bool retry_id_fits(struct connection *c, struct bytes id)
{
    if (id.size_bytes >= 1 && id.size_bytes <= RETRY_ID_BYTES_MAX)
        return true;
    reply_error(c, "ERR an ID has 1 to %d bytes", RETRY_ID_BYTES_MAX);
    return false;
}

/* Reads SOFT, VERSION v, WAIT ms and ID text from args[i] on. False: replied to. */
static bool removal_options(struct connection *c, const struct bytes *args, size_t count,
                            size_t i, bool versions, struct request *r)
{
    uint64_t wait_ms;

    for (; i < count; i++) {
        if (word_is(args[i], "soft")) {
            r->soft = true;
        } else if (versions && word_is(args[i], "version") && i + 1 < count) {
            if (!unsigned_argument(c, args[++i], &r->version))
                return false;
            r->has_version = true;
        } else if (word_is(args[i], "wait") && i + 1 < count) {
            if (!unsigned_argument(c, args[++i], &wait_ms))
                return false;
            r->want_strict = true;
            r->wait_ns = ns_of_ms(wait_ms);
        } else if (word_is(args[i], "id") && i + 1 < count) {
            r->retry_id = args[++i];
            if (!retry_id_fits(c, r->retry_id))
                return false;
        } else {
            syntax_error(c);
            return false;
        }
    }
    return true;
}

static bool is_removal_option(struct bytes word)
{
    return word_is(word, "soft") || word_is(word, "version") || word_is(word, "wait") ||
           word_is(word, "id");
}

/* The names: n after KEYS, or all before the first option. */
static bool find_names(const struct bytes *args, size_t count, size_t *first, size_t *end)
{
    uint64_t n;

    *first = 1;
    if (count > 2 && word_is(args[1], "keys") && resp_unsigned(args[2], &n) == ACCORD_OK) {
        *first = 3;
        *end = 3 + u64_min(n, count - 3);
        return n > 0 && n <= count - 3;
    }
    *end = 2;
    while (*end < count && !is_removal_option(args[*end]))
        ++*end;
    return true;
}

size_t removal_name_count(const struct bytes *args, size_t count)
{
    size_t first, end;

    (void)find_names(args, count, &first, &end);
    return end - first;
}

/* False: replied to. */
static bool removal_names(struct connection *c, const struct bytes *args, size_t count,
                          size_t *first, size_t *end)
{
    if (find_names(args, count, first, end))
        return keys_fit(c, args + *first, *end - *first, 1);
    reply_error(c, "ERR KEYS %.*s, but %zu arguments follow",
                (int)u64_min(args[2].size_bytes, 20), (const char *)args[2].data, count - 3);
    return false;
}

static void submit_removal(struct connection *c, struct request *r, const struct bytes *names,
                           size_t count)
{
    size_t requests = (count + REMOVE_KEYS_MAX - 1) / REMOVE_KEYS_MAX;
    struct slot *s = slot_new(c, finish_position, (uint32_t)requests);

    if (!s)
        return;
    uint64_t id = s->id;
    for (size_t i = 0; i < count; i += REMOVE_KEYS_MAX) {
        r->keys = names + i;
        r->key_count = u64_min(REMOVE_KEYS_MAX, count - i);
        slot_submit(c, id, r);
    }
}

static void removal(struct connection *c, enum request_op op, const struct bytes *args,
                    size_t count)
{
    struct request r = request_make(op, NULL, 0);
    size_t first, end;

    if (removal_names(c, args, count, &first, &end) &&
        removal_options(c, args, count, end, op == REQUEST_REMOVE, &r))
        submit_removal(c, &r, args + first, end - first);
}

void command_ACCORD_REMOVE(struct connection *c, const struct bytes *args, size_t count)
{
    removal(c, REQUEST_REMOVE, args, count);
}

void command_ACCORD_REMOVETAG(struct connection *c, const struct bytes *args, size_t count)
{
    removal(c, REQUEST_REMOVE_TAG, args, count);
}

void command_ACCORD_CLEAR(struct connection *c, const struct bytes *args, size_t count)
{
    struct request r = request_make(REQUEST_CLEAR, args + 1, 1);

    if (key_fits(c, args[1]) &&
        removal_options(c, args, count, /* i= */ 2, /* versions= */ true, &r))
        submit_removal(c, &r, args + 1, 1);
}

/* ---- ACCORD.BATCH --------------------------------------------------------------------- */

/* What the word before a name removes; 0: it is none of them. */
static enum request_op batch_kind(struct bytes word, bool *known)
{
    static const struct {
        const char *word;
        enum request_op op;
    } kinds[] = {
        {"key", REQUEST_REMOVE}, {"tag", REQUEST_REMOVE_TAG}, {"clear", REQUEST_CLEAR}};

    *known = true;
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (word_is(word, kinds[i].word))
            return kinds[i].op;
    *known = false;
    return REQUEST_REMOVE;
}

/* False: replied to. */
static bool batch_names(struct connection *c, const struct bytes *args, size_t n,
                        struct bytes *names, uint8_t *kinds, bool *only_keys)
{
    bool known;

    *only_keys = true;
    for (size_t i = 0; i < n; i++) {
        kinds[i] = (uint8_t)batch_kind(args[2 * i], &known);
        names[i] = args[2 * i + 1];
        *only_keys &= kinds[i] == REQUEST_REMOVE;
        if (!known) {
            reply_error(c, "ERR syntax error: ACCORD.BATCH n KEY key | TAG tag | CLEAR name …");
            return false;
        }
        if (!key_fits(c, names[i]))
            return false;
    }
    return true;
}

void command_ACCORD_BATCH(struct connection *c, const struct bytes *args, size_t count)
{
    static struct bytes names[PUBLISH_BATCH_MAX]; /* the loop's alone */
    static uint8_t kinds[PUBLISH_BATCH_MAX];
    struct request r = request_make(REQUEST_REMOVE_MANY, NULL, 0);
    bool only_keys;
    uint64_t n;

    if (!unsigned_argument(c, args[1], &n))
        return;
    if (n > PUBLISH_BATCH_MAX) {
        reply_error(c, "TOOLARGE a batch holds at most %d changes", PUBLISH_BATCH_MAX);
        return;
    }
    if (n == 0 || n > (count - 2) / 2) {
        reply_error(c, "ERR a batch of %llu, but %zu arguments follow", (unsigned long long)n,
                    count - 2);
        return;
    }
    if (!batch_names(c, args + 2, n, names, kinds, &only_keys) ||
        !removal_options(c, args, count, /* i= */ 2 + 2 * n, only_keys, &r))
        return;
    struct slot *s = slot_new(c, finish_position, 1);
    if (!s)
        return;
    r.keys = names;
    r.key_count = n;
    r.kinds = kinds;
    slot_submit(c, s->id, &r);
}

/* ---- ACCORD.MAXSTALE ------------------------------------------------------------------ */

void command_ACCORD_MAXSTALE(struct connection *c, const struct bytes *args, size_t count)
{
    struct request r = request_make(REQUEST_MAX_STALE, NULL, 0);
    uint64_t ms;

    (void)count;
    if (!word_is(args[1], "set")) {
        reply_error(c, "ERR syntax error: ACCORD.MAXSTALE SET ms");
        return;
    }
    if (!unsigned_argument(c, args[2], &ms))
        return;
    r.max_stale_ns = ns_of_ms(ms);
    struct slot *s = slot_new(c, finish_position, 1);
    if (s)
        slot_submit(c, s->id, &r);
}

/* ---- ACCORD.FENCE --------------------------------------------------------------------- */

static void finish_floor(struct connection *c, struct slot *s, const struct reply *reply)
{
    (void)reply;
    if (!slot_failed(c, s))
        reply_ok(c);
}

static void fence_floor(struct connection *c, const struct bytes *args)
{
    struct request r = request_make(REQUEST_FENCE_FLOOR, args + 2, 1);

    if (!key_fits(c, args[2]) || !unsigned_argument(c, args[3], &r.version))
        return;
    r.has_version = true;
    struct slot *s = slot_new(c, finish_floor, 1);
    if (s)
        slot_submit(c, s->id, &r);
}

/* As a removal of the namespace with version 0 it travels to every node. */
static void fence_reset(struct connection *c, const struct bytes *args, size_t count)
{
    struct request r = request_make(REQUEST_CLEAR, args + 2, 1);

    if (!key_fits(c, args[2]) ||
        !removal_options(c, args, count, /* i= */ 3, /* versions= */ false, &r))
        return;
    r.has_version = true;
    submit_removal(c, &r, args + 2, 1);
}

void command_ACCORD_FENCE(struct connection *c, const struct bytes *args, size_t count)
{
    if (count == 1)
        reply_view(c, "fences", /* one= */ false);
    else if (word_is(args[1], "floor") && count == 4)
        fence_floor(c, args);
    else if (word_is(args[1], "reset") && count >= 3)
        fence_reset(c, args, count);
    else
        reply_error(c, "ERR syntax error: ACCORD.FENCE [FLOOR namespace version | RESET "
                       "namespace [WAIT ms]]");
}

/* ---- ACCORD.SYNC ---------------------------------------------------------------------- */

/* "The outcome is unknown" is of changes: here nothing was to be changed. */
static void finish_sync(struct connection *c, struct slot *s, const struct reply *reply)
{
    struct core_status status;
    char here[POSITION_TEXT_BYTES_MAX];

    if (s->status != ACCORD_E_TIMEOUT) {
        finish_position(c, s, reply);
        return;
    }
    core_status(c->door->host->core, 0, &status);
    position_print((struct position){status.cursor.epoch, status.cursor.position}, here);
    reply_error(c,
                "TIMEOUT not applied here within %llu ms: this node stands at %s%s%s; ask "
                "again, with a longer WAIT",
                (unsigned long long)s->note, here, status.why[0] ? ": " : ", and is fresh",
                status.why);
}

/* What follows in the pipeline is what the client wants to read after it: it waits too. */
void command_ACCORD_SYNC(struct connection *c, const struct bytes *args, size_t count)
{
    struct request r = request_make(REQUEST_SYNC, NULL, 0);
    uint64_t wait_ms = SYNC_WAIT_MS;
    size_t i = 1;

    if (i < count && position_parse(args[i], &r.position) == ACCORD_OK) {
        r.has_position = true;
        i++;
    }
    if (i + 2 == count && word_is(args[i], "wait")) {
        if (!unsigned_argument(c, args[i + 1], &wait_ms))
            return;
        i += 2;
    }
    if (i != count) {
        reply_error(c, "ERR syntax error: ACCORD.SYNC [position] [WAIT ms], where a position "
                       "is as a removal answered it");
        return;
    }
    struct slot *s = slot_new(c, finish_sync, 1);
    if (!s)
        return;
    s->note = wait_ms;
    s->barrier = true;
    c->barriers++;
    r.wait_ns = ns_of_ms(wait_ms);
    slot_submit(c, s->id, &r);
}

/* ---- views, help ---------------------------------------------------------------------- */

void command_ACCORD_NODES(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_view(c, "nodes", /* one= */ false);
}

void command_ACCORD_STATUS(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_view(c, "status", /* one= */ true);
}

void command_ACCORD_HELP(struct connection *c, const struct bytes *args, size_t count)
{
    char line[256];
    size_t lines = 0;

    (void)args;
    (void)count;
    for (size_t i = 0; i < command_count; i++)
        lines += strcmp(commands[i].group, "accord") == 0;
    reply_array(c, lines);
    for (size_t i = 0; i < command_count; i++) {
        if (strcmp(commands[i].group, "accord") != 0)
            continue;
        snprintf(line, sizeof line, "%s %s", commands[i].name, commands[i].summary);
        for (char *p = line; *p && *p != ' '; p++)
            *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 0x20 : *p);
        reply_text(c, line);
    }
}

/* ---- ACCORD.ATTACH -------------------------------------------------------------------- */

void line_take(struct connection *c)
{
    struct resp_door *d = c->door;

    for (uint32_t i = 0; c->line < 0 && i < d->host->reader_lines; i++) {
        uint64_t bit = 1ull << (i % 64);
        if (d->lines[i / 64] & bit)
            continue;
        d->lines[i / 64] |= bit;
        d->counts.attached++;
        c->line = (int32_t)(d->host->reader_line_first + i);
    }
}

void line_release(struct connection *c)
{
    struct resp_door *d = c->door;

    if (c->line < 0)
        return;
    uint32_t i = (uint32_t)c->line - d->host->reader_line_first;
    if (d->host->line_freed)
        d->host->line_freed(d->host->node, (uint32_t)c->line);
    d->lines[i / 64] &= ~(1ull << (i % 64));
    d->counts.attached--;
    c->line = -1;
}

static void number_field(struct connection *c, const char *field, uint64_t n)
{
    reply_text(c, field);
    reply_unsigned(c, n);
}

static void id_text(struct id128 id, char text[40])
{
    snprintf(text, 40, "%016llx%016llx", (unsigned long long)id.high,
             (unsigned long long)id.low);
}

static void reply_attach(struct connection *c, uint64_t boottime_ns)
{
    const struct door_host *host = c->door->host;
    bool wanted = offer_is_wanted(c->door);
    char text[40];

    reply_map(c, wanted ? 9 : 8);
    number_field(c, "protocol", ATTACH_PROTOCOL);
    number_field(c, "segment_bytes", host->segment_bytes);
    number_field(c, "hints_bytes", host->hints_bytes);
    id_text(host->reader->incarnation, text);
    reply_text(c, "incarnation");
    reply_text(c, text);
    if (wanted) {
        id_text(*host->wanted, text);
        reply_text(c, "wanted");
        reply_text(c, text);
    }
    reply_text(c, "line");
    reply_integer(c, c->line);
    number_field(c, "boottime_ns", boottime_ns);
    number_field(c, "pid", (uint64_t)getpid());
    reply_text(c, "version");
    reply_text(c, host->version);
}

void command_ACCORD_ATTACH(struct connection *c, const struct bytes *args, size_t count)
{
    uint64_t protocol, theirs, ours = attach_boottime_ns();

    (void)count;
    if (!unsigned_argument(c, args[1], &protocol) || !unsigned_argument(c, args[2], &theirs))
        return;
    if (c->tcp) {
        reply_error(c, "NOATTACH memory is shared over the unix socket only");
    } else if (protocol != ATTACH_PROTOCOL) {
        reply_error(c,
                    "NOATTACH this daemon speaks attach protocol %d, you asked for %llu: use "
                    "a library of its version (%s)",
                    ATTACH_PROTOCOL, (unsigned long long)protocol, c->door->host->version);
    } else if (!attach_same_clock(theirs, ours)) {
        reply_error(c,
                    "NOATTACH your CLOCK_BOOTTIME differs from the daemon's by %lld ms: "
                    "another time namespace; reads go over the socket",
                    (long long)(int64_t)(theirs - ours) / (long long)NS_PER_MS);
    } else if (c->door->host->segment_fd < 0) {
        reply_error(c, "NOATTACH this daemon has no memory to share");
    } else if (c->attach_under_way) {
        reply_error(c, "ERR the answer to an earlier ACCORD.ATTACH is still on its way");
    } else {
        line_take(c);
        c->attaching = c->attach_under_way = true;
        reply_attach(c, ours);
    }
}

/* ---- ACCORD.OFFER --------------------------------------------------------------------- */

bool offer_is_wanted(const struct resp_door *d)
{
    return d->host->wanted && !id128_is_none(*d->host->wanted);
}

/* The descriptor that came with this client's command; the caller's now. */
static int take_passed(struct connection *c)
{
    struct resp_door *d = c->door;
    int fd = d->passed_by == c->client ? d->passed_fd : -1;

    if (fd >= 0)
        d->passed_fd = -1;
    return fd;
}

void command_ACCORD_OFFER(struct connection *c, const struct bytes *args, size_t count)
{
    const char *why = "no descriptor came with it";
    int fd = take_passed(c), status = ACCORD_E_INVALID;
    char text[40] = "";

    (void)count;
    if (offer_is_wanted(c->door))
        id_text(*c->door->host->wanted, text);
    if (!bytes_equal(args[1], bytes_of_text(text)))
        why = "that segment is not wanted, or not any more";
    else if (fd >= 0)
        status = c->door->host->offered(c->door->host->node, fd, &why);
    if (fd >= 0)
        close(fd);
    if (status == ACCORD_OK)
        reply_ok(c);
    else
        reply_error(c, "NOTWANTED %s", why);
}
