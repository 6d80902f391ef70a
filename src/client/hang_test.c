/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hang_test.c - a daemon that does not answer. One that is really stopped is in
 * test/system/client.sh. */
#include "client/small_daemon.h"

static bool says_it_hangs(void)
{
    return strstr(accord_last_error(), "hangs, or is stopped: nothing has come from it") !=
           NULL;
}

/* One call pays its timeout, and all others, whatever they ask, fail with no connection made.
 */
TEST(of_a_daemon_that_hangs_one_call_pays_the_timeout)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded"};
    struct accord_watch *w = NULL;
    struct accord_result got;
    char line[100];

    put(d, "k", "value");
    d->mood = SILENT;
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT);
    CHECK(strstr(accord_last_error(), "did not answer in time") != NULL);
    int connections = d->connections;
    for (int i = 0; i < 300; i++) {
        CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT && says_it_hangs());
        CHECK(accord_sync(a, NULL, 60000) == ACCORD_E_TIMEOUT && says_it_hangs());
        CHECK(accord_status(a, line, sizeof line) == ACCORD_E_TIMEOUT && says_it_hangs());
        CHECK(accord_watch(a, "*", &w) == ACCORD_E_TIMEOUT && says_it_hangs() && !w);
        CHECK(accord_get_or_set(a, "other", 5, source_load, &s, NULL, buffer, sizeof buffer,
                                &got) == ACCORD_OK);
        CHECK(got.state == ACCORD_UNSURE && s.loads == i + 1);
        CHECK(reads(a, "k", "value")); /* a hit is a hit while the lease lasts */
    }
    CHECK(d->connections <= connections + 3 && d->fills == 0);
    d->mood = HONEST;
    CHECK(soon_clears(a));
    CHECK(accord_get_or_set(a, "other", 5, source_load, &s, NULL, buffer, sizeof buffer,
                            &got) == ACCORD_OK);
    CHECK(got.state == ACCORD_HIT && d->fills == 1);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_daemon_that_hung_and_was_started_anew_is_found)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();

    d->mood = SILENT;
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT);
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT && says_it_hangs());
    daemon_stop(d);
    while (accord_clear(a, "x", NULL, NULL) != ACCORD_E_DOWN) /* no more than that it is gone */
        usleep(1000);
    d = daemon_start(HONEST);
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_child_knows_what_its_parent_found_and_finds_the_end_by_itself)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    int status = -1, ends[2];
    char byte = 0;

    d->mood = SILENT;
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT && pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        bool known = accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT && says_it_hangs();
        (void)!write(ends[1], "x", 1);
        _exit(known && soon_clears(a) ? 0 : 1);
    }
    CHECK(child > 0 && read(ends[0], &byte, 1) == 1);
    d->mood = HONEST;
    CHECK(soon_clears(a));
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    close(ends[0]);
    close(ends[1]);
    accord_close(a);
    daemon_stop(d);
}

static void *sync_for_long(void *argument)
{
    struct accord_position p = {1, 2};

    return (void *)(intptr_t)accord_sync(argument, &p, 60000);
}

TEST(a_request_with_a_longer_timeout_waits_on_while_others_find_that_the_daemon_hangs)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    pthread_t thread;
    void *status;

    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    d->mood = SILENT;
    unsigned heard = d->heard;
    CHECK(pthread_create(&thread, NULL, sync_for_long, a) == 0);
    while (d->heard == heard) /* it has the connection that idled */
        usleep(1000);
    while (!accord_clear(a, "x", NULL, NULL) || !says_it_hangs())
        ;
    d->mood = HONEST;
    pthread_join(thread, &status);
    CHECK((intptr_t)status == ACCORD_OK);
    CHECK(soon_clears(a));
    accord_close(a);
    daemon_stop(d);
}

static void *clear_twice(void *a)
{
    for (int i = 0; i < 2; i++)
        CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    return NULL;
}

TEST(a_daemon_that_is_slow_does_not_hang)
{
    struct daemon *d = daemon_start(SLOW);
    struct accord_options o = {.connect_timeout_ms = 30000, .request_timeout_ms = 30000};
    struct accord *a = NULL;
    pthread_t threads[8];

    CHECK(accord_open(&a, path, &o) == ACCORD_OK);
    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, clear_twice, a) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    accord_close(a);
    daemon_stop(d);
}

static void *renew_often(void *argument)
{
    struct daemon *d = argument;

    while (d->mood != HONEST) {
        lease(d, 60000);
        usleep(2000);
    }
    return NULL;
}

/* Its answers come too late for this caller, always. What shows that it lives is its segment.
 */
TEST(a_daemon_that_renews_its_lease_does_not_hang_however_late_it_answers)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    bool believed = false;
    pthread_t thread;

    d->mood = SLOW;
    CHECK(pthread_create(&thread, NULL, renew_often, d) == 0);
    /* More than once, for a machine on which the other thread had no turn for so long. */
    for (int i = 0; i < 60 && !believed; i++) {
        CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT);
        believed = accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT && !says_it_hangs();
    }
    CHECK(believed);
    d->mood = HONEST;
    pthread_join(thread, NULL);
    CHECK(soon_clears(a));
    accord_close(a);
    daemon_stop(d);
}
