/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* door_fuzz.c - any bytes over the unix socket, to a real door, core and segment, with ATTACH
 * on offer: the guest is answered or closed, and another guest is served all the while.
 *
 * The first byte says how long the pieces are in which they come. What an input leaves in the
 * cache stays for the next ones, as in a real daemon: where an input alone does not bring a
 * failure back, the corpus before it does (-runs=1 with the folder). */
#include "door/house.h"

enum { INPUT_BYTES_MAX = 4096, TURNS = 8, ANSWER_TURNS = 2000, RUNS_PER_HOUSE = 1000 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What house.h expects of the test program. */
void test_register(struct test *t)
{
    (void)t;
}

void test_skip(const char *why)
{
    (void)why;
    abort();
}

void test_fail(const char *what, const char *file, int line)
{
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    abort();
}

static char folder[64];

static void clean_up(void)
{
    char socket[80];

    snprintf(socket, sizeof socket, "%s/door.sock", folder);
    unlink(socket);
    rmdir(folder);
}

const char *test_folder(void)
{
    if (!folder[0]) {
        snprintf(folder, sizeof folder, "/tmp/accord-fuzz-XXXXXX");
        CHECK(mkdtemp(folder));
        CHECK(atexit(clean_up) == 0);
    }
    return folder;
}

static int shared(size_t bytes)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    CHECK(fd >= 0);
    CHECK(ftruncate(fd, (off_t)bytes) == 0);
    return fd;
}

static void drain(int guest)
{
    static char heard[65536];

    while (recv(guest, heard, sizeof heard, 0) > 0)
        ;
}

/* False: the door has closed the connection. */
static bool say(struct house *h, int guest, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(guest, data, size, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN)
            return false;
        data += n > 0 ? n : 0;
        size -= n > 0 ? (size_t)n : 0;
        house_turn(h);
        drain(guest);
    }
    return true;
}

static bool pongs(struct house *h, int guest)
{
    char heard[8] = "";

    CHECK(send(guest, "PING\r\n", 6, MSG_NOSIGNAL) == 6);
    for (int i = 0; i < ANSWER_TURNS; i++) {
        house_turn(h);
        if (recv(guest, heard, 7, 0) == 7)
            return memcmp(heard, "+PONG\r\n", 7) == 0;
    }
    return false;
}

/* To build a house takes ten times as long as a run in it. */
static struct house *at_home(void)
{
    static struct house *h;
    static unsigned runs;

    if (h && (++runs % RUNS_PER_HOUSE != 0) && h->newest < HOUSE_LOG_MAX / 2)
        return h;
    if (h) {
        close(h->host.segment_fd);
        close(h->host.hints_fd);
        house_free(h);
    }
    h = house_new();
    h->host.segment_fd = shared(h->host.segment_bytes);
    h->host.hints_fd = shared(h->host.hints_bytes);
    h->host.reader_lines = 1;
    house_open(h);
    return h;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > INPUT_BYTES_MAX)
        return 0;
    struct house *h = at_home();
    int other = guest_new(h), guest = guest_new(h);
    size_t piece = 1 + (size_t)data[0] * data[0] / 4, at = 1;
    while (at < size && say(h, guest, data + at, u64_min(piece, size - at)))
        at += u64_min(piece, size - at);
    for (int i = 0; i < TURNS; i++) {
        house_pass(h, 10);
        drain(guest);
    }
    CHECK(pongs(h, other));
    close(guest);
    close(other);
    house_turn(h);
    return 0;
}
