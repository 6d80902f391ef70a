/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* beside_fuzz.c - any bytes in the wake file: a mark that we could have written, or none. */
#include "bus/sqlite/beside.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { READ_BYTES = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sqlite_wake w = {.fd = -1};
    const struct sqlite_mark none = {.position = 0};
    uint8_t written[READ_BYTES];

    if (w.fd < 0)
        w.fd = memfd_create("wake", MFD_CLOEXEC);
    if (ftruncate(w.fd, 0) != 0 || pwrite(w.fd, data, size, 0) != (ssize_t)size)
        abort();
    struct sqlite_mark m = sqlite_wake_read(&w);
    if (memcmp(&m, &none, sizeof m) == 0)
        return 0;
    sqlite_wake_write(&w, &m);
    ssize_t bytes = pread(w.fd, written, sizeof written, 0);
    ASSERT(bytes >= 0 && (size_t)bytes == (size < sizeof written ? size : sizeof written));
    ASSERT(memcmp(written, data, (size_t)bytes) == 0);
    return 0;
}
