/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* view.c - fills the views of defs/view.def, each in the order of its fields there. */
#include "node/node_private.h"

#include <stdio.h>
#include <unistd.h>

typedef const struct view_sink *sink;

static void text(sink s, const char *field, const char *value)
{
    s->text(s->context, field, value);
}

static void number(sink s, const char *field, uint64_t value)
{
    s->number(s->context, field, value);
}

static void flag(sink s, const char *field, bool value)
{
    s->flag(s->context, field, value);
}

/* Never a frozen zero: what is not known is said to be. */
static void number_if(sink s, const char *field, bool known, uint64_t value)
{
    if (known)
        number(s, field, value);
    else
        text(s, field, "unknown");
}

static void id(sink s, const char *field, struct id128 value)
{
    char hex[33];

    files_print_id(value, hex);
    text(s, field, hex);
}

static void duration(sink s, const char *field, uint64_t ns)
{
    char words[32];

    settings_print_duration(ns, words);
    text(s, field, words);
}

/* ---- status --------------------------------------------------------------------------------
 */

static void fill_state(const struct node *n, const struct core_status *c, sink s)
{
    char line[STATUS_LINE_BYTES_MAX], position[POSITION_TEXT_BYTES_MAX];
    struct bus_counts bus;

    bus_thread_count(n->bus, &bus);
    words_status(n, c, line, sizeof line);
    position_print((struct position){c->cursor.epoch, c->cursor.position}, position);
    text(s, "line", line);
    text(s, "state", c->fresh ? "fresh" : "unsure");
    flag(s, "ready", c->ready);
    text(s, "name", n->settings->name);
    id(s, "incarnation", n->incarnation);
    text(s, "version", ACCORD_VERSION);
    number(s, "pid", (uint64_t)getpid());
    number(s, "uptime_s", (n->now_ns - n->started_ns) / NS_PER_S);
    number(s, "lease_left_ms", c->lease_left_ns / NS_PER_MS);
    text(s, "why", c->why);
    number(s, "unsure_since_unix_ms", c->unsure_since_wall_ms);
    number(s, "next_try_ms", bus.retry_in_ms);
    number_if(s, "lag", c->head_known, words_lag(c));
    text(s, "position", position);
    number(s, "members", c->members);
    number(s, "expect_members", n->settings->expect_members);
    number(s, "max_stale_ms", c->max_stale_ns / NS_PER_MS);
    text(s, "clock", clock_about(&n->clock));
}

static void fill_drops(const struct core_status *c, enum drop first, enum drop last, sink s)
{
    static const char *const fields[DROPS] = {
#define DROP(NAME, name, text) [DROP_##NAME] = "drops_" #name,
#include "defs/drop.def"
    };

    for (unsigned i = first; i <= last; i++)
        number(s, fields[i], c->drops[i]);
}

/* What is added to the view later comes last in it. */
static void fill_more(const struct node *n, const struct core_status *c, sink s)
{
    char promises[STATUS_LINE_BYTES_MAX];

    words_promises(n, promises, sizeof promises);
    number_if(s, "lag_ms", c->lag_known, c->lag_ns / NS_PER_MS);
    text(s, "promises", promises);
    number(s, "strict_waits", c->strict_waits);
    number(s, "strict_done", c->strict_done);
    number(s, "strict_unknown", c->strict_unknown);
    number(s, "retries", c->retries);
    number(s, "folded", c->folded);
    fill_drops(c, DROP_GONE, DROP_SEGMENT, s);
}

static void fill_core_counts(const struct core_status *c, sink s)
{
    number(s, "outbox", c->outbox);
    number(s, "loads", c->loads);
    number(s, "waiters", c->waiters);
#define COUNT(field) number(s, #field, c->field)
    COUNT(applied_changes);
    COUNT(applied_own);
    COUNT(applied_foreign);
    COUNT(beats_sent);
    COUNT(published);
    COUNT(publish_failures);
    COUNT(unpublished_answers);
    COUNT(lease_renewals);
    COUNT(lease_losses);
    COUNT(cold_boots);
    COUNT(gaps);
    COUNT(divergences);
    COUNT(loads_granted);
    COUNT(loads_waited);
    COUNT(loads_busy);
    COUNT(loads_lost);
    COUNT(fills_stored);
    COUNT(fills_refused_token);
    COUNT(fills_refused_version);
    COUNT(fills_refused_size);
    COUNT(fills_refused_unsure);
    COUNT(sets_not_stored);
#undef COUNT
}

/* Of the clients that are gone, and of those that are here, by what they wrote themselves. */
static void sum_lines(const struct node *n, struct reader_line *sum)
{
    *sum = n->counts.detached;
    for (uint32_t i = 0; i < READER_LINES; i++) {
        const struct reader_line *line = reader_count_line(&n->reader, i);
        if (!line)
            continue;
        sum->hits = u64_add_sat(sum->hits, line->hits);
        sum->stale = u64_add_sat(sum->stale, line->stale);
        sum->negative = u64_add_sat(sum->negative, line->negative);
        sum->misses = u64_add_sat(sum->misses, line->misses);
        sum->unsure = u64_add_sat(sum->unsure, line->unsure);
    }
}

static void fill_shell_counts(const struct node *n, sink s)
{
    struct reader_line attached;
    struct resp_counts door;

    sum_lines(n, &attached);
    resp_door_count(n->door, &door);
    number(s, "requests", n->counts.requests);
    number(s, "deferred", n->counts.deferred);
    number(s, "attached_hits", attached.hits);
    number(s, "attached_stale", attached.stale);
    number(s, "attached_negative", attached.negative);
    number(s, "attached_misses", attached.misses);
    number(s, "attached_unsure", attached.unsure);
    number(s, "door_commands", door.commands);
    number(s, "door_hits", door.get_hits);
    number(s, "door_stale", door.get_stale);
    number(s, "door_negative", door.get_negative);
    number(s, "door_misses", door.get_misses);
    number(s, "door_unsure", door.get_unsure);
    number(s, "door_errors", door.errors);
    number(s, "log_lines", n->log.lines);
    number(s, "log_suppressed", n->log.suppressed);
}

static void fill_start(const struct node *n, const struct core_status *c, sink s)
{
    char line[STATUS_LINE_BYTES_MAX];

    words_start(c, line, sizeof line);
    text(s, "start", line);
    number(s, "inherited", c->inherited);
    number(s, "inherited_touched", c->inherited_touched);
    number(s, "inherited_left", c->inherited_left);
    number(s, "cold_commands", n->counts.cold_commands);
    number(s, "cold_commands_failed", n->counts.cold_commands_failed);
}

static void fill_lag(const struct node *n, sink s)
{
    flag(s, "lagging", n->lag.lagging);
    number(s, "lag_alarms", n->lag.alarms);
}

/* Of each other node that is there: "web2: user.ttl is 2h there, 1h here". */
static void fill_differs(const struct node *n, sink s)
{
    char all[STATUS_LINE_BYTES_MAX] = "", one[STATUS_LINE_BYTES_MAX];
    size_t used = 0;

    for (size_t i = 0; i < core_member_count(n->core); i++) {
        const struct core_member *m = core_member(n->core, i);
        if (m->self || m->silent || !m->policies[0] ||
            !policies_differ(n->core_settings.policies, m->policies, one, sizeof one))
            continue;
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s: %s", used ? " | " : "",
                                 m->name, one);
        used = u64_min(used, sizeof all - 1);
    }
    text(s, "settings_differ", all);
}

static void fill_poison(const struct core_status *c, sink s)
{
    char position[POSITION_TEXT_BYTES_MAX] = "";

    if (c->poison.value > 0)
        position_print(c->poison, position);
    text(s, "poison", position);
    fill_drops(c, DROP_POISON, DROP_POISON, s);
}

static void fill_signing(const struct node *n, const struct core_status *c, sink s)
{
    char line[STATUS_LINE_BYTES_MAX];
    uint64_t refused = 0;

    for (size_t i = 0; i < TRUST_KINDS; i++)
        refused += c->refused[i];
    words_signing(n, line, sizeof line);
    text(s, "signing", line);
    number(s, "refused", refused);
    number(s, "refused_unsigned", c->refused[TRUST_UNSIGNED]);
    number(s, "refused_naked", c->refused[TRUST_NAKED]);
    number(s, "refused_keys", c->refused[TRUST_KEYS]);
    number(s, "refused_altered", c->refused[TRUST_ALTERED]);
    number(s, "refused_replayed", c->refused[TRUST_REPLAYED]);
    number(s, "refused_late", c->refused[TRUST_LATE]);
    text(s, "refused_last", c->refused_last);
    number(s, "unsigned_applied", c->unsigned_applied);
    number(s, "unsigned_over", c->unsigned_over);
    fill_drops(c, DROP_UNVERIFIED, DROP_UNSIGNED, s);
}

static void fill_http(const struct node *n, sink s)
{
    struct http_door_counts h;

    http_door_count(n->http, &h);
    number(s, "http_connections", h.connections);
    number(s, "http_requests", h.requests);
    number(s, "http_refused", h.refused);
    number(s, "http_full", h.full);
    number(s, "http_slow", h.slow);
}

static void fill_chp(const struct node *n, sink s)
{
    struct chp_counts c;
    struct hub_counts h;

    chp_doors_count(n, &c);
    number(s, "chp_keys", c.keys);
    number(s, "chp_snapshots_open", c.snapshots_open);
    number(s, "chp_snapshots", c.snapshots);
    number(s, "chp_updates", c.updates);
    number(s, "chp_sets", c.sets);
    number(s, "chp_sets_failed", c.sets_failed);
    number(s, "chp_refused", c.refused);
    number(s, "chp_unlisted", c.unlisted);
    chp_hubs_count(n, &h);
    number(s, "chp_bus_logs", h.logs);
    number(s, "chp_bus_entries", h.entries);
    number(s, "chp_bus_appended", h.appended);
    number(s, "chp_bus_questions", h.questions);
    text(s, "chp_bus_pair", chp_hubs_pair(n)[0] ? chp_hubs_pair(n) : "none");
    number(s, "chp_bus_takeovers", h.takeovers);
}

static void fill_relays(const struct node *n, sink s)
{
    char line[STATUS_LINE_BYTES_MAX];

    words_relays(n, line, sizeof line);
    text(s, "relays", line);
}

static void fill_letters(const struct core_status *c, sink s)
{
    number(s, "letters_asked", c->letters_asked);
    number(s, "letters_answered", c->letters_answered);
    number(s, "letters_repeated", c->letters_repeated);
    number(s, "letters_late", c->letters_late);
    number(s, "letters_full", c->letters_full);
}

static void fill_acs(const struct node *n, sink s)
{
    struct http_door_counts h;

    http_door_count(n->http, &h);
    number(s, "acs_flushes", h.acs_flushes);
    number(s, "acs_refused", h.acs_refused);
    number(s, "acs_replays", h.acs_replays);
}

static void fill_acs_peers(const struct node *n, sink s)
{
    char line[STATUS_LINE_BYTES_MAX];
    struct acs_peer_counts c;

    acs_peers_words(n->acs_peers, line, sizeof line);
    acs_peers_count(n->acs_peers, &c);
    text(s, "acs_peers", line);
    number(s, "acs_told", c.told);
    number(s, "acs_waiting", c.waiting);
    number(s, "acs_tell_refused", c.refused);
    number(s, "acs_tell_failures", c.failures);
    number(s, "acs_forgotten", c.forgotten);
    number(s, "acs_unsaid", c.unsaid);
}

static void fill_status(const struct node *n, sink s)
{
    struct core_status c;

    core_status(n->core, n->now_ns, &c);
    s->row(s->context);
    fill_state(n, &c, s);
    fill_core_counts(&c, s);
    fill_shell_counts(n, s);
    number(s, "fills_refused_held", c.fills_refused_held);
    fill_more(n, &c, s);
    fill_start(n, &c, s);
    number(s, "stale_used_ms", c.stale_used_ns / NS_PER_MS);
    number(s, "stale_waited_ms", c.stale_waited_ns / NS_PER_MS);
    fill_poison(&c, s);
    fill_differs(n, s);
    fill_drops(&c, DROP_HOLE_GONE, DROP_HOLE_MANY, s);
    number(s, "holes_open", c.holes_open);
    number(s, "holes_replayed", c.holes_replayed);
    number(s, "holes_resent", c.holes_resent);
    number(s, "resends", c.resends);
    fill_signing(n, &c, s);
    fill_http(n, s);
    fill_chp(n, s);
    fill_relays(n, s);
    fill_letters(&c, s);
    fill_acs(n, s);
    fill_acs_peers(n, s);
    text(s, "bus_advice", n->bus_advice);
    fill_lag(n, s);
    fill_drops(&c, DROP_TWINS, DROP_TWINS, s);
}

/* ---- the others ----------------------------------------------------------------------------
 */

/* Of several incarnations of one name at most the one seen last still is: two that live are
 * refused. */
static bool is_latest(const struct node *n, const char *const *names, size_t count,
                      size_t index)
{
    const struct core_member *m = core_member(n->core, index);

    for (size_t i = 0; i < count; i++) {
        if (i == index || strcmp(names[i], m->name) != 0)
            continue;
        const struct core_member *other = core_member(n->core, i);
        if (other->self || (!m->self && other->last_seen_ns > m->last_seen_ns))
            return false;
    }
    return true;
}

static const char *connected(const struct node *n, const char *const *names, size_t count,
                             size_t index)
{
    static const char *const words[] = {[PRESENCE_UNKNOWN] = "unknown",
                                        [PRESENCE_ASKING] = "asking",
                                        [PRESENCE_NO] = "no",
                                        [PRESENCE_YES] = "yes"};
    enum presence said = bus_thread_present(n->bus, index, names[index]);

    if (said == PRESENCE_YES && !is_latest(n, names, count, index))
        said = PRESENCE_NO;
    return words[said];
}

static void fill_node(const struct node *n, const char *const *names, size_t count,
                      size_t index, sink s)
{
    const struct core_member *m = core_member(n->core, index);

    s->row(s->context);
    text(s, "name", m->name);
    flag(s, "self", m->self);
    flag(s, "silent", m->silent);
    id(s, "incarnation", m->incarnation);
    text(s, "about", m->about);
    number(s, "seen_ms_ago", u64_sub_sat(n->now_ns, m->last_seen_ns) / NS_PER_MS);
    number(s, "applied", m->applied);
    number(s, "joined_position", m->joined_position);
    text(s, "settings", m->policies);
    text(s, "connected", connected(n, names, count, index));
    flag(s, "superseded", core_member_is_superseded(n->core, index));
}

static void fill_nodes(const struct node *n, sink s)
{
    const char *names[MEMBERS_MAX];
    size_t count = core_member_count(n->core);

    for (size_t i = 0; i < count; i++)
        names[i] = core_member(n->core, i)->name;
    bus_thread_ask_present(n->bus, names, count);
    for (int self = 1; self >= 0; self--)
        for (size_t i = 0; i < count; i++)
            if (core_member(n->core, i)->self == (self == 1))
                fill_node(n, names, count, i, s);
}

static void fill_namespaces(const struct node *n, sink s)
{
    static const char *const unsure[] = {"load", "stale", "error"};
    static const char *const versions[] = {"none", "lsn", "row"};

    for (size_t i = 0; i < n->settings->namespace_count; i++) {
        const struct namespace_settings *ns = &n->settings->namespaces[i];
        char delimiter[2] = {ns->delimiter, 0};
        s->row(s->context);
        text(s, "name", ns->name);
        duration(s, "ttl", ns->ttl_ns);
        duration(s, "grace", ns->grace_ns);
        number(s, "refresh_permille", ns->refresh_permille);
        number(s, "jitter_permille", ns->jitter_permille);
        duration(s, "negative_ttl", ns->negative_ttl_ns);
        duration(s, "max_stale", ns->max_stale_ns);
        text(s, "when_unsure", unsure[ns->when_unsure]);
        duration(s, "unsure_ttl", ns->unsure_ttl_ns);
        text(s, "version", versions[ns->version]);
        duration(s, "hold_off", ns->hold_off_ns);
        text(s, "delimiter", delimiter);
        text(s, "nx", ns->nx_local ? "local" : "refuse");
        text(s, "set", ns->set == SET_FILL ? "fill" : "publish");
    }
}

static void fill_fences(const struct node *n, sink s)
{
    static const char *const versions[] = {"none", "lsn", "row"};
    struct core_fence f;

    for (size_t i = 0; core_fence(n->core, i, n->now_ns, &f); i++) {
        if (!f.used)
            continue;
        s->row(s->context);
        text(s, "name", f.settings->name[0] ? f.settings->name : "default");
        text(s, "version", versions[f.settings->version]);
        duration(s, "hold_off", f.settings->hold_off_ns);
        text(s, "state", f.state);
        number(s, "left_ms", f.left_ns / NS_PER_MS);
        number(s, "floor", f.floor);
        number(s, "newest", f.newest);
        number(s, "refused_version", f.refused_version);
        number(s, "refused_held", f.refused_held);
    }
}

static void fill_bus(const struct node *n, sink s)
{
    const struct bus_caps *caps = &n->bus_ops->caps;
    struct core_status c;
    struct bus_counts b;
    char epoch[17];

    core_status(n->core, n->now_ns, &c);
    bus_thread_count(n->bus, &b);
    snprintf(epoch, sizeof epoch, "%llx", (unsigned long long)c.cursor.epoch);
    s->row(s->context);
    text(s, "url", n->bus_public);
    flag(s, "attached", c.attached);
    flag(s, "this_host_only", caps->one_host);
    flag(s, "head_linearizable", caps->head_linearizable);
    flag(s, "may_lose_tail", caps->may_lose_tail);
    text(s, "durability", caps->durability ? caps->durability : "");
    id(s, "log", c.cursor.log);
    text(s, "epoch", epoch);
    number(s, "position", c.cursor.position);
    number_if(s, "head", c.head_known, c.head);
    number(s, "attaches", b.attaches);
    number(s, "losses", b.losses);
    number(s, "gones", b.gones);
    number(s, "next_try_ms", b.retry_in_ms);
    number(s, "entries", b.entries);
    number(s, "batches", b.batches);
    number(s, "heads", b.heads);
    number(s, "head_failures", b.head_failures);
    number(s, "publishes", b.publishes);
    number(s, "publish_failures", b.publish_failures);
    number(s, "published_changes", b.published_changes);
    uint64_t succeeded = b.publishes - b.publish_failures;
    number(s, "publish_us_mean", succeeded > 0 ? b.publish_ns_sum / succeeded / 1000 : 0);
    number(s, "publish_us_max", b.publish_ns_max / 1000);
}

static void fill_segment(const struct node *n, sink s)
{
    const struct segment_sizes *z = &n->sizes;
    struct writer_counts w;

    writer_count(n->writer, &w);
    s->row(s->context);
    number(s, "memory_bytes", n->settings->memory_bytes);
    number(s, "segment_bytes", z->segment_bytes);
    number(s, "hints_bytes", z->hints_bytes);
    number(s, "fixed_bytes", z->fixed_bytes);
    number(s, "block_bytes", z->block_bytes);
    number(s, "block_count", z->block_count);
    number(s, "value_bytes_max", z->value_bytes_max);
    number(s, "items", w.items);
    number(s, "item_bytes", w.item_bytes);
    number(s, "used_bytes", w.used_bytes);
    number(s, "index_bytes", w.index_bytes);
    number(s, "fills", w.fills);
    number(s, "removed", w.removed);
    number(s, "evicted", w.evicted);
    number(s, "evicted_by_index", w.evicted_by_index);
    number(s, "copied", w.copied);
    number(s, "expired_dropped", w.expired_dropped);
    number(s, "ghost_hits", w.ghost_hits);
    text(s, "clock", n->clock.settings.clock == CLOCK_CLASS_TSC ? "tsc" : "boottime");
}

static void fill_clients(const struct node *n, sink s)
{
    resp_door_clients(n->door, s);
}

static void fill_pinged(const struct node *n, const struct core_answer *a, sink s)
{
    char why[STATUS_LINE_BYTES_MAX], state[16] = "none", version[32];
    bool known = a->answered && a->applied_known;

    if (a->answered)
        snprintf(state, sizeof state, "%.*s", (int)a->state.size_bytes,
                 (const char *)a->state.data);
    snprintf(version, sizeof version, "%.*s", (int)a->version.size_bytes,
             (const char *)a->version.data);
    words_ping(n, a, why, sizeof why);
    s->row(s->context);
    text(s, "name", a->name);
    flag(s, "self", a->self);
    text(s, "answer", state);
    number_if(s, "round_trip_us", a->answered, a->round_trip_ns / 1000);
    if (a->answered || a->member)
        id(s, "incarnation", a->answered ? a->incarnation : a->member->incarnation);
    else
        text(s, "incarnation", "");
    text(s, "version", version);
    number_if(s, "applied", known, a->applied);
    number_if(s, "lag", known, a->lag);
    number(s, "asked", a->asked);
    number_if(s, "seen_ms_ago", a->member,
              a->member ? u64_sub_sat(n->now_ns, a->member->last_seen_ns) / NS_PER_MS : 0);
    text(s, "why", why);
}

/* All were asked, and nobody is known to be there: this node is no member yet, or not again. */
static void fill_alone(const struct node *n, sink s)
{
    struct core_status status;

    core_status(n->core, n->now_ns, &status);
    s->row(s->context);
    text(s, "name", n->settings->name);
    flag(s, "self", true);
    text(s, "answer", "unsure");
    number_if(s, "round_trip_us", false, 0);
    id(s, "incarnation", n->incarnation);
    text(s, "version", ACCORD_VERSION);
    number_if(s, "applied", false, 0);
    number_if(s, "lag", false, 0);
    number(s, "asked", 0);
    number_if(s, "seen_ms_ago", false, 0);
    text(s, "why", status.why);
}

/* This node first, as in the view of all. */
static void fill_ping(const struct node *n, sink s)
{
    struct core_answer a;
    size_t rows = 0;

    for (int self = 1; self >= 0; self--)
        for (size_t at = 0; core_answer(n->core, n->letter, &at, &a);)
            if (a.self == (self == 1)) {
                fill_pinged(n, &a, s);
                rows++;
            }
    if (rows == 0 && n->letter != 0)
        fill_alone(n, s);
}

struct limit {
    const char *name;
    uint64_t limit;
    const char *unit, *full;
};

static void fill_limits(const struct node *n, sink s)
{
    const struct limit limits[] = {
        {"memory", n->sizes.segment_bytes + n->sizes.hints_bytes, "bytes", "items are evicted"},
        {"memory-of-writer", n->sizes.writer_bytes, "bytes", "fixed"},
        {"memory-of-core", n->core_bytes, "bytes", "fixed"},
        {"key", KEY_BYTES_MAX, "bytes", "refused"},
        {"value", n->sizes.value_bytes_max, "bytes", "refused"},
        {"tags-of-an-item", ITEM_TAGS_MAX, "tags", "refused"},
        {"outbox", OUTBOX_CHANGES_MAX, "changes", "changes are refused"},
        {"outbox-keys", OUTBOX_BYTES_MAX, "bytes", "changes are refused"},
        {"members", MEMBERS_MAX, "incarnations", "the one silent longest is forgotten"},
        {"letters", LETTERS_MAX, "questions", "refused"},
        {"letter-answers", LETTER_ANSWERS_MAX, "answers", "more are not told"},
        {"letters-taken", LETTERS_TAKEN_MAX, "questions", "the oldest answer is forgotten"},
        {"loads", LOADS_MAX, "keys", "callers load without a right"},
        {"fences", FENCES_MAX, "removals", "keys that share a bucket are refused for longer"},
        {"waiters", WAITERS_MAX, "requests", "refused"},
        {"clients", n->clients_max, "connections", "refused"},
        {"descriptors", n->files_max, "files", "connections wait"},
        {"unread-replies", OUTPUT_BYTES_MAX, "bytes", "the client is closed"},
        {"client-memory", n->settings->client_memory_bytes, "bytes",
         "the client that holds the most is closed"},
        {"entries-not-consumed", (uint64_t)BATCHES_MAX * DELIVER_BATCH_MAX, "entries",
         "the bus is read later"},
        {"attached-counters", READER_LINES, "clients", "more are not counted"},
        {"http-connections", HTTP_CONNECTIONS_MAX, "connections of a listener", "answered 503"},
        {"http-request", HTTP_REQUEST_BYTES_MAX, "bytes of its head", "answered 431"},
        {"acs-signatures", ACS_SEEN_MAX, "signatures remembered", "the oldest is forgotten"},
        {"acs-peer-queue", ACS_QUEUE_BYTES, "bytes of keys for a server",
         "the oldest are forgotten"},
        {"http-time", HTTP_SECONDS_MAX, "seconds until a request is answered",
         "the connection is closed"},
        {"chp-keys", CHP_KEYS_MAX, "keys", "CHP clients are not told of more"},
        {"chp-key-bytes", CHP_KEYS_BYTES_MAX, "bytes", "CHP clients are not told of more"},
        {"chp-updates", CHP_UPDATES_MAX, "updates", "a subscriber so far behind loses them"},
        {"chp-snapshots", CHP_SNAPSHOTS_MAX, "snapshots", "refused"},
        {"chp-sets", CHP_SETS_MAX, "sets", "read later"},
        {"chp-bus-logs", CHP_LOGS_MAX, "clusters of a door", "refused"},
        {"chp-bus-log", CHP_LOG_BYTES_MAX, "bytes", "its oldest changes go"},
        {"chp-frame", CHP_FRAME_BYTES_MAX, "bytes", "the client is disconnected"},
    };

    for (size_t i = 0; i < COUNT_OF(limits); i++) {
        s->row(s->context);
        text(s, "name", limits[i].name);
        number(s, "limit", limits[i].limit);
        text(s, "unit", limits[i].unit);
        text(s, "full", limits[i].full);
    }
}

int view_fill(void *node, const char *name, const struct view_sink *s)
{
    struct node *n = node;

    n->now_ns = u64_max(n->now_ns, reader_now_ns(&n->reader));
#define VIEW(view, help)                                                                       \
    if (strcmp(name, #view) == 0) {                                                            \
        fill_##view(n, s);                                                                     \
        return ACCORD_OK;                                                                      \
    }
#include "defs/view.def"
    return ACCORD_E_ABSENT;
}
