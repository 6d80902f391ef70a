/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* offer_test.c - ACCORD.OFFER: a client gives an earlier segment back. */
#include "door/attach.h"
#include "door/house.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

static struct id128 wanted;
static unsigned offers;
static uint64_t offered_inode;
static int answer;

static int offered(void *node, int fd, const char **why)
{
    struct stat st;

    (void)node;
    CHECK(fstat(fd, &st) == 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC);
    offers++;
    offered_inode = st.st_ino;
    *why = "it is not the one";
    return answer;
}

static struct house *house_that_wants(struct id128 what)
{
    struct house *h = house_ready();

    wanted = what;
    offers = 0;
    answer = ACCORD_OK;
    h->host.wanted = &wanted;
    h->host.offered = offered;
    return h;
}

static int some_file(uint64_t *inode)
{
    struct stat st;
    int fd = memfd_create("offered", MFD_CLOEXEC);

    CHECK(fd >= 0 && fstat(fd, &st) == 0);
    *inode = st.st_ino;
    return fd;
}

static void say_with(struct house *h, int guest, const char *text, int fd)
{
    CHECK(attach_send(guest, text, strlen(text), fd, fd) == (long)strlen(text));
    house_turn(h);
}

static int open_files(void)
{
    int count = 0;

    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

#define WANTED "00000000000000070000000000000009"

TEST(offer_takes_the_descriptor_that_came_with_it_and_closes_the_rest)
{
    struct house *h = house_that_wants((struct id128){7, 9});
    int g = guest_new(h);
    uint64_t inode;
    int fd = some_file(&inode), before;

    CHECK(asks(h, g, "PING", "+PONG\r\n"));
    before = open_files();
    say_with(h, g, "ACCORD.OFFER " WANTED "\r\n", fd); /* two of them */
    CHECK(guest_hears(h, g, "+OK\r\n"));
    CHECK(offers == 1 && offered_inode == inode);
    CHECK(open_files() == before);
    close(fd);
    close(g);
    house_free(h);
}

TEST(offer_says_why_a_segment_is_not_taken)
{
    struct house *h = house_that_wants((struct id128){7, 9});
    int g = guest_new(h);
    uint64_t inode;
    int fd = some_file(&inode);

    CHECK(asks(h, g, "ACCORD.OFFER " WANTED, "-NOTWANTED no descriptor came with it\r\n"));
    say_with(h, g, "ACCORD.OFFER 1\r\n", fd);
    CHECK(guest_hears(h, g, "-NOTWANTED that segment is not wanted, or not any more\r\n"));
    answer = ACCORD_E_DENIED;
    say_with(h, g, "ACCORD.OFFER " WANTED "\r\n", fd);
    CHECK(guest_hears(h, g, "-NOTWANTED it is not the one\r\n"));
    CHECK(offers == 1);
    wanted = (struct id128){0, 0};
    say_with(h, g, "ACCORD.OFFER " WANTED "\r\n", fd);
    CHECK(guest_hears(h, g, "-NOTWANTED that segment is not wanted, or not any more\r\n"));
    close(fd);
    close(g);
    house_free(h);
}

TEST(offer_never_holds_more_than_one_descriptor_whoever_sends_them)
{
    struct house *h = house_that_wants((struct id128){7, 9});
    int a = guest_new(h), b = guest_new(h);
    uint64_t inode;
    int fd = some_file(&inode), before;

    CHECK(asks(h, a, "PING", "+PONG\r\n"));
    CHECK(asks(h, b, "PING", "+PONG\r\n"));
    before = open_files();
    for (int i = 0; i < 20; i++) {
        say_with(h, i % 2 ? a : b, "PING\r\n", fd);
        CHECK(guest_hears(h, i % 2 ? a : b, "+PONG\r\n"));
        CHECK(open_files() <= before + 1);
    }
    /* What another client passed is not taken for one's own. */
    CHECK(asks(h, b, "ACCORD.OFFER " WANTED, "-NOTWANTED no descriptor came with it\r\n"));
    close(a); /* goes with its client */
    house_turn(h);
    house_turn(h);
    CHECK(open_files() <= before - 1);
    close(fd);
    close(b);
    house_free(h);
}

TEST(offer_is_asked_for_in_the_answer_to_attach)
{
    struct house *h = house_that_wants((struct id128){7, 9});

    CHECK(offer_is_wanted(h->door));
    wanted = (struct id128){0, 0};
    CHECK(!offer_is_wanted(h->door));
    h->host.wanted = NULL;
    CHECK(!offer_is_wanted(h->door));
    house_free(h);
}
