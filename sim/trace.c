/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "sim/sim.h"

#include <stdio.h>

static const char *const formats[TRACE_KINDS] = {
#define TRACE(name, format) format,
    TRACES(TRACE)
#undef TRACE
};

const char *const fault_words[FAULT_KINDS] = {
#define FAULT(name, words) words,
    FAULTS(FAULT)
#undef FAULT
};

static const char *const event_words[] = {
    [EVENT_TICK] = "tick",
    [EVENT_REQUEST] = "request",
    [EVENT_REQUESTS] = "requests",
    [EVENT_CLIENT_GONE] = "client gone",
    [EVENT_RESEND] = "resend",
    [EVENT_BUS_ATTACHED] = "attached",
    [EVENT_BUS_GONE] = "gone",
    [EVENT_BUS_LOST] = "lost",
    [EVENT_BUS_ENTRIES] = "entries",
    [EVENT_BUS_HEAD] = "head",
    [EVENT_BUS_PUBLISHED] = "published",
    [EVENT_INHERIT] = "inherit",
    [EVENT_CLOCK_BROKEN] = "clock broken",
};

void trace_begin(struct trace *t)
{
    t->hash = 0xcbf29ce484222325ull;
    t->count = 0;
}

static void fold(struct trace *t, uint64_t word)
{
    t->hash = (t->hash ^ word) * 0x9e3779b97f4a7c15ull;
    t->hash ^= t->hash >> 29;
}

static void put_numbers(const struct trace_event *e, char *text, size_t size)
{
    uint64_t numbers[] = {e->a, e->b, 0};
    size_t next = 0, at = 0;

    for (const char *f = formats[e->kind]; *f && at + 24 < size; f++) {
        if (*f == '#')
            at += (size_t)snprintf(text + at, size - at, "%llu",
                                   (unsigned long long)numbers[next < 2 ? next : 2]),
                next++;
        else
            text[at++] = *f;
    }
    text[at] = '\0';
}

/* Numbers that stand for words are told as words. */
static void tell(const struct trace_event *e, char *text, size_t size)
{
    if (e->kind == TRACE_FAULT && e->a < FAULT_KINDS)
        snprintf(text, size, "FAULT %s (%llu)", fault_words[e->a], (unsigned long long)e->b);
    else if (e->kind == TRACE_NOTE)
        snprintf(text, size, "says \"%s\", number %llu", core_note_word((enum core_note)e->a),
                 (unsigned long long)e->b);
    else if (e->kind == TRACE_READ)
        snprintf(text, size, "read: %s, version %llu", state_word((int)e->a),
                 (unsigned long long)e->b);
    else if (e->kind == TRACE_TAKEN)
        snprintf(text, size, "the bus took a %s at %llu", change_op_word((enum change_op)e->a),
                 (unsigned long long)e->b);
    else if (e->kind == TRACE_STEP && e->a < COUNT_OF(event_words))
        snprintf(text, size, "step: %s, effects %llu", event_words[e->a],
                 (unsigned long long)e->b);
    else
        put_numbers(e, text, size);
}

void trace_name(const struct sim *s, const struct trace_event *e, char text[256])
{
    char what[160], host[24] = "-", key[24] = "";

    tell(e, what, sizeof what);
    if (e->host != NO_HOST)
        snprintf(host, sizeof host, "%u %s", e->host, s->hosts[e->host].name);
    if (e->key != NO_KEY)
        snprintf(key, sizeof key, " %s", key_names[e->key]);
    snprintf(text, 256, "%12llu.%03llu us  %-10s %s%s", (unsigned long long)(e->at_ns / 1000),
             (unsigned long long)(e->at_ns % 1000), host, what, key);
}

void trace(struct sim *s, enum trace_kind kind, size_t host, size_t key, uint64_t a, uint64_t b)
{
    struct trace *t = &s->trace;
    struct trace_event *e = &t->events[t->count++ % TRACE_MAX];

    *e = (struct trace_event){.at_ns = s->now_ns,
                              .a = a,
                              .b = b,
                              .kind = (uint8_t)kind,
                              .host = (uint8_t)host,
                              .key = (uint8_t)key};
    fold(t, s->now_ns);
    fold(t, a);
    fold(t, b);
    fold(t, (uint64_t)kind << 16 | (uint64_t)e->host << 8 | e->key);
    if (t->print) {
        char text[256];
        trace_name(s, e, text);
        puts(text);
    }
}

void trace_tell(const struct sim *s, size_t most)
{
    const struct trace *t = &s->trace;
    uint64_t kept = t->count < TRACE_MAX ? t->count : TRACE_MAX;
    uint64_t from = t->count - (kept < most ? kept : most);
    char text[256];

    for (uint64_t i = from; i < t->count; i++) {
        trace_name(s, &t->events[i % TRACE_MAX], text);
        printf("    %s\n", text);
    }
}
