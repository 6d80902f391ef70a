/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* redis_test.c - the redis bus against a real redis-server, and what befalls it: killed,
 * started again, replaced by a replica, cut off, silent, refusing. The clauses themselves are
 * checked by test/contract/bus_contract.c. */
#include "bus/redis/redis.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "fault_proxy.h"
#include "redis_server.h"
#include "test.h"

enum { TIMEOUT_MS = 5000, PATIENCE_MS = 20000, VIEW_ALL_MS = 3600 * 1000 };

static _Thread_local char why[BUS_WHY_BYTES_MAX];

#define OK(e)                                                                                  \
    do {                                                                                       \
        int status_of_e = (e);                                                                 \
        if (status_of_e != ACCORD_OK)                                                          \
            fprintf(stderr, "%s: %s\n", status_text(status_of_e), why);                        \
        CHECK(status_of_e == ACCORD_OK);                                                       \
    } while (0)

struct peer {
    struct bus *bus;
    struct bus_attached attached;
    struct cursor at;
};

static uint64_t now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / NS_PER_MS;
}

static struct bus_settings settings_of(const char *url)
{
    return (struct bus_settings){.url = url,
                                 .max_stale_ms = 3000,
                                 .retain_ms = 24ull * 3600 * 1000,
                                 .retain_changes = 1000000,
                                 .timeout_ms = TIMEOUT_MS};
}

/* The URL of a port, with a format for what follows it. */
PRINTF_LIKE(2, 3)
static const char *url_of(uint16_t port, const char *format, ...)
{
    static char url[512];
    va_list more;
    int used = snprintf(url, sizeof url, "redis://127.0.0.1:%u", port);

    va_start(more, format);
    vsnprintf(url + used, sizeof url - (size_t)used, format, more);
    va_end(more);
    return url;
}

static void attach(struct peer *p, const struct cursor *resume)
{
    OK(bus_redis.attach(p->bus, resume, resume ? 0 : VIEW_ALL_MS, &p->attached, why));
    if (!resume)
        p->at = (struct cursor){
            .log = p->attached.log, .epoch = p->attached.epoch, .position = p->attached.after};
}

static struct peer opened(const char *url)
{
    struct bus_settings s = settings_of(url);
    struct peer p = {.bus = NULL};

    OK(bus_redis.open(&p.bus, &s, why));
    attach(&p, NULL);
    return p;
}

/* What opening answers; it does not hold longer than it may. */
static int refused(const char *url, uint64_t timeout_ms)
{
    struct bus_settings s = settings_of(url);
    struct bus *bus = NULL;
    uint64_t began_ms = now_ms();

    s.timeout_ms = timeout_ms;
    why[0] = 0;
    int status = bus_redis.open(&bus, &s, why);
    CHECK(status != ACCORD_OK && !bus && why[0]);
    CHECK(now_ms() - began_ms < timeout_ms + 3000);
    return status;
}

static struct id128 random_id(uint64_t *rng)
{
    return (struct id128){1 + test_random(rng, UINT64_MAX - 1), test_random(rng, UINT64_MAX)};
}

static struct change removal(uint64_t *rng)
{
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text("k"),
                           .message = random_id(rng),
                           .wall_ms = 1700000000000,
                           .origin = bytes_of_text("web1"),
                           .incarnation = {7, 7},
                           .sequence = 1};
}

static int try_publish(struct peer *p, const struct change *c, struct position *last)
{
    return bus_redis.publish(p->bus, c, 1, last, why);
}

static uint64_t published(struct peer *p, uint64_t *rng)
{
    struct change c = removal(rng);
    struct position last = {0, 0};

    OK(try_publish(p, &c, &last));
    CHECK(last.epoch == p->attached.epoch);
    return last.value;
}

static int try_read(struct peer *p, uint64_t timeout_ms, size_t *count)
{
    const struct entry *entries = NULL;

    *count = 0;
    int status = bus_redis.read(p->bus, p->at.position, timeout_ms, &entries, count, why);
    for (size_t i = 0; status == ACCORD_OK && i < *count; i++) {
        CHECK(entries[i].position > p->at.position);
        p->at.position = entries[i].position;
        p->at.message = entries[i].change.message;
    }
    return status;
}

static size_t read_to_end(struct peer *p)
{
    size_t total = 0, count;

    do {
        OK(try_read(p, 0, &count));
        total += count;
    } while (count > 0);
    return total;
}

static int try_head(struct peer *p, uint64_t *head)
{
    return bus_redis.head(p->bus, &p->at, head, why);
}

/* Attaches anew until the server lets us. */
static void attach_again(struct peer *p, const struct cursor *resume)
{
    struct bus_attached a;
    uint64_t began_ms = now_ms();

    while (bus_redis.attach(p->bus, resume, resume ? 0 : VIEW_ALL_MS, &a, why) ==
           ACCORD_E_DOWN) {
        CHECK(now_ms() - began_ms < PATIENCE_MS);
        usleep(20000);
    }
    attach(p, resume);
}

/* A server that ends and begins again. */

TEST(redis_restart_without_persistence_is_another_log)
{
    struct redis_server s;
    uint64_t head;

    redis_server_begin(&s, "redis", NULL);
    struct peer p = opened(url_of(s.port, "/0"));
    published(&p, rng);
    read_to_end(&p);
    struct cursor before = p.at;
    struct id128 log = p.attached.log;
    redis_server_end(&s, SIGKILL);
    CHECK(try_head(&p, &head) == ACCORD_E_DOWN);
    redis_server_start(&s);
    CHECK(try_head(&p, &head) == ACCORD_E_GONE);
    CHECK(bus_redis.attach(p.bus, &before, 0, &p.attached, why) == ACCORD_E_GONE);
    attach(&p, NULL);
    CHECK(!id128_equal(p.attached.log, log) && p.attached.head == 0);
    published(&p, rng);
    bus_redis.close(p.bus);
}

TEST(redis_restart_with_persistence_is_another_epoch_of_the_same_log)
{
    static const char *const options[] = {"--appendonly", "yes", "--appendfsync", "always",
                                          NULL};
    struct redis_server s;
    struct position last = {0, 0};
    struct change c = removal(rng);
    uint64_t head;

    redis_server_begin(&s, "redis", options);
    struct peer p = opened(url_of(s.port, "/0"));
    for (int i = 0; i < 20; i++)
        published(&p, rng);
    read_to_end(&p);
    struct cursor before = p.at;
    struct bus_attached was = p.attached;
    redis_server_end(&s, SIGKILL);
    redis_server_start(&s);
    /* Nobody knows what the disk had: also whoever publishes first may not go on as before. */
    CHECK(try_publish(&p, &c, &last) == ACCORD_E_DOWN);
    CHECK(try_head(&p, &head) == ACCORD_E_GONE);
    CHECK(bus_redis.attach(p.bus, &before, 0, &p.attached, why) == ACCORD_E_GONE);
    attach(&p, NULL);
    CHECK(id128_equal(p.attached.log, was.log) && p.attached.epoch != was.epoch);
    CHECK(read_to_end(&p) == 20);
    published(&p, rng);
    bus_redis.close(p.bus);
}

/* Publishes on while the server is killed; each message is repeated until it is taken. */
struct load {
    const char *url;
    uint64_t rng;
    struct id128 taken[4096];
    _Atomic size_t count;
    atomic_bool stop;
};

static void *publish_through(void *context)
{
    struct load *l = context;
    struct peer p = opened(l->url);

    while (!l->stop && l->count < COUNT_OF(l->taken)) {
        struct change c = removal(&l->rng);
        struct position last;
        int status;

        while ((status = try_publish(&p, &c, &last)) != ACCORD_OK && !l->stop) {
            CHECK(status == ACCORD_E_DOWN || status == ACCORD_E_TIMEOUT);
            usleep(5000);
            if (status == ACCORD_E_DOWN)
                (void)bus_redis.attach(p.bus, NULL, 0, &p.attached, why);
        }
        if (status == ACCORD_OK)
            l->taken[l->count++] = c.message;
    }
    bus_redis.close(p.bus);
    return NULL;
}

/* Until so many more were taken: a kill before the first attach would be no kill under load. */
static void await_taken(struct load *l, size_t more)
{
    size_t enough = l->count + more;
    uint64_t began_ms = now_ms();

    while (l->count < enough && l->count < COUNT_OF(l->taken)) {
        CHECK(now_ms() - began_ms < PATIENCE_MS);
        usleep(5000);
    }
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct id128));
}

TEST(redis_killed_under_load_keeps_what_its_disk_has_each_once)
{
    static const char *const options[] = {"--appendonly", "yes", "--appendfsync", "always",
                                          NULL};
    static struct id128 seen[8192];
    static struct load load;
    struct redis_server s;
    pthread_t thread;
    size_t n = 0, count;

    redis_server_begin(&s, "redis", options);
    load.url = url_of(s.port, "/0");
    load.rng = *rng;
    CHECK(pthread_create(&thread, NULL, publish_through, &load) == 0);
    for (int i = 0; i < 3; i++) {
        await_taken(&load, 20);
        redis_server_end(&s, SIGKILL);
        redis_server_start(&s);
    }
    await_taken(&load, 20);
    load.stop = true;
    CHECK(pthread_join(thread, NULL) == 0);
    CHECK(load.count >= 80);
    struct peer p = opened(load.url);
    const struct entry *entries;
    do {
        OK(bus_redis.read(p.bus, p.at.position, 0, &entries, &count, why));
        for (size_t i = 0; i < count && n < COUNT_OF(seen); i++)
            seen[n++] = entries[i].change.message;
        p.at.position = count > 0 ? entries[count - 1].position : p.at.position;
    } while (count > 0);
    qsort(seen, n, sizeof *seen, by_id);
    for (size_t i = 1; i < n; i++)
        CHECK(!id128_equal(seen[i - 1], seen[i])); /* B12, through every kill */
    for (size_t i = 0; i < load.count; i++)
        CHECK(bsearch(&load.taken[i], seen, n, sizeof *seen, by_id));
    bus_redis.close(p.bus);
}

/* Failover. */

/* Else a primary waits five seconds for more replicas before it serves the first. */
static const char *const at_once[] = {"--repl-diskless-sync-delay", "0", NULL};

static void until_in_step(uint16_t replica)
{
    static const char *const words[] = {"INFO", "replication"};
    static const size_t sizes[] = {4, 11};
    static char answer[8192];
    uint64_t began_ms = now_ms();

    do {
        CHECK(now_ms() - began_ms < PATIENCE_MS);
        usleep(20000);
        CHECK(redis_server_ask(replica, answer, sizeof answer, 2, words, sizes));
    } while (!strstr(answer, "master_link_status:up"));
}

static void begin_replica(struct redis_server *s, uint16_t of)
{
    char port[8];

    snprintf(port, sizeof port, "%u", of);
    redis_server_begin(s, "replica", NULL);
    redis_server_say(s->port, "REPLICAOF", "127.0.0.1", port, NULL);
    until_in_step(s->port);
}

/* The case of the experiment in section 1.7.3 of the reliability review: three entries are
 * acknowledged that the replica never hears of, and it is promoted. */
TEST(redis_replica_promoted_without_the_tail_is_noticed_by_all)
{
    struct redis_server first, second;
    uint64_t head;
    size_t count;

    redis_server_begin(&first, "first", at_once);
    struct fault_proxy *between = fault_proxy_start(first.port, 1);
    CHECK(between);
    begin_replica(&second, fault_proxy_port(between));
    char url[256];
    snprintf(url, sizeof url, "redis://127.0.0.1:%u,127.0.0.1:%u/0", first.port, second.port);
    struct peer p = opened(url), slow = opened(url);
    published(&p, rng);
    read_to_end(&slow); /* it stands before what will be lost, and still has to hear of it */
    usleep(200000);
    CHECK(fault_proxy_command(between, "stall both"));
    for (int i = 0; i < 3; i++)
        published(&p, rng);
    read_to_end(&p);
    struct cursor before = p.at, early = slow.at;
    uint64_t epoch = p.attached.epoch;
    redis_server_end(&first, SIGKILL);
    redis_server_say(second.port, "REPLICAOF", "NO", "ONE", NULL);
    CHECK(try_head(&p, &head) == ACCORD_E_GONE);
    CHECK(bus_redis.attach(p.bus, &before, 0, &p.attached, why) == ACCORD_E_GONE);
    CHECK(try_read(&slow, 0, &count) == ACCORD_E_GONE);
    CHECK(bus_redis.attach(slow.bus, &early, 0, &slow.attached, why) == ACCORD_E_GONE);
    attach(&p, NULL);
    attach(&slow, NULL);
    CHECK(p.attached.epoch != epoch && p.attached.epoch == slow.attached.epoch);
    uint64_t last = published(&p, rng);
    read_to_end(&slow);
    CHECK(slow.at.position == last);
    fault_proxy_stop(between);
    bus_redis.close(p.bus);
    bus_redis.close(slow.bus);
}

static void until_empty(uint16_t port)
{
    static const char *const words[] = {"DBSIZE"};
    static const size_t sizes[] = {6};
    uint64_t began_ms = now_ms();
    char answer[64];

    do {
        CHECK(now_ms() - began_ms < PATIENCE_MS);
        usleep(20000);
        CHECK(redis_server_ask(port, answer, sizeof answer, 1, words, sizes));
    } while (strcmp(answer, "0") != 0);
}

/* 1.7.3: without persistence a primary that begins again empties its replicas, too. */
TEST(redis_replica_that_its_primary_emptied_is_noticed)
{
    struct redis_server first, second;
    char url[256];
    uint64_t head;

    redis_server_begin(&first, "first", at_once);
    begin_replica(&second, first.port);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u,127.0.0.1:%u/0", first.port, second.port);
    struct peer p = opened(url);
    published(&p, rng);
    read_to_end(&p);
    struct cursor before = p.at;
    struct id128 log = p.attached.log;
    redis_server_end(&first, SIGKILL);
    redis_server_start(&first);
    until_empty(second.port);
    redis_server_end(&first, SIGKILL);
    redis_server_say(second.port, "REPLICAOF", "NO", "ONE", NULL);
    CHECK(try_head(&p, &head) == ACCORD_E_GONE);
    CHECK(bus_redis.attach(p.bus, &before, 0, &p.attached, why) == ACCORD_E_GONE);
    attach(&p, NULL);
    CHECK(!id128_equal(p.attached.log, log) && p.attached.head == 0);
    published(&p, rng);
    bus_redis.close(p.bus);
}

/* 1.7.3: it bounds how long a primary that was cut off takes changes; replicas=n is the proof.
 */
TEST(redis_says_that_the_server_wants_more_replicas)
{
    struct redis_server s;
    struct position last;
    struct change c = removal(rng);

    redis_server_begin(&s, "redis", NULL);
    struct peer p = opened(url_of(s.port, "/0"));
    redis_server_say(s.port, "CONFIG", "SET", "min-replicas-to-write", "1", NULL);
    CHECK(try_publish(&p, &c, &last) == ACCORD_E_DOWN);
    CHECK(strstr(why, "min-replicas-to-write"));
    CHECK(read_to_end(&p) == 0);
    redis_server_say(s.port, "CONFIG", "SET", "min-replicas-to-write", "0", NULL);
    OK(try_publish(&p, &c, &last));
    CHECK(read_to_end(&p) == 1 && p.at.position == last.value);
    bus_redis.close(p.bus);
}

TEST(redis_primary_that_comes_back_is_not_preferred_to_its_successor)
{
    static const char *const options[] = {"--appendonly", "yes", "--repl-diskless-sync-delay",
                                          "0", NULL};
    struct redis_server first, second;
    char url[256];

    redis_server_begin(&first, "first", options);
    begin_replica(&second, first.port);
    snprintf(url, sizeof url, "redis://127.0.0.1:%u,127.0.0.1:%u/0", first.port, second.port);
    struct peer p = opened(url);
    published(&p, rng);
    usleep(1200000); /* its file, too */
    redis_server_end(&first, SIGKILL);
    redis_server_say(second.port, "REPLICAOF", "NO", "ONE", NULL);
    attach(&p, NULL);
    uint64_t last = published(&p, rng);
    redis_server_start(&first); /* as a primary: nobody told it */
    struct peer q = opened(url);
    CHECK(q.attached.epoch == p.attached.epoch && q.attached.head == last);
    bus_redis.close(p.bus);
    bus_redis.close(q.bus);
}

TEST(redis_says_what_a_url_leaves_open)
{
    const char *said = bus_redis.tools.caveat("redis://a/shop");

    CHECK(said && strstr(said, "without replicas=n"));
    CHECK(!bus_redis.tools.caveat("redis://a,b/shop?replicas=1"));
    said = bus_redis.tools.caveat("redis://a,b/shop?replicas=1&allow_evicting=1");
    CHECK(said && strstr(said, "may throw the log away") && !strstr(said, "replicas=n"));
    said = bus_redis.tools.caveat("redis://a/shop?allow_evicting=1");
    CHECK(said && strstr(said, "may throw the log away") && strstr(said, "without replicas=n"));
    CHECK(!bus_redis.tools.caveat("redis://a/shop?replica=1")); /* open() refuses it */
}

/* 1.7.3: WAIT before a beat counts, so a primary that was replaced renews no lease. */
TEST(redis_waits_for_replicas_where_it_is_told_to)
{
    struct redis_server first, second;
    struct position last;
    struct change c = removal(rng);
    uint64_t head;

    redis_server_begin(&first, "first", at_once);
    struct fault_proxy *between = fault_proxy_start(first.port, 1);
    CHECK(between);
    begin_replica(&second, fault_proxy_port(between));
    struct peer p = opened(url_of(first.port, "/0?replicas=1"));
    published(&p, rng);
    read_to_end(&p);
    OK(try_head(&p, &head));
    CHECK(fault_proxy_command(between, "stall both"));
    CHECK(try_publish(&p, &c, &last) == ACCORD_E_TIMEOUT);
    CHECK(strstr(why, "0 of 1 replicas"));
    CHECK(try_head(&p, &head) == ACCORD_E_TIMEOUT); /* it may have been replaced */
    CHECK(strstr(why, "replaced"));
    CHECK(fault_proxy_command(between, "heal"));
    uint64_t began_ms = now_ms();
    while (try_publish(&p, &c, &last) != ACCORD_OK)
        CHECK(now_ms() - began_ms < PATIENCE_MS);
    CHECK(read_to_end(&p) == 1); /* the repeat changed nothing */
    OK(try_head(&p, &head));
    CHECK(head == last.value);
    fault_proxy_stop(between);
    bus_redis.close(p.bus);
}

/* What people do to a log. */

/* T5, T42, 1.7.3: the entries and what is known of them may go one without the other. */
TEST(redis_notices_a_flush_and_entries_deleted_by_hand)
{
    struct redis_server s;
    uint64_t head;
    size_t count;

    redis_server_begin(&s, "redis", NULL);
    struct peer p = opened(url_of(s.port, "/shop"));
    for (int i = 0; i < 5; i++)
        published(&p, rng);
    OK(bus_redis.attach(p.bus, NULL, VIEW_ALL_MS, &p.attached, why));
    struct cursor start = p.at;
    uint64_t epoch = p.attached.epoch;
    /* From the middle of what `p` has not read yet: its own place is as it was. */
    redis_server_say(s.port, "EVAL",
                     "local e = redis.call('XRANGE', KEYS[1], '-', '+') "
                     "return redis.call('XDEL', KEYS[1], e[3][1])",
                     "1", "accord:{shop}:changes", NULL);
    CHECK(try_read(&p, 0, &count) == ACCORD_E_GONE);
    CHECK(bus_redis.attach(p.bus, &start, 0, &p.attached, why) == ACCORD_E_GONE);
    attach(&p, NULL);
    CHECK(p.attached.epoch != epoch && read_to_end(&p) == 4);
    redis_server_say(s.port, "FLUSHALL", NULL);
    CHECK(try_head(&p, &head) == ACCORD_E_GONE);
    attach(&p, NULL);
    CHECK(p.attached.head == 0);
    published(&p, rng);
    bus_redis.close(p.bus);
}

/* T5: cursors are beyond the end then. */
TEST(redis_notices_an_older_copy_restored_into_the_running_server)
{
    struct redis_server s;
    struct position last;
    struct change c = removal(rng);
    uint64_t head;

    redis_server_begin(&s, "redis", NULL);
    struct peer p = opened(url_of(s.port, "/shop"));
    published(&p, rng);
    redis_server_say(s.port, "COPY", "accord:{shop}:changes", "old:changes", NULL);
    redis_server_say(s.port, "COPY", "accord:{shop}:log", "old:log", NULL);
    uint64_t epoch = p.attached.epoch;
    published(&p, rng);
    read_to_end(&p);
    redis_server_say(s.port, "COPY", "old:changes", "accord:{shop}:changes", "REPLACE", NULL);
    redis_server_say(s.port, "COPY", "old:log", "accord:{shop}:log", "REPLACE", NULL);
    CHECK(try_publish(&p, &c, &last) == ACCORD_E_DOWN);
    CHECK(try_head(&p, &head) == ACCORD_E_GONE);
    attach(&p, NULL);
    CHECK(p.attached.epoch != epoch && read_to_end(&p) == 1);
    bus_redis.close(p.bus);
}

TEST(redis_goes_on_where_its_scripts_were_flushed)
{
    struct redis_server s;
    struct position last;
    struct change c = removal(rng);
    uint64_t head;

    redis_server_begin(&s, "redis", NULL);
    struct peer p = opened(url_of(s.port, "/0"));
    published(&p, rng);
    redis_server_say(s.port, "SCRIPT", "FLUSH", NULL);
    CHECK(try_publish(&p, &c, &last) == ACCORD_E_DOWN);
    OK(try_publish(&p, &c, &last));
    redis_server_say(s.port, "SCRIPT", "FLUSH", NULL);
    OK(try_head(&p, &head));
    CHECK(head == last.value);
    bus_redis.close(p.bus);
}

/* Who is refused, and what is said. */

TEST(redis_refuses_a_wrong_password_and_never_says_it)
{
    static const char *const options[] = {"--requirepass", "right", NULL};
    struct redis_server s;
    char url[128];

    redis_server_begin(&s, "redis", options);
    snprintf(url, sizeof url, "redis://:wr0ng@127.0.0.1:%u/0", s.port);
    CHECK(refused(url, TIMEOUT_MS) == ACCORD_E_DENIED && !strstr(why, "wr0ng"));
    CHECK(refused(url_of(s.port, "/0"), TIMEOUT_MS) == ACCORD_E_DENIED);
    CHECK(strstr(why, "password"));
    snprintf(url, sizeof url, "redis://:right@127.0.0.1:%u/0", s.port);
    struct peer p = opened(url);
    published(&p, rng);
    bus_redis.close(p.bus);
}

TEST(redis_needs_no_more_rights_than_its_schema_says)
{
    struct redis_server s;
    struct bus_settings settings;
    char url[128], *acl = NULL;
    const char *words[64];
    size_t sizes[64];
    char answer[256];
    int n = 0;

    redis_server_begin(&s, "redis", NULL);
    snprintf(url, sizeof url, "redis://accord:CHANGE-THIS-PASSWORD@127.0.0.1:%u/3/shop",
             s.port);
    settings = settings_of(url);
    settings.retain_changes = 5;
    settings.node = "web1";
    OK(bus_redis.tools.schema(&settings, &acl, why));
    acl[strcspn(acl, "\n")] = 0;
    for (char *at = acl, *word; (word = strsep(&at, " ")); n++) {
        words[n] = word;
        sizes[n] = strlen(word);
    }
    CHECK(redis_server_ask(s.port, answer, sizeof answer, n, words, sizes));
    free(acl);
    struct peer p = {.bus = NULL};
    OK(bus_redis.open(&p.bus, &settings, why));
    attach(&p, NULL);
    struct change beat = removal(rng);
    beat.op = CHANGE_BEAT;
    beat.key.size_bytes = 0;
    beat.has_version = true;
    beat.version = 5000;
    struct position last;
    OK(try_publish(&p, &beat, &last));
    for (int i = 0; i < 200; i++) /* pruned, too */
        published(&p, rng);
    attach(&p, NULL);
    CHECK(read_to_end(&p) < 200 && p.attached.max_stale_ms == 5000);
    uint64_t head;
    OK(try_head(&p, &head));
    const char *names[] = {"web1", "web2"};
    bool there[2];
    OK(bus_redis.present(p.bus, names, 2, there, why));
    CHECK(there[0] && !there[1]);
    redis_server_say(s.port, "ACL", "SETUSER", "accord", "-client|list", "-client|setname",
                     NULL);
    CHECK(bus_redis.present(p.bus, names, 2, there, why) == ACCORD_E_DENIED);
    attach(&p, NULL); /* it goes on without, also on new connections */
    published(&p, rng);
    CHECK(read_to_end(&p) > 0);
    bus_redis.close(p.bus);
    OK(bus_redis.open(&p.bus, &settings, why));
    attach(&p, NULL);
    bus_redis.close(p.bus);
    snprintf(url, sizeof url, "redis://accord:CHANGE-THIS-PASSWORD@127.0.0.1:%u/3/other",
             s.port);
    CHECK(refused(url, TIMEOUT_MS) == ACCORD_E_DENIED && strstr(why, "rights"));
    snprintf(url, sizeof url, "redis://accord:CHANGE-THIS-PASSWORD@127.0.0.1:%u/3/shop",
             s.port);
    OK(bus_redis.tools.drop(&settings, why));
}

TEST(redis_drop_leaves_the_server_as_it_was)
{
    static const char *const words[] = {"DBSIZE"};
    static const size_t sizes[] = {6};
    struct redis_server s;
    char url[128], answer[64];

    redis_server_begin(&s, "redis", NULL);
    snprintf(url, sizeof url, "%s", url_of(s.port, "/one"));
    struct peer p = opened(url), q = opened(url_of(s.port, "/two"));
    published(&p, rng);
    published(&q, rng);
    struct bus_settings settings = settings_of(url);
    OK(bus_redis.tools.drop(&settings, why));
    read_to_end(&q); /* the other cluster stays */
    CHECK(q.at.position > 0);
    CHECK(bus_redis.tools.drop(&settings, why) == ACCORD_E_GONE); /* nothing is there */
    settings.url = url_of(s.port, "/two");
    OK(bus_redis.tools.drop(&settings, why));
    CHECK(redis_server_ask(s.port, answer, sizeof answer, 1, words, sizes));
    CHECK(strcmp(answer, "0") == 0);
    bus_redis.close(p.bus);
    bus_redis.close(q.bus);
}

TEST(redis_refuses_a_server_that_may_evict_the_log)
{
    static const char *const options[] = {"--maxmemory-policy", "allkeys-lru", NULL};
    struct redis_server s;

    redis_server_begin(&s, "redis", options);
    CHECK(refused(url_of(s.port, "/0"), TIMEOUT_MS) == ACCORD_E_UNSUPPORTED);
    CHECK(strstr(why, "allkeys-lru") && strstr(why, "noeviction") &&
          strstr(why, "allow-evicting=1"));
    struct peer p = opened(url_of(s.port, "/0?allow-evicting=1"));
    published(&p, rng);
    bus_redis.close(p.bus);
}

/* What is common to a batch is said once; that must not rub off on what differs. */
TEST_SEEDS(redis_rows_of_a_batch_come_out_as_they_went_in, 3)
{
    enum { ROWS = 40 };
    static struct redis_server s;
    struct change batch[ROWS];
    const struct entry *entries;
    struct position last, again;
    size_t count = 0;

    if (s.pid == 0)
        redis_server_begin(&s, "redis", NULL);
    redis_server_say(s.port, "FLUSHALL", NULL);
    struct peer p = opened(url_of(s.port, "/0"));
    for (size_t i = 0; i < ROWS; i++) {
        struct change *c = &batch[i];
        *c = removal(rng);
        c->sequence = i; /* the first has none */
        switch (test_random(rng, 12)) {
        case 0:
            c->soft = true;
            break;
        case 1:
            c->op = CHANGE_TAG;
            break;
        case 2:
            c->has_version = true;
            break;
        case 3:
            c->origin = bytes_of_text("web2");
            break;
        case 4:
            c->incarnation.low++;
            break;
        case 5:
            c->about = bytes_of_text("signed");
            break;
        case 6:
            c->wall_ms = 0;
            break;
        case 7:
            *c = (struct change){.op = CHANGE_CLEAR, .message = c->message};
            break;
        default:
            break;
        }
    }
    OK(bus_redis.publish(p.bus, batch, ROWS, &last, why));
    OK(bus_redis.publish(p.bus, batch, ROWS, &again, why)); /* changes nothing */
    CHECK(again.value == last.value);
    OK(bus_redis.read(p.bus, p.at.position, PATIENCE_MS, &entries, &count, why));
    CHECK(count == ROWS && entries[ROWS - 1].position == last.value);
    for (size_t i = 0; i < ROWS; i++) {
        const struct change *a = &batch[i], *b = &entries[i].change;
        CHECK(a->op == b->op && a->soft == b->soft && a->has_version == b->has_version);
        CHECK(bytes_equal(a->key, b->key) && id128_equal(a->message, b->message));
        CHECK(bytes_equal(a->origin, b->origin) && bytes_equal(a->about, b->about));
        CHECK(id128_equal(a->incarnation, b->incarnation) && a->sequence == b->sequence);
        CHECK(a->wall_ms == b->wall_ms);
    }
    bus_redis.close(p.bus);
}

TEST(redis_that_is_out_of_memory_takes_none_of_a_batch)
{
    static const char *const options[] = {"--maxmemory", "4mb", NULL};
    static struct change batch[64];
    static uint8_t key[KEY_BYTES_MAX];
    struct redis_server s;
    struct position last = {0, 0};
    int status = ACCORD_OK;

    redis_server_begin(&s, "redis", options);
    memset(key, 'k', sizeof key);
    struct peer p = opened(url_of(s.port, "/0"));
    for (int i = 0; i < 100 && status == ACCORD_OK; i++) {
        for (size_t j = 0; j < COUNT_OF(batch); j++) {
            batch[j] = removal(rng);
            batch[j].key = bytes_of(key, sizeof key);
        }
        status = bus_redis.publish(p.bus, batch, COUNT_OF(batch), &last, why);
    }
    CHECK(status == ACCORD_E_IO && strstr(why, "maxmemory"));
    CHECK(read_to_end(&p) % COUNT_OF(batch) == 0 && p.at.position == last.value);
    redis_server_say(s.port, "CONFIG", "SET", "maxmemory", "0", NULL);
    OK(bus_redis.publish(p.bus, batch, COUNT_OF(batch), &last, why));
    CHECK(read_to_end(&p) == COUNT_OF(batch));
    bus_redis.close(p.bus);
}

/* The network between. */

/* T14: who hangs has not failed. */
TEST(redis_that_never_answers_is_given_up_in_time)
{
    struct redis_server s;
    struct position last;
    struct change c = removal(rng);
    uint64_t head;
    size_t count;

    redis_server_begin(&s, "redis", NULL);
    struct fault_proxy *proxy = fault_proxy_start(s.port, 1);
    CHECK(proxy);
    uint16_t port = fault_proxy_port(proxy);
    CHECK(fault_proxy_command(proxy, "stall both"));
    CHECK(refused(url_of(port, "/0"), 500) == ACCORD_E_DOWN);
    CHECK(strstr(why, "did not answer in time"));
    CHECK(fault_proxy_command(proxy, "heal"));
    struct bus_settings settings = settings_of(url_of(port, "/0"));
    settings.timeout_ms = 700;
    struct peer p = {.bus = NULL};
    OK(bus_redis.open(&p.bus, &settings, why));
    attach(&p, NULL);
    published(&p, rng);
    read_to_end(&p);
    for (int way = 0; way < 2; way++) {
        CHECK(fault_proxy_command(proxy, way == 0 ? "stall up" : "stall down"));
        uint64_t began_ms = now_ms();
        CHECK(try_head(&p, &head) == ACCORD_E_DOWN);
        CHECK(now_ms() - began_ms < 3000);
        began_ms = now_ms();
        /* Said on the link that was there, it may arrive yet; a new link said nothing. */
        CHECK(try_publish(&p, &c, &last) == (way == 0 ? ACCORD_E_TIMEOUT : ACCORD_E_DOWN));
        CHECK(now_ms() - began_ms < 3000);
        began_ms = now_ms();
        CHECK(try_read(&p, 60000, &count) == ACCORD_E_DOWN);
        CHECK(now_ms() - began_ms < 6000);
        CHECK(fault_proxy_command(proxy, "heal"));
        struct cursor at = p.at;
        attach_again(&p, &at); /* nothing was lost: the cursor is proven */
        CHECK(p.attached.resumed);
    }
    OK(try_publish(&p, &c, &last));
    CHECK(read_to_end(&p) == 1); /* taken once, however often it was said */
    fault_proxy_stop(proxy);
    bus_redis.close(p.bus);
}

/* 1.7.3: so does a server that evicts clients (maxmemory-clients). */
TEST(redis_cut_off_for_a_while_goes_on_where_it_was)
{
    enum { MISSED = 10000, BATCH = 500 };
    static struct change batch[BATCH];
    struct redis_server s;
    struct position last;
    size_t count, got = 0;

    redis_server_begin(&s, "redis", NULL);
    struct fault_proxy *proxy = fault_proxy_start(s.port, 1);
    CHECK(proxy);
    struct peer q = opened(url_of(fault_proxy_port(proxy), "/0"));
    struct peer p = opened(url_of(s.port, "/0"));
    published(&p, rng);
    read_to_end(&q);
    CHECK(fault_proxy_command(proxy, "cut"));
    CHECK(try_read(&q, 1000, &count) == ACCORD_E_DOWN);
    for (int i = 0; i < MISSED / BATCH; i++) {
        for (size_t j = 0; j < BATCH; j++)
            batch[j] = removal(rng);
        OK(bus_redis.publish(p.bus, batch, BATCH, &last, why));
    }
    CHECK(fault_proxy_command(proxy, "heal"));
    CHECK(fault_proxy_command(proxy, "split 7000"));
    struct cursor at = q.at;
    attach_again(&q, &at);
    CHECK(q.attached.resumed);
    while (got < MISSED) {
        OK(try_read(&q, 1000, &count));
        CHECK(count > 0);
        got += count;
    }
    CHECK(got == MISSED && q.at.position == last.value);
    fault_proxy_stop(proxy);
    bus_redis.close(p.bus);
    bus_redis.close(q.bus);
}

TEST(redis_cut_off_beyond_retention_says_gone)
{
    struct redis_server s;
    size_t count;

    redis_server_begin(&s, "redis", NULL);
    struct fault_proxy *proxy = fault_proxy_start(s.port, 1);
    CHECK(proxy);
    struct peer q = opened(url_of(fault_proxy_port(proxy), "/0"));
    struct bus_settings settings = settings_of(url_of(s.port, "/0"));
    settings.retain_changes = 10;
    struct peer p = {.bus = NULL};
    OK(bus_redis.open(&p.bus, &settings, why));
    attach(&p, NULL);
    published(&p, rng);
    read_to_end(&q);
    CHECK(fault_proxy_command(proxy, "cut"));
    for (int i = 0; i < 300; i++)
        published(&p, rng);
    CHECK(fault_proxy_command(proxy, "heal"));
    CHECK(try_read(&q, 1000, &count) == ACCORD_E_GONE ||
          try_read(&q, 0, &count) == ACCORD_E_GONE);
    struct cursor at = q.at;
    CHECK(bus_redis.attach(q.bus, &at, 0, &q.attached, why) == ACCORD_E_GONE);
    fault_proxy_stop(proxy);
    bus_redis.close(p.bus);
    bus_redis.close(q.bus);
}

TEST_SEEDS(redis_loses_nothing_on_a_bad_line, 2)
{
    static const char *const faults[] = {
        "delay 5 20",      "split 3", "reset", "reset-after 4000",
        "throttle 200000", "heal",    "heal"};
    static struct redis_server s;
    size_t taken = 0, got = 0, count;

    if (s.pid == 0)
        redis_server_begin(&s, "redis", NULL);
    redis_server_say(s.port, "FLUSHALL", NULL);
    struct fault_proxy *proxy = fault_proxy_start(s.port, *rng);
    CHECK(proxy);
    char url[128];
    snprintf(url, sizeof url, "%s", url_of(fault_proxy_port(proxy), "/0"));
    struct peer p = opened(url), q = opened(url);
    for (int i = 0; i < 25; i++) {
        struct change c = removal(rng);
        struct position last;
        uint64_t began_ms = now_ms();

        CHECK(fault_proxy_command(proxy, faults[test_random(rng, COUNT_OF(faults))]));
        while (try_publish(&p, &c, &last) != ACCORD_OK) {
            CHECK(now_ms() - began_ms < PATIENCE_MS);
            if (now_ms() - began_ms > 200)
                CHECK(fault_proxy_command(proxy, "heal"));
        }
        taken++;
        if (try_read(&q, test_random(rng, 20), &count) == ACCORD_OK) {
            got += count;
        } else {
            struct cursor at = q.at;
            CHECK(fault_proxy_command(proxy, "heal"));
            attach_again(&q, &at);
        }
    }
    CHECK(fault_proxy_command(proxy, "heal"));
    struct cursor at = q.at;
    attach_again(&q, &at);
    got += read_to_end(&q);
    CHECK(got == taken);
    fault_proxy_stop(proxy);
    bus_redis.close(p.bus);
    bus_redis.close(q.bus);
}

TEST(redis_keeps_a_position_where_the_clock_fills_one_millisecond)
{
    struct redis_server s;
    uint64_t last = 0;

    redis_server_begin(&s, "redis", NULL);
    struct peer p = opened(url_of(s.port, "/shop"));
    published(&p, rng);
    /* As when the clock went far back: every id is of one millisecond, and they are many. */
    redis_server_say(s.port, "XADD", "accord:{shop}:changes", "4102444800000-524287", "key",
                     "x", NULL);
    for (int i = 0; i < 3; i++) {
        uint64_t next = published(&p, rng);
        CHECK(next > last);
        last = next;
    }
    CHECK(read_to_end(&p) == 5 && p.at.position == last);
    CHECK(last >> 20 == 4102444800001);
    /* An id beyond all positions is no log any more, and that is said. */
    redis_server_say(s.port, "XADD", "accord:{shop}:changes", "9000000000000000-0", "key", "x",
                     NULL);
    CHECK(bus_redis.attach(p.bus, NULL, 0, &p.attached, why) == ACCORD_E_FORMAT);
    CHECK(strstr(why, "redis-cli del"));
    bus_redis.close(p.bus);
}
