/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* ask.c - one command to the daemon and what its answer means. */
#include "client/handle.h"

#include "client/last_error.h"

#include <stdio.h>

uint64_t ns_of_ms(uint64_t ms)
{
    return ms > UINT64_MAX / NS_PER_MS ? UINT64_MAX : ms * NS_PER_MS;
}

uint64_t ask_deadline_ns(const struct accord *a, uint64_t wait_ns)
{
    return u64_add_sat(monotonic_ns(), u64_add_sat(a->request_ns, wait_ns));
}

struct bytes digits(char text[DIGITS_MAX], uint64_t number)
{
    int size = snprintf(text, DIGITS_MAX, "%llu", (unsigned long long)number);

    return bytes_of(text, (size_t)size);
}

/* A daemon with no connection left says so and hangs up, perhaps before it was asked. */
static int send_or_be_told(struct seat *s, const struct bytes *args, size_t count,
                           uint64_t deadline_ns, const struct reply_node **out)
{
    int status = link_send(&s->link, args, count, deadline_ns);

    if (status == ACCORD_OK)
        return link_receive(&s->link, deadline_ns, out);
    if (status == ACCORD_E_DOWN && link_receive(&s->link, deadline_ns, out) == ACCORD_OK &&
        (*out)->type == REPLY_ERROR)
        return ACCORD_OK;
    return status;
}

int seat_ask(struct accord *a, struct seat *s, const struct bytes *args, size_t count,
             uint64_t deadline_ns, const struct reply_node **out)
{
    struct hang_mark mark = hang_mark(a);
    int status = send_or_be_told(s, args, count, deadline_ns, out);

    if (status == ACCORD_OK)
        hang_heard(a);
    else if (status == ACCORD_E_TIMEOUT)
        hang_timed_out(a, &mark);
    return status;
}

static int ask_until_new(struct accord *a, const struct bytes *args, size_t count,
                         uint64_t deadline_ns, struct seat **seat,
                         const struct reply_node **out)
{
    for (;;) {
        struct seat *s;
        bool reused;
        int status = seat_take(a, deadline_ns, &s, &reused);
        if (status != ACCORD_OK)
            return hang_say(a, status);
        status = seat_ask(a, s, args, count, deadline_ns, out);
        if (status == ACCORD_OK) {
            *seat = s;
            return ACCORD_OK;
        }
        seat_drop(a, s);
        /* Each turn drops one idle connection, so there are few. */
        if (!reused || status != ACCORD_E_DOWN)
            return hang_say(a, status);
    }
}

/* A thread that is cancelled ends before or after, not within: the seat would be lost. */
int ask(struct accord *a, const struct bytes *args, size_t count, uint64_t deadline_ns,
        struct seat **seat, const struct reply_node **out)
{
    int cancel;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel);
    int status = ask_until_new(a, args, count, deadline_ns, seat, out);
    pthread_setcancelstate(cancel, NULL);
    return status;
}

/* The words of src/door/resp.h. */
static const struct {
    const char *word;
    int status;
    const char *means; /* of refusals, which the daemon says in two words */
} words[] = {
    {"UNPUBLISHED", ACCORD_E_UNPUBLISHED, NULL},
    {"TIMEOUT", ACCORD_E_TIMEOUT, NULL},
    {"UNSURE", ACCORD_E_UNSURE, NULL},
    {"FULL", ACCORD_E_FULL, NULL},
    {"TOOLARGE", ACCORD_E_SIZE, NULL},
    {"REFUSED token", ACCORD_E_TOKEN,
     "something was removed since the token was taken, or it is none of this daemon: not "
     "stored"},
    {"REFUSED version", ACCORD_E_VERSION,
     "a newer one is here, or it may be older than a removal: not stored"},
    {"REFUSED size", ACCORD_E_SIZE, "larger than a block of the cache: not stored"},
    {"REFUSED unsure", ACCORD_E_UNSURE,
     "kept for the namespace's unsure_ttl, and never as fresh"},
    {"REFUSED held", ACCORD_E_HELD,
     "too soon after a removal to know whether it is newer: not stored"},
    {"REFUSED", ACCORD_E_TOKEN, NULL},
    {"GONE", ACCORD_E_GONE, NULL},
    {"DOWN", ACCORD_E_DOWN, NULL},
    {"NOAUTH", ACCORD_E_DENIED, NULL},
    {"NOPERM", ACCORD_E_DENIED, NULL},
    {"WRONGPASS", ACCORD_E_DENIED, NULL},
    {"NOATTACH", ACCORD_E_UNSUPPORTED, NULL},
    {"ERR max number of clients reached", ACCORD_E_FULL,
     "close some, or start the daemon with more (--max-clients, and the limit of open files: "
     "ulimit -n, LimitNOFILE=)"},
    {"ERR", ACCORD_E_INVALID, NULL},
};

int ask_status(const struct reply_node *reply)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        /* A refusal comes as a simple string; no other reply of that form fails. */
        bool may_be = reply->type == REPLY_ERROR || words[i].word[0] == 'R';
        if (!may_be || !reply_says(reply, words[i].word))
            continue;
        return words[i].means
                   ? last_error_say(words[i].status, "%s: %s", words[i].word, words[i].means)
                   : last_error_text(words[i].status, reply->text);
    }
    return reply->type == REPLY_ERROR ? last_error_text(ACCORD_E_IO, reply->text) : ACCORD_OK;
}

static bool word_is(const struct reply_node *node, const char *word)
{
    return node && node->type == REPLY_TEXT && bytes_equal(node->text, bytes_of_text(word));
}

static int read_words(const struct reply_node *reply, struct accord_result *r)
{
    const struct reply_node *state = reply_field(reply, "state");
    const struct reply_node *why = reply_field(reply, "why");

    r->state = -1;
    for (int i = ACCORD_MISS; i <= ACCORD_UNSURE; i++)
        if (word_is(state, state_word(i)))
            r->state = i;
    for (int i = ACCORD_WHY_NONE; i <= ACCORD_WHY_MAXSTALE; i++)
        if (word_is(why, why_word(i)))
            r->why = i;
    return r->state < 0 ? ACCORD_E_FORMAT : ACCORD_OK;
}

static bool number_of(const struct reply_node *reply, const char *name, uint64_t *out)
{
    return reply_u64(reply_field(reply, name), out) == ACCORD_OK;
}

int ask_answer(const struct reply_node *reply, struct answer *out)
{
    struct answer answer = {.may_load = false};
    struct accord_result *r = &answer.result;
    struct token token;
    uint64_t n;

    if (read_words(reply, r) != ACCORD_OK)
        return ACCORD_E_FORMAT;
    const struct reply_node *value = reply_field(reply, "value");
    const struct reply_node *text = reply_field(reply, "token");
    r->refresh = number_of(reply, "refresh", &n) && n > 0;
    answer.may_load = number_of(reply, "may_load", &n) && n > 0;
    (void)number_of(reply, "version", &r->version);
    (void)number_of(reply, "age_ms", &r->age_ms);
    if (!number_of(reply, "ttl_ms", &r->ttl_ms))
        r->ttl_ms = ACCORD_FOREVER; /* it says -1 */
    answer.has_token =
        text && text->type == REPLY_TEXT && token_parse(text->text, &token) == ACCORD_OK;
    if (answer.has_token)
        token_give(&token, &r->token);
    if (value && value->type == REPLY_TEXT)
        answer.value = value->text;
    r->value_bytes = answer.value.size_bytes;
    r->negative = r->state == ACCORD_NEGATIVE ||
                  (r->state == ACCORD_STALE && !(value && value->type == REPLY_TEXT));
    *out = answer;
    return ACCORD_OK;
}
