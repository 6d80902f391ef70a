/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* write.c - SET and its family, DEL, EXPIRE and its family, FLUSHALL.
 *
 * A SET stores here and removes everywhere else; a DEL removes everywhere. Both are answered
 * when the bus has the change (law L1). When a copy expires is this host's own affair: EXPIRE
 * and PERSIST change nothing on other hosts.
 */
#include "door/connection.h"

enum { NS_PER_MS_INT = 1000000 };

bool integer_argument(struct connection *c, struct bytes text, int64_t *out)
{
    if (resp_integer(text, out) == ACCORD_OK)
        return true;
    reply_error(c, "ERR value is not an integer or out of range");
    return false;
}

struct request request_make(enum request_op op, const struct bytes *keys, size_t count)
{
    struct request r = {.op = op, .keys = keys, .key_count = count};

    r.item.grace_ns = UINT64_MAX;
    if (count > 0)
        r.item.key = keys[0];
    return r;
}

void finish_ok(struct connection *c, struct slot *s, const struct reply *reply)
{
    (void)reply;
    if (!slot_failed(c, s))
        reply_ok(c);
}

void finish_count(struct connection *c, struct slot *s, const struct reply *reply)
{
    (void)reply;
    if (!slot_failed(c, s))
        reply_unsigned(c, s->number);
}

void finish_prepared(struct connection *c, struct slot *s, const struct reply *reply)
{
    (void)reply;
    if (!slot_failed(c, s))
        reply_kept(c, s->offset, s->bytes);
}

/* ---- DEL ------------------------------------------------------------------------------ */

void remove_keys(struct connection *c, const struct bytes *keys, size_t count,
                 slot_finish finish)
{
    size_t requests = (count + REMOVE_KEYS_MAX - 1) / REMOVE_KEYS_MAX;
    struct slot *s = slot_new(c, finish, (uint32_t)requests);

    if (!s)
        return;
    uint64_t id = s->id;
    for (size_t i = 0; i < count; i += REMOVE_KEYS_MAX) {
        struct request r =
            request_make(REQUEST_REMOVE, keys + i, u64_min(REMOVE_KEYS_MAX, count - i));
        slot_submit(c, id, &r);
    }
}

void command_DEL(struct connection *c, const struct bytes *args, size_t count)
{
    if (keys_fit(c, args + 1, count - 1, 1))
        remove_keys(c, args + 1, count - 1, finish_count);
}

void command_UNLINK(struct connection *c, const struct bytes *args, size_t count)
{
    command_DEL(c, args, count);
}

/* Writes the value as a reply to c->held and makes it the slot's material; nil where there is
 * none. LOOK_ERROR: replied to, and *s is NULL. */
static enum look prepare_value(struct connection *c, struct bytes key, slot_finish finish,
                               struct slot **s, struct read_result *result)
{
    enum look seen = look(c, key, result);
    struct buffer *sink = c->sink;

    *s = NULL;
    if (seen == LOOK_ERROR)
        return seen;
    *s = slot_new(c, finish, 1);
    if (!*s)
        return LOOK_ERROR;
    c->sink = &c->held;
    (*s)->offset = c->held.bytes;
    if (seen == LOOK_NONE || !read_value(c, key, result, &seen))
        reply_null(c);
    (*s)->bytes = c->held.bytes - (*s)->offset;
    c->sink = sink;
    return seen;
}

/* Removes the key everywhere even where it is not here: other hosts may have it. */
void command_GETDEL(struct connection *c, const struct bytes *args, size_t count)
{
    struct request r = request_make(REQUEST_REMOVE, args + 1, 1);
    struct read_result result;
    struct slot *s;

    (void)count;
    if (!key_fits(c, args[1]))
        return;
    prepare_value(c, args[1], finish_prepared, &s, &result);
    if (s)
        slot_submit(c, s->id, &r);
}

void command_FLUSHALL(struct connection *c, const struct bytes *args, size_t count)
{
    const struct bytes all = bytes_of_text("*");
    struct request r = request_make(REQUEST_CLEAR, &all, 1);

    if (count > 2 || (count == 2 && !word_is(args[1], "async") && !word_is(args[1], "sync"))) {
        reply_error(c, "ERR syntax error");
        return;
    }
    struct slot *s = slot_new(c, finish_ok, 1);
    if (s)
        slot_submit(c, s->id, &r);
}

void command_FLUSHDB(struct connection *c, const struct bytes *args, size_t count)
{
    command_FLUSHALL(c, args, count);
}

/* ---- expiry --------------------------------------------------------------------------- */

enum expiry_unit { SECONDS, MILLISECONDS };

/* When, in Unix milliseconds, as Redis computes and refuses it. False: replied to. */
static bool expiry_ms(struct connection *c, struct bytes text, enum expiry_unit unit,
                      bool absolute, bool positive, const char *command, int64_t *out)
{
    int64_t n, now = (int64_t)wall_now_ms();

    if (!integer_argument(c, text, &n))
        return false;
    if ((positive && n <= 0) ||
        (unit == SECONDS && (n > INT64_MAX / 1000 || n < INT64_MIN / 1000))) {
        reply_error(c, "ERR invalid expire time in '%s' command", command);
        return false;
    }
    n *= unit == SECONDS ? 1000 : 1;
    if (!absolute && n > INT64_MAX - now) {
        reply_error(c, "ERR invalid expire time in '%s' command", command);
        return false;
    }
    *out = absolute ? n : now + n;
    return true;
}

/* Nanoseconds from now, at most for ever; 0: it is past. */
static uint64_t ttl_of(int64_t when_ms)
{
    int64_t left = when_ms - (int64_t)wall_now_ms();

    if (left <= 0)
        return 0;
    return left > INT64_MAX / NS_PER_MS_INT ? UINT64_MAX : (uint64_t)left * NS_PER_MS;
}

struct conditions {
    bool nx, xx, gt, lt;
};

static bool conditions_parse(struct connection *c, const struct bytes *args, size_t count,
                             struct conditions *out)
{
    for (size_t i = 3; i < count; i++) {
        if (word_is(args[i], "nx"))
            out->nx = true;
        else if (word_is(args[i], "xx"))
            out->xx = true;
        else if (word_is(args[i], "gt"))
            out->gt = true;
        else if (word_is(args[i], "lt"))
            out->lt = true;
        else {
            reply_error(c, "ERR Unsupported option %.*s", (int)u64_min(args[i].size_bytes, 128),
                        (const char *)args[i].data);
            return false;
        }
    }
    if (out->nx && (out->xx || out->gt || out->lt)) {
        reply_error(c, "ERR NX and XX, GT or LT options at the same time are not compatible");
        return false;
    }
    if (out->gt && out->lt) {
        reply_error(c, "ERR GT and LT options at the same time are not compatible");
        return false;
    }
    return true;
}

/* Never counts as later than any time. */
static bool conditions_hold(const struct conditions *w, uint64_t now_ttl, uint64_t new_ttl)
{
    bool expires = now_ttl != UINT64_MAX;

    return !((w->nx && expires) || (w->xx && !expires) ||
             (w->gt && (!expires || new_ttl <= now_ttl)) ||
             (w->lt && expires && new_ttl >= now_ttl));
}

/* It was here a moment ago: gone by now is "0". */
static void finish_expired(struct connection *c, struct slot *s, const struct reply *reply)
{
    (void)reply;
    if (s->status == ACCORD_E_ABSENT)
        reply_integer(c, 0);
    else if (!slot_failed(c, s))
        reply_integer(c, 1);
}

static void set_expiry(struct connection *c, const struct bytes *key, uint64_t ttl_ns)
{
    struct request r = request_make(ttl_ns > 0 ? REQUEST_EXPIRE : REQUEST_REMOVE, key, 1);
    struct slot *s = slot_new(c, finish_expired, 1);

    r.item.ttl_ns = ttl_ns;
    if (s)
        slot_submit(c, s->id, &r);
}

static void expire(struct connection *c, const struct bytes *args, size_t count,
                   enum expiry_unit unit, bool absolute, const char *command)
{
    struct conditions when = {0};
    struct read_result result;
    int64_t when_ms;

    if (!key_fits(c, args[1]) || !conditions_parse(c, args, count, &when) ||
        !expiry_ms(c, args[2], unit, absolute, /* positive= */ false, command, &when_ms))
        return;
    enum look seen = look(c, args[1], &result);
    if (seen == LOOK_ERROR)
        return;
    uint64_t ttl_ns = ttl_of(when_ms);
    if (seen == LOOK_VALUE && conditions_hold(&when, result.ttl_ns, ttl_ns))
        set_expiry(c, args + 1, ttl_ns);
    else
        reply_integer(c, 0);
}

void command_EXPIRE(struct connection *c, const struct bytes *args, size_t count)
{
    expire(c, args, count, SECONDS, /* absolute= */ false, "expire");
}

void command_PEXPIRE(struct connection *c, const struct bytes *args, size_t count)
{
    expire(c, args, count, MILLISECONDS, /* absolute= */ false, "pexpire");
}

void command_EXPIREAT(struct connection *c, const struct bytes *args, size_t count)
{
    expire(c, args, count, SECONDS, /* absolute= */ true, "expireat");
}

void command_PEXPIREAT(struct connection *c, const struct bytes *args, size_t count)
{
    expire(c, args, count, MILLISECONDS, /* absolute= */ true, "pexpireat");
}

void command_PERSIST(struct connection *c, const struct bytes *args, size_t count)
{
    struct read_result result;

    (void)count;
    if (!key_fits(c, args[1]))
        return;
    enum look seen = look(c, args[1], &result);
    if (seen == LOOK_VALUE && result.ttl_ns != UINT64_MAX)
        set_expiry(c, args + 1, UINT64_MAX);
    else if (seen != LOOK_ERROR)
        reply_integer(c, 0);
}

/* ---- SET ------------------------------------------------------------------------------ */

/* Options of SET and GETEX. */
struct set_options {
    bool nx, xx, get, keep, persist;
    struct bytes expire; /* data NULL: none */
    enum expiry_unit unit;
    bool absolute;
};

static bool expire_option(const struct bytes *args, size_t count, size_t *i,
                          struct set_options *o)
{
    static const struct {
        const char *word;
        enum expiry_unit unit;
        bool absolute;
    } units[] = {{"ex", SECONDS, false},
                 {"px", MILLISECONDS, false},
                 {"exat", SECONDS, true},
                 {"pxat", MILLISECONDS, true}};

    for (size_t u = 0; u < COUNT_OF(units); u++) {
        if (!word_is(args[*i], units[u].word))
            continue;
        if (*i + 1 >= count || o->expire.data || o->keep || o->persist)
            return false;
        o->expire = args[++*i];
        o->unit = units[u].unit;
        o->absolute = units[u].absolute;
        return true;
    }
    return false;
}

static bool set_options(struct connection *c, const struct bytes *args, size_t count,
                        size_t first, bool getex, struct set_options *o)
{
    for (size_t i = first; i < count; i++) {
        bool timed = o->expire.data || o->keep || o->persist;
        if (!getex && word_is(args[i], "nx") && !o->xx)
            o->nx = true;
        else if (!getex && word_is(args[i], "xx") && !o->nx)
            o->xx = true;
        else if (!getex && word_is(args[i], "get"))
            o->get = true;
        else if (!getex && word_is(args[i], "keepttl") && (!timed || o->keep))
            o->keep = true;
        else if (getex && word_is(args[i], "persist") && (!timed || o->persist))
            o->persist = true;
        else if (!expire_option(args, count, &i, o)) {
            reply_error(c, "ERR syntax error");
            return false;
        }
    }
    return true;
}

struct set {
    struct bytes key, value;
    uint64_t ttl_ns; /* 0: the namespace's */
    bool expired;    /* it is past when it is stored: removed instead */
};

static void submit_set(struct connection *c, uint64_t slot_id, const struct set *set)
{
    struct request r = request_make(set->expired ? REQUEST_REMOVE : REQUEST_SET, &set->key, 1);

    r.item.value = set->value;
    r.item.ttl_ns = set->ttl_ns;
    r.has_token =
        take_token(c, set->key, &r.token); /* also where it only removes: it is used */
    slot_submit(c, slot_id, &r);
}

/* NX asks whether nobody has the key. Here is all that can be looked at: "nil" where it is
 * here; where it is not, the answer would be about this host only. */
static bool nx_allows(struct connection *c, struct bytes key, enum look seen, const char *word)
{
    if (seen == LOOK_VALUE || namespace_of(c, key)->nx_local)
        return true;
    reply_error(c,
                "ERR %s would decide for this host only: a cache takes no locks (a namespace "
                "with nx = local allows it)",
                word);
    return false;
}

/* Whether the conditions of the SET keep it from happening; replied to if so. */
static bool set_stops(struct connection *c, const struct set *set, const struct set_options *o,
                      enum look seen, struct read_result *result)
{
    enum look again;

    if (o->nx && !nx_allows(c, set->key, seen, "SET NX"))
        return true;
    if (!(o->nx && seen == LOOK_VALUE) && !(o->xx && seen == LOOK_NONE))
        return false;
    if (!o->get || seen == LOOK_NONE || !read_value(c, set->key, result, &again))
        reply_null(c);
    return true;
}

static void set_generic(struct connection *c, struct set *set, const struct set_options *o,
                        const char *command)
{
    struct read_result result = {0};
    enum look seen = LOOK_NONE;
    struct slot *s = NULL;
    int64_t when_ms;

    if (!key_fits(c, set->key))
        return;
    if (o->expire.data) {
        if (!expiry_ms(c, o->expire, o->unit, o->absolute, /* positive= */ true, command,
                       &when_ms))
            return;
        set->ttl_ns = ttl_of(when_ms);
        set->expired = set->ttl_ns == 0;
    }
    if (o->nx || o->xx || o->get || o->keep) {
        seen = look(c, set->key, &result);
        if (seen == LOOK_ERROR || set_stops(c, set, o, seen, &result))
            return;
    }
    if (o->keep && seen == LOOK_VALUE)
        set->ttl_ns = result.ttl_ns;
    if (o->get)
        prepare_value(c, set->key, finish_prepared, &s, &result);
    else
        s = slot_new(c, finish_ok, 1);
    if (s)
        submit_set(c, s->id, set);
}

void command_SET(struct connection *c, const struct bytes *args, size_t count)
{
    struct set set = {args[1], args[2], 0, false};
    struct set_options o = {0};

    if (set_options(c, args, count, /* first= */ 3, /* getex= */ false, &o))
        set_generic(c, &set, &o, "set");
}

void command_SETEX(struct connection *c, const struct bytes *args, size_t count)
{
    struct set set = {args[1], args[3], 0, false};
    struct set_options o = {.expire = args[2], .unit = SECONDS};

    (void)count;
    set_generic(c, &set, &o, "setex");
}

void command_PSETEX(struct connection *c, const struct bytes *args, size_t count)
{
    struct set set = {args[1], args[3], 0, false};
    struct set_options o = {.expire = args[2], .unit = MILLISECONDS};

    (void)count;
    set_generic(c, &set, &o, "psetex");
}

static void finish_one(struct connection *c, struct slot *s, const struct reply *reply)
{
    (void)reply;
    if (!slot_failed(c, s))
        reply_integer(c, 1);
}

void command_SETNX(struct connection *c, const struct bytes *args, size_t count)
{
    struct set set = {args[1], args[2], 0, false};
    struct read_result result;

    (void)count;
    if (!key_fits(c, args[1]))
        return;
    enum look seen = look(c, args[1], &result);
    if (seen == LOOK_ERROR || !nx_allows(c, args[1], seen, "SETNX"))
        return;
    if (seen == LOOK_VALUE) {
        reply_integer(c, 0);
        return;
    }
    struct slot *s = slot_new(c, finish_one, 1);
    if (s)
        submit_set(c, s->id, &set);
}

/* Its removals are neighbours in the log, but other hosts may see them one by one. */
void command_MSET(struct connection *c, const struct bytes *args, size_t count)
{
    if (count % 2 == 0) {
        reply_error(c, "ERR wrong number of arguments for 'mset' command");
        return;
    }
    if (count / 2 > SPREAD_KEYS_MAX) {
        reply_error(c, "TOOLARGE at most %d keys at once", SPREAD_KEYS_MAX);
        return;
    }
    if (!keys_fit(c, args + 1, count - 1, 2))
        return;
    struct slot *s = slot_new(c, finish_ok, (uint32_t)(count / 2));
    if (!s)
        return;
    uint64_t id = s->id;
    for (size_t i = 1; i < count; i += 2) {
        struct set set = {args[i], args[i + 1], 0, false};
        submit_set(c, id, &set);
    }
}

/* ---- GETEX ---------------------------------------------------------------------------- */

/* The value was read before; that it has gone since is no failure. */
static void finish_getex(struct connection *c, struct slot *s, const struct reply *reply)
{
    if (s->status == ACCORD_E_ABSENT)
        s->status = ACCORD_OK;
    finish_prepared(c, s, reply);
}

void command_GETEX(struct connection *c, const struct bytes *args, size_t count)
{
    struct set_options o = {0};
    struct read_result result;
    struct slot *s;
    int64_t when_ms = 0;

    if (!key_fits(c, args[1]) ||
        !set_options(c, args, count, /* first= */ 2, /* getex= */ true, &o))
        return;
    if (o.expire.data &&
        !expiry_ms(c, o.expire, o.unit, o.absolute, /* positive= */ true, "getex", &when_ms))
        return;
    enum look seen = look(c, args[1], &result);
    if (seen == LOOK_ERROR)
        return;
    if (seen == LOOK_NONE || (!o.expire.data && !o.persist)) {
        command_GET(c, args, 2);
        return;
    }
    prepare_value(c, args[1], finish_getex, &s, &result);
    if (!s)
        return;
    uint64_t ttl_ns = o.persist ? UINT64_MAX : ttl_of(when_ms);
    struct request r = request_make(ttl_ns > 0 ? REQUEST_EXPIRE : REQUEST_REMOVE, args + 1, 1);
    r.item.ttl_ns = ttl_ns;
    slot_submit(c, s->id, &r);
}
