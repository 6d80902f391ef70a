/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/journal_thread.h"
#include "node/slow_disk.h"
#include "test.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- the disk ------------------------------------------------------------------------------
 */

static atomic_bool stands_still;
static atomic_uint syncs;

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    atomic_fetch_add(&syncs, 1);
    while (atomic_load(&stands_still))
        usleep(200);
    return (int)syscall(SYS_fdatasync, fd);
}

void slow_disk_stop(void)
{
    atomic_store(&stands_still, true);
}

void slow_disk_go_on(void)
{
    atomic_store(&stands_still, false);
}

unsigned slow_disk_syncs(void)
{
    return atomic_load(&syncs);
}

/* ---- a loop that is told -------------------------------------------------------------------
 */

struct bench {
    uv_loop_t loop;
    struct journal *journal;
    struct journal_thread *thread;
    uint64_t last; /* ticket */
    size_t answers, failures;
    char why[JOURNAL_WHY_BYTES_MAX];
};

static void answer(void *context, enum journal_work work, uint64_t ticket, int status,
                   size_t count, const char *why)
{
    struct bench *b = context;

    CHECK(work == JOURNAL_KEEP);
    CHECK(ticket == b->last + 1); /* in their order, each once */
    CHECK(count > 0);
    b->last = ticket;
    b->answers++;
    b->failures += status != ACCORD_OK;
    if (status != ACCORD_OK)
        snprintf(b->why, sizeof b->why, "%s", why);
}

static void begin(struct bench *b)
{
    struct journal_report report;
    char folder[600];

    memset(b, 0, sizeof *b);
    snprintf(folder, sizeof folder, "%s/state", test_folder());
    CHECK(uv_loop_init(&b->loop) == 0);
    CHECK(journal_open(&b->journal, folder, "web1", &report, b->why) == ACCORD_OK);
    CHECK(journal_thread_start(&b->thread, &b->loop, b->journal, answer, b) == ACCORD_OK);
}

/* Returns how many changes a next run would send again. */
static size_t end(struct bench *b)
{
    struct journal_report report;
    char folder[600];

    snprintf(folder, sizeof folder, "%s/state", test_folder());
    journal_thread_stop(b->thread);
    CHECK(uv_run(&b->loop, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&b->loop) == 0);
    journal_close(b->journal);
    CHECK(journal_open(&b->journal, folder, "web1", &report, b->why) == ACCORD_OK);
    journal_close(b->journal);
    return report.pending;
}

static uint64_t keep(struct bench *b, uint64_t number)
{
    char key[32];
    struct change c = {.op = CHANGE_REMOVE, .message = {1, number}};
    uint64_t ticket = 0;

    snprintf(key, sizeof key, "key %llu", (unsigned long long)number);
    c.key = bytes_of_text(key); /* is copied: it is gone before the disk has it */
    CHECK(journal_thread_keep(b->thread, &c, 1, &ticket) == ACCORD_OK);
    return ticket;
}

TEST(journal_thread_does_what_it_was_asked_in_order_and_before_it_stops)
{
    struct bench b;
    const struct id128 second = {1, 2};
    const struct journal_place place = {.cursor = {.position = 7}};
    const struct fence_saved fence = {.name = "orders", .newest = 9};

    begin(&b);
    CHECK(keep(&b, 1) == 1);
    CHECK(keep(&b, 2) == 2);
    CHECK(journal_thread_forget(b.thread, &second, 1) == ACCORD_OK);
    CHECK(journal_thread_save_fences(b.thread, &place.cursor, &fence, 1) == ACCORD_OK);
    CHECK(journal_thread_save(b.thread, &place) == ACCORD_OK);
    CHECK(keep(&b, 3) == 3);
    while (b.answers < 3)
        uv_run(&b.loop, UV_RUN_ONCE);
    CHECK(b.failures == 0);
    keep(&b, 4); /* nobody waits for this one */
    CHECK(end(&b) == 3);
}

TEST(journal_thread_keeps_what_came_while_the_disk_was_busy_with_one_sync)
{
    struct bench b;

    begin(&b);
    unsigned before = slow_disk_syncs();
    slow_disk_stop();
    keep(&b, 1);
    while (slow_disk_syncs() == before)
        usleep(200);
    for (uint64_t i = 2; i <= 500; i++)
        keep(&b, i);
    uv_run(&b.loop, UV_RUN_NOWAIT);
    CHECK(b.answers == 0);
    CHECK(slow_disk_syncs() == before + 1);
    slow_disk_go_on();
    journal_thread_flush(b.thread);
    CHECK(b.answers == 500);
    CHECK(b.failures == 0);
    CHECK(slow_disk_syncs() <= before + 4); /* two commits; the mark or a checkpoint besides */
    CHECK(end(&b) == 500);
}

TEST(journal_thread_says_of_each_that_the_disk_did_not_take_it)
{
    struct bench b;
    struct rlimit none = {0, RLIM_INFINITY};

    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    begin(&b);
    keep(&b, 1);
    journal_thread_flush(b.thread);
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    for (uint64_t i = 2; i <= 20; i++)
        keep(&b, i);
    journal_thread_flush(b.thread);
    none.rlim_cur = RLIM_INFINITY;
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    CHECK(b.answers == 20);
    CHECK(b.failures == 19);
    CHECK(strstr(b.why, "state folder"));
    keep(&b, 21);
    CHECK(end(&b) == 2);
}
