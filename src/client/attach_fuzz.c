/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* attach_fuzz.c - any bytes from what should be a daemon, in answer to ACCORD.ATTACH, with and
 * without a real segment: attached to what was given, refused, or not understood.
 *
 * The first byte says which descriptors come with it. */
#include "client/handle.h"

#include "cache/writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { SEND_SEGMENT = 1, SEND_HINTS = 2, SEND_UNSEALED = 4, INPUT_BYTES_MAX = 16384 };

static struct segment_sizes sizes;
static int segment_fd, hints_fd, unsealed_fd;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int shared(size_t bytes, bool sealed)
{
    int fd = memfd_create("segment", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0 || ftruncate(fd, (off_t)bytes) != 0)
        abort();
    if (sealed && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0)
        abort();
    return fd;
}

static void *map(int fd, size_t bytes)
{
    int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, kind, fd, 0);

    if (at == MAP_FAILED)
        abort();
    return at;
}

static void build(void)
{
    struct segment_namespace space = {.name = ""};
    struct segment_settings s = {.memory_bytes = SEGMENT_BYTES_MIN,
                                 .incarnation = {1, 2},
                                 .clock = {.clock = CLOCK_CLASS_TSC, .ns_base = NS_PER_S},
                                 .namespaces = &space,
                                 .namespace_count = 1};
    struct writer *w;

    if (segment_sizes(&s, &sizes) != ACCORD_OK)
        abort();
    segment_fd = shared(sizes.segment_bytes, true);
    hints_fd = shared(sizes.hints_bytes, true);
    unsealed_fd = shared(sizes.segment_bytes, false);
    if (writer_init(&w, map(-1, sizes.writer_bytes), map(segment_fd, sizes.segment_bytes),
                    map(hints_fd, sizes.hints_bytes), &s) != ACCORD_OK)
        abort();
}

static void send_all(int fd, unsigned which, const uint8_t *data, size_t size)
{
    int fds[3], count = 0;
    union {
        struct cmsghdr head;
        uint8_t space[CMSG_SPACE(sizeof fds)];
    } control = {.space = {0}};
    struct iovec all = {(void *)(uintptr_t)data, size};
    struct msghdr message = {.msg_iov = &all, .msg_iovlen = 1};

    if (which & SEND_SEGMENT)
        fds[count++] = segment_fd;
    if (which & SEND_HINTS)
        fds[count++] = hints_fd;
    if (which & SEND_UNSEALED)
        fds[count++] = unsealed_fd;
    if (count > 0) {
        message.msg_control = &control;
        message.msg_controllen = CMSG_SPACE((size_t)count * sizeof fds[0]);
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN((size_t)count * sizeof fds[0]);
        memcpy(CMSG_DATA(&control.head), fds, (size_t)count * sizeof fds[0]);
    }
    if (sendmsg(fd, &message, MSG_NOSIGNAL) != (ssize_t)size)
        abort();
}

static void check_attached(struct accord *a)
{
    struct attachment *at = (struct attachment *)(uintptr_t)atomic_load(&a->current);
    uint8_t value[64];
    struct read_result result;

    if (!at)
        return;
    ASSERT(id128_equal(at->reader.incarnation, (struct id128){1, 2}));
    reader_get(&at->reader, bytes_of_text("key"), value, sizeof value, &result);
    ASSERT(result.state != ACCORD_HIT);
    attach_unmap(at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct accord a = {.lock = PTHREAD_MUTEX_INITIALIZER};
    struct seat s = {.line = -1};
    int ends[2];

    if (size < 2 || size > INPUT_BYTES_MAX)
        return 0;
    if (!segment_fd)
        build();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        abort();
    link_init(&s.link);
    s.link.fd = ends[0];
    send_all(ends[1], data[0], data + 1, size - 1);
    shutdown(ends[1], SHUT_WR);
    int status = attach_seat(&a, &s, monotonic_ns() + NS_PER_S);
    ASSERT(status <= ACCORD_OK);
    check_attached(&a);
    link_done(&s.link);
    close(ends[1]);
    return 0;
}
