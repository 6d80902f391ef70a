/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/torture/small_disk.h"

#include "cli/demo/namespace.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = 640 };

int small_disk_begin(void)
{
    if (namespace_unshare(CLONE_NEWNS) != ACCORD_OK)
        return ACCORD_E_DENIED;
    return mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 ? ACCORD_OK : ACCORD_E_DENIED;
}

int small_disk_mount(const char *folder)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return ACCORD_E_DENIED;
    return mount("accord-torture", folder, "tmpfs", MS_NOSUID | MS_NODEV, "size=8M,mode=700") ==
                   0
               ? ACCORD_OK
               : ACCORD_E_DENIED;
}

static void filler(const char *folder, char path[PATH_BYTES_MAX])
{
    snprintf(path, PATH_BYTES_MAX, "%s/filler", folder);
}

int small_disk_fill(const char *folder)
{
    static const uint8_t zeros[4096];
    char path[PATH_BYTES_MAX];

    filler(folder, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return ACCORD_E_IO;
    while (write(fd, zeros, sizeof zeros) > 0)
        continue;
    int why = errno;
    close(fd);
    errno = why;
    return why == ENOSPC ? ACCORD_OK : ACCORD_E_IO;
}

void small_disk_make_room(const char *folder)
{
    char path[PATH_BYTES_MAX];

    filler(folder, path);
    unlink(path);
}
