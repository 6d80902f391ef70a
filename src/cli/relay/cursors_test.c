/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/relay/cursors.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static char why[CURSORS_WHY_BYTES_MAX];

static const struct cursors both = {
    .known = {true, true},
    .at = {{.log = {1, 2}, .epoch = 3, .position = 4, .message = {5, 6}},
           {.log = {UINT64_MAX, 7}, .epoch = 8, .position = UINT64_MAX, .message = {9, 10}}}};

static const char *in_folder(const char *name)
{
    static char path[512];

    snprintf(path, sizeof path, "%s/%s", test_folder(), name);
    return path;
}

static int reopened(struct cursors *out)
{
    struct cursors_folder f = {.path = ""};
    int status = cursors_open(&f, test_folder(), out, why);

    cursors_close(&f);
    return status;
}

static void save(const struct cursors *c)
{
    struct cursors_folder f = {.path = ""};
    struct cursors old;

    CHECK(cursors_open(&f, test_folder(), &old, why) == ACCORD_OK);
    CHECK(cursors_save(&f, c, why) == ACCORD_OK);
    cursors_close(&f);
}

static void overwrite(const void *text, size_t bytes)
{
    int fd = open(in_folder("relay.cursors"), O_WRONLY | O_TRUNC | O_CREAT, 0600);

    CHECK(fd >= 0);
    CHECK(write(fd, text, bytes) == (ssize_t)bytes);
    close(fd);
}

TEST(cursors_come_back_as_they_were_saved)
{
    struct cursors out, one = both;

    CHECK(reopened(&out) == ACCORD_OK);
    CHECK(!out.known[0] && !out.known[1]);
    save(&both);
    CHECK(reopened(&out) == ACCORD_OK);
    for (size_t i = 0; i < RELAY_SIDES; i++) {
        CHECK(out.known[i]);
        CHECK(id128_equal(out.at[i].log, both.at[i].log));
        CHECK(id128_equal(out.at[i].message, both.at[i].message));
        CHECK(out.at[i].epoch == both.at[i].epoch);
        CHECK(out.at[i].position == both.at[i].position);
    }
    one.known[0] = false;
    save(&one);
    CHECK(reopened(&out) == ACCORD_OK);
    CHECK(!out.known[0] && out.known[1] && out.at[1].epoch == 8);
}

TEST_SEEDS(cursors_that_are_damaged_are_not_believed, 100)
{
    struct cursors out;
    uint8_t text[512];

    save(&both);
    int fd = open(in_folder("relay.cursors"), O_RDONLY);
    ssize_t bytes = read(fd, text, sizeof text);
    close(fd);
    CHECK(bytes > 100);
    if (test_random(rng, 2) == 0)
        bytes = (ssize_t)test_random(rng, 15); /* shorter than its head */
    else
        text[test_random(rng, (uint64_t)bytes)] = (uint8_t) "xyz\0~"[test_random(rng, 5)];
    overwrite(text, (size_t)bytes);
    CHECK(reopened(&out) == ACCORD_E_FORMAT);
    CHECK(!out.known[0] && !out.known[1]);
    CHECK(strstr(why, "damaged"));
    CHECK(unlink(in_folder("relay.cursors")) == 0);
    CHECK(reopened(&out) == ACCORD_OK);
}

TEST(cursors_folder_serves_one_relay_at_a_time)
{
    struct cursors_folder first = {.path = ""}, second = {.path = ""};
    struct cursors out;

    CHECK(cursors_open(&first, test_folder(), &out, why) == ACCORD_OK);
    CHECK(cursors_open(&second, test_folder(), &out, why) == ACCORD_E_CONFLICT);
    CHECK(strstr(why, "in use by another process"));
    cursors_close(&second);
    cursors_close(&first);
    CHECK(reopened(&out) == ACCORD_OK);
}

TEST(cursors_that_cannot_be_written_leave_the_old_ones)
{
    struct cursors_folder f = {.path = ""};
    struct cursors out, later = both;

    save(&both);
    CHECK(cursors_open(&f, test_folder(), &out, why) == ACCORD_OK);
    CHECK(mkdir(in_folder("relay.cursors.new"), 0700) == 0);
    later.at[0].position = 5;
    CHECK(cursors_save(&f, &later, why) == ACCORD_E_IO);
    CHECK(strstr(why, "relay.cursors.new"));
    cursors_close(&f);
    CHECK(rmdir(in_folder("relay.cursors.new")) == 0);
    CHECK(reopened(&out) == ACCORD_OK);
    CHECK(out.at[0].position == 4);
}

TEST(cursors_folder_that_cannot_be_made_is_named)
{
    struct cursors_folder f = {.path = ""};
    struct cursors out;
    char path[600], longer[1100];

    overwrite("x", 1);
    snprintf(path, sizeof path, "%s/below", in_folder("relay.cursors"));
    CHECK(cursors_open(&f, path, &out, why) == ACCORD_E_IO);
    CHECK(strstr(why, "below"));
    memset(longer, 'p', sizeof longer - 1);
    longer[sizeof longer - 1] = 0;
    CHECK(cursors_open(&f, longer, &out, why) == ACCORD_E_INVALID);
    cursors_close(&f);
}
