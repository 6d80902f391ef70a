/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* handle_test.c - the library against the small daemon. The library against the real daemon is
 * test/system/client.sh. */
#include "client/small_daemon.h"

TEST(a_hit_comes_out_of_shared_memory_with_no_request)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct reader reader;

    put(d, "k", "value");
    CHECK(reads(a, "k", "value"));
    CHECK(state_of(a, "other") == ACCORD_MISS && r.why == ACCORD_WHY_ABSENT);
    CHECK(accord_get(a, "k", 1, buffer, 2, &r) == ACCORD_E_SIZE && r.value_bytes == 5);
    CHECK(accord_get(a, "k", 1, NULL, 0, &r) == ACCORD_E_SIZE && r.value_bytes == 5);
    CHECK(r.ttl_ms == ACCORD_FOREVER);
    for (int i = 0; i < 200; i++)
        CHECK(reads(a, "k", "value"));
    CHECK(d->gets == 0 && d->connections == 1);
    accord_close(a);
    CHECK(reader_init(&reader, d->segment, d->sizes.segment_bytes, d->hints,
                      d->sizes.hints_bytes) == ACCORD_OK);
    CHECK(reader_count_line(&reader, 0)->hits == 203);
    CHECK(reader_count_line(&reader, 0)->misses == 1);
    daemon_stop(d);
}

static int within(struct accord *a, const char *key, uint64_t max_stale_ms)
{
    CHECK(accord_get_within(a, key, strlen(key), max_stale_ms, buffer, 9, &r) == ACCORD_OK);
    return r.state;
}

TEST(a_read_with_a_bound_asks_only_where_memory_proves_too_little)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();

    put(d, "k", "value");
    pthread_mutex_lock(&d->lock);
    uint64_t now_ns = boottime_ns();
    writer_set_lease(d->writer, now_ns + 3600 * NS_PER_S, now_ns);
    pthread_mutex_unlock(&d->lock);
    CHECK(within(a, "k", 3600 * 1000) == ACCORD_HIT && d->gets == 0);
    CHECK(within(a, "k", ACCORD_FOREVER) == ACCORD_HIT && d->gets == 0);
    CHECK(within(a, "k", 0) == ACCORD_HIT && d->gets == 1);
    CHECK(within(a, "other", 0) == ACCORD_MISS && d->gets == 1); /* it claims nothing */
    CHECK(accord_get_within(a, "", 0, 0, buffer, 9, &r) == ACCORD_E_INVALID);
    CHECK(accord_get_within(NULL, "k", 1, 0, buffer, 9, &r) == ACCORD_E_INVALID);
    daemon_stop(d);
    CHECK(within(a, "k", 0) == ACCORD_UNSURE && r.why == ACCORD_WHY_MAXSTALE);
    accord_close(a);
}

static bool said(const char *words)
{
    bool is = strstr(accord_last_error(), words) != NULL;

    if (!is)
        fprintf(stderr, "it said: %s\n", accord_last_error());
    return is;
}

TEST(arguments_that_are_none_are_refused)
{
    static char key[ACCORD_KEY_BYTES_MAX + 1];
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_fill_options tags = {.tag_count = ACCORD_TAGS_MAX + 1};
    struct accord_token token = {{0}};

    CHECK(accord_get(a, "", 0, buffer, 1, &r) == ACCORD_E_INVALID);
    CHECK(accord_get(a, key, ACCORD_KEY_BYTES_MAX, buffer, 1, &r) == ACCORD_OK);
    CHECK(accord_get(a, key, ACCORD_KEY_BYTES_MAX + 1, buffer, 1, &r) == ACCORD_E_INVALID);
    CHECK(accord_get(NULL, "k", 1, buffer, 1, &r) == ACCORD_E_INVALID);
    CHECK(accord_get(a, "k", 1, NULL, 1, &r) == ACCORD_E_INVALID);
    CHECK(accord_fill(a, "k", 1, "v", 1, &token, &tags) == ACCORD_E_INVALID);
    CHECK(accord_set(a, "k", 1, NULL, 1, NULL, NULL) == ACCORD_E_INVALID);
    CHECK(said("an argument is not valid: a pointer is NULL"));
    CHECK(accord_remove_by_tag(a, "", NULL, NULL) == ACCORD_E_INVALID);
    CHECK(strstr(accord_last_error(), "has 1 to 8192 bytes") != NULL);
    CHECK(accord_remove(a, "k", 1, &(struct accord_remove_options){.flags = 4}, NULL) ==
          ACCORD_E_INVALID);
    accord_close(a);
    accord_close(NULL);
    accord_watch_close(NULL);
    daemon_stop(d);
}

static bool removal_refused(struct accord *a, struct accord_remove_options options,
                            const char *words)
{
    return accord_remove(a, "k", 1, &options, NULL) == ACCORD_E_INVALID && said(words);
}

TEST(what_is_wrong_with_an_argument_is_said)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_read reads_of[2] = {{"k", 1, buffer, 9, {0}}, {"", 0, buffer, 9, {0}}};
    struct accord_fill_options negative = {.negative = 1}, tags = {.tag_count = 1};
    struct accord_remove_options version = {.version = 3};
    struct accord_borrow borrow;
    struct accord_batch *batch;
    struct accord_watch *w;
    struct accord_change change;

    CHECK(accord_get(a, "", 0, buffer, 1, &r) == ACCORD_E_INVALID);
    CHECK(said("a key, a tag or a name has 1 to 8192 bytes"));
    CHECK(accord_get_many(a, reads_of, 2) == ACCORD_E_INVALID && said("read 2 of 2: a key"));
    CHECK(accord_borrow(a, "k", 1, &borrow, NULL) == ACCORD_E_INVALID && said("NULL"));
    CHECK(accord_set(a, "k", 1, "v", 1, &tags, NULL) == ACCORD_E_INVALID);
    CHECK(said("a key has at most 32 tags, of 1 to 8192 bytes each"));
    CHECK(accord_set(a, "k", 1, NULL, 0, &negative, NULL) == ACCORD_E_INVALID);
    CHECK(said("accord_fill()"));
    CHECK(removal_refused(a, (struct accord_remove_options){.flags = 8}, "flags of a removal"));
    CHECK(removal_refused(a, (struct accord_remove_options){.wait_ms = 8}, "ACCORD_WAIT"));
    CHECK(removal_refused(a, (struct accord_remove_options){.id = ""}, "1 to 64 bytes"));
    CHECK(accord_remove_by_tag(a, "t", &version, NULL) == ACCORD_E_INVALID);
    CHECK(said("a tag has no version"));
    CHECK(accord_batch_begin(a, &batch) == ACCORD_OK);
    CHECK(accord_batch_commit(batch, NULL, NULL) == ACCORD_E_INVALID && said("is empty"));
    CHECK(accord_batch_begin(a, &batch) == ACCORD_OK);
    CHECK(accord_batch_clear(batch, "users") == ACCORD_OK);
    CHECK(accord_batch_commit(batch, &version, NULL) == ACCORD_E_INVALID && said("keys only"));
    CHECK(accord_status(a, buffer, 0) == ACCORD_E_INVALID && said("NULL"));
    CHECK(accord_watch(a, "*", &w) == ACCORD_OK);
    CHECK(accord_watch_next(w, 0, NULL) == ACCORD_E_INVALID && said("NULL"));
    CHECK(accord_watch_next(w, 1, &change) == ACCORD_E_TIMEOUT && said("no change came"));
    accord_watch_close(w);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_daemon_that_says_more_than_it_was_asked_is_not_listened_to)
{
    struct daemon *d = daemon_start(CHATTY_1);
    struct accord_options o = {.connect_timeout_ms = 300, .request_timeout_ms = 500};
    struct accord *a = NULL;

    CHECK(accord_open(&a, path, &o) == ACCORD_E_FORMAT);
    CHECK(a == NULL);
    daemon_stop(d);
    d = daemon_start(CHATTY);
    a = opened();
    for (int i = 0; i < 3; i++) /* each answer is the one to its own question */
        CHECK(accord_clear(a, "users", NULL, NULL) == ACCORD_OK);
    CHECK(d->connections == 3);
    accord_close(a);
    daemon_stop(d);
}

TEST(opening_says_why_it_failed)
{
    struct accord *a = NULL;
    char longer[200];

    CHECK(accord_open(&a, "/nowhere/accord.sock", NULL) == ACCORD_E_DOWN && !a);
    CHECK(strstr(accord_last_error(), "accord serve") != NULL);
    memset(longer, 'x', sizeof longer);
    longer[108] = 0;
    CHECK(accord_open(&a, longer, NULL) == ACCORD_E_INVALID && !a);
    longer[107] = 0;
    CHECK(accord_open(&a, longer, NULL) == ACCORD_E_DOWN && !a);
    struct daemon *d = daemon_start(FOREIGN);
    CHECK(accord_open(&a, path, NULL) == ACCORD_E_UNSUPPORTED && !a);
    CHECK(strstr(accord_last_error(), "not an Accord daemon") != NULL);
    daemon_stop(d);
}

TEST(a_daemon_that_hangs_at_open_costs_the_timeout)
{
    struct daemon *d = daemon_start(SILENT);
    struct accord_options o = {.connect_timeout_ms = 100};
    struct accord *a = NULL;
    uint64_t began_ns = boottime_ns();

    CHECK(accord_open(&a, path, &o) == ACCORD_E_TIMEOUT && !a);
    CHECK(boottime_ns() - began_ns < 20000 * NS_PER_MS);
    daemon_stop(d);
}

/* Whatever is wrong with what the daemon gives, reads go over the socket. */
TEST(where_the_segment_cannot_be_mapped_reads_go_over_the_socket)
{
    static const enum mood moods[] = {REFUSES, UNSEALED, SHORT, OTHER_NAME, ONE_FD};

    for (size_t i = 0; i < COUNT_OF(moods); i++) {
        struct daemon *d = daemon_start(moods[i]);
        struct accord *a = opened();
        struct accord_borrow borrow;
        put(d, "k", "value");
        CHECK(reads(a, "k", "value"));
        CHECK(d->gets == 1);
        CHECK(state_of(a, "other") == ACCORD_MISS);
        CHECK(accord_borrow(a, "k", 1, &borrow, &r) == ACCORD_OK && r.state == ACCORD_HIT);
        CHECK(borrow.value_bytes == 5 && memcmp(borrow.value, "value", 5) == 0);
        CHECK(accord_release(a, &borrow) == ACCORD_OK);
        struct accord_read many[] = {{"k", 1, buffer, 100, {0}}, {"x", 1, buffer, 9, {0}}};
        CHECK(accord_get_many(a, many, 2) == ACCORD_OK);
        CHECK(many[0].result.state == ACCORD_HIT && many[1].result.state == ACCORD_MISS);
        daemon_stop(d);
        CHECK(state_of(a, "k") == ACCORD_UNSURE);
        accord_close(a);
    }
    struct daemon *d = daemon_start(GARBAGE);
    accord_close(opened());
    daemon_stop(d);
}

TEST(a_refusal_is_not_for_ever)
{
    struct daemon *d = daemon_start(REFUSES);
    struct accord *a = opened();

    put(d, "k", "value");
    CHECK(reads(a, "k", "value") && d->gets == 1);
    d->mood = HONEST;
    usleep(1100000);
    CHECK(reads(a, "k", "value") && d->gets == 2);
    CHECK(reads(a, "k", "value") && d->gets == 2);
    accord_close(a);
    daemon_stop(d);
}

/* ---- restarts ---- */

TEST(after_a_restart_reads_are_unsure_and_then_hits_again)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();

    put(d, "k", "old");
    CHECK(reads(a, "k", "old"));
    lease(d, 0);
    daemon_stop(d);
    CHECK(state_of(a, "k") == ACCORD_UNSURE);
    d = daemon_start(HONEST);
    put(d, "k", "new");
    for (int i = 0; i < 3000 && state_of(a, "k") != ACCORD_HIT; i++)
        usleep(10000);
    CHECK(reads(a, "k", "new"));
    CHECK(d->connections >= 1); /* of a busy machine the first may have timed out */
    accord_close(a);
    daemon_stop(d);
}

TEST(while_a_living_daemon_is_unsure_it_is_not_asked_again_and_again)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();

    lease(d, 0);
    for (int i = 0; i < 300; i++) {
        CHECK(state_of(a, "k") == ACCORD_UNSURE);
        usleep(1000);
    }
    CHECK(d->connections == 1 && d->attaches == 1);
    lease(d, 60000);
    CHECK(state_of(a, "k") == ACCORD_MISS);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_request_after_a_restart_attaches_first)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_position p;

    put(d, "k", "old");
    daemon_stop(d); /* killed: its lease still runs */
    CHECK(reads(a, "k", "old"));
    d = daemon_start(HONEST);
    put(d, "k", "new");
    CHECK(reads(a, "k", "old"));
    CHECK(accord_clear(a, "x", NULL, &p) == ACCORD_OK && p.value == 7 && p.epoch == 0x1f);
    CHECK(reads(a, "k", "new"));
    accord_close(a);
    daemon_stop(d);
}

TEST(a_borrow_outlives_the_mapping_it_was_made_in)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_borrow borrow;

    put(d, "k", "old");
    lease(d, 200);
    CHECK(accord_borrow(a, "k", 1, &borrow, &r) == ACCORD_OK && r.state == ACCORD_HIT);
    daemon_stop(d);
    usleep(250000);
    d = daemon_start(HONEST);
    put(d, "k", "new");
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    CHECK(reads(a, "k", "new"));
    CHECK(memcmp(borrow.value, "old", 3) == 0); /* still mapped */
    CHECK(accord_release(a, &borrow) == ACCORD_E_GONE);
    CHECK(accord_release(a, &borrow) == ACCORD_OK); /* again: nothing is held */
    CHECK(accord_borrow(a, "k", 1, &borrow, &r) == ACCORD_OK && r.state == ACCORD_HIT);
    CHECK(accord_release(a, &borrow) == ACCORD_OK);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_thread_may_hold_31_borrows)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_borrow borrows[32];

    put(d, "k", "value");
    for (int i = 0; i < 31; i++)
        CHECK(accord_borrow(a, "k", 1, &borrows[i], &r) == ACCORD_OK);
    CHECK(accord_borrow(a, "k", 1, &borrows[31], &r) == ACCORD_E_FULL);
    CHECK(accord_release(a, &borrows[7]) == ACCORD_OK);
    CHECK(accord_borrow(a, "k", 1, &borrows[7], &r) == ACCORD_OK);
    for (int i = 0; i < 31; i++)
        CHECK(accord_release(a, &borrows[i]) == ACCORD_OK);
    for (int i = 0; i < 100; i++) { /* a miss holds nothing */
        CHECK(accord_borrow(a, "x", 1, &borrows[0], &r) == ACCORD_OK);
        CHECK(r.state == ACCORD_MISS && borrows[0].value == NULL);
    }
    accord_close(a);
    daemon_stop(d);
}

struct reading {
    struct accord *a;
    atomic_bool *stop;
    atomic_uint hits, unsure, wrong;
};

static void *read_on(void *argument)
{
    struct reading *reading = argument;
    char value[64];
    struct accord_result result;

    while (!atomic_load(reading->stop)) {
        if (accord_get(reading->a, "k", 1, value, sizeof value, &result) != ACCORD_OK)
            atomic_fetch_add(&reading->wrong, 1);
        else if (result.state == ACCORD_HIT)
            atomic_fetch_add(memcmp(value, "value", 5) == 0 ? &reading->hits : &reading->wrong,
                             1);
        else if (result.state == ACCORD_UNSURE)
            atomic_fetch_add(&reading->unsure, 1);
    }
    return NULL;
}

TEST(four_threads_read_through_five_restarts)
{
    static atomic_bool stop;
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    static struct reading reading;
    pthread_t threads[4];

    reading = (struct reading){.a = a, .stop = &stop};
    put(d, "k", "value");
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, read_on, &reading) == 0);
    for (int i = 0; i < 5; i++) {
        usleep(20000);
        lease(d, 0);
        daemon_stop(d);
        unsigned unsure = atomic_load(&reading.unsure);
        while (atomic_load(&reading.unsure) == unsure)
            usleep(1000);
        d = daemon_start(HONEST);
        put(d, "k", "value");
        unsigned hits = atomic_load(&reading.hits);
        while (atomic_load(&reading.hits) == hits)
            usleep(1000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&reading.wrong) == 0);
    accord_close(a);
    daemon_stop(d);
}

/* ---- requests ---- */

TEST(the_daemons_own_words_are_kept_for_people)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_position p = {1, 2};

    CHECK(accord_remove(a, "k", 1, NULL, &p) == ACCORD_E_UNPUBLISHED);
    CHECK(p.epoch == 1 && p.value == 2); /* untouched */
    CHECK(strstr(accord_last_error(), "out of paper") != NULL);
    CHECK(accord_sync(a, &p, 100) == ACCORD_OK);
    CHECK(accord_status(a, buffer, sizeof buffer) == ACCORD_E_FORMAT);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_change_kept_on_the_local_disk_is_done_and_has_no_position_yet)
{
    struct daemon *d = daemon_start(LOCAL);
    struct accord *a = opened();
    struct accord_position p = {1, 2};

    CHECK(accord_clear(a, "x", NULL, &p) == ACCORD_OK && p.epoch == 0 && p.value == 0);
    CHECK(accord_set(a, "k", 1, "v", 1, NULL, NULL) == ACCORD_OK);
    CHECK(accord_sync(a, &p, 100) == ACCORD_E_INVALID && said("ack = local"));
    accord_close(a);
    daemon_stop(d);
}

TEST(a_request_that_is_not_answered_ends_in_time_and_the_next_has_a_new_connection)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();

    d->mood = SILENT;
    uint64_t began_ns = boottime_ns();
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT);
    CHECK(boottime_ns() - began_ns < 20000 * NS_PER_MS);
    d->mood = HONEST;
    CHECK(soon_clears(a));
    CHECK(d->connections <= 3); /* one that timed out, one to ask whether it lives */
    accord_close(a);
    daemon_stop(d);
}

TEST(a_daemon_with_no_connection_left_is_called_so)
{
    struct accord_options o = {.flags = ACCORD_OPEN_WITHOUT_DAEMON};
    struct daemon *d = daemon_start(CROWDED);
    struct accord *a = NULL;
    struct accord_watch *w;

    for (int i = 0; i < 50; i++) /* it may have hung up before it was asked, or after */
        CHECK(accord_open(&a, path, NULL) == ACCORD_E_FULL && said("all connections of"));
    CHECK(accord_open(&a, path, &o) == ACCORD_OK && said("--max-clients"));
    CHECK(state_of(a, "k") == ACCORD_UNSURE);
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_FULL && said("all connections of"));
    CHECK(accord_watch(a, "*", &w) == ACCORD_E_FULL && said("max number of clients"));
    d->mood = HONEST;
    CHECK(soon_clears(a));
    accord_close(a);
    daemon_stop(d);
}

static void *clear_often(void *a)
{
    for (int i = 0; i < 50; i++)
        CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    return NULL;
}

TEST(eight_threads_share_at_most_eight_connections)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    pthread_t threads[8];

    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, clear_often, a) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    CHECK(d->connections <= 8);
    accord_close(a);
    daemon_stop(d);
}

/* ---- get_or_set ---- */

static int get_or_set(struct accord *a, struct source *s)
{
    return accord_get_or_set(a, "k", 1, source_load, s, NULL, buffer, sizeof buffer, &r);
}

TEST(get_or_set_loads_once_and_then_hits)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded"};

    for (int i = 0; i < 3; i++) {
        CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_HIT);
        CHECK(r.value_bytes == 6 && memcmp(buffer, "loaded", 6) == 0);
    }
    CHECK(s.loads == 1 && s.releases == 1 && d->fills == 1);
    CHECK(accord_get_or_set(a, "k", 1, source_load, &s, NULL, buffer, 3, &r) == ACCORD_E_SIZE);
    CHECK(r.value_bytes == 6 && memcmp(buffer, "loa", 3) == 0);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_value_that_was_removed_while_it_was_loaded_is_given_but_not_kept)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded", .remove = true};

    CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_UNSURE);
    CHECK(r.value_bytes == 6 && memcmp(buffer, "loaded", 6) == 0);
    CHECK(state_of(a, "k") == ACCORD_MISS);
    s.remove = false;
    CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_HIT && s.loads == 2);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_loader_that_fails_gives_the_right_back)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source bad = {.d = d, .value = NULL}, good = {.d = d, .value = "loaded"};

    CHECK(get_or_set(a, &bad) == ACCORD_E_LOADER && bad.releases == 0);
    for (int i = 0; i < 100 && d->loader >= 0; i++)
        usleep(1000);
    CHECK(d->loader == -1);
    CHECK(get_or_set(a, &good) == ACCORD_OK && r.state == ACCORD_HIT);
    accord_close(a);
    daemon_stop(d);
}

TEST(what_a_loader_failed_at_is_said)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source bad = {.d = d, .value = NULL}, good = {.d = d, .value = "loaded"};
    static const char *const many[ACCORD_TAGS_MAX + 1];

    CHECK(get_or_set(a, &bad) == ACCORD_E_LOADER);
    CHECK(strcmp(accord_last_error(), "the loader of \"k\" answered -1: nothing is stored") ==
          0);
    CHECK(accord_get_or_set(a, "k\n", 2, source_load_nowhere, &bad, NULL, NULL, 0, &r) ==
          ACCORD_E_LOADER);
    CHECK(strcmp(accord_last_error(),
                 "the loader of \"k?\" gave 5 bytes at NULL: nothing is stored") == 0);
    good.tags = many;
    good.tag_count = COUNT_OF(many);
    CHECK(get_or_set(a, &good) == ACCORD_OK && r.state == ACCORD_UNSURE && good.releases == 1);
    CHECK(strcmp(accord_last_error(),
                 "what was loaded is not kept: a key has at most 32 tags, of 1 to 8192 bytes "
                 "each") == 0);
    accord_close(a);
    daemon_stop(d);
}

TEST(who_is_told_busy_loads_without_the_right)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded"};

    d->loader = 9999; /* somebody else */
    CHECK(get_or_set(a, &s) == ACCORD_OK && s.loads == 1);
    CHECK(memcmp(buffer, "loaded", 6) == 0);
    accord_close(a);
    daemon_stop(d);
}

TEST(with_no_daemon_the_origin_still_answers)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded"};

    lease(d, 0);
    daemon_stop(d);
    CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_UNSURE && s.releases == 1);
    CHECK(r.value_bytes == 6 && memcmp(buffer, "loaded", 6) == 0);
    s.value = NULL;
    CHECK(get_or_set(a, &s) == ACCORD_E_LOADER);
    accord_close(a);
}

static struct accord *opened_anyway(void)
{
    struct accord_options o = {.connect_timeout_ms = 300,
                               .request_timeout_ms = 500,
                               .flags = ACCORD_OPEN_WITHOUT_DAEMON};
    struct accord *a = NULL;

    CHECK(accord_open(&a, path, &o) == ACCORD_OK && a != NULL);
    return a;
}

TEST(a_handle_opened_before_its_daemon_loads_and_then_attaches)
{
    struct source s = {.value = "loaded"};
    struct accord_position p;
    char line[100];

    snprintf(path, sizeof path, "%s/s", test_folder());
    struct accord *a = opened_anyway();
    CHECK(strstr(accord_last_error(), "no daemon answers") != NULL);
    CHECK(state_of(a, "k") == ACCORD_UNSURE);
    CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_UNSURE && s.releases == 1);
    CHECK(r.value_bytes == 6 && memcmp(buffer, "loaded", 6) == 0);
    CHECK(accord_status(a, line, sizeof line) == ACCORD_E_DOWN);
    CHECK(accord_clear(a, "x", NULL, &p) == ACCORD_E_DOWN);
    struct daemon *d = daemon_start(HONEST);
    put(d, "k", "value");
    for (int i = 0; i < 3000 && state_of(a, "k") != ACCORD_HIT; i++)
        usleep(10000);
    CHECK(reads(a, "k", "value") && accord_clear(a, "x", NULL, &p) == ACCORD_OK);
    CHECK(d->gets <= 1); /* mapped by the first that asks */
    accord_close(a);
    daemon_stop(d);
}

TEST(whatever_is_wrong_with_the_daemon_a_handle_may_be_had_and_no_more_than_that)
{
    struct accord_options o = {.flags = ACCORD_OPEN_WITHOUT_DAEMON}, none = {.flags = 2};
    struct accord *a = NULL;
    char longer[200];

    struct daemon *d = daemon_start(SILENT);
    a = opened_anyway();
    CHECK(strstr(accord_last_error(), "did not answer") != NULL);
    accord_close(a);
    daemon_stop(d);
    d = daemon_start(FOREIGN);
    a = opened_anyway();
    CHECK(strstr(accord_last_error(), "not an Accord daemon") != NULL);
    CHECK(state_of(a, "k") == ACCORD_UNSURE);
    accord_close(a);
    daemon_stop(d);
    a = NULL;
    memset(longer, 'x', sizeof longer);
    longer[108] = 0;
    CHECK(accord_open(&a, longer, &o) == ACCORD_E_INVALID && !a);
    CHECK(accord_open(&a, path, &none) == ACCORD_E_INVALID && !a);
    CHECK(strstr(accord_last_error(), "flag") != NULL);
    CHECK(accord_open(&a, "tcp://127.0.0.1:6379", &o) == ACCORD_E_INVALID && !a);
    CHECK(strstr(accord_last_error(), "unix socket") != NULL);
    CHECK(accord_open(&a, "", NULL) == ACCORD_E_INVALID && !a);
}

/* ---- fork ---- */

static int child_works(struct accord *a)
{
    if (!reads(a, "k", "value"))
        return 1;
    if (accord_clear(a, "x", NULL, NULL) != ACCORD_OK)
        return 2;
    pid_t grandchild = fork();
    if (grandchild == 0)
        _exit(reads(a, "k", "value") && accord_clear(a, "x", NULL, NULL) == ACCORD_OK ? 0 : 1);
    int status = -1;
    if (waitpid(grandchild, &status, 0) != grandchild || status != 0)
        return 3;
    accord_close(a);
    return 0;
}

TEST(parent_and_children_go_on_with_connections_of_their_own)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    pid_t children[4];
    pthread_t busy;
    int status = -1;

    put(d, "k", "value");
    CHECK(pthread_create(&busy, NULL, clear_often, a) == 0); /* forks in mid-request */
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(child_works(a));
        CHECK(children[i] > 0);
        CHECK(reads(a, "k", "value"));
        CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    }
    for (int i = 0; i < 4; i++)
        CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
    pthread_join(busy, NULL);
    CHECK(reads(a, "k", "value") && accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    accord_close(a);
    daemon_stop(d);
}
