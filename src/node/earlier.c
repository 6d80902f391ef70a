/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/earlier.h"

#include "base/hex.h"
#include "cache/inherit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

bool earlier_boot(struct id128 *out)
{
    char text[64] = "";
    uint64_t half[2] = {0, 0};
    int digits = 0, fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t got = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;

    if (fd >= 0)
        close(fd);
    for (ssize_t i = 0; i < got && digits < 32; i++) {
        int digit = hex_digit((uint8_t)text[i]);
        if (digit < 0)
            continue; /* the dashes */
        half[digits / 16] = half[digits / 16] << 4 | (uint64_t)digit;
        digits++;
    }
    *out = (struct id128){half[0], half[1]};
    return digits == 32;
}

bool earlier_identify(int fd, struct segment_identity *out)
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return false;
    out->device = st.st_dev;
    out->inode = st.st_ino;
    out->bytes = (uint64_t)st.st_size;
    return true;
}

/* NULL: it is the one. */
static const char *problem(int fd, const struct segment_identity *wanted, int *status)
{
    int needed = F_SEAL_FUTURE_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL;
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);

    *status = ACCORD_E_DENIED;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_dev != wanted->device ||
        st.st_ino != wanted->inode || (uint64_t)st.st_size != wanted->bytes)
        return "it is not the file that the state folder names";
    if (st.st_uid != geteuid() || (st.st_mode & 07777) != 0400)
        return "it is not this user's, or not of the mode that a segment has";
    if (seals < 0 || (seals & needed) != needed)
        return "it is not sealed as a segment is";
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        *status = ACCORD_E_CONFLICT;
        return "the daemon that writes it still runs";
    }
    (void)flock(fd, LOCK_UN); /* the description is shared: it must not look like a writer's */
    return NULL;
}

int earlier_open(struct earlier *out, int fd, const struct segment_identity *wanted,
                 const char **why)
{
    struct earlier e = {.bytes = (size_t)wanted->bytes};
    int status;

    *why = problem(fd, wanted, &status);
    if (*why)
        return status;
    e.segment = mmap(NULL, e.bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (e.segment == MAP_FAILED) {
        *why = "it cannot be mapped";
        return ACCORD_E_NOMEM;
    }
    (void)madvise(e.segment, e.bytes, MADV_DONTDUMP);
    status = reader_init(&e.reader, e.segment, e.bytes, NULL, 0);
    if (status != ACCORD_OK)
        *why = "this version cannot read its format";
    else if (!id128_equal(e.reader.incarnation, wanted->incarnation)) {
        *why = "it is of another incarnation than the state folder names";
        status = ACCORD_E_DENIED;
    } else {
        e.memory = malloc(inherit_bytes(&e.reader));
        status = e.memory ? ACCORD_OK : ACCORD_E_NOMEM;
        *why = e.memory ? NULL : "out of memory";
    }
    if (status == ACCORD_OK)
        *out = e;
    else
        earlier_done(&e);
    return status;
}

void earlier_done(struct earlier *e)
{
    if (!e->segment)
        return;
    munmap(e->segment, e->bytes);
    free(e->memory);
    memset(e, 0, sizeof *e);
}
