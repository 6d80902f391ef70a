/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/poison.h"
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct id128 the_log = {11, 12};
enum { EPOCH = 7, FILE_BYTES = 4096 };

static struct poison_found found[POISON_STAGES];
static size_t found_count;
static char why[POISON_WHY_BYTES_MAX];

static const char *path(void)
{
    static char text[600];

    snprintf(text, sizeof text, "%s/state.hand", test_folder());
    return text;
}

static struct poison *opened(void)
{
    struct poison *p = NULL;

    memset(found, 0, sizeof found);
    if (poison_open(&p, test_folder(), found, &found_count, why) != ACCORD_OK)
        fprintf(stderr, "%s\n", why);
    CHECK(p);
    for (int stage = 0; stage < POISON_STAGES; stage++) {
        struct hand h = poison_hand(p, (enum poison_stage)stage);
        CHECK(h.place);
        hand_attach(&h, the_log, EPOCH);
    }
    return p;
}

/* As a process that ends with this in hand, whatever ended it. */
static void crash(struct poison *p, enum poison_stage stage, uint64_t position)
{
    struct hand h = poison_hand(p, stage);

    hand_take(&h, position);
    poison_close(p);
}

static bool skips(struct poison *p, uint64_t position)
{
    struct hand h = poison_hand(p, POISON_APPLYING);

    return hand_poison(&h, the_log, EPOCH, position) >= 0;
}

static void overwrite(off_t offset, const void *bytes, size_t size)
{
    int fd = open(path(), O_RDWR | O_CLOEXEC);

    CHECK(fd >= 0);
    CHECK(pwrite(fd, bytes, size, offset) == (ssize_t)size);
    close(fd);
}

TEST(poison_is_what_ended_the_process_three_times_at_either_stage)
{
    for (int stage = 0; stage < POISON_STAGES; stage++) {
        uint64_t position = 42 + (uint64_t)stage;
        struct poison *p = opened();
        CHECK(found_count == 0);
        for (uint64_t i = 1; i <= POISON_TRIES; i++) {
            CHECK(!skips(p, position));
            crash(p, (enum poison_stage)stage, position);
            p = opened();
            CHECK(found_count == 1);
            CHECK(found[0].tries == i && found[0].at.position == position);
            CHECK(found[0].at.epoch == EPOCH && id128_equal(found[0].at.log, the_log));
        }
        CHECK(skips(p, position));
        CHECK(!skips(p, position + 10));
        poison_close(p);
        p = opened(); /* and is remembered: it may be read again */
        CHECK(found_count == 0);
        CHECK(skips(p, position));
        poison_close(p);
    }
}

TEST(poison_survives_a_process_that_is_killed)
{
    for (unsigned i = 0; i < POISON_TRIES; i++) {
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            struct poison *p = NULL;
            if (poison_open(&p, test_folder(), found, &found_count, why) == ACCORD_OK) {
                struct hand h = poison_hand(p, POISON_APPLYING);
                hand_attach(&h, the_log, EPOCH);
                hand_take(&h, 5);
                kill(getpid(), SIGKILL);
            }
            _exit(1);
        }
        int code;
        CHECK(waitpid(child, &code, 0) == child);
        CHECK(WIFSIGNALED(code));
    }
    struct poison *p = opened();
    CHECK(found_count == 1 && found[0].tries == POISON_TRIES);
    CHECK(skips(p, 5));
    poison_close(p);
}

TEST(poison_is_not_what_was_got_over)
{
    struct poison *p = opened();

    for (unsigned i = 0; i < 2 * POISON_TRIES; i++) {
        crash(p, POISON_APPLYING, 9);
        p = opened();
        CHECK(found_count == 1 && found[0].tries == 1);
        CHECK(poison_is_near(p, 3) && poison_is_near(p, 9) && !poison_is_near(p, 10));
        poison_passed(p, POISON_APPLYING, 8);
        CHECK(poison_is_near(p, 9));
        poison_passed(p, POISON_APPLYING, 9);
        CHECK(!poison_is_near(p, 9));
    }
    poison_close(p);
    p = opened();
    CHECK(found_count == 0); /* and what is out of hand ended nobody */
    poison_close(p);
}

TEST(poison_counts_each_entry_and_log_for_itself)
{
    struct poison *p = opened();

    for (unsigned i = 0; i < 2; i++) {
        crash(p, POISON_APPLYING, 9);
        p = opened();
        crash(p, POISON_READING, 14);
        p = opened();
    }
    struct hand h = poison_hand(p, POISON_APPLYING);
    hand_attach(&h, the_log, EPOCH + 1); /* the same position means another entry there */
    CHECK(!poison_is_near(p, 9));
    crash(p, POISON_APPLYING, 9);
    p = opened();
    CHECK(found_count == 1 && found[0].tries == 1 && found[0].at.epoch == EPOCH + 1);
    CHECK(!skips(p, 9) && !skips(p, 14));
    crash(p, POISON_READING, 14);
    p = opened();
    CHECK(skips(p, 14) && !skips(p, 9));
    poison_close(p);
}

TEST(poison_of_both_stages_at_once_is_counted_for_both)
{
    struct poison *p = opened();
    struct hand h = poison_hand(p, POISON_READING);

    hand_take(&h, 30);
    crash(p, POISON_APPLYING, 20);
    p = opened();
    CHECK(found_count == 2);
    CHECK(found[0].at.position == 30 && found[1].at.position == 20);
    poison_close(p);
}

TEST(poison_remembers_sixteen_entries_and_forgets_the_oldest)
{
    struct poison *p = opened();

    for (uint64_t position = 1; position <= POISONS_MAX + 1; position++)
        for (unsigned i = 0; i < POISON_TRIES; i++) {
            crash(p, POISON_APPLYING, position);
            p = opened();
        }
    CHECK(!skips(p, 1));
    for (uint64_t position = 2; position <= POISONS_MAX + 1; position++)
        CHECK(skips(p, position));
    poison_close(p);
}

/* Whatever the file holds: no crash, and nothing is skipped that three crashes did not name. */
TEST(poison_takes_a_file_that_is_torn_foreign_or_absent_for_an_empty_one)
{
    static const uint8_t junk[FILE_BYTES] = {0x5a, 1, 2, 3};
    struct poison *p = opened();

    for (unsigned i = 0; i < POISON_TRIES; i++) {
        crash(p, POISON_APPLYING, 5);
        p = opened();
    }
    poison_close(p);
    overwrite(96 + 24, "\x06", 1); /* the suspect's position */
    p = opened();
    CHECK(!skips(p, 5) && !skips(p, 6));
    crash(p, POISON_APPLYING, 5);
    overwrite(16 + 40, "\x01", 1); /* the log's name, beside what is in hand */
    p = opened();
    CHECK(found_count == 0);
    crash(p, POISON_APPLYING, 5);
    overwrite(8, "\x02", 1); /* a later format */
    p = opened();
    CHECK(found_count == 0);
    crash(p, POISON_APPLYING, 5);
    overwrite(0, junk, sizeof junk);
    p = opened();
    CHECK(found_count == 0);
    crash(p, POISON_APPLYING, 5);
    CHECK(truncate(path(), 50) == 0);
    p = opened();
    CHECK(found_count == 0);
    crash(p, POISON_APPLYING, 5);
    CHECK(unlink(path()) == 0);
    p = opened();
    CHECK(found_count == 0);
    poison_close(p);
}

TEST_SEEDS(poison_survives_any_bytes, 50)
{
    uint8_t bytes[1024];
    struct poison *p = opened();

    poison_close(p);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)test_random(rng, 256);
    overwrite(16, bytes, sizeof bytes);
    p = opened();
    CHECK(found_count == 0);
    struct hand h = poison_hand(p, POISON_APPLYING);
    CHECK(h.poison_count == 0);
    poison_passed(p, POISON_APPLYING, UINT64_MAX);
    poison_close(p);
}

TEST(poison_without_a_place_for_its_file_says_so_and_notes_nothing)
{
    struct poison *p = NULL;
    char folder[600];

    snprintf(folder, sizeof folder, "%s/none", test_folder());
    CHECK(poison_open(&p, folder, found, &found_count, why) == ACCORD_E_IO);
    CHECK(!p && strstr(why, "state.hand"));
    CHECK(mkdir(path(), 0700) == 0); /* a folder of that name */
    CHECK(poison_open(&p, test_folder(), found, &found_count, why) == ACCORD_E_IO);
    CHECK(rmdir(path()) == 0);
    CHECK(mkfifo(path(), 0600) == 0);
    CHECK(poison_open(&p, test_folder(), found, &found_count, why) == ACCORD_E_IO);
    CHECK(strstr(why, "not a file"));
    CHECK(unlink(path()) == 0);
    struct hand h = poison_hand(NULL, POISON_APPLYING);
    CHECK(!h.place && h.poison_count == 0);
    CHECK(!poison_is_near(NULL, 1));
    poison_passed(NULL, POISON_APPLYING, 1);
    poison_close(NULL);
}

TEST(poison_asks_for_its_room_before_it_maps_the_file)
{
    struct rlimit before, small = {100, 100};
    struct poison *p = NULL;

    CHECK(getrlimit(RLIMIT_FSIZE, &before) == 0);
    small.rlim_max = before.rlim_max;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    CHECK(setrlimit(RLIMIT_FSIZE, &small) == 0);
    int status = poison_open(&p, test_folder(), found, &found_count, why);
    CHECK(setrlimit(RLIMIT_FSIZE, &before) == 0);
    signal(SIGXFSZ, handler);
    CHECK(status == ACCORD_E_IO);
    CHECK(strstr(why, "no room"));
}
