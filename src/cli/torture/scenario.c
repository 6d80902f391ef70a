/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/scenario.h"

#include "node/settings.h"

#include <stdio.h>

#define STEP "TIME FAULT WHOM [in N calls] [by TIME] [for TIME]"

enum { WORDS_MAX = 9, LINE_BYTES_MAX = 200, NUMBER_MAX = 1000 };

#define BY_NS_MAX (1000 * 3600 * NS_PER_S)

struct line {
    unsigned number;
    size_t count;
    char *words[WORDS_MAX];
    char text[LINE_BYTES_MAX];
    char *why;
};

static const struct {
    const char *verb, *whom, *flag;
} faults[] = {
#define FAULT(name, verb, whom, flag) {verb, whom, flag},
    SCENARIO_FAULTS(FAULT)
#undef FAULT
};

static int expected(const struct line *l, const char *what)
{
    snprintf(l->why, SCENARIO_WHY_BYTES_MAX, "line %u: expected %s", l->number, what);
    return ACCORD_E_INVALID;
}

/* Takes the next line of *text apart; false: there is none. */
static bool next_line(struct line *l, const char **text, int *status)
{
    size_t bytes = strcspn(*text, "\n");

    if (!**text)
        return false;
    l->number++;
    l->count = 0;
    if (bytes >= sizeof l->text) {
        *status = expected(l, "at most 199 bytes");
        return true;
    }
    memcpy(l->text, *text, bytes);
    l->text[bytes] = 0;
    *text += bytes + ((*text)[bytes] == '\n');
    l->text[strcspn(l->text, "#")] = 0;
    for (char *at = l->text; *(at += strspn(at, " \t\r"));) {
        if (l->count == WORDS_MAX) {
            *status = expected(l, "fewer words");
            return true;
        }
        l->words[l->count++] = at;
        at += strcspn(at, " \t\r");
        if (*at)
            *at++ = 0;
    }
    return true;
}

/* A whole number of at most NUMBER_MAX. */
static bool parse_number(const char *word, uint64_t *out)
{
    uint64_t number = 0;

    if (!*word)
        return false;
    for (; *word; word++) {
        if (*word < '0' || *word > '9' || number > NUMBER_MAX)
            return false;
        number = number * 10 + (uint64_t)(*word - '0');
    }
    *out = number;
    return number <= NUMBER_MAX;
}

/* "1.5L", or a duration as the settings know it: of which "2.5s" is read as "2.5" of a second,
 * since a scenario is timed in parts of one. */
static bool parse_time(const char *word, uint64_t l_ns, uint64_t *out)
{
    uint64_t whole = 0, part = 0, unit = 0, tenth = 1;

    if (settings_parse_duration(word, out) == ACCORD_OK)
        return true;
    for (; *word >= '0' && *word <= '9' && whole <= NUMBER_MAX; word++)
        whole = whole * 10 + (uint64_t)(*word - '0');
    if (*word == '.')
        for (word++; *word >= '0' && *word <= '9' && tenth < 1000; word++, tenth *= 10)
            part = part * 10 + (uint64_t)(*word - '0');
    if (strcmp(word, "L") == 0)
        unit = l_ns;
    else if (strcmp(word, "s") == 0)
        unit = NS_PER_S;
    *out = whole * unit + part * unit / tenth;
    return unit > 0 && whole <= NUMBER_MAX;
}

static int parse_head(struct scenario *s, const struct line *l)
{
    const struct {
        const char *name;
        uint64_t *field;
    } numbers[] = {{"nodes", &s->nodes}, {"readers", &s->readers}, {"seconds", &s->seconds}};

    if (l->count != 2)
        return expected(l, "a name and a value, or: at " STEP);
    if (strcmp(l->words[0], "max-stale") == 0)
        return parse_time(l->words[1], 0, &s->max_stale_ns) && s->max_stale_ns > 0
                   ? ACCORD_OK
                   : expected(l, "a time such as 1s");
    for (size_t i = 0; i < COUNT_OF(numbers); i++)
        if (strcmp(l->words[0], numbers[i].name) == 0)
            return parse_number(l->words[1], numbers[i].field) && *numbers[i].field > 0
                       ? ACCORD_OK
                       : expected(l, "a number from 1 to 1000");
    return expected(l, "nodes, readers, seconds, max-stale or at");
}

/* "web3", "reader3": from 1 in the text, from 0 in the step. */
static bool parse_whom(const char *word, const char *whom, uint32_t *who)
{
    size_t bytes = strlen(whom);
    uint64_t number = 1;

    if (strncmp(word, whom, bytes) != 0)
        return false;
    bool is_bus = strcmp(whom, "bus") == 0;
    if (is_bus ? word[bytes] != 0 : !parse_number(word + bytes, &number) || number == 0)
        return false;
    *who = (uint32_t)number - 1;
    return true;
}

static int parse_fault(const struct line *l, struct scenario_step *step)
{
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        if (strcmp(l->words[2], faults[i].verb) != 0 ||
            !parse_whom(l->words[3], faults[i].whom, &step->who))
            continue;
        step->fault = (enum scenario_fault)i;
        return ACCORD_OK;
    }
    return expected(l, "kill, end, stop, start, fill, turn webN; kill, stop, shift readerN; "
                       "lock, move, restore bus");
}

static bool needs_time(enum scenario_fault fault)
{
    return fault == SCENARIO_STOP || fault == SCENARIO_READER_STOP ||
           fault == SCENARIO_BUS_LOCK || fault == SCENARIO_BUS_MOVE || fault == SCENARIO_FILL;
}

static bool is_of_clock(enum scenario_fault fault)
{
    return fault == SCENARIO_TURN || fault == SCENARIO_READER_SHIFT;
}

/* "in 40 calls". */
static int parse_calls(const struct line *l, size_t at, struct scenario_step *step)
{
    uint64_t calls = 0;

    if (step->fault != SCENARIO_KILL)
        return expected(l, "\"in N calls\" with kill webN only");
    if (at + 2 >= l->count || !parse_number(l->words[at + 1], &calls) || calls == 0 ||
        strcmp(l->words[at + 2], "calls") != 0)
        return expected(l, "\"in\", a number from 1 to 1000, \"calls\"");
    step->calls = (uint32_t)calls;
    return ACCORD_OK;
}

/* "by -1h". */
static int parse_by(const struct line *l, size_t at, struct scenario_step *step)
{
    uint64_t by_ns = 0;

    if (!is_of_clock(step->fault))
        return expected(l, "\"by TIME\" with turn webN and shift readerN only");
    const char *word = at + 1 < l->count ? l->words[at + 1] : "";
    bool back = *word == '-';
    if (!parse_time(word + back, 0, &by_ns) || by_ns == 0 || by_ns > BY_NS_MAX)
        return expected(l, "\"by\" and a time from 1ms to 1000h such as 1h or -1h");
    step->by_ns = back ? -(int64_t)by_ns : (int64_t)by_ns;
    return ACCORD_OK;
}

/* "for 1.1L". */
static int parse_for(const struct scenario *s, const struct line *l, size_t at,
                     struct scenario_step *step)
{
    if (step->fault == SCENARIO_READER_SHIFT)
        return expected(l, "no \"for\" with shift readerN: it is for good");
    if (at + 1 >= l->count || !parse_time(l->words[at + 1], s->max_stale_ns, &step->for_ns))
        return expected(l, "\"for\" and a time such as 300ms or 1.1L");
    return ACCORD_OK;
}

/* What follows the fault, each part at most once and in this order. */
static int parse_rest(const struct scenario *s, const struct line *l,
                      struct scenario_step *step)
{
    size_t at = 4;
    int status = ACCORD_OK;

    if (at < l->count && strcmp(l->words[at], "in") == 0) {
        status = parse_calls(l, at, step);
        at += 3;
    }
    if (status == ACCORD_OK && at < l->count && strcmp(l->words[at], "by") == 0) {
        status = parse_by(l, at, step);
        at += 2;
    }
    if (status == ACCORD_OK && at < l->count && strcmp(l->words[at], "for") == 0) {
        status = parse_for(s, l, at, step);
        at += 2;
    }
    if (status == ACCORD_OK && at != l->count)
        return expected(l, "at " STEP);
    if (status == ACCORD_OK && step->for_ns == UINT64_MAX && needs_time(step->fault))
        return expected(l, "\"for\" and a time: how long");
    if (status == ACCORD_OK && step->by_ns == 0 && is_of_clock(step->fault))
        return expected(l, "\"by\" and a time: how wrong its clock is");
    return status;
}

static int parse_step(struct scenario *s, const struct line *l)
{
    struct scenario_step step = {.for_ns = UINT64_MAX, .line = l->number};

    if (l->count < 4)
        return expected(l, "at " STEP);
    if (!parse_time(l->words[1], s->max_stale_ns, &step.at_ns))
        return expected(l, "a time such as 2.5s, 300ms or 1.1L after \"at\"");
    int status = parse_fault(l, &step);
    if (status == ACCORD_OK)
        status = parse_rest(s, l, &step);
    if (status != ACCORD_OK)
        return status;
    if (s->count == SCENARIO_STEPS_MAX)
        return expected(l, "at most 512 steps");

    size_t at = s->count++;
    for (; at > 0 && s->steps[at - 1].at_ns > step.at_ns; at--)
        s->steps[at] = s->steps[at - 1];
    s->steps[at] = step;
    return ACCORD_OK;
}

int scenario_parse(struct scenario *s, const char *text, char why[SCENARIO_WHY_BYTES_MAX])
{
    struct line l = {.why = why};
    int status = ACCORD_OK;

    while (status == ACCORD_OK && next_line(&l, &text, &status)) {
        if (status != ACCORD_OK || l.count == 0)
            continue;
        if (strcmp(l.words[0], "at") == 0)
            status = parse_step(s, &l);
        else if (s->count > 0)
            status = expected(&l, "at: the numbers come before the first step");
        else
            status = parse_head(s, &l);
    }
    return status;
}

bool scenario_is_of_reader(enum scenario_fault fault)
{
    return strcmp(faults[fault].whom, "reader") == 0;
}

bool scenario_is_of_bus(enum scenario_fault fault)
{
    return strcmp(faults[fault].whom, "bus") == 0;
}

void scenario_step_text(const struct scenario_step *step, char *text, size_t text_bytes)
{
    const char *verb = faults[step->fault].verb, *whom = faults[step->fault].whom;
    uint64_t by_ns = (uint64_t)(step->by_ns < 0 ? -step->by_ns : step->by_ns);
    char by[32];

    if (scenario_is_of_bus(step->fault)) {
        snprintf(text, text_bytes, "%s bus", verb);
    } else if (step->calls > 0) {
        snprintf(text, text_bytes, "%s %s%u in %u calls", verb, whom, step->who + 1,
                 step->calls);
    } else if (by_ns > 0) {
        settings_print_duration(by_ns, by);
        snprintf(text, text_bytes, "%s %s%u by %s%s", verb, whom, step->who + 1,
                 step->by_ns < 0 ? "-" : "", by);
    } else {
        snprintf(text, text_bytes, "%s %s%u", verb, whom, step->who + 1);
    }
}

const char *scenario_fault_flag(enum scenario_fault fault)
{
    return faults[fault].flag;
}
