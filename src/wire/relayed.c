/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "wire/relayed.h"

#include "base/hex.h"

static const char word[] = "relayed1";
enum {
    WORD_BYTES = sizeof word - 1,
    NUMBER_DIGITS = 16,
    LOG_DIGITS = 32,
    LOGS_AT = WORD_BYTES + 3 * (1 + NUMBER_DIGITS),
};
_Static_assert(LOGS_AT + RELAYED_LOGS_MAX * (1 + LOG_DIGITS) == RELAYED_TEXT_BYTES_MAX,
               "the longest fits, and nothing else");

static char *put(char *at, uint64_t number)
{
    *at++ = ' ';
    hex_print(at, number);
    return at + NUMBER_DIGITS;
}

size_t relayed_print(const struct relayed *r, char text[RELAYED_TEXT_BYTES_MAX])
{
    ASSERT(r->log_count > 0);
    ASSERT(r->log_count <= RELAYED_LOGS_MAX);
    memcpy(text, word, WORD_BYTES);
    char *at = put(put(put(text + WORD_BYTES, r->sequence), r->position), r->epoch);
    for (size_t i = 0; i < r->log_count; i++) {
        at = put(at, r->logs[i].high);
        hex_print(at, r->logs[i].low);
        at += NUMBER_DIGITS;
    }
    return (size_t)(at - text);
}

static bool take(const uint8_t **at, size_t digits, uint64_t *high, uint64_t *low)
{
    if (**at != ' ' || !hex_parse(bytes_of(*at + 1, digits), high, low))
        return false;
    *at += 1 + digits;
    return true;
}

int relayed_parse(struct bytes text, struct relayed *out)
{
    struct relayed r = {.log_count = 0};
    const uint8_t *at = text.data;

    if (text.size_bytes <= LOGS_AT || text.size_bytes > RELAYED_TEXT_BYTES_MAX ||
        (text.size_bytes - LOGS_AT) % (1 + LOG_DIGITS) != 0 ||
        memcmp(at, word, WORD_BYTES) != 0)
        return ACCORD_E_FORMAT;
    at += WORD_BYTES;
    if (!take(&at, NUMBER_DIGITS, &r.sequence, NULL) ||
        !take(&at, NUMBER_DIGITS, &r.position, NULL) ||
        !take(&at, NUMBER_DIGITS, &r.epoch, NULL))
        return ACCORD_E_FORMAT;
    for (; at < text.data + text.size_bytes; r.log_count++)
        if (!take(&at, LOG_DIGITS, &r.logs[r.log_count].high, &r.logs[r.log_count].low))
            return ACCORD_E_FORMAT;
    *out = r;
    return ACCORD_OK;
}

/* ---- one change ----------------------------------------------------------------------------
 */

static bool has_passed(const struct relayed *r, struct id128 log)
{
    for (size_t i = 0; i < r->log_count; i++)
        if (id128_equal(r->logs[i], log))
            return true;
    return false;
}

static void pass(struct relayed *r, struct id128 log)
{
    if (has_passed(r, log))
        return;
    if (r->log_count == RELAYED_LOGS_MAX) {
        memmove(&r->logs[1], &r->logs[2], (RELAYED_LOGS_MAX - 2) * sizeof r->logs[0]);
        r->log_count--;
    }
    r->logs[r->log_count++] = log;
}

/* Also of one that says falsely that it was relayed: it then began here. */
static void where_it_was(const struct relay_way *way, const struct entry *e, struct relayed *r)
{
    if (relayed_parse(change_about_text(&e->change), r) != ACCORD_OK)
        *r = (struct relayed){
            .sequence = e->change.sequence, .position = e->position, .epoch = way->from_epoch};
    pass(r, way->from);
}

static bool is_of_members(enum change_op op)
{
    return op == CHANGE_JOIN || op == CHANGE_LEAVE || op == CHANGE_BEAT;
}

/* A row of a person or a trigger is nobody's: here the relay said it. */
static void sign_for(const struct relay_way *way, struct change *c)
{
    if (c->origin.size_bytes > 0 && !id128_is_none(c->incarnation))
        return;
    c->origin = way->name;
    c->incarnation = way->incarnation;
}

bool relayed_make(const struct relay_way *way, const struct entry *e,
                  char about[RELAYED_TEXT_BYTES_MAX], struct change *out)
{
    struct change c = e->change;
    struct relayed r;

    ASSERT(!id128_equal(way->from, way->to));
    if (is_of_members(c.op))
        return false;
    where_it_was(way, e, &r);
    if (has_passed(&r, way->to))
        return false;
    if (change_problem(&c))
        c = (struct change){.op = CHANGE_CLEAR, .message = c.message, .wall_ms = c.wall_ms};
    sign_for(way, &c);
    c.sequence = 0;
    c.nonce = c.applied = c.applied_hash = c.lease_epoch = 0;
    c.about = bytes_of(about, relayed_print(&r, about));
    *out = c;
    return true;
}

void relayed_clear(const struct relay_way *way, struct id128 message, uint64_t wall_ms,
                   char about[RELAYED_TEXT_BYTES_MAX], struct change *out)
{
    struct relayed r = {.epoch = way->from_epoch};

    ASSERT(!id128_is_none(message));
    pass(&r, way->from);
    *out = (struct change){.op = CHANGE_CLEAR,
                           .message = message,
                           .wall_ms = wall_ms,
                           .origin = way->name,
                           .incarnation = way->incarnation,
                           .about = bytes_of(about, relayed_print(&r, about))};
}
