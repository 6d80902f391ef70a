/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* watch.c - every change that the daemon applies, as it applies it; and the line that says how
 * it is doing. */
#include "client/change.h"
#include "client/last_error.h"

#include <stdio.h>
#include <stdlib.h>

struct accord_watch {
    struct accord *a;
    struct seat *seat;
    bool broken;
    char daemon[WATCH_MARK_BYTES_MAX]; /* the incarnation; "": it said none */
    uint64_t told;                     /* cold-boots and warms, by it */
    char origin[NODE_NAME_BYTES_MAX + 1];
};

/* ---- what was told before the daemon went away -------------------------------------------
 *
 * Watches of one handle that break leave their mark in it; as many that begin anew take it. The
 * daemon then tells what they missed: that its cache began empty, or was kept. */

static void leave_mark(struct accord_watch *w)
{
    if (w->broken || !w->daemon[0])
        return;
    w->broken = true;
    pthread_mutex_lock(&w->a->lock);
    snprintf(w->a->watch_mark, sizeof w->a->watch_mark, "%.32s.%llu", w->daemon,
             (unsigned long long)w->told);
    w->a->watches_broken++;
    pthread_mutex_unlock(&w->a->lock);
}

static void copy_mark(struct accord *a, char mark[WATCH_MARK_BYTES_MAX])
{
    pthread_mutex_lock(&a->lock);
    memcpy(mark, a->watch_mark, WATCH_MARK_BYTES_MAX);
    if (a->watches_broken == 0)
        mark[0] = 0;
    pthread_mutex_unlock(&a->lock);
}

static void mark_was_taken(struct accord *a)
{
    pthread_mutex_lock(&a->lock);
    a->watches_broken -= a->watches_broken > 0;
    pthread_mutex_unlock(&a->lock);
}

/* "INCARNATION.N", the fourth of the reply. */
static void read_mark(struct accord_watch *w, const struct reply_node *reply)
{
    char text[WATCH_MARK_BYTES_MAX];

    if (reply->type != REPLY_LIST || reply->count < 4 || reply->next < 5 ||
        reply[4].type != REPLY_TEXT || reply[4].text.size_bytes >= sizeof text)
        return;
    memcpy(text, reply[4].text.data, reply[4].text.size_bytes);
    text[reply[4].text.size_bytes] = 0;
    char *dot = strchr(text, '.');
    if (!dot)
        return;
    *dot = 0;
    memcpy(w->daemon, text, sizeof text);
    w->told = strtoull(dot + 1, NULL, 10);
}

static int begin(struct accord_watch *w, const char *pattern)
{
    char mark[WATCH_MARK_BYTES_MAX];
    struct bytes args[] = {
        bytes_of_text("ACCORD.WATCH"), bytes_of_text(pattern), bytes_of_text("SINCE"), {0}};
    uint64_t deadline_ns = ask_deadline_ns(w->a, 0);
    const struct reply_node *reply;
    int status = seat_take_plain(w->a, deadline_ns, &w->seat);

    copy_mark(w->a, mark);
    args[3] = bytes_of_text(mark);
    if (status == ACCORD_OK)
        status = seat_ask(w->a, w->seat, args, COUNT_OF(args), deadline_ns, &reply);
    if (status != ACCORD_OK)
        return hang_say(w->a, status);
    status = ask_status(reply);
    if (status != ACCORD_OK)
        return status;
    if (mark[0])
        mark_was_taken(w->a);
    read_mark(w, reply);
    return ACCORD_OK;
}

int accord_watch(struct accord *a, const char *pattern, struct accord_watch **out)
{
    if (!a || !out || (pattern && strlen(pattern) > KEY_BYTES_MAX))
        return last_error_invalid(!a || !out);
    struct accord_watch *w = calloc(1, sizeof *w);
    if (!w)
        return last_error(ACCORD_E_NOMEM, "");
    w->a = a;
    int status = begin(w, pattern ? pattern : "*");
    if (status != ACCORD_OK) {
        accord_watch_close(w);
        return status;
    }
    *out = w;
    return ACCORD_OK;
}

void accord_watch_close(struct accord_watch *w)
{
    if (!w)
        return;
    seat_drop(w->a, w->seat);
    free(w);
}

/* What is said of the cache, not of a change; NULL: another word. */
static const char *word_of_cache(const struct reply_node *node)
{
    static const char *const words[] = {"drop", "cold-boot", "warm"};

    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (bytes_equal(node->text, bytes_of_text(words[i])))
            return words[i];
    return NULL;
}

/* "accord.change", op, key, origin, soft, position. false: it is another message. */
static bool read_change(struct accord_watch *w, const struct reply_node *nodes,
                        struct accord_change *out)
{
    struct position position;
    enum change_op op = CHANGE_CLEAR;
    uint64_t soft = 0;

    if ((nodes[0].type != REPLY_LIST && nodes[0].type != REPLY_PUSH) || nodes[0].count < 6 ||
        nodes[0].next < 7 || !reply_says(&nodes[1], "accord.change"))
        return false;
    for (size_t i = 1; i <= 6; i++)
        if (nodes[i].count > 0 || (i != 5 && nodes[i].type != REPLY_TEXT))
            return false;
    const char *word = word_of_cache(&nodes[2]);
    if ((!word && change_op_parse(nodes[2].text, &op) != ACCORD_OK) ||
        reply_u64(&nodes[5], &soft) != ACCORD_OK ||
        position_parse(nodes[6].text, &position) != ACCORD_OK)
        return false;
    snprintf(w->origin, sizeof w->origin, "%.*s", (int)u64_min(nodes[4].text.size_bytes, 64),
             (const char *)nodes[4].text.data);
    w->told += word && strcmp(word, "drop") != 0;
    *out = (struct accord_change){
        .op = word ? word : change_op_word(op),
        .key = nodes[3].text.data,
        .key_bytes = nodes[3].text.size_bytes,
        .origin = w->origin,
        .soft = soft > 0,
        .position = {.epoch = position.epoch, .value = position.value},
    };
    return true;
}

int accord_watch_next(struct accord_watch *w, uint64_t timeout_ms, struct accord_change *out)
{
    const struct reply_node *nodes;

    if (!w || !out)
        return last_error_invalid(true);
    uint64_t deadline_ns = u64_add_sat(monotonic_ns(), ns_of_ms(timeout_ms));
    for (;;) {
        int status = link_receive(&w->seat->link, deadline_ns, &nodes);
        if (status == ACCORD_E_TIMEOUT)
            return last_error_say(status, "no change came within %llu ms",
                                  (unsigned long long)timeout_ms);
        if (status != ACCORD_OK) {
            leave_mark(w);
            return last_error(ACCORD_E_DOWN, w->a->path);
        }
        hang_heard(w->a);
        if (read_change(w, nodes, out))
            return ACCORD_OK;
    }
}

/* ---- status ---- */

int accord_status(struct accord *a, char *text, size_t text_bytes)
{
    struct bytes args[] = {bytes_of_text("ACCORD.STATUS")};
    const struct reply_node *reply;
    struct seat *s;

    if (!a || !text || text_bytes == 0)
        return last_error_invalid(true);
    int status = ask(a, args, COUNT_OF(args), ask_deadline_ns(a, 0), &s, &reply);
    if (status != ACCORD_OK)
        return status;
    status = ask_status(reply);
    const struct reply_node *line = reply_field(reply, "line");
    if (status == ACCORD_OK && (!line || line->type != REPLY_TEXT))
        status = ACCORD_E_FORMAT;
    if (status == ACCORD_OK) {
        size_t size = u64_min(line->text.size_bytes, text_bytes - 1);
        if (size > 0)
            memcpy(text, line->text.data, size);
        text[size] = 0;
    }
    seat_give(a, s);
    return status;
}
