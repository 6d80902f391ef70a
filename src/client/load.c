/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* load.c - get_or_set: one loader per key and host, arbitrated by the daemon.
 *
 * The right to load belongs to a connection, so the connection stays with the loader; that the
 * loader failed is said by closing it. */
#include "client/change.h"
#include "client/last_error.h"

enum { SHOWN_BYTES_MAX = 100 };

struct load {
    struct accord *a;
    struct bytes key;
    accord_loader load;
    void *context;
    const struct accord_fill_options *defaults;
    void *buffer;
    size_t buffer_bytes;
    struct accord_result *out;

    struct accord_result found; /* by the read that came first, also its token */
    int found_status;
    struct seat *seat;         /* holds the right; NULL: there is none */
    struct accord_token token; /* taken before the loader begins */
    bool may_fill;
};

/* A value that the caller may have at once, though it is due for a new one. */
static bool has_copy(const struct load *l)
{
    return l->found.state == ACCORD_HIT || l->found.state == ACCORD_STALE;
}

static bool is_answer(const struct accord_result *r)
{
    return (r->state == ACCORD_HIT && !r->refresh) || r->state == ACCORD_NEGATIVE ||
           (r->state == ACCORD_STALE && r->why == ACCORD_WHY_UNSURE);
}

static int answer_found(struct load *l)
{
    *l->out = l->found;
    return l->found_status;
}

/* ---- loading ---- */

static int send_fill(struct load *l, const struct call *c)
{
    const struct reply_node *reply;
    uint64_t deadline_ns = ask_deadline_ns(l->a, 0);

    if (l->seat) {
        if (!hang_is_on(l->a) &&
            seat_ask(l->a, l->seat, c->args, c->count, deadline_ns, &reply) == ACCORD_OK)
            return ask_status(reply);
        /* It broke while the loader ran (or a fork took it): the token still counts. */
        seat_drop(l->a, l->seat);
        l->seat = NULL;
    }
    int status = ask(l->a, c->args, c->count, deadline_ns, &l->seat, &reply);
    return status == ACCORD_OK ? ask_status(reply) : status;
}

static int fill(struct load *l, const struct accord_loaded *loaded)
{
    struct call c = {.count = 0};

    if (!l->may_fill)
        return ACCORD_E_UNSURE;
    if (loaded->value_bytes > CALL_VALUE_BYTES_MAX)
        return last_error_say(ACCORD_E_SIZE, "what was loaded is not kept: it is over 16 MiB");
    int status = call_fill(&c, l->key, bytes_of(loaded->value, loaded->value_bytes), &l->token,
                           &loaded->options);
    if (status != ACCORD_OK)
        return last_error_say(status,
                              "what was loaded is not kept: a key has at most %d tags, "
                              "of 1 to %d bytes each",
                              ACCORD_TAGS_MAX, ACCORD_KEY_BYTES_MAX);
    return send_fill(l, &c);
}

static void leave_seat(struct load *l)
{
    if (l->seat)
        seat_give(l->a, l->seat);
    l->seat = NULL;
}

/* Whatever becomes of the fill, the caller has what its loader found. */
static int answer_loaded(struct load *l, const struct accord_loaded *loaded)
{
    bool negative = loaded->options.negative;
    struct bytes value = bytes_of(loaded->value, negative ? 0 : loaded->value_bytes);
    int filled = fill(l, loaded);

    leave_seat(l);
    *l->out = (struct accord_result){
        .state = negative ? ACCORD_NEGATIVE : ACCORD_HIT,
        .negative = negative,
        .value_bytes = value.size_bytes,
        .version = loaded->options.version,
        .ttl_ms = loaded->options.ttl_ms,
        .token = l->token,
    };
    if (filled != ACCORD_OK) {
        l->out->state = ACCORD_UNSURE;
        l->out->why = ACCORD_WHY_UNSURE;
        l->out->ttl_ms = 0;
    }
    int status = copy_value(value, l->buffer, l->buffer_bytes);
    if (loaded->release)
        loaded->release(l->context);
    return status;
}

/* Enough of the key to know it by. */
static int say_failed(const struct load *l, int answered, const struct accord_loaded *loaded)
{
    int shown = (int)u64_min(l->key.size_bytes, SHOWN_BYTES_MAX);
    const char *key = (const char *)l->key.data;

    if (answered != 0)
        return last_error_say(ACCORD_E_LOADER,
                              "the loader of \"%.*s\" answered %d: nothing is stored", shown,
                              key, answered);
    return last_error_say(ACCORD_E_LOADER,
                          "the loader of \"%.*s\" gave %zu bytes at NULL: nothing is stored",
                          shown, key, loaded->value_bytes);
}

static int run_loader(struct load *l)
{
    struct accord_loaded loaded = {.value = NULL};

    if (l->defaults)
        loaded.options = *l->defaults;
    int answered = l->load(l->context, &loaded);
    if (answered == 0 && (loaded.value || loaded.value_bytes == 0))
        return answer_loaded(l, &loaded);
    seat_drop(l->a, l->seat); /* gives the right back: the next caller need not wait */
    l->seat = NULL;
    int status = say_failed(l, answered, &loaded);
    return has_copy(l) ? answer_found(l) : status;
}

/* ---- the right ---- */

/* What the daemon said while it knows of no other loader of ours. */
static int follow(struct load *l, const struct answer *answer)
{
    const struct accord_result *r = &answer->result;

    if (answer->has_token) {
        l->token = r->token;
        l->may_fill = true;
    }
    if (answer->may_load)
        return run_loader(l);
    if (r->state == ACCORD_HIT || r->state == ACCORD_STALE || r->state == ACCORD_NEGATIVE) {
        int status = copy_value(answer->value, l->buffer, l->buffer_bytes);
        *l->out = *r;
        leave_seat(l);
        return status;
    }
    /* Busy for too long, or unsure: the caller is not kept waiting for others any longer. */
    leave_seat(l);
    return has_copy(l) ? answer_found(l) : run_loader(l);
}

static int ask_first(struct load *l)
{
    /* Who has a copy in hand does not wait for another's. */
    uint64_t wait_ns = has_copy(l) ? 0 : l->a->load_wait_ns;
    const struct reply_node *reply;
    struct answer answer;
    char text[DIGITS_MAX];
    struct bytes args[] = {bytes_of_text("ACCORD.GET"), l->key, bytes_of_text("LOAD"),
                           digits(text, wait_ns / NS_PER_MS)};

    int status =
        ask(l->a, args, COUNT_OF(args), ask_deadline_ns(l->a, wait_ns), &l->seat, &reply);
    if (status == ACCORD_OK) {
        status = ask_status(reply);
        if (status == ACCORD_OK)
            status = ask_answer(reply, &answer);
        if (status == ACCORD_OK)
            return follow(l, &answer);
        leave_seat(l);
    } else {
        l->may_fill = false; /* the daemon is gone: it would cost one more timeout */
    }
    /* No daemon, or one that is full: the origin still answers. */
    return has_copy(l) ? answer_found(l) : run_loader(l);
}

int accord_get_or_set(struct accord *a, const void *key, size_t key_bytes, accord_loader load,
                      void *context, const struct accord_fill_options *defaults, void *buffer,
                      size_t buffer_bytes, struct accord_result *out)
{
    if (!a || !load || !out || !key_is_valid(key, key_bytes) || (!buffer && buffer_bytes > 0))
        return last_error_invalid(key_is_valid(key, key_bytes));
    if (fill_options_check(defaults) != ACCORD_OK)
        return ACCORD_E_INVALID;

    struct load l = {.a = a,
                     .key = bytes_of(key, key_bytes),
                     .load = load,
                     .context = context,
                     .defaults = defaults,
                     .buffer = buffer,
                     .buffer_bytes = buffer_bytes,
                     .out = out};
    l.found_status = accord_get(a, key, key_bytes, buffer, buffer_bytes, &l.found);
    if (l.found_status != ACCORD_OK && l.found_status != ACCORD_E_SIZE)
        return l.found_status;
    if (is_answer(&l.found))
        return answer_found(&l);
    static const struct accord_token none;
    l.token = l.found.token;
    l.may_fill = memcmp(&l.token, &none, sizeof none) != 0;
    return ask_first(&l);
}
