/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/replay.h"

void replay_begin(struct replay *r, uint64_t after, uint64_t head)
{
    r->seen_to = r->writers_floor = r->messages_floor = after;
    r->head = head;
    r->writer_count = r->message_count = r->refused_count = 0;
}

static enum trust judged_before(const struct replay *r, uint64_t position)
{
    for (size_t i = 0; i < REPLAY_REFUSED_MAX && i < r->refused_count; i++)
        if (r->refused[i].position == position)
            return r->refused[i].trust;
    return TRUST_FULL;
}

static struct replay_writer *find(struct replay *r, struct id128 incarnation)
{
    for (size_t i = 0; i < r->writer_count; i++)
        if (id128_equal(r->writers[i].incarnation, incarnation))
            return &r->writers[i];
    return NULL;
}

/* A place for one more; of many, that of whoever was not heard for longest. */
static struct replay_writer *new_writer(struct replay *r)
{
    struct replay_writer *oldest = &r->writers[0];

    if (r->writer_count < REPLAY_WRITERS_MAX)
        return &r->writers[r->writer_count++];
    for (size_t i = 1; i < REPLAY_WRITERS_MAX; i++)
        if (r->writers[i].position < oldest->position)
            oldest = &r->writers[i];
    r->writers_floor = u64_max(r->writers_floor, oldest->position);
    return oldest;
}

/* Its first saying lies behind what is remembered. In what was there when reading began,
 * nothing can do harm: see replay.h. */
static bool is_of_before(const struct replay *r, uint64_t position, uint64_t read_to,
                         uint64_t floor)
{
    return position > r->head && read_to < floor;
}

static enum trust judge_numbered(struct replay *r, uint64_t position, const struct change *c,
                                 uint64_t read_to)
{
    struct replay_writer *w = find(r, c->incarnation);

    if (w && c->sequence <= w->sequence)
        return TRUST_REPLAYED;
    if (!w && is_of_before(r, position, read_to, r->writers_floor))
        return TRUST_LATE;
    if (!w)
        w = new_writer(r);
    *w = (struct replay_writer){c->incarnation, c->sequence, position};
    return TRUST_FULL;
}

static enum trust judge_message(struct replay *r, uint64_t position, const struct change *c,
                                uint64_t read_to)
{
    struct replay_message *m = &r->messages[r->message_count % REPLAY_MESSAGES_MAX];

    for (size_t i = 0; i < REPLAY_MESSAGES_MAX && i < r->message_count; i++)
        if (id128_equal(r->messages[i].message, c->message))
            return TRUST_REPLAYED;
    if (is_of_before(r, position, read_to, r->messages_floor))
        return TRUST_LATE;
    if (r->message_count >= REPLAY_MESSAGES_MAX)
        r->messages_floor = u64_max(r->messages_floor, m->position);
    *m = (struct replay_message){c->message, position};
    r->message_count++;
    return TRUST_FULL;
}

enum trust replay_judge(struct replay *r, uint64_t position, const struct change *c,
                        uint64_t read_to)
{
    if (position <= r->seen_to)
        return judged_before(r, position);
    r->seen_to = position;
    enum trust trust = c->sequence > 0 ? judge_numbered(r, position, c, read_to)
                                       : judge_message(r, position, c, read_to);
    if (trust != TRUST_FULL) {
        size_t at = r->refused_count++ % REPLAY_REFUSED_MAX;
        r->refused[at].position = position;
        r->refused[at].trust = trust;
    }
    return trust;
}
