/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/journal.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char why[JOURNAL_WHY_BYTES_MAX];
static struct journal_report report;

static const char *folder(void)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/a/state", test_folder());
    return path;
}

static const char *database(void)
{
    static char path[600];

    snprintf(path, sizeof path, "%s/state.db", folder());
    return path;
}

static struct journal *opened(const char *name)
{
    struct journal *j = NULL;
    int status = journal_open(&j, folder(), name, &report, why);

    if (status != ACCORD_OK)
        fprintf(stderr, "%s\n", why);
    CHECK(status == ACCORD_OK);
    return j;
}

static struct change removal(uint64_t number)
{
    static char keys[16][32];
    char *key = keys[number % 16];

    snprintf(key, 32, "user:%llu", (unsigned long long)number);
    return (struct change){.op = CHANGE_REMOVE,
                           .key = bytes_of_text(key),
                           .message = {7, number},
                           .origin = bytes_of_text("web1"),
                           .incarnation = {1, 2},
                           .sequence = number};
}

static void keep(struct journal *j, uint64_t first, uint64_t last)
{
    for (uint64_t i = first; i <= last; i++) {
        struct change c = removal(i);
        CHECK(journal_keep(j, &c, 1, why) == ACCORD_OK);
    }
}

static void overwrite(const char *path, off_t offset, const void *bytes, size_t size)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK(pwrite(fd, bytes, size, offset) == (ssize_t)size);
    close(fd);
}

static void sql(const char *text)
{
    sqlite3 *db;

    CHECK(sqlite3_open(database(), &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, text, NULL, NULL, NULL) == SQLITE_OK);
    sqlite3_close(db);
}

TEST(what_was_kept_and_not_forgotten_comes_back_in_order)
{
    struct journal *j = opened("web1");
    struct id128 forgotten[] = {{7, 2}, {7, 4}};
    size_t count;

    CHECK(report.pending == 0 && !report.moved_aside[0] && !report.name_before[0]);
    keep(j, 1, 5);
    CHECK(journal_forget(j, forgotten, 2, why) == ACCORD_OK);
    journal_close(j);
    j = opened("web1");
    const struct change *pending = journal_pending(j, &count);
    CHECK(count == 3 && report.pending == 3 && report.unreadable == 0);
    CHECK(pending[0].message.low == 1);
    CHECK(pending[1].message.low == 3);
    CHECK(pending[2].message.low == 5);
    CHECK(bytes_equal(pending[2].key, bytes_of_text("user:5")));
    CHECK(bytes_equal(pending[2].origin, bytes_of_text("web1")));
    journal_drop_pending(j);
    journal_close(j);
    j = opened("web1"); /* still there until forgotten */
    CHECK(report.pending == 3);
    journal_close(j);
    journal_close(NULL);
}

TEST(a_killed_node_loses_nothing_that_was_kept)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        keep(opened("web1"), 1, 10);
        abort();
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
    struct journal *j = opened("web1");
    CHECK(report.pending == 10);
    CHECK(report.unreadable == 0);
    journal_close(j);
}

TEST(the_place_and_the_name_are_remembered)
{
    struct journal *j = opened("web1");
    struct journal_place c = {{{1, 2}, UINT64_MAX, 42, {3, 4}, UINT64_MAX - 1},
                              {{5, 6}, 7, UINT64_MAX - 2, 9, {10, 11}, 12}},
                         back;

    CHECK(journal_place(j, &back) == ACCORD_E_ABSENT);
    CHECK(journal_save(j, &c, why) == ACCORD_OK);
    c.cursor.position = 43;
    CHECK(journal_save(j, &c, why) == ACCORD_OK);
    journal_close(j);
    j = opened("web2");
    CHECK(strcmp(report.name_before, "web1") == 0);
    CHECK(journal_place(j, &back) == ACCORD_OK);
    CHECK(memcmp(&c, &back, sizeof c) == 0);
    journal_close(j);
    j = opened("web2");
    CHECK(!report.name_before[0]);
    journal_close(j);
}

TEST(a_place_that_was_altered_is_not_believed)
{
    struct journal *j = opened("web1");
    struct journal_place p = {.cursor = {.position = 42}, .segment = {.inode = 9}}, back;

    CHECK(journal_save(j, &p, why) == ACCORD_OK);
    journal_close(j);
    sql("UPDATE place SET position = 41");
    j = opened("web1");
    CHECK(journal_place(j, &back) == ACCORD_E_ABSENT);
    CHECK(journal_save(j, &p, why) == ACCORD_OK);
    CHECK(journal_place(j, &back) == ACCORD_OK);
    journal_close(j);
}

TEST(a_second_daemon_is_kept_out_until_the_first_ends)
{
    struct journal *first = opened("web1"), *second = NULL;

    CHECK(journal_open(&second, folder(), "web1", &report, why) == ACCORD_E_CONFLICT);
    CHECK(strstr(why, "in use by another daemon"));
    CHECK(!second);
    journal_close(first);
    journal_close(opened("web1"));
}

TEST(a_folder_that_cannot_be_made_is_named)
{
    struct journal *j = NULL;

    CHECK(journal_open(&j, "/proc/nowhere/state", "n", &report, why) != ACCORD_OK);
    CHECK(strstr(why, "/proc/nowhere"));
    CHECK(!j);
}

TEST(fences_come_back_with_their_place_in_the_log)
{
    struct fence_saved back[4], list[] = {{.name = "user", .newest = UINT64_MAX - 1},
                                          {.name = "page", .newest = 7, .held = true}};
    struct cursor at = {.log = {1, 2}, .epoch = UINT64_MAX, .position = 99}, place = {0};
    struct journal *j = opened("web1");

    CHECK(journal_fences(j, back, COUNT_OF(back), &place) == 0);
    CHECK(journal_save_fences(j, &at, list, 2, why) == ACCORD_OK);
    list[0].newest = UINT64_MAX;
    CHECK(journal_save_fences(j, &at, list, 2, why) == ACCORD_OK);
    journal_close(j);
    j = opened("web1");
    CHECK(!report.moved_aside[0]);
    CHECK(journal_fences(j, back, 1, &place) == 1);
    CHECK(journal_fences(j, back, COUNT_OF(back), &place) == 2);
    size_t user = strcmp(back[0].name, "user") == 0 ? 0 : 1;
    CHECK(back[user].newest == UINT64_MAX && !back[user].held);
    CHECK(strcmp(back[!user].name, "page") == 0 && back[!user].newest == 7 && back[!user].held);
    CHECK(id128_equal(place.log, at.log) && place.epoch == at.epoch && place.position == 99);
    CHECK(journal_save_fences(j, &at, list, 0, why) == ACCORD_OK);
    CHECK(journal_fences(j, back, COUNT_OF(back), &place) == 0);
    journal_close(j);
}

TEST(the_folder_is_its_owners_alone)
{
    struct stat st;

    journal_close(opened("web1"));
    CHECK(stat(folder(), &st) == 0 && (st.st_mode & 0777) == 0700);
}

static bool clears_all(struct journal *j)
{
    size_t count;
    const struct change *pending = journal_pending(j, &count);

    for (size_t i = 0; i < count; i++)
        if (pending[i].op == CHANGE_CLEAR)
            return true;
    return false;
}

TEST(what_is_no_database_is_moved_aside_and_everything_is_cleared)
{
    journal_close(opened("web1"));
    overwrite(database(), 0, "This is not what SQLite wrote.", 30);
    struct journal *j = opened("web1");
    CHECK(strstr(report.moved_aside, "/state.db.bad-"));
    CHECK(strstr(report.moved_why, "damaged"));
    CHECK(access(report.moved_aside, F_OK) == 0);
    CHECK(report.unreadable == 1);
    CHECK(clears_all(j));
    journal_close(j);
    j = opened("web1"); /* and the clear is kept until it is forgotten */
    CHECK(!report.moved_aside[0]);
    CHECK(clears_all(j));
    journal_close(j);
}

TEST(an_older_or_newer_format_is_moved_aside_and_its_journal_is_taken_over)
{
    for (int format = 1; format <= 3; format += 2) {
        char text[64];
        struct journal *j = opened("web1");
        keep(j, 1, 4);
        journal_close(j);
        snprintf(text, sizeof text, "PRAGMA user_version=%d", format);
        sql(text);
        j = opened("web1");
        snprintf(text, sizeof text, "it is of format %d", format);
        CHECK(strstr(report.moved_why, text));
        CHECK(report.pending == 4);
        CHECK(report.unreadable == 0);
        CHECK(!clears_all(j));
        journal_close(j);
        j = opened("web1");
        CHECK(!report.moved_aside[0] && report.pending == 4);
        journal_close(j);
    }
}

TEST(a_format_without_a_journal_that_we_know_clears_everything)
{
    struct journal *j = opened("web1");

    keep(j, 1, 4);
    journal_close(j);
    sql("PRAGMA user_version=9; ALTER TABLE journal RENAME TO entries");
    j = opened("web1");
    CHECK(report.pending == 1);
    CHECK(clears_all(j));
    journal_close(j);
}

TEST(a_record_that_was_altered_is_not_believed)
{
    struct journal *j = opened("web1");

    keep(j, 1, 4);
    journal_close(j);
    sql("UPDATE journal SET record = CAST(replace(CAST(record AS TEXT), 'user', 'USER') AS "
        "BLOB)"
        " WHERE id = 2");
    sql("UPDATE journal SET record = x'00' WHERE id = 2");
    j = opened("web1");
    CHECK(report.moved_aside[0]);
    CHECK(report.unreadable == 1);
    CHECK(report.pending == 4); /* three, and the clear */
    CHECK(clears_all(j));
    journal_close(j);
    journal_close(opened("web1"));
    CHECK(!report.moved_aside[0]);
}

/* One flipped bit, or a cut, anywhere: every change is there, or everything is cleared. */
TEST_SEEDS(damage_anywhere_loses_no_change_in_silence, 25)
{
    struct journal *j;
    struct stat st;
    size_t count, found = 0;

    unlink(database());
    j = opened("web1");
    keep(j, 1, 12);
    journal_close(j);
    CHECK(stat(database(), &st) == 0);
    if (test_random(rng, 4) == 0) {
        CHECK(truncate(database(), (off_t)test_random(rng, (uint64_t)st.st_size)) == 0);
    } else {
        off_t at = (off_t)test_random(rng, (uint64_t)st.st_size);
        uint8_t byte;
        int fd = open(database(), O_RDONLY | O_CLOEXEC);
        CHECK(fd >= 0 && pread(fd, &byte, 1, at) == 1);
        close(fd);
        byte ^= (uint8_t)(1u << test_random(rng, 8));
        overwrite(database(), at, &byte, 1);
    }
    j = opened("web1");
    const struct change *pending = journal_pending(j, &count);
    for (size_t i = 0; i < count; i++)
        found += pending[i].op == CHANGE_REMOVE && pending[i].message.high == 7;
    CHECK(found == 12 || clears_all(j));
    journal_close(j);
}

static void keep_and_be_killed(uint64_t first, uint64_t last)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        struct rlimit none = {0, 0};
        (void)setrlimit(RLIMIT_CORE, &none);
        keep(opened("web1"), first, last);
        raise(SIGKILL);
    }
    CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFSIGNALED(status));
}

/* ---- without memory ---- */

static sqlite3_mem_methods memory;
static unsigned long allocations, fail_at, fail_until;

static bool fails(void)
{
    allocations++;
    return fail_at > 0 && allocations >= fail_at && allocations < fail_until;
}

static void *allocate(int bytes)
{
    return fails() ? NULL : memory.xMalloc(bytes);
}

static void *reallocate(void *old, int bytes)
{
    return fails() ? NULL : memory.xRealloc(old, bytes);
}

static void make_memory_fail(void)
{
    CHECK(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory) == SQLITE_OK);
    sqlite3_mem_methods failing = memory;
    failing.xMalloc = allocate;
    failing.xRealloc = reallocate;
    CHECK(sqlite3_config(SQLITE_CONFIG_MALLOC, &failing) == SQLITE_OK);
}

/* Opened where the n-th allocation of SQLite fails, and `more` after it. False: none did. */
static bool open_without_memory(unsigned long n, unsigned long more)
{
    struct journal *j = NULL;
    size_t count = 0;

    allocations = 0;
    fail_at = n;
    fail_until = n + 1 + more;
    int status = journal_open(&j, folder(), "web1", &report, why);
    bool met = allocations >= n;
    fail_at = 0;
    CHECK(status == ACCORD_OK || met);
    CHECK(!report.moved_aside[0]);
    if (status == ACCORD_OK)
        journal_pending(j, &count);
    CHECK(status != ACCORD_OK || count == 12);
    journal_close(j);
    return met;
}

/* Every allocation of SQLite's, one at a time and from n on. */
TEST(a_journal_opened_without_memory_is_not_taken_for_a_damaged_one)
{
    make_memory_fail();
    keep_and_be_killed(1, 12);
    for (unsigned long n = 1, met = 1; met; n++) {
        met = open_without_memory(n, 0);
        met = open_without_memory(n, 1000000) && met;
    }
    struct journal *j = opened("web1");
    CHECK(report.pending == 12);
    CHECK(report.unreadable == 0);
    journal_close(j);
}

/* SQLite takes a WAL without its end for one that ends earlier. */
TEST_SEEDS(a_journal_whose_wal_was_cut_loses_no_change_in_silence, 12)
{
    char wal[700];
    struct stat st;
    size_t count, found = 0;

    snprintf(wal, sizeof wal, "%s-wal", database());
    if (test_random(rng, 2) == 0)
        journal_close(opened("web1")); /* its tables are in the database proper */
    keep_and_be_killed(1, 12);
    CHECK(stat(wal, &st) == 0);
    if (test_random(rng, 4) == 0)
        CHECK(unlink(wal) == 0);
    else
        CHECK(truncate(wal, (off_t)test_random(rng, (uint64_t)st.st_size)) == 0);
    struct journal *j = opened("web1");
    const struct change *pending = journal_pending(j, &count);
    for (size_t i = 0; i < count; i++)
        found += pending[i].op == CHANGE_REMOVE && pending[i].message.high == 7;
    CHECK(found == 12 || clears_all(j));
    CHECK(found == 12 || (report.unreadable > 0 && report.moved_aside[0]));
    CHECK(found == 12 || strstr(report.moved_why, "missing") ||
          strstr(report.moved_why, "damaged"));
    journal_close(j);
    j = opened("web1"); /* said once */
    CHECK(!report.moved_aside[0]);
    CHECK(report.pending == count);
    journal_close(j);
}

TEST(a_journal_that_was_deleted_or_put_back_clears_everything)
{
    struct journal *j = opened("web1");
    char copy[700], command[1500];

    keep(j, 1, 4);
    journal_close(j);
    CHECK(unlink(database()) == 0);
    j = opened("web1");
    CHECK(clears_all(j) && strstr(report.moved_why, "deleted or put back"));
    journal_close(j);
    snprintf(copy, sizeof copy, "%s.copy", database());
    snprintf(command, sizeof command, "cp %s %s", database(), copy);
    CHECK(system(command) == 0);
    j = opened("web1");
    CHECK(!report.moved_aside[0]);
    keep(j, 20, 21);
    journal_close(j);
    CHECK(rename(copy, database()) == 0);
    j = opened("web1");
    CHECK(clears_all(j) && strstr(report.moved_why, "deleted or put back"));
    journal_close(j);
}

TEST(a_mark_that_cannot_be_read_says_nothing)
{
    struct journal *j = opened("web1");
    char mark[700];

    keep(j, 1, 4);
    journal_close(j);
    snprintf(mark, sizeof mark, "%s/state.mark", folder());
    overwrite(mark, 20, "9", 1);
    j = opened("web1");
    CHECK(!report.moved_aside[0] && report.pending == 4);
    keep(j, 5, 5);
    journal_close(j);
    CHECK(unlink(mark) == 0);
    j = opened("web1");
    CHECK(!report.moved_aside[0] && report.pending == 5);
    journal_close(j);
}

TEST(a_full_disk_refuses_and_what_was_kept_stays)
{
    struct journal *j = opened("web1");
    static struct change many[600];
    char key[KEY_BYTES_MAX];

    memset(key, 'k', sizeof key);
    for (size_t i = 0; i < COUNT_OF(many); i++) {
        many[i] = removal(100 + i);
        many[i].key = bytes_of(key, sizeof key);
    }
    keep(j, 1, 3);
    struct rlimit limit = {256 * KIB, 256 * KIB}; /* a file may not grow beyond it */
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK(journal_keep(j, many, COUNT_OF(many), why) == ACCORD_E_IO);
    CHECK(strstr(why, "is the disk full or read-only?"));
    journal_close(j);
    j = opened("web1");
    CHECK(report.pending == 3);
    CHECK(report.unreadable == 0);
    journal_close(j);
}
