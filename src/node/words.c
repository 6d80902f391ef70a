/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* words.c - the two lines that people read first. */
#include "node/node_private.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum { NAMES_SHOWN_MAX = 16 };

uint64_t words_lag(const struct core_status *s)
{
    return u64_sub_sat(s->head, s->cursor.position);
}

static void print_lag(const struct core_status *s, char text[32])
{
    if (s->head_known)
        snprintf(text, 32, "%llu", (unsigned long long)words_lag(s));
    else
        snprintf(text, 32, "unknown");
}

static void print_clock(uint64_t wall_ms, char text[16])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;

    if (wall_ms == 0 || !localtime_r(&seconds, &tm) || strftime(text, 16, "%H:%M:%S", &tm) == 0)
        snprintf(text, 16, "start");
}

void words_status(const struct node *n, const struct core_status *s, char *line, size_t size)
{
    char lag[32], since[16], try[48] = "";
    struct bus_counts bus;

    if (s->fresh) {
        print_lag(s, lag);
        snprintf(line, size, "fresh, lease %.1f s left, lag %s", (double)s->lease_left_ns / 1e9,
                 lag);
        return;
    }
    bus_thread_count(n->bus, &bus);
    if (bus.retry_in_ms > 0)
        snprintf(try, sizeof try, "; next try in %.1f s", (double)bus.retry_in_ms / 1e3);
    print_clock(s->unsure_since_wall_ms, since);
    snprintf(line, size, "unsure since %s: %s%s; reads go to the origin", since, s->why, try);
}

void words_promises(const struct node *n, char *text, size_t size)
{
    const struct bus_caps *caps = &n->bus_ops->caps;

    snprintf(text, size, "P1 P2 P3 P4%s, %s (%s); leases rest on %s%s%s",
             caps->one_host ? " on this host only" : "",
             caps->may_lose_tail ? "while the bus keeps what it acknowledged: a lost tail is "
                                   "noticed, and caches are dropped"
                                 : "the bus keeps what it acknowledged",
             caps->durability ? caps->durability : "durability unknown",
             caps->head_linearizable ? "reads of its head" : "own beats that came back",
             n->bus_caveat ? "; " : "", n->bus_caveat ? n->bus_caveat : "");
    if (n->settings->cluster_machines.count > 0 && strlen(text) < size)
        snprintf(
            text + strlen(text), size - strlen(text),
            "; not for what ArsDigita's servers change: they flush this host once, and nobody "
            "repeats it");
    if (n->acs_peers && strlen(text) < size)
        snprintf(text + strlen(text), size - strlen(text),
                 "; not for what ArsDigita's servers (acs-peer) change or keep: they are told "
                 "of single keys, and no lease waits for them");
}

void words_start(const struct core_status *s, char *line, size_t size)
{
    if (s->warmth == WARM_COPYING)
        snprintf(line, size, "warm soon: %llu items kept so far",
                 (unsigned long long)s->inherited);
    else
        snprintf(line, size, "%s: %s",
                 s->warmth == WARM_KEPT   ? "warm"
                 : s->warmth == WARM_OPEN ? "cold so far"
                                          : "cold",
                 s->warm_why);
}

/* Appends to the line, as far as it goes. */
PRINTF_LIKE(4, 5)
static void add(char *line, size_t size, size_t *used, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int length = vsnprintf(line + *used, size - *used, format, args);
    va_end(args);
    if (length > 0)
        *used += (size_t)length < size - *used ? (size_t)length : size - *used - 1;
}

/* A restarted node is one name, though both its incarnations may still be known. */
static bool named_before(const struct node *n, size_t index)
{
    const struct core_member *m = core_member(n->core, index);

    for (size_t i = 0; i < index; i++) {
        const struct core_member *other = core_member(n->core, i);
        if (!other->silent && strcmp(other->name, m->name) == 0)
            return true;
    }
    return false;
}

void words_signing(const struct node *n, char *line, size_t size)
{
    const struct signing *s = &n->settings->keys;
    size_t used = 0;

    line[0] = '\0';
    if (s->key_count == 0)
        return;
    add(line, size, &used, "signs with key %s", s->keys[0].id);
    for (size_t i = 1; i < s->key_count; i++)
        add(line, size, &used, ", accepts %s too", s->keys[i].id);
    if (s->accept_unsigned)
        add(line, size, &used, ", and what is not signed");
    else if (n->settings->unsigned_removals > 0)
        add(line, size, &used, ", and %llu removals a second by hand",
            (unsigned long long)n->settings->unsigned_removals);
}

/* Of a restarted relay only the one that was heard last. */
static bool is_newest(const struct node *n, const struct core_member *m)
{
    for (size_t i = 0; i < core_member_count(n->core); i++) {
        const struct core_member *other = core_member(n->core, i);
        if (strcmp(other->name, m->name) == 0 && other->last_seen_ns > m->last_seen_ns)
            return false;
    }
    return true;
}

/* What a relay says that it carries: it is a member that holds no copies (`about` begins with
 * its role). NULL: it is none. */
static const char *carries(const struct core_member *m)
{
    static const char role[] = "relay ";

    return strncmp(m->about, role, sizeof role - 1) == 0 ? m->about + sizeof role - 1 : NULL;
}

void words_relays(const struct node *n, char *line, size_t size)
{
    size_t used = 0;

    line[0] = '\0';
    for (size_t i = 0; i < core_member_count(n->core); i++) {
        const struct core_member *m = core_member(n->core, i);
        if (!carries(m) || !is_newest(n, m))
            continue;
        add(line, size, &used, "%s%s %s%s", used ? " | " : "", m->name, carries(m),
            m->silent ? " SILENT: carries nothing" : "");
    }
    if (used > 0)
        add(line, size, &used,
            "; the promises hold for this bus: changes of the other come when they come");
}

static void print_no_answer(const struct node *n, const struct core_answer *a, char *line,
                            size_t size)
{
    const struct core_member *m = a->member;
    double ago_s = m ? (double)u64_sub_sat(n->now_ns, m->last_seen_ns) / 1e9 : 0;
    struct core_status status;

    core_status(n->core, n->now_ns, &status);
    if (!a->in_log)
        snprintf(line, size, "the question %s: %s",
                 a->asked > 0 ? "has not come back from the bus, so perhaps nobody was asked"
                              : "could not be given to the bus",
                 status.fresh ? "the bus is slow" : status.why);
    else if (!m)
        snprintf(line, size,
                 "no node of this name is seen on the bus: it has left or never started, has "
                 "another name (accord nodes), or is on another bus or cluster");
    else if (carries(m))
        snprintf(line, size,
                 "a relay, heard %.1f s ago: it holds no copies and answers no questions",
                 ago_s);
    else if (m->silent)
        snprintf(line, size, "silent for %.0f s: stopped, killed, or cut off from the bus",
                 ago_s);
    else if (ago_s > 2.0 * (double)status.max_stale_ns / 1e9)
        snprintf(line, size, "heard %.1f s ago, and nothing since: stopped, killed, or cut off",
                 ago_s);
    else
        snprintf(line, size,
                 "heard %.1f s ago: stopped or cut off just now, slow, or of a version that "
                 "knows no such question",
                 ago_s);
}

void words_ping(const struct node *n, const struct core_answer *a, char *line, size_t size)
{
    if (a->answered)
        snprintf(line, size, "%s", a->why ? a->why : "");
    else
        print_no_answer(n, a, line, size);
}

void node_ready_line(const struct node *n, char *line, size_t line_bytes)
{
    char names[READY_LINE_BYTES_MAX / 2] = "";
    size_t used = 0, count = 0, shown = 0;

    for (size_t i = 0; i < core_member_count(n->core); i++) {
        const struct core_member *m = core_member(n->core, i);
        if (m->silent || named_before(n, i))
            continue;
        count++;
        if (shown < NAMES_SHOWN_MAX)
            add(names, sizeof names, &used, "%s%s", shown++ ? " " : "", m->name);
    }
    snprintf(line, line_bytes, "ready: %s, %zu member%s (%s%s), %s%s", n->settings->name, count,
             count == 1 ? "" : "s", names, shown < count ? " …" : "", n->bus_public,
             n->bus_ops->caps.one_host ? ", THIS HOST ONLY" : "");
}
