/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Between a host and its server: what node/bus_thread.c does with two threads, and a network.
 *
 * What the reading thread says (attached, gone, lost, entries, head) arrives in the order in
 * which it is said; answers to publishes come when they come. */
#include "sim/sim.h"

enum { BATCHES_MAX = 4, RETRY_MS_MIN = 100, RETRY_MS_MAX = 5000 };

/* A publish under way; kept apart from the daemon, whose death it survives. */
struct parcel {
    uint64_t batch, epoch;
    size_t count, server;
    bool duplicate; /* no answer is due */
    bool waited;    /* for the lock, until its time was over */
    struct change *changes;
};

struct question {
    uint64_t view, nonce;
    struct cursor at;
};

struct letter *letter_new(struct sim *s, enum event_type type)
{
    struct letter *l = sim_alloc(s, sizeof *l);

    l->event.type = type;
    l->call = SIZE_MAX;
    return l;
}

void letter_send(struct sim *s, struct host *h, struct letter *l, uint64_t at_ns)
{
    sim_push(s, (struct happening){.at_ns = at_ns,
                                   .kind = HAPPEN_LETTER,
                                   .host = h->index,
                                   .a = h->daemon.generation,
                                   .thing = l});
}

static void read_letter(struct sim *s, struct host *h, struct letter *l, uint64_t after_ns)
{
    struct link *k = &h->link;

    k->read_due_ns = u64_max(k->read_due_ns, s->now_ns + after_ns);
    l->view = k->view;
    letter_send(s, h, l, k->read_due_ns);
}

void link_reset(struct sim *s, struct host *h)
{
    struct link *k = &h->link;
    bool cut_read = k->cut_read, cut_write = k->cut_write;

    *k = (struct link){.view = k->view + 1,
                       .cut_read = cut_read,
                       .cut_write = cut_write,
                       .server = s->bus.primary};
}

/* ---- attach --------------------------------------------------------------------------------
 */

static void try_attach(struct sim *s, struct host *h, uint64_t after_ns)
{
    h->link.attaching = true;
    sim_push(s, (struct happening){.at_ns = s->now_ns + after_ns,
                                   .kind = HAPPEN_ATTACH,
                                   .host = h->index,
                                   .a = h->daemon.generation,
                                   .b = h->link.view});
}

void link_attach(struct sim *s, struct host *h, const struct effect *e)
{
    struct link *k = &h->link;

    k->view++;
    k->reading = k->delivering = false;
    k->batches = 0;
    k->given = 0;
    k->resume = e->attach.resume;
    k->cursor = e->attach.cursor;
    k->view_ns = e->attach.view_ns;
    k->retry_ns = RETRY_MS_MIN * NS_PER_MS;
    if (!k->resume) /* from another server, which has it all */
        k->lack_count = 0;
    try_attach(s, h, sim_delay_ns(s));
}

/* The same attach again, after a pause that doubles. */
static void lost(struct sim *s, struct host *h, uint64_t after_ns)
{
    struct link *k = &h->link;
    struct letter *l = letter_new(s, EVENT_BUS_LOST);
    uint64_t spread_ns = k->retry_ns / 2;

    l->event.lost.why = "no connection";
    k->reading = false;
    read_letter(s, h, l, after_ns);
    try_attach(s, h,
               after_ns + k->retry_ns - spread_ns / 2 + rng_below(&s->rng, spread_ns + 1));
    k->retry_ns = u64_min(2 * k->retry_ns, RETRY_MS_MAX * NS_PER_MS);
}

void link_lose(struct sim *s, struct host *h)
{
    struct link *k = &h->link;

    if (!h->daemon.alive || !k->reading)
        return;
    k->resume = true; /* the shell goes on from the last entry it read */
    k->retry_ns = RETRY_MS_MIN * NS_PER_MS;
    lost(s, h, rng_below(&s->rng, s->plan.bus_timeout_ns));
}

static void gone(struct sim *s, struct host *h)
{
    struct letter *l = letter_new(s, EVENT_BUS_GONE);

    l->event.gone.why = "the log cannot prove the cursor";
    h->link.reading = false;
    read_letter(s, h, l, sim_delay_ns(s));
}

static size_t server_for(const struct sim *s, const struct host *h)
{
    const struct bus *b = &s->bus;

    if (h->on_old_side)
        for (size_t i = 0; i < SERVERS_MAX; i++)
            if (b->servers[i].used && b->servers[i].alive && b->servers[i].deposed)
                return i;
    return b->primary;
}

static void attach_arrives(struct sim *s, struct host *h)
{
    struct link *k = &h->link;
    size_t server = server_for(s, h);
    const struct server *v = &s->bus.servers[server];

    k->attaching = false;
    if (!v->alive || k->cut_read || k->cut_write || sim_strikes(s, FAULT_DROP)) {
        lost(s, h, v->alive ? s->plan.bus_timeout_ns : sim_delay_ns(s));
        return;
    }
    k->server = server;
    if (k->resume && !bus_proven(v, &k->cursor, server)) {
        gone(s, h);
        return;
    }
    struct letter *l = letter_new(s, EVENT_BUS_ATTACHED);
    l->event.attached.log = v->log;
    l->event.attached.epoch = v->epoch;
    uint64_t view = bus_position_before(v, u64_sub_sat(s->now_ns, k->view_ns));
    uint64_t after = !k->resume        ? view
                     : k->view_ns == 0 ? k->cursor.position
                                       : u64_min(view, k->cursor.position);
    bool at_cursor = k->resume && after == k->cursor.position;

    SOMETIMES(k->resume && !at_cursor, "link: resumed behind its view of members");
    l->event.attached.after = after;
    k->given = u64_max(k->given, k->resume ? k->cursor.position : after);
    l->event.attached.head = v->newest;
    l->event.attached.max_stale_ns = v->max_stale_ns;
    l->event.attached.max_stale_before_ns = v->max_stale_before_ns;
    l->event.attached.resumed = k->resume;
    if (!k->resume)
        k->anew_head = v->newest;
    k->reading = true;
    k->retry_ns = RETRY_MS_MIN * NS_PER_MS;
    k->read_position = l->event.attached.after;
    k->read_message = at_cursor ? k->cursor.message : (struct id128){0, 0};
    k->view_ns = k->resume ? 0 : k->view_ns; /* it knows who is there, from now on */
    k->cursor = (struct cursor){.log = v->log,
                                .epoch = v->epoch,
                                .position = k->read_position,
                                .message = k->read_message};
    if (!v->deposed && h->excused_until_ns == UINT64_MAX)
        h->excused_until_ns = s->now_ns + 2 * s->plan.most_stale_ns;
    if (v->deposed)
        h->excused_until_ns = UINT64_MAX;
    read_letter(s, h, l, sim_delay_ns(s));
    link_news(s, server);
}

/* ---- reading -------------------------------------------------------------------------------
 */

static void want_delivery(struct sim *s, struct host *h)
{
    struct link *k = &h->link;

    if (!h->daemon.alive || !k->reading || k->delivering || k->batches >= BATCHES_MAX)
        return;
    if (s->bus.servers[k->server].newest == k->read_position)
        return;
    k->delivering = true;
    /* Entries have a connection of their own: answers to questions may overtake them. */
    uint64_t delay_ns = sim_delay_ns(s);
    if (sim_strikes(s, FAULT_LATE))
        delay_ns += rng_below(&s->rng, s->plan.max_stale_ns / 2);
    sim_push(s, (struct happening){.at_ns = s->now_ns + delay_ns,
                                   .kind = HAPPEN_DELIVER,
                                   .host = h->index,
                                   .a = h->daemon.generation,
                                   .b = k->view});
}

void link_news(struct sim *s, size_t server)
{
    for (size_t i = 0; i < s->host_count; i++)
        if (s->hosts[i].link.server == server)
            want_delivery(s, &s->hosts[i]);
}

void link_consumed(struct sim *s, struct host *h, const struct letter *l)
{
    if (l->slot_count == 0 || l->view != h->link.view)
        return;
    h->link.batches--;
    want_delivery(s, h);
}

/* Whether it bears the number that follows on its sender's last one: then the next one's does
 * not. Of a change that was repeated late, behind the sender's later ones, nothing tells. */
static bool follows_its_sender(const struct server *v, const struct slot *slot)
{
    const struct change *c = &slot->record->change;

    for (size_t i = bus_first_after(v, slot->position) - 1; i > v->first; i--) {
        const struct change *before = &v->slots[i - 1].record->change;
        if (id128_equal(before->incarnation, c->incarnation) && before->sequence > 0)
            return before->sequence + 1 == c->sequence;
    }
    return false;
}

/* Whether the sender's next entry will tell the host that it misses this one. */
static bool is_told_of(struct sim *s, const struct host *h, const struct slot *slot)
{
    const struct change *c = &slot->record->change;
    bool known = false;

    for (size_t i = 0; i < s->host_count; i++)
        known |= h->seen[i] == c->incarnation.high && h->seen[i] > 0;
    return c->sequence > 1 && known && slot->position > h->link.given &&
           follows_its_sender(&s->bus.servers[h->link.server], slot);
}

/* What it has applied already may be left out when it is read again: nothing is missed. */
static void leave_out(struct sim *s, const struct host *h, struct letter *l, size_t at)
{
    const struct slot *slot = &l->slots[at];
    const struct check_chain *chain = &s->check.chains[h->index];
    const struct change *c = &slot->record->change;

    if (!chain->begun || slot->index > chain->index)
        check_hole(&s->check, h->index,
                   &(struct check_hole){.index = slot->index,
                                        .sender = c->incarnation.low,
                                        .sequence = c->sequence,
                                        .harmless = slot->position <= h->link.anew_head});
    memmove(&l->slots[at], &l->slots[at + 1], (l->slot_count - at - 1) * sizeof *slot);
    l->slot_count--;
}

static bool lacks(const struct host *h, uint64_t serial)
{
    for (size_t i = 0; i < h->link.lack_count; i++)
        if (h->link.lacks[i] == serial)
            return true;
    return false;
}

static void lack(struct host *h, uint64_t serial)
{
    struct link *k = &h->link;

    if (!lacks(h, serial) && k->lack_count < LACKS_MAX)
        k->lacks[k->lack_count++] = serial;
}

/* Leaves out one entry: once; or for ever, as though the log had lost it, and then perhaps on
 * other hosts too. */
static void make_hole(struct sim *s, struct host *h, struct letter *l)
{
    size_t at = rng_below(&s->rng, l->slot_count);
    uint64_t serial = l->slots[at].record->serial;
    const struct check_chain *chain = &s->check.chains[h->index];
    bool is_cut = s->plan.theme == THEME_CUT;

    /* Where logs are cut all the time, only what comes for the first time: what is left out of
     * a reading that ends in a drop would be taken for skipped, as nobody knew that by then. */
    if (is_cut && chain->begun && l->slots[at].index <= chain->index)
        return;
    if (!is_told_of(s, h, &l->slots[at]) || !sim_strikes(s, FAULT_HOLE))
        return;
    if (!is_cut && rng_chance(&s->rng, 600)) {
        lack(h, serial);
        for (size_t i = 0; i < s->host_count; i++)
            if (rng_chance(&s->rng, 300))
                lack(&s->hosts[i], serial);
    }
    leave_out(s, h, l, at);
}

static void leave_out_what_it_lacks(struct sim *s, struct host *h, struct letter *l)
{
    for (size_t at = l->slot_count; at-- > 0;) {
        const struct slot *slot = &l->slots[at];
        if (!lacks(h, slot->record->serial))
            continue;
        bool was_left_out = false;
        for (size_t i = 0; i < s->check.holes_made; i++)
            was_left_out |= s->check.holes[i].open && s->check.holes[i].host == h->index &&
                            s->check.holes[i].index == slot->index;
        bool is_past =
            s->check.chains[h->index].begun && slot->index <= s->check.chains[h->index].index;
        if (was_left_out || is_past || is_told_of(s, h, slot))
            leave_out(s, h, l, at);
    }
}

static void deliver_arrives(struct sim *s, struct host *h)
{
    struct link *k = &h->link;
    const struct server *v = &s->bus.servers[k->server];
    struct cursor at = k->cursor;
    uint64_t after = k->read_position;

    k->delivering = false;
    if (!k->reading)
        return;
    if (!v->alive || k->cut_read) {
        link_lose(s, h);
        return;
    }
    at.position = k->read_position;
    at.message = k->read_message;
    if (!bus_proven(v, &at, k->server)) {
        SOMETIMES(true, "link: a read was told that its place is gone");
        gone(s, h);
        return;
    }
    if (sim_strikes(s, FAULT_DUPLICATE))
        after = u64_max(v->pruned_to, u64_sub_sat(after, rng_below(&s->rng, 8)));
    size_t from = bus_first_after(v, after), left = v->count - from;
    uint64_t most = rng_chance(&s->rng, 100) ? DELIVER_BATCH_MAX : 20;
    size_t count = u64_min(1 + rng_below(&s->rng, most), left);
    if (count == 0)
        return;
    struct letter *l = letter_new(s, EVENT_BUS_ENTRIES);
    l->slots = sim_alloc(s, count * sizeof *l->slots);
    l->slot_count = count;
    memcpy(l->slots, &v->slots[from], count * sizeof *l->slots);
    for (size_t i = 0; i < count; i++) { /* taken by a predecessor, perhaps */
        l->slots[i].log = v->log.high;
        l->slots[i].epoch = v->epoch;
    }
    const struct slot newest = l->slots[count - 1];
    leave_out_what_it_lacks(s, h, l);
    if (l->slot_count > 0)
        make_hole(s, h, l);
    if (newest.position > k->read_position) {
        k->read_position = newest.position;
        k->read_message = newest.record->change.message;
        k->given = u64_max(k->given, newest.position);
    }
    if (l->slot_count > 0) {
        const struct slot *last = &l->slots[l->slot_count - 1];
        if (last->position > k->cursor.position) {
            k->cursor.position = last->position;
            k->cursor.message = last->record->change.message;
        }
        k->batches++;
        read_letter(s, h, l, 0);
    }
    want_delivery(s, h);
}

/* ---- the head ------------------------------------------------------------------------------
 */

void link_ask(struct sim *s, struct host *h, const struct effect *e)
{
    struct question *q = sim_alloc(s, sizeof *q);

    *q = (struct question){h->link.view, e->ask_head.nonce, e->ask_head.at};
    sim_push(s, (struct happening){.at_ns = s->now_ns + sim_delay_ns(s),
                                   .kind = HAPPEN_HEAD,
                                   .host = h->index,
                                   .a = h->daemon.generation,
                                   .thing = q});
}

static void head_arrives(struct sim *s, struct host *h, const struct question *q)
{
    struct link *k = &h->link;
    const struct server *v = &s->bus.servers[k->server];
    bool ask = k->reading && q->view == k->view;
    bool fails = ask && (!v->alive || k->cut_read || sim_strikes(s, FAULT_DROP));
    struct letter *l = letter_new(s, EVENT_BUS_HEAD);

    l->event.head.nonce = q->nonce;
    l->event.head.head = v->newest;
    l->event.head.status = !ask || fails                      ? ACCORD_E_DOWN
                           : bus_proven(v, &q->at, k->server) ? ACCORD_OK
                                                              : ACCORD_E_GONE;
    l->event.head.why = "the bus did not answer";
    read_letter(s, h, l, fails ? s->plan.bus_timeout_ns : sim_delay_ns(s));
    l->view = 0; /* every question has its answer */
    if (fails)
        link_lose(s, h);
    else if (l->event.head.status == ACCORD_E_GONE)
        gone(s, h);
}

/* ---- publish -------------------------------------------------------------------------------
 */

void link_publish(struct sim *s, struct host *h, const struct effect *e)
{
    struct parcel *p = sim_alloc(s, sizeof *p);
    size_t count = e->publish.count;

    p->batch = e->publish.batch;
    p->count = count;
    p->server = h->link.server;
    p->epoch = s->bus.servers[p->server].epoch;
    p->changes = sim_alloc(s, count * sizeof *p->changes);
    for (size_t i = 0; i < count; i++) {
        const struct change *from = &e->publish.changes[i];
        size_t size = from->key.size_bytes + from->origin.size_bytes + from->about.size_bytes;
        uint8_t *to = sim_alloc(s, size + 1);
        struct change *c = &p->changes[i];
        *c = *from;
        struct bytes *parts[] = {&c->key, &c->origin, &c->about};
        for (size_t part = 0; part < COUNT_OF(parts); part++) {
            if (parts[part]->size_bytes > 0)
                memcpy(to, parts[part]->data, parts[part]->size_bytes);
            parts[part]->data = to;
            to += parts[part]->size_bytes;
        }
    }
    sim_push(s, (struct happening){.at_ns = s->now_ns + sim_delay_ns(s),
                                   .kind = HAPPEN_PUBLISH,
                                   .host = h->index,
                                   .a = h->daemon.generation,
                                   .thing = p});
}

static void answer_publish(struct sim *s, struct host *h, uint64_t generation,
                           const struct parcel *p, int status, uint64_t last)
{
    struct letter *l = letter_new(s, EVENT_BUS_PUBLISHED);
    uint64_t after_ns = status == ACCORD_E_TIMEOUT ? s->plan.bus_timeout_ns : sim_delay_ns(s);

    if (p->duplicate || generation != h->daemon.generation)
        return;
    if (sim_strikes(s, FAULT_REORDER))
        after_ns += 5 * sim_delay_ns(s);
    l->event.published.batch = p->batch;
    l->event.published.status = status;
    l->event.published.last = last;
    l->event.published.epoch = s->bus.servers[p->server].epoch;
    l->event.published.why = "the publish failed";
    letter_send(s, h, l, s->now_ns + after_ns);
}

/* It may arrive once more, or late, when its sender has long been told that nobody knows, and
 * perhaps is dead. */
static void again(struct sim *s, struct host *h, const struct parcel *p)
{
    struct parcel *copy = sim_alloc(s, sizeof *copy);

    *copy = *p;
    copy->duplicate = true;
    sim_push(s, (struct happening){.at_ns = s->now_ns + rng_below(&s->rng, 4 * NS_PER_S),
                                   .kind = HAPPEN_PUBLISH,
                                   .host = h->index,
                                   .a = h->daemon.generation,
                                   .thing = copy});
}

static uint64_t take_all(struct sim *s, const struct parcel *p)
{
    uint64_t last = 0;

    for (size_t i = 0; i < p->count; i++)
        last = bus_take(s, p->server, &p->changes[i]);
    return last;
}

static void publish_arrives(struct sim *s, struct host *h, uint64_t generation,
                            struct parcel *p)
{
    const struct server *v = &s->bus.servers[p->server];
    const struct link *k = &h->link;
    bool same = generation == h->daemon.generation;
    bool attached = p->duplicate || !same || (k->reading && k->server == p->server);

    if (s->now_ns < v->locked_until_ns && !p->waited) {
        p->waited = true;
        sim_push(s, (struct happening){.at_ns = u64_min(v->locked_until_ns,
                                                        s->now_ns + s->plan.bus_timeout_ns),
                                       .kind = HAPPEN_PUBLISH,
                                       .host = h->index,
                                       .a = generation,
                                       .thing = p});
        return;
    }
    if (s->now_ns < v->locked_until_ns) {
        answer_publish(s, h, generation, p, ACCORD_E_DOWN, 0);
        return;
    }
    if (!v->used || !v->alive || v->epoch != p->epoch || !attached) {
        answer_publish(s, h, generation, p, v->alive ? ACCORD_E_DOWN : ACCORD_E_TIMEOUT, 0);
    } else if (k->cut_write || sim_strikes(s, FAULT_DROP)) {
        if (rng_chance(&s->rng, 200))
            again(s, h, p);
        answer_publish(s, h, generation, p, ACCORD_E_TIMEOUT, 0);
    } else if (sim_strikes(s, FAULT_REFUSED)) {
        answer_publish(s, h, generation, p, ACCORD_E_DOWN, 0);
    } else {
        uint64_t last = take_all(s, p);
        bool unknown = k->cut_read || sim_strikes(s, FAULT_UNKNOWN);
        if (sim_strikes(s, FAULT_DUPLICATE))
            again(s, h, p);
        answer_publish(s, h, generation, p, unknown ? ACCORD_E_TIMEOUT : ACCORD_OK, last);
    }
}

void link_happens(struct sim *s, const struct happening *x)
{
    struct host *h = &s->hosts[x->host];
    bool present = h->daemon.alive && x->a == h->daemon.generation;

    if (x->kind == HAPPEN_PUBLISH)
        publish_arrives(s, h, x->a, x->thing);
    else if (!present)
        return;
    else if (x->kind == HAPPEN_HEAD)
        head_arrives(s, h, x->thing);
    else if (x->b != h->link.view)
        return;
    else if (x->kind == HAPPEN_ATTACH)
        attach_arrives(s, h);
    else
        deliver_arrives(s, h);
}
