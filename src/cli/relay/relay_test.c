/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* Relays between logs of this process, whose misfortunes a test can make (bus/memory.h). */
#include "bus/memory.h"
#include "cli/relay/relay.h"
#include "node/poison.h"
#include "test.h"
#include "wire/relayed.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

enum { PATIENCE_MS = 60 * 1000, LOOK_US = 2000 };

static char why[RELAY_WHY_BYTES_MAX];

static struct state {
    pthread_mutex_t mutex;
    unsigned ready, fatal;
    char why[1024]; /* of the newest fatal */
} state = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void note(unsigned *count, const char *line)
{
    pthread_mutex_lock(&state.mutex);
    (*count)++;
    if (count == &state.fatal)
        snprintf(state.why, sizeof state.why, "%s", line);
    pthread_mutex_unlock(&state.mutex);
}

static void on_ready(void *context, const char *line)
{
    (void)context;
    note(&state.ready, line);
}

static void on_fatal(void *context, const char *line)
{
    (void)context;
    note(&state.fatal, line);
}

static unsigned count_of(const unsigned *count)
{
    pthread_mutex_lock(&state.mutex);
    unsigned value = *count;
    pthread_mutex_unlock(&state.mutex);
    return value;
}

#define SOON(e)                                                                                \
    for (unsigned waited = 0; !(e); waited++) {                                                \
        CHECK(waited < PATIENCE_MS * 1000u / LOOK_US);                                         \
        usleep(LOOK_US);                                                                       \
    }

/* ---- a log, as its nodes see it ------------------------------------------------------------
 */

struct peer {
    struct bus *bus;
    char url[64];
    uint64_t at;
};

static struct peer peer(const char *log)
{
    struct peer p = {.bus = NULL};
    char line[BUS_WHY_BYTES_MAX];
    struct bus_attached a;

    snprintf(p.url, sizeof p.url, "memory:%s", log);
    struct bus_settings s = {.url = p.url,
                             .max_stale_ms = 500,
                             .retain_ms = 1000000,
                             .retain_changes = 100000,
                             .timeout_ms = 1000};
    CHECK(bus_memory.open(&p.bus, &s, line) == ACCORD_OK);
    CHECK(bus_memory.attach(p.bus, NULL, 0, &a, line) == ACCORD_OK);
    p.at = a.after;
    return p;
}

static struct position publish(struct peer *p, const char *key, uint64_t message)
{
    char line[BUS_WHY_BYTES_MAX];
    struct position last;
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text(key),
                       .message = {0x77, message},
                       .origin = bytes_of_text("web1"),
                       .incarnation = {4, 4},
                       .sequence = message};

    CHECK(bus_memory.publish(p->bus, &c, 1, &last, line) == ACCORD_OK);
    return last;
}

/* How many entries of that op and key the log has, from where the peer began. */
static unsigned entries_of(struct peer *p, enum change_op op, const char *key)
{
    char line[BUS_WHY_BYTES_MAX];
    const struct entry *entries;
    size_t count = 1;
    unsigned found = 0;

    for (uint64_t at = p->at; count > 0; at = count > 0 ? entries[count - 1].position : at) {
        if (bus_memory.read(p->bus, at, 0, &entries, &count, line) != ACCORD_OK)
            return 0;
        for (size_t i = 0; i < count; i++)
            found += entries[i].change.op == op &&
                     bytes_equal(entries[i].change.key, bytes_of_text(key));
    }
    return found;
}

static bool has(struct peer *p, const char *key)
{
    return entries_of(p, CHANGE_REMOVE, key) > 0;
}

/* ---- a relay -------------------------------------------------------------------------------
 */

static struct relay_options options(const struct peer *from, const struct peer *to)
{
    static int null = -1;

    if (null < 0)
        null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    return (struct relay_options){.url = {from->url, to->url},
                                  .name = "r1",
                                  .timeout_ms = 500,
                                  .retain_ms = 1000000,
                                  .retain_changes = 100000,
                                  .log_fd = null,
                                  .log_level = LOG_DEBUG};
}

static struct relay *started(const struct relay_options *o)
{
    static const struct relay_hooks hooks = {NULL, on_ready, on_fatal};
    struct relay *r = NULL;

    pthread_mutex_lock(&state.mutex);
    state.ready = state.fatal = 0;
    pthread_mutex_unlock(&state.mutex);
    CHECK(relay_start(&r, o, &hooks, why) == ACCORD_OK);
    return r;
}

static struct relay *ready(const struct relay_options *o)
{
    struct relay *r = started(o);

    SOON(count_of(&state.ready) > 0);
    return r;
}

static void close_both(struct peer *a, struct peer *b)
{
    bus_memory.close(a->bus);
    bus_memory.close(b->bus);
}

TEST(relay_carries_both_ways_each_change_once)
{
    struct peer a = peer("both-a"), b = peer("both-b");
    struct relay_options o = options(&a, &b);
    struct relay *r = ready(&o);
    struct relay_counts counts;

    publish(&a, "of-a", 1);
    publish(&b, "of-b", 2);
    memory_log_write("both-a", "tag", bytes_of_text("by hand"));
    SOON(has(&b, "of-a") && has(&a, "of-b") && entries_of(&b, CHANGE_TAG, "by hand") == 1);
    /* What comes after all of them has passed them: nothing came back. */
    publish(&a, "last-a", 3);
    publish(&b, "last-b", 4);
    SOON(has(&b, "last-a") && has(&a, "last-b"));
    CHECK(entries_of(&a, CHANGE_REMOVE, "of-a") == 1);
    CHECK(entries_of(&b, CHANGE_REMOVE, "of-a") == 1);
    CHECK(entries_of(&a, CHANGE_REMOVE, "of-b") == 1);
    CHECK(entries_of(&a, CHANGE_TAG, "by hand") == 1);
    /* Both logs were empty: nobody can have missed anything. */
    CHECK(entries_of(&a, CHANGE_CLEAR, "") == 0 && entries_of(&b, CHANGE_CLEAR, "") == 0);
    SOON((relay_count(r, &counts), counts.carried[0] == 3 && counts.carried[1] == 2));
    CHECK(counts.clears[0] + counts.clears[1] == 0);
    relay_stop(r);
    CHECK(entries_of(&a, CHANGE_JOIN, "") >= 1 && entries_of(&a, CHANGE_LEAVE, "") == 1);
    CHECK(entries_of(&b, CHANGE_JOIN, "") >= 1 && entries_of(&b, CHANGE_LEAVE, "") == 1);
    close_both(&a, &b);
}

TEST(relay_clears_whoever_may_have_missed_something_before_its_first_run)
{
    struct peer a = peer("first-a"), b = peer("first-b");
    struct relay_options o = options(&a, &b);

    publish(&a, "before", 1);
    usleep(2000); /* a view of 0 ms ends before it */
    struct relay *r = ready(&o);
    CHECK(entries_of(&b, CHANGE_CLEAR, "") == 1 || has(&b, "before"));
    CHECK(entries_of(&a, CHANGE_CLEAR, "") == 0); /* b was empty */
    relay_stop(r);
    close_both(&a, &b);
}

TEST(relay_goes_on_where_an_earlier_run_stood)
{
    struct peer a = peer("again-a"), b = peer("again-b");
    struct relay_options o = options(&a, &b);

    o.state = test_folder();
    struct relay *r = ready(&o);
    publish(&a, "first", 1);
    SOON(has(&b, "first"));
    relay_stop(r);
    publish(&a, "while-away", 2);
    publish(&b, "there-too", 3);
    r = ready(&o);
    SOON(has(&b, "while-away") && has(&a, "there-too"));
    relay_stop(r);
    CHECK(entries_of(&a, CHANGE_CLEAR, "") == 0 && entries_of(&b, CHANGE_CLEAR, "") == 0);
    CHECK(entries_of(&b, CHANGE_REMOVE, "first") == 1);
    close_both(&a, &b);
}

TEST(relay_has_its_places_on_disk_before_it_says_that_it_is_ready)
{
    struct peer a = peer("kept-a"), b = peer("kept-b");
    struct relay_options o = options(&a, &b);
    char path[512];

    o.state = test_folder();
    struct relay *r = ready(&o);
    snprintf(path, sizeof path, "%s/relay.cursors", test_folder());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t bytes = read(fd, path, sizeof path);
    close(fd);
    CHECK(bytes == 15 + 5 + 100 + 3 + 100); /* both */
    relay_stop(r);
    close_both(&a, &b);
}

TEST(relay_clears_the_other_side_of_a_log_that_lost_its_place)
{
    struct peer a = peer("lost-a"), b = peer("lost-b");
    struct relay_options o = options(&a, &b);

    o.state = test_folder();
    struct relay *r = ready(&o);
    publish(&a, "first", 1);
    SOON(has(&b, "first"));
    relay_stop(r);
    memory_log_replace("lost-a");
    r = ready(&o);
    CHECK(entries_of(&b, CHANGE_CLEAR, "") == 1);
    bus_memory.close(a.bus);
    a = peer("lost-a");
    publish(&a, "second", 2);
    SOON(has(&b, "second"));
    memory_log_replace("lost-a"); /* while it runs */
    SOON(entries_of(&b, CHANGE_CLEAR, "") == 2);
    CHECK(entries_of(&a, CHANGE_CLEAR, "") == 0);
    relay_stop(r);
    close_both(&a, &b);
}

TEST(relay_waits_for_a_bus_that_does_not_answer_and_loses_nothing)
{
    struct peer a = peer("down-a"), b = peer("down-b");
    struct relay_options o = options(&a, &b);
    struct relay *r = ready(&o);

    memory_log_down("down-b", true);
    publish(&a, "meanwhile", 1);
    usleep(50000);
    memory_log_down("down-b", false);
    SOON(has(&b, "meanwhile"));
    memory_log_lose_answers("down-b", 2); /* it took effect, and nobody was told */
    publish(&a, "unknown", 2);
    publish(&a, "after", 3);
    SOON(has(&b, "after"));
    CHECK(entries_of(&b, CHANGE_REMOVE, "unknown") == 1);
    CHECK(entries_of(&b, CHANGE_CLEAR, "") == 0);
    relay_stop(r);
    close_both(&a, &b);
}

TEST(relay_ends_while_a_bus_does_not_answer_and_the_next_run_carries_the_rest)
{
    struct peer a = peer("stop-a"), b = peer("stop-b");
    struct relay_options o = options(&a, &b);

    o.state = test_folder();
    struct relay *r = ready(&o);
    memory_log_down("stop-b", true);
    publish(&a, "rest", 1);
    usleep(50000);
    relay_stop(r);
    memory_log_down("stop-b", false);
    CHECK(!has(&b, "rest"));
    r = ready(&o);
    SOON(has(&b, "rest"));
    relay_stop(r);
    close_both(&a, &b);
}

TEST(relays_in_a_ring_end_each_change_where_it_began)
{
    struct peer p[3] = {peer("ring-a"), peer("ring-b"), peer("ring-c")};
    struct relay_options o[3];
    struct relay *r[3];
    static const char *const names[3] = {"r1", "r2", "r3"};

    for (int i = 0; i < 3; i++) {
        o[i] = options(&p[i], &p[(i + 1) % 3]);
        o[i].name = names[i];
        r[i] = ready(&o[i]);
    }
    publish(&p[0], "k", 1);
    SOON(has(&p[1], "k") && has(&p[2], "k"));
    usleep(300000); /* were there a loop, it would turn */
    for (int i = 0; i < 3; i++)
        CHECK(entries_of(&p[i], CHANGE_REMOVE, "k") == 1);
    for (int i = 0; i < 3; i++) {
        relay_stop(r[i]);
        bus_memory.close(p[i].bus);
    }
}

TEST(relay_ends_where_another_that_lives_has_its_name)
{
    struct peer a = peer("name-a"), b = peer("name-b");
    struct relay_options o = options(&a, &b);
    struct relay *first = ready(&o), *second = started(&o);

    SOON(count_of(&state.fatal) > 0);
    CHECK(strstr(state.why, "give each its own --name"));
    relay_stop(second);
    publish(&a, "k", 1);
    SOON(has(&b, "k")); /* the first goes on */
    relay_stop(first);
    CHECK(count_of(&state.fatal) == 1);
    close_both(&a, &b);
}

TEST(relay_from_a_log_to_itself_ends_at_once_and_says_nothing_there)
{
    struct peer a = peer("self"), b = peer("self");
    struct relay_options o = options(&a, &b);

    publish(&a, "k", 1); /* so that a relay without a past would clear the other side */
    struct relay *r = started(&o);
    SOON(count_of(&state.fatal) > 0);
    CHECK(strstr(state.why, "one and the same log"));
    relay_stop(r);
    CHECK(entries_of(&a, CHANGE_CLEAR, "") == 0);
    CHECK(entries_of(&a, CHANGE_JOIN, "") + entries_of(&a, CHANGE_LEAVE, "") == 0);
    close_both(&a, &b);
}

TEST(relay_gives_a_new_log_the_bound_that_the_other_has)
{
    struct peer a = peer("new-a"), b = {.url = "memory:new-b"};
    struct relay_options o = options(&a, &b);
    struct bus_attached attached;
    char line[BUS_WHY_BYTES_MAX];

    struct relay *r = ready(&o);
    b = peer("new-b");
    CHECK(bus_memory.attach(b.bus, NULL, 0, &attached, line) == ACCORD_OK);
    CHECK(attached.max_stale_ms == 500);
    relay_stop(r);
    close_both(&a, &b);
}

TEST(relay_answers_who_waits_for_all_nodes_at_once)
{
    struct peer a = peer("wait-a"), b = peer("wait-b");
    struct relay_options o = options(&a, &b);
    struct relay *r = ready(&o);
    char line[BUS_WHY_BYTES_MAX];
    const struct entry *entries;
    struct position last;
    size_t count;
    bool confirmed = false;
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text("k"),
                       .message = {5, 5},
                       .origin = bytes_of_text("web1"),
                       .incarnation = {4, 4},
                       .sequence = 1,
                       .nonce = 9};

    memory_log_down("wait-b", true); /* nor does it wait for the other bus */
    CHECK(bus_memory.publish(a.bus, &c, 1, &last, line) == ACCORD_OK);
    for (uint64_t at = last.value; !confirmed; at = entries[count - 1].position) {
        CHECK(bus_memory.read(a.bus, at, PATIENCE_MS, &entries, &count, line) == ACCORD_OK);
        CHECK(count > 0);
        for (size_t i = 0; i < count; i++)
            confirmed |= entries[i].change.op >= CHANGE_JOIN &&
                         entries[i].change.applied >= last.value &&
                         entries[i].change.lease_epoch == last.epoch;
    }
    memory_log_down("wait-b", false);
    relay_stop(r);
    close_both(&a, &b);
}

static const char *key_file(void)
{
    static const char key[] = "0123456789abcdef0123456789abcdef";
    static char path[512];

    snprintf(path, sizeof path, "%s/key", test_folder());
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, key, sizeof key - 1) == (ssize_t)sizeof key - 1);
    close(fd);
    return path;
}

TEST(relay_vouches_for_nothing_that_it_cannot_verify)
{
    struct peer a = peer("naked-a"), b = peer("naked-b");
    struct relay_options o = options(&a, &b);
    struct relay_counts counts;

    o.key_file[1] = key_file();
    struct relay *r = ready(&o);
    memory_log_write("naked-b", "remove", bytes_of_text("by hand"));
    SOON((relay_count(r, &counts), counts.refused[1] == 1));
    CHECK(counts.clears[1] == 0);
    publish(&b, "of-a-node", 1); /* as it says: it may be real, so a may miss a removal */
    SOON(entries_of(&a, CHANGE_CLEAR, "") == 1);
    publish(&b, "again", 2); /* but nobody can keep a empty in that way */
    SOON((relay_count(r, &counts), counts.refused[1] == 3));
    publish(&a, "signed-there", 3);
    SOON(has(&b, "signed-there"));
    CHECK(entries_of(&a, CHANGE_CLEAR, "") == 1);
    CHECK(!has(&a, "by hand") && !has(&a, "of-a-node") && !has(&a, "again"));
    relay_stop(r);
    close_both(&a, &b);
}

/* A run that ends with this entry of --from's log in hand. */
static void crash_with(const struct peer *p, struct position at)
{
    struct poison *poison = NULL;
    struct poison_found found[POISON_STAGES];
    struct bus_attached a;
    char line[BUS_WHY_BYTES_MAX];
    size_t count;

    CHECK(bus_memory.attach(p->bus, NULL, 0, &a, line) == ACCORD_OK);
    CHECK(poison_open(&poison, test_folder(), found, &count, line) == ACCORD_OK);
    struct hand hand = poison_hand(poison, POISON_FROM);
    hand_attach(&hand, a.log, at.epoch);
    hand_take(&hand, at.value);
    poison_close(poison);
}

static void skips(const char *from, const char *to, const char *key_path)
{
    struct peer a = peer(from), b = peer(to);
    struct relay_options o = options(&a, &b);

    o.state = test_folder();
    o.key_file[0] = key_path;
    relay_stop(ready(&o));
    struct position bad = publish(&a, "bad", 1);
    for (int i = 0; i < POISON_TRIES; i++)
        crash_with(&a, bad);
    struct relay *r = ready(&o);
    SOON(entries_of(&b, CHANGE_CLEAR, "") == 1);
    publish(&b, "goes-on", 2);
    SOON(has(&a, "goes-on"));
    relay_stop(r);
    relay_stop(ready(&o)); /* nobody has it in hand any more */
    CHECK(entries_of(&b, CHANGE_CLEAR, "") == 1 && entries_of(&a, CHANGE_CLEAR, "") == 0);
    CHECK(!has(&b, "bad"));
    close_both(&a, &b);
}

TEST(relay_clears_the_other_side_for_an_entry_that_ended_three_runs)
{
    skips("poison-a", "poison-b", NULL);
}

TEST(relay_does_so_on_a_signed_bus_too)
{
    skips("poison-signed-a", "poison-signed-b", key_file());
}

TEST(relay_carries_an_entry_that_ended_two_runs_and_forgets_it)
{
    struct peer a = peer("suspect-a"), b = peer("suspect-b");
    struct relay_options o = options(&a, &b);

    o.state = test_folder();
    relay_stop(ready(&o));
    struct position suspect = publish(&a, "suspect", 1);
    for (int i = 0; i < POISON_TRIES - 1; i++)
        crash_with(&a, suspect);
    struct relay *r = ready(&o);
    SOON(has(&b, "suspect"));
    relay_stop(r);
    struct poison *poison = NULL;
    struct poison_found found[POISON_STAGES];
    size_t count = 1;
    CHECK(poison_open(&poison, test_folder(), found, &count, why) == ACCORD_OK);
    CHECK(count == 0);
    poison_close(poison);
    crash_with(&a, suspect);
    CHECK(poison_open(&poison, test_folder(), found, &count, why) == ACCORD_OK);
    CHECK(count == 1 && found[0].tries == 1);
    poison_close(poison);
    CHECK(entries_of(&b, CHANGE_CLEAR, "") == 0);
    close_both(&a, &b);
}

TEST(relay_is_refused_with_a_reason)
{
    struct peer a = peer("why-a"), b = peer("why-b");
    struct relay_options o = options(&a, &b);
    static const struct relay_hooks hooks = {NULL, on_ready, on_fatal};
    struct relay *r = NULL;

    o.url[1] = "carrier-pigeon://coop";
    CHECK(relay_start(&r, &o, &hooks, why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "--to: ") && strstr(why, "carrier-pigeon"));
    o = options(&a, &b);
    o.key_file[0] = "/nowhere/key";
    CHECK(relay_start(&r, &o, &hooks, why) < 0);
    CHECK(strstr(why, "--from: ") && strstr(why, "/nowhere/key"));
    o = options(&a, &b);
    o.state = "/proc/nowhere";
    CHECK(relay_start(&r, &o, &hooks, why) < 0);
    CHECK(strstr(why, "/proc/nowhere"));
    CHECK(!r);
    relay_stop(NULL);
    close_both(&a, &b);
}
