/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* change.c - fills, sets and removals: arguments checked here, everything decided by the
 * daemon. */
#include "client/change.h"

#include "base/limits.h"
#include "client/last_error.h"
#include "client/standing.h"

static void add(struct call *c, struct bytes arg)
{
    ASSERT(c->count < CALL_ARGS_MAX);
    c->args[c->count++] = arg;
}

void call_word(struct call *c, const char *word)
{
    add(c, bytes_of_text(word));
}

void call_bytes(struct call *c, struct bytes arg)
{
    add(c, arg);
}

void call_number(struct call *c, uint64_t number)
{
    ASSERT(c->number_count < COUNT_OF(c->numbers));
    add(c, digits(c->numbers[c->number_count++], number));
}

static void option(struct call *c, const char *word, uint64_t number)
{
    call_word(c, word);
    call_number(c, number);
}

int fill_options_check(const struct accord_fill_options *o)
{
    if (!o)
        return ACCORD_OK;
    bool fine = o->tag_count <= ACCORD_TAGS_MAX && (o->tag_count == 0 || o->tags);
    for (size_t i = 0; fine && i < o->tag_count; i++)
        fine = o->tags[i] && key_is_valid(o->tags[i], strlen(o->tags[i]));
    return fine ? ACCORD_OK
                : last_error_say(ACCORD_E_INVALID,
                                 "a key has at most %d tags, of 1 to %d bytes each",
                                 ACCORD_TAGS_MAX, ACCORD_KEY_BYTES_MAX);
}

void call_fill_options(struct call *c, const struct accord_fill_options *o)
{
    if (!o)
        return;
    if (o->ttl_ms == ACCORD_FOREVER) {
        call_word(c, "PX");
        call_word(c, "-1");
    } else if (o->ttl_ms > 0) {
        option(c, "PX", u64_min(o->ttl_ms, INT64_MAX / NS_PER_MS));
    }
    if (o->grace_ms > 0)
        option(c, "GRACE", u64_min(o->grace_ms, INT64_MAX / NS_PER_MS));
    if (o->version > 0)
        option(c, "VERSION", o->version);
    if (o->negative)
        call_word(c, "NEGATIVE");
    if (o->tag_count > 0)
        option(c, "TAGS", o->tag_count);
    for (size_t i = 0; i < o->tag_count; i++)
        call_word(c, o->tags[i]);
}

/* The position that a change answered, or that stands in the map of a strict removal. "OK" is
 * of a node with ack = local: the log does not have it yet. */
static int position_of(const struct reply_node *reply, struct accord_position *position)
{
    const struct reply_node *at =
        reply->type == REPLY_TEXT ? reply : reply_field(reply, "position");
    struct position p = {0, 0};

    if (!at || at->type != REPLY_TEXT)
        return ACCORD_E_FORMAT;
    if (!reply_says(reply, "OK") && position_parse(at->text, &p) != ACCORD_OK)
        return ACCORD_E_FORMAT;
    if (position)
        *position = (struct accord_position){.epoch = p.epoch, .value = p.value};
    return ACCORD_OK;
}

/* Sends a command and takes the position out of the reply; `position` and `told` may be NULL.
 */
static int for_position(struct accord *a, const struct bytes *args, size_t count,
                        uint64_t wait_ns, const struct accord_remove_options *told,
                        struct accord_position *position)
{
    const struct reply_node *reply;
    struct seat *s;
    int status = ask(a, args, count, ask_deadline_ns(a, wait_ns), &s, &reply);

    if (status != ACCORD_OK)
        return status;
    status = ask_status(reply);
    if (status == ACCORD_OK)
        status = position_of(reply, position);
    if (told && told->standing && (status == ACCORD_OK || status == ACCORD_E_TIMEOUT))
        standing_tell(reply, told->standing, told->context);
    seat_give(a, s);
    return status;
}

int call_fill(struct call *c, struct bytes key, struct bytes value,
              const struct accord_token *token, const struct accord_fill_options *options)
{
    struct token t;

    if (fill_options_check(options) != ACCORD_OK)
        return ACCORD_E_INVALID;
    token_take(token, &t);
    token_print(&t, c->token);
    call_word(c, "ACCORD.FILL");
    call_bytes(c, key);
    call_bytes(c, options && options->negative ? bytes_of("", 0) : value);
    call_word(c, "TOKEN");
    call_word(c, c->token);
    call_fill_options(c, options);
    return ACCORD_OK;
}

int accord_fill(struct accord *a, const void *key, size_t key_bytes, const void *value,
                size_t value_bytes, const struct accord_token *token,
                const struct accord_fill_options *options)
{
    struct call c = {.count = 0};
    const struct reply_node *reply;
    struct seat *s;

    if (!a || !key_is_valid(key, key_bytes) || !token || (!value && value_bytes > 0))
        return last_error_invalid(key_is_valid(key, key_bytes));
    if (value_bytes > CALL_VALUE_BYTES_MAX)
        return last_error_say(ACCORD_E_SIZE, "the value is over 16 MiB: not stored");
    int status =
        call_fill(&c, bytes_of(key, key_bytes), bytes_of(value, value_bytes), token, options);
    if (status != ACCORD_OK)
        return status;
    status = ask(a, c.args, c.count, ask_deadline_ns(a, 0), &s, &reply);
    if (status != ACCORD_OK)
        return status;
    status = ask_status(reply);
    seat_give(a, s);
    return status;
}

/* As the daemon does with what is smaller, and still too large: the old value is wrong. */
static int set_too_large(struct accord *a, const void *key, size_t key_bytes,
                         struct accord_position *position)
{
    int status = accord_remove(a, key, key_bytes, NULL, position);

    return status != ACCORD_OK
               ? status
               : last_error_say(ACCORD_E_SIZE,
                                "the value is over 16 MiB: not stored; the key was removed");
}

int accord_set(struct accord *a, const void *key, size_t key_bytes, const void *value,
               size_t value_bytes, const struct accord_fill_options *options,
               struct accord_position *position)
{
    struct call c = {.count = 0};

    if (!a || !key_is_valid(key, key_bytes) || (!value && value_bytes > 0))
        return last_error_invalid(key_is_valid(key, key_bytes));
    if (options && options->negative)
        return last_error_say(ACCORD_E_INVALID, "accord_set() stores a value; that there is "
                                                "none is stored by accord_fill()");
    if (fill_options_check(options) != ACCORD_OK)
        return ACCORD_E_INVALID;
    if (value_bytes > CALL_VALUE_BYTES_MAX)
        return set_too_large(a, key, key_bytes, position);
    call_word(&c, "ACCORD.SET");
    call_bytes(&c, bytes_of(key, key_bytes));
    call_bytes(&c, bytes_of(value, value_bytes));
    call_fill_options(&c, options);
    return for_position(a, c.args, c.count, 0, NULL, position);
}

int remove_options_check(const struct accord_remove_options *o)
{
    size_t id_bytes = o && o->id ? strlen(o->id) : 1;

    if (!o)
        return ACCORD_OK;
    if (o->flags & ~(unsigned)(ACCORD_SOFT | ACCORD_WAIT))
        return last_error_say(ACCORD_E_INVALID, "flags of a removal that are none: %#x",
                              o->flags);
    if (o->wait_ms > 0 && !(o->flags & ACCORD_WAIT))
        return last_error_say(ACCORD_E_INVALID,
                              "wait_ms is for a removal with ACCORD_WAIT among its flags: "
                              "without, it would not wait");
    if (id_bytes < 1 || id_bytes > RETRY_ID_BYTES_MAX)
        return last_error_say(ACCORD_E_INVALID, "the id of a removal has 1 to %d bytes",
                              (int)RETRY_ID_BYTES_MAX);
    return ACCORD_OK;
}

void call_remove_options(struct call *c, const struct accord_remove_options *options)
{
    struct accord_remove_options o = options ? *options : (struct accord_remove_options){0};

    if (o.flags & ACCORD_SOFT)
        call_word(c, "SOFT");
    if (o.version > 0)
        option(c, "VERSION", o.version);
    if (o.flags & ACCORD_WAIT)
        option(c, "WAIT", u64_min(o.wait_ms, CALL_WAIT_MS_MAX));
    if (o.id) {
        call_word(c, "ID");
        call_word(c, o.id);
    }
}

int ask_removal(struct accord *a, const struct bytes *args, size_t count,
                const struct accord_remove_options *o, struct accord_position *position)
{
    bool wait = o && (o->flags & ACCORD_WAIT);

    return for_position(a, args, count, wait ? ns_of_ms(o->wait_ms) : 0, wait ? o : NULL,
                        position);
}

static int remove_with(struct accord *a, struct call *c,
                       const struct accord_remove_options *options,
                       struct accord_position *position)
{
    if (remove_options_check(options) != ACCORD_OK)
        return ACCORD_E_INVALID;
    call_remove_options(c, options);
    return ask_removal(a, c->args, c->count, options, position);
}

int accord_remove(struct accord *a, const void *key, size_t key_bytes,
                  const struct accord_remove_options *options, struct accord_position *position)
{
    struct call c = {.count = 0};

    if (!a || !key_is_valid(key, key_bytes))
        return last_error_invalid(key_is_valid(key, key_bytes));
    call_word(&c, "ACCORD.REMOVE");
    option(&c, "KEYS", 1);
    call_bytes(&c, bytes_of(key, key_bytes));
    return remove_with(a, &c, options, position);
}

int accord_remove_by_tag(struct accord *a, const char *tag,
                         const struct accord_remove_options *options,
                         struct accord_position *position)
{
    struct call c = {.count = 0};

    if (!a || !tag || !key_is_valid(tag, strlen(tag)))
        return last_error_invalid(tag && key_is_valid(tag, strlen(tag)));
    if (options && options->version > 0)
        return last_error_say(ACCORD_E_INVALID, "a tag has no version: version must be 0");
    call_word(&c, "ACCORD.REMOVETAG");
    option(&c, "KEYS", 1);
    call_word(&c, tag);
    return remove_with(a, &c, options, position);
}

int accord_clear(struct accord *a, const char *name,
                 const struct accord_remove_options *options, struct accord_position *position)
{
    struct call c = {.count = 0};

    if (!a || !name || !key_is_valid(name, strlen(name)))
        return last_error_invalid(name && key_is_valid(name, strlen(name)));
    call_word(&c, "ACCORD.CLEAR");
    call_word(&c, name);
    return remove_with(a, &c, options, position);
}

int accord_set_max_stale(struct accord *a, uint64_t max_stale_ms,
                         struct accord_position *position)
{
    struct call c = {.count = 0};

    if (!a)
        return last_error_invalid(true);
    call_word(&c, "ACCORD.MAXSTALE");
    option(&c, "SET", max_stale_ms);
    return for_position(a, c.args, c.count, 0, NULL, position);
}

int accord_fence_floor(struct accord *a, const char *name, uint64_t version)
{
    struct call c = {.count = 0};
    const struct reply_node *reply;
    struct seat *s;

    if (!a || !name || !key_is_valid(name, strlen(name)))
        return last_error_invalid(name && key_is_valid(name, strlen(name)));
    call_word(&c, "ACCORD.FENCE");
    call_word(&c, "FLOOR");
    call_word(&c, name);
    call_number(&c, version);
    int status = ask(a, c.args, c.count, ask_deadline_ns(a, 0), &s, &reply);
    if (status != ACCORD_OK)
        return status;
    status = ask_status(reply);
    seat_give(a, s);
    return status;
}

int accord_fence_reset(struct accord *a, const char *name, struct accord_position *position)
{
    struct call c = {.count = 0};

    if (!a || !name || !key_is_valid(name, strlen(name)))
        return last_error_invalid(name && key_is_valid(name, strlen(name)));
    call_word(&c, "ACCORD.FENCE");
    call_word(&c, "RESET");
    call_word(&c, name);
    return for_position(a, c.args, c.count, 0, NULL, position);
}

int accord_sync(struct accord *a, const struct accord_position *position, uint64_t timeout_ms)
{
    char text[POSITION_TEXT_BYTES_MAX];
    struct call c = {.count = 0};

    if (!a)
        return last_error_invalid(true);
    if (position && position->epoch == 0 && position->value == 0)
        return last_error_say(ACCORD_E_INVALID,
                              "this position is none: where ack = local, a change is answered "
                              "before it stands in the log");
    call_word(&c, "ACCORD.SYNC");
    if (position) {
        position_print((struct position){position->epoch, position->value}, text);
        call_word(&c, text);
    }
    option(&c, "WAIT", u64_min(timeout_ms, CALL_WAIT_MS_MAX));
    return for_position(a, c.args, c.count, ns_of_ms(timeout_ms), NULL, NULL);
}
