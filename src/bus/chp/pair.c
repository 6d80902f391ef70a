/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/chp/pair.h"

#include "net/time.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* "-" begins no cluster's name. */
#define PAIR_TREE   TALK_TREE "-/"
#define PAIR_SAID   PAIR_TREE "said"
#define PAIR_ANSWER PAIR_TREE "answer"

/* What each says to the other, and what it answers. */
struct pair_message {
    bool primary;
    uint64_t id;
    enum pair_state state;
    uint64_t term, alone;
    uint64_t ping;            /* 0: none; in the answer the same */
    uint64_t session, number; /* number 0: no copy; in the answer: it was not taken */
    struct bytes servers;
    struct bytes packed;
};

static uint64_t random_u64(void)
{
    uint64_t n = 0;

    while (n == 0)
        ASSERT(getrandom(&n, sizeof n, 0) == sizeof n);
    return n;
}

static uint64_t now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

static void note(struct pair *p, const char *what)
{
    p->host->noted(p->host->context, what);
}

/* ---- life ----------------------------------------------------------------------------- */

int pair_init(struct pair *p, const struct hub_host *host, struct hub_logs *logs,
              const struct hub_pair *as)
{
    *p = (struct pair){.host = host,
                       .logs = logs,
                       .primary = as->primary,
                       .servers = as->servers,
                       .id = random_u64()};
    pair_held_init(&p->held);
    p->packed = malloc(HUB_COPY_BYTES_MAX);
    return p->packed ? ACCORD_OK : ACCORD_E_NOMEM;
}

void pair_done(struct pair *p)
{
    pair_held_drop(&p->held);
    free(p->packed);
}

bool pair_takes(struct bytes key)
{
    return chp_is_below(bytes_of_text(PAIR_TREE), key);
}

const char *pair_text(const struct pair *p)
{
    static const char *const active[] = {[PAIR_LOST] = "active, alone",
                                         [PAIR_JOINING] = "active, the other is catching up",
                                         [PAIR_WHOLE] = "active, the other has all"};

    if (p->state == PAIR_ACTIVE)
        return active[p->other];
    return p->state == PAIR_PASSIVE ? "passive" : "waiting for the other, or for a node";
}

/* ---- words ---------------------------------------------------------------------------- */

static struct pair_message message_of(const struct pair *p)
{
    return (struct pair_message){.primary = p->primary,
                                 .id = p->id,
                                 .state = p->state,
                                 .term = p->term,
                                 .alone = p->alone,
                                 .servers = bytes_of_text(p->servers)};
}

static size_t properties_print(const struct pair_message *m,
                               char text[TALK_PROPERTIES_BYTES_MAX])
{
    int used = snprintf(
        text, TALK_PROPERTIES_BYTES_MAX,
        "servers=%.*s\nprimary=%d\nid=%" PRIu64 "\nstate=%d\nterm=%" PRIu64 "\nalone=%" PRIu64
        "\nping=%" PRIu64 "\nsession=%" PRIu64 "\nnumber=%" PRIu64 "\n",
        (int)m->servers.size_bytes, (const char *)m->servers.data, m->primary, m->id,
        (int)m->state, m->term, m->alone, m->ping, m->session, m->number);

    ASSERT(used > 0 && used < TALK_PROPERTIES_BYTES_MAX);
    return (size_t)used;
}

/* To one client of ours; to the other server where that is NULL. False: not sent. */
static bool send_message(struct pair *p, const struct bytes *client,
                         const struct pair_message *m)
{
    char properties[TALK_PROPERTIES_BYTES_MAX];
    uint8_t sequence[CHP_SEQUENCE_BYTES];
    struct bytes frames[CHP_FRAMES];
    struct chp_message out = {.key = bytes_of_text(client ? PAIR_ANSWER : PAIR_SAID),
                              .properties = bytes_of(properties, 0),
                              .value = m->packed};

    out.properties.size_bytes = properties_print(m, properties);
    chp_frames(&out, sequence, frames);
    if (!client)
        return p->host->say(p->host->context, frames, CHP_FRAMES);
    return p->host->send(p->host->context, *client, frames, CHP_FRAMES) == ACCORD_OK;
}

static bool parse(const struct bytes *frames, size_t count, struct pair_message *out)
{
    struct chp_message m;
    uint64_t primary, state;
    const char *why;

    *out = (struct pair_message){.primary = false};
    if (chp_parse_long(frames, count, SIZE_MAX, &m, &why) != ACCORD_OK ||
        !chp_property(m.properties, "servers", &out->servers) ||
        !talk_number(m.properties, "primary", &primary) ||
        !talk_number(m.properties, "id", &out->id) ||
        !talk_number(m.properties, "state", &state) || state > PAIR_PASSIVE ||
        !talk_number(m.properties, "term", &out->term) ||
        !talk_number(m.properties, "alone", &out->alone) ||
        !talk_number(m.properties, "ping", &out->ping) ||
        !talk_number(m.properties, "session", &out->session) ||
        !talk_number(m.properties, "number", &out->number))
        return false;
    out->primary = primary != 0;
    out->state = (enum pair_state)state;
    out->packed = m.value;
    return true;
}

/* Once, and again after the right one was heard. */
static bool is_the_other(struct pair *p, const struct pair_message *m)
{
    bool is = m->primary != p->primary && bytes_equal(m->servers, bytes_of_text(p->servers));

    if (!is && !p->complained)
        p->host->refused(p->host->context,
                         "another server of a pair says that it is with this one, and is not: "
                         "both need --bus with the same two servers in the same order, and "
                         "each --listen with one of them",
                         m->servers);
    p->complained = !is;
    return is;
}

/* ---- what it becomes ------------------------------------------------------------------ */

static void renew_logs(struct pair *p)
{
    for (size_t i = 0; i < p->logs->count; i++)
        hub_log_renew(p->logs->log[i]);
}

static void lose_the_other(struct pair *p)
{
    p->other = PAIR_LOST;
    p->alone = random_u64();
    pair_held_release(&p->held, p->host, UINT64_MAX);
}

static void begin_session(struct pair *p)
{
    p->other = PAIR_JOINING;
    p->session = random_u64();
    p->sent = p->confirmed = 0;
    p->sent_all = false;
    p->waited = 0;
    hub_copy_begin(p->logs);
}

void pair_begin_anew(struct pair *p)
{
    if (p->state != PAIR_ACTIVE || p->other == PAIR_LOST)
        return;
    begin_session(p);
    pair_held_wait(&p->held, /* turn= */ 1);
}

static void become_active(struct pair *p, const char *why)
{
    p->state = PAIR_ACTIVE;
    p->term++;
    p->alone = p->rival = 0;
    p->takeovers++;
    renew_logs(p);
    note(p, why);
    if (p->silent >= PAIR_TICKS)
        lose_the_other(p);
    else
        begin_session(p);
}

static void become_passive(struct pair *p, const char *why)
{
    if (p->state == PAIR_PASSIVE)
        return;
    pair_held_drop(&p->held);
    p->state = PAIR_PASSIVE;
    p->followed = p->taken = 0;
    note(p, why);
}

/* Two that were active at once answered each on its own: what one of them removed, the nodes of
 * the other do not know. */
static void note_rival(struct pair *p, const struct pair_message *m)
{
    uint64_t alone = m->alone ? m->alone : p->rival;

    if (m->state == PAIR_ACTIVE) {
        p->rival = alone;
        return;
    }
    if (alone == 0 || alone == p->counted)
        return;
    p->counted = alone;
    p->rival = 0;
    renew_logs(p);
    pair_begin_anew(p);
    note(p, "both servers were active, for they did not hear each other; this one remains, and "
            "every cache begins anew");
}

static bool is_before(const struct pair *p, const struct pair_message *m)
{
    return m->term != p->term ? p->term > m->term : p->primary;
}

/* Whatever it says, and whenever it said it. */
static void hear(struct pair *p, const struct pair_message *m)
{
    p->silent = 0;
    if (p->state == PAIR_ACTIVE) {
        note_rival(p, m);
        if (m->state == PAIR_ACTIVE && !is_before(p, m))
            become_passive(p, "the other server took over; this one yields");
    }
    if (p->state != PAIR_ACTIVE)
        p->term = u64_max(p->term, m->term);
}

/* What it says now. */
static void decide(struct pair *p, const struct pair_message *m)
{
    if (p->state == PAIR_ACTIVE) {
        if (m->state != PAIR_ACTIVE && p->other == PAIR_LOST) {
            begin_session(p);
            note(p, "the other server is there again, and catches up");
        }
        return;
    }
    if (m->state == PAIR_ACTIVE)
        become_passive(p, "the other server is active; this one follows");
    else if (p->state == PAIR_WAITING && m->state == PAIR_WAITING && p->primary)
        become_active(p, "active: both servers have just begun");
    else if (p->state == PAIR_PASSIVE && m->state == PAIR_WAITING)
        become_active(p, "takes over: the other server was started again");
    else if (p->state == PAIR_PASSIVE && m->state == PAIR_PASSIVE && is_before(p, m))
        become_active(p, "takes over: the other server is passive too");
}

bool pair_is_asked(struct pair *p)
{
    if (p->state != PAIR_ACTIVE && p->silent >= PAIR_TICKS)
        become_active(p, p->state == PAIR_PASSIVE
                             ? "takes over: the other server is silent, and a node asks here"
                             : "active, alone: the other server is not there, and a node asks");
    return p->state == PAIR_ACTIVE;
}

/* ---- the copy ------------------------------------------------------------------------- */

int pair_say(struct pair *p, struct bytes client, const struct bytes *frames, size_t count)
{
    ASSERT(p->state == PAIR_ACTIVE);
    if (p->other != PAIR_LOST)
        return pair_held_add(&p->held, client, frames, count, p->sent + 1, p->ticks);
    if (client.size_bytes > 0)
        return p->host->send(p->host->context, client, frames, count);
    p->host->publish(p->host->context, frames, count);
    return ACCORD_OK;
}

/* What does not arrive is sent again with the next tick. */
static void send_copy(struct pair *p)
{
    struct pair_message m = message_of(p);

    m.packed = bytes_of(p->packed, p->packed_bytes);
    m.session = p->session;
    m.number = p->sent;
    (void)send_message(p, NULL, &m);
}

void pair_go_on(struct pair *p)
{
    if (p->state != PAIR_ACTIVE || p->other == PAIR_LOST || p->sent != p->confirmed)
        return;
    if (p->other == PAIR_WHOLE && pair_held_since(&p->held) == UINT64_MAX &&
        hub_copy_is_whole(p->logs))
        return;
    p->packed_bytes = hub_copy_pack(p->logs, p->packed, now_ms());
    p->sent_all = hub_copy_is_whole(p->logs);
    p->sent++;
    p->waited = 0;
    send_copy(p);
}

static void confirm(struct pair *p)
{
    p->confirmed = p->sent;
    p->waited = 0;
    if (p->sent_all && p->other == PAIR_JOINING) {
        p->other = PAIR_WHOLE;
        p->alone = 0;
        note(p, "the other server has all that this one has");
    }
    if (p->sent_all || p->other == PAIR_JOINING)
        pair_held_release(&p->held, p->host, p->sent);
    pair_go_on(p);
}

void pair_answered(struct pair *p, const struct bytes *frames, size_t count)
{
    struct pair_message m;

    if (!parse(frames, count, &m) || !is_the_other(p, &m))
        return;
    hear(p, &m);
    if (m.ping > 0 && m.ping == p->ping && now_ms() - p->ping_ms <= PAIR_REPLY_MS)
        decide(p, &m);
    bool is_of_copy = p->state == PAIR_ACTIVE && p->other != PAIR_LOST && m.ping == 0 &&
                      m.session == p->session && p->sent != p->confirmed;
    if (is_of_copy && m.number == p->sent)
        confirm(p);
    else if (is_of_copy && m.number == 0 && m.state != PAIR_ACTIVE)
        lose_the_other(p); /* started again, or without memory: from the beginning */
    pair_go_on(p);
}

static bool take_copy(struct pair *p, const struct pair_message *m)
{
    if (p->state == PAIR_ACTIVE || m->state != PAIR_ACTIVE)
        return false;
    become_passive(p, "the other server is active; this one follows");
    if (m->session == p->followed && m->number == p->taken)
        return true; /* again: our answer was lost */
    if (m->number == 1) {
        hub_logs_free(p->logs);
        p->followed = m->session;
        p->taken = 0;
    }
    bool follows = m->session == p->followed && m->number == p->taken + 1;
    if (!follows || !hub_copy_take(p->logs, m->packed, now_ms())) {
        p->followed = 0;
        return false;
    }
    p->taken = m->number;
    return true;
}

void pair_asked(struct pair *p, struct bytes client, const struct bytes *frames, size_t count)
{
    struct pair_message m;

    if (!parse(frames, count, &m) || !is_the_other(p, &m))
        return;
    hear(p, &m);
    bool taken = m.number > 0 && take_copy(p, &m);
    struct pair_message answer = message_of(p);
    answer.ping = m.ping;
    answer.session = m.session;
    answer.number = taken ? m.number : 0;
    (void)send_message(p, &client, &answer);
    pair_go_on(p);
}

/* ---- time ----------------------------------------------------------------------------- */

static void count_ticks(struct pair *p)
{
    bool waits = p->state == PAIR_ACTIVE && p->other != PAIR_LOST;

    p->ticks++;
    p->silent += p->silent < PAIR_TICKS;
    p->waited += waits && p->sent != p->confirmed;
    if (waits && (p->silent >= PAIR_TICKS || p->waited >= PAIR_TICKS)) {
        lose_the_other(p);
        note(p, "the other server is silent; this one goes on alone");
    } else if (waits && p->other == PAIR_WHOLE &&
               p->ticks - u64_min(pair_held_since(&p->held), p->ticks) >= PAIR_TICKS) {
        p->other = PAIR_JOINING;
        note(p, "the other server is too slow; it is not waited for until it has all");
    }
}

void pair_tick(struct pair *p)
{
    count_ticks(p);
    struct pair_message m = message_of(p);
    m.ping = ++p->ping;
    p->ping_ms = now_ms();
    (void)send_message(p, NULL, &m);
    if (p->state == PAIR_ACTIVE && p->other != PAIR_LOST && p->waited > 0)
        send_copy(p);
    pair_go_on(p);
}
