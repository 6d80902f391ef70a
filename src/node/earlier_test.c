/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/earlier.h"

#include "cache/writer.h"
#include "node/mapping.h"
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct written {
    struct mapping mapping;
    struct segment_identity identity;
    int fd; /* as a client holds it */
};

/* A segment as a daemon leaves it: its own descriptors are closed, a client's is not. */
static void write_one(struct written *w, bool alive)
{
    struct segment_namespace spaces[1] = {{.name = ""}};
    struct segment_settings s = {.memory_bytes = SEGMENT_BYTES_MIN,
                                 .incarnation = {7, 8},
                                 .seed = 9,
                                 .namespaces = spaces,
                                 .namespace_count = 1};
    struct segment_sizes sizes;
    struct writer *writer;
    char why[256];

    CHECK(segment_sizes(&s, &sizes) == ACCORD_OK);
    CHECK(mapping_new(&w->mapping, sizes.segment_bytes, sizes.hints_bytes, why, sizeof why) ==
          ACCORD_OK);
    void *memory = aligned_alloc(64, sizes.writer_bytes);
    CHECK(memory);
    memset(memory, 0, sizes.writer_bytes);
    CHECK(writer_init(&writer, memory, w->mapping.segment, w->mapping.hints, &s) == ACCORD_OK);
    free(memory);
    w->fd = fcntl(w->mapping.segment_fd, F_DUPFD_CLOEXEC, 0);
    CHECK(w->fd >= 0);
    w->identity = (struct segment_identity){.incarnation = {7, 8}, .seed = 9};
    CHECK(earlier_identify(w->fd, &w->identity));
    if (!alive)
        mapping_done(&w->mapping);
}

static bool refuses(int fd, const struct segment_identity *wanted, int status, const char *says)
{
    struct earlier e = {.bytes = 42};
    const char *why = NULL;

    return earlier_open(&e, fd, wanted, &why) == status && why && strstr(why, says) &&
           e.bytes == 42;
}

TEST(the_segment_of_a_dead_writer_is_taken)
{
    struct written w;
    struct earlier e;
    const char *why;

    write_one(&w, /* alive= */ false);
    for (int again = 0; again < 2; again++) { /* looking at it changes nothing */
        CHECK(earlier_open(&e, w.fd, &w.identity, &why) == ACCORD_OK);
        CHECK(e.reader.incarnation.low == 8 && e.memory);
        earlier_done(&e);
        earlier_done(&e);
    }
    close(w.fd);
}

TEST(a_segment_whose_writer_lives_is_refused)
{
    struct written w;

    write_one(&w, /* alive= */ true);
    CHECK(refuses(w.fd, &w.identity, ACCORD_E_CONFLICT, "still runs"));
    mapping_done(&w.mapping);
    struct earlier e;
    const char *why;
    CHECK(earlier_open(&e, w.fd, &w.identity, &why) == ACCORD_OK);
    earlier_done(&e);
    close(w.fd);
}

TEST(a_file_that_is_not_the_one_that_was_saved_is_refused)
{
    struct written w;
    struct segment_identity other;

    write_one(&w, /* alive= */ false);
    other = w.identity;
    other.inode++;
    CHECK(refuses(w.fd, &other, ACCORD_E_DENIED, "not the file"));
    other = w.identity;
    other.device++;
    CHECK(refuses(w.fd, &other, ACCORD_E_DENIED, "not the file"));
    other = w.identity;
    other.bytes--;
    CHECK(refuses(w.fd, &other, ACCORD_E_DENIED, "not the file"));
    other = w.identity;
    other.incarnation.low++;
    CHECK(refuses(w.fd, &other, ACCORD_E_DENIED, "another incarnation"));
    CHECK(refuses(-1, &w.identity, ACCORD_E_DENIED, "not the file"));
    close(w.fd);
}

/* Identity alone is not enough: it could be another file with the same number. */
TEST(a_file_without_our_mode_or_seals_is_refused)
{
    struct segment_identity id = {.incarnation = {7, 8}};
    int fd = memfd_create("accord-segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    CHECK(fd >= 0 && ftruncate(fd, 1 << 20) == 0);
    CHECK(earlier_identify(fd, &id));
    CHECK(refuses(fd, &id, ACCORD_E_DENIED, "mode"));
    CHECK(fchmod(fd, 0400) == 0);
    CHECK(refuses(fd, &id, ACCORD_E_DENIED, "not sealed"));
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0);
    CHECK(refuses(fd, &id, ACCORD_E_DENIED, "not sealed"));
    close(fd);
}

TEST(a_sealed_file_that_is_no_segment_is_refused)
{
    struct mapping m;
    struct segment_identity id = {.incarnation = {7, 8}};
    char why[256];

    CHECK(mapping_new(&m, 1 << 20, 4096, why, sizeof why) == ACCORD_OK);
    memset(m.segment, 0xff, 1 << 20);
    int fd = fcntl(m.segment_fd, F_DUPFD_CLOEXEC, 0);
    CHECK(fd >= 0 && earlier_identify(fd, &id));
    mapping_done(&m);
    CHECK(refuses(fd, &id, ACCORD_E_FORMAT, "cannot read its format"));
    close(fd);
}

TEST(the_boot_is_known_and_the_same_each_time)
{
    struct id128 a, b;

    CHECK(earlier_boot(&a));
    CHECK(earlier_boot(&b));
    CHECK(id128_equal(a, b) && !id128_is_none(a));
}
