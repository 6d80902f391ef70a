/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3; newer than Debian 12's headers */
#endif
#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

static int fail(char *why, size_t why_bytes, int status, const char *what)
{
    snprintf(why, why_bytes, "shared memory: %s: %s", what, strerror(errno));
    return status;
}

/* Older kernels do not know NOEXEC_SEAL; there the mode alone takes the x away. */
static int create(const char *name, mode_t mode, size_t bytes)
{
    unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
    int fd = memfd_create(name, flags | MFD_NOEXEC_SEAL);

    if (fd < 0 && errno == EINVAL)
        fd = memfd_create(name, flags);
    if (fd < 0)
        return -1;
    if (fchmod(fd, mode) != 0 || ftruncate(fd, (off_t)bytes) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

static void *map_writable(int fd, size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

    if (at == MAP_FAILED)
        return NULL;
    madvise(at, bytes, MADV_DONTDUMP); /* a core file must not hold everybody's values */
    return at;
}

/* A descriptor of the same memory that is open for reading only. Where /proc is not mounted a
 * copy of the original serves: its seals already forbid every way to write. (Clients then hold
 * the writer's lock too: nothing is inherited while one of them lives.) */
static int reopen_read_only(int fd)
{
    char path[64];
    int read_only;

    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    read_only = open(path, O_RDONLY | O_CLOEXEC);
    return read_only >= 0 ? read_only : fcntl(fd, F_DUPFD_CLOEXEC, 0);
}

static int map_segment(struct mapping *m, char *why, size_t why_bytes)
{
    int seals = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    int fd = m->writer_fd = create("accord-segment", 0400, m->segment_bytes);

    if (fd < 0)
        return fail(why, why_bytes, ACCORD_E_NOMEM, "cannot create the segment");
    m->segment = map_writable(fd, m->segment_bytes);
    if (!m->segment)
        return fail(why, why_bytes, ACCORD_E_NOMEM, "cannot map the segment");
    if (fcntl(fd, F_ADD_SEALS, seals) != 0)
        return fail(why, why_bytes, ACCORD_E_UNSUPPORTED,
                    "cannot seal the segment (Linux 5.1 or later is needed)");
    m->segment_fd = reopen_read_only(fd);
    if (m->segment_fd < 0 || flock(fd, LOCK_EX | LOCK_NB) != 0)
        return fail(why, why_bytes, ACCORD_E_NOMEM, "cannot open the segment for readers");
    return ACCORD_OK;
}

static int map_hints(struct mapping *m, char *why, size_t why_bytes)
{
    m->hints_fd = create("accord-hints", 0600, m->hints_bytes);
    if (m->hints_fd < 0)
        return fail(why, why_bytes, ACCORD_E_NOMEM, "cannot create the hints");
    m->hints = map_writable(m->hints_fd, m->hints_bytes);
    if (!m->hints)
        return fail(why, why_bytes, ACCORD_E_NOMEM, "cannot map the hints");
    if (fcntl(m->hints_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return fail(why, why_bytes, ACCORD_E_UNSUPPORTED, "cannot seal the hints");
    return ACCORD_OK;
}

int mapping_new(struct mapping *out, size_t segment_bytes, size_t hints_bytes, char *why,
                size_t why_bytes)
{
    struct mapping m = {.writer_fd = -1,
                        .segment_fd = -1,
                        .hints_fd = -1,
                        .segment_bytes = segment_bytes,
                        .hints_bytes = hints_bytes};
    int status = map_segment(&m, why, why_bytes);

    if (status == ACCORD_OK)
        status = map_hints(&m, why, why_bytes);
    if (status == ACCORD_OK)
        *out = m;
    else
        mapping_done(&m);
    return status;
}

void mapping_done(struct mapping *m)
{
    if (m->segment_bytes == 0)
        return; /* zeroed: 0 is no descriptor of ours */
    if (m->segment)
        munmap(m->segment, m->segment_bytes);
    if (m->hints)
        munmap(m->hints, m->hints_bytes);
    if (m->segment_fd >= 0)
        close(m->segment_fd);
    if (m->writer_fd >= 0)
        close(m->writer_fd);
    if (m->hints_fd >= 0)
        close(m->hints_fd);
    memset(m, 0, sizeof *m);
    m->writer_fd = m->segment_fd = m->hints_fd = -1;
}
