/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/embed_folder.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PREFIX      "accord-"
#define SOCKET_NAME "accord.sock"
#define LOCK_NAME   "lock"

enum { RANDOM_LETTERS = 6, SWEPT_MAX = 64 }; /* folders that one start removes at most */

/* ---- sweeping ---- */

static bool is_ours_by_name(const char *name)
{
    size_t prefix = sizeof PREFIX - 1;

    return strlen(name) == prefix + RANDOM_LETTERS && memcmp(name, PREFIX, prefix) == 0;
}

/* Whether nothing is in there but what a node leaves. */
static bool holds_only_ours(int folder)
{
    int copy = fcntl(folder, F_DUPFD_CLOEXEC, 0);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    bool only = d != NULL;

    if (!d && copy >= 0)
        close(copy);
    for (struct dirent *e; only && (e = readdir(d));)
        only = strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
               strcmp(e->d_name, SOCKET_NAME) == 0 || strcmp(e->d_name, LOCK_NAME) == 0;
    if (d)
        closedir(d);
    return only;
}

/* A folder with no lock file is just being made, or is none of ours. */
static bool sweep_one(int base, const char *name)
{
    int folder = openat(base, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), lock = -1;
    struct stat st;
    bool gone = false;

    if (folder < 0)
        return false;
    if (fstat(folder, &st) == 0 && st.st_uid == geteuid() && (st.st_mode & 07777) == 0700)
        lock = openat(folder, LOCK_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (lock >= 0 && flock(lock, LOCK_EX | LOCK_NB) == 0 && holds_only_ours(folder)) {
        unlinkat(folder, SOCKET_NAME, 0);
        unlinkat(folder, LOCK_NAME, 0);
        gone = unlinkat(base, name, AT_REMOVEDIR) == 0;
    }
    if (lock >= 0)
        close(lock);
    close(folder);
    return gone;
}

static void sweep(const char *path)
{
    DIR *base = opendir(path);
    unsigned swept = 0;

    if (!base)
        return;
    for (struct dirent *e; swept < SWEPT_MAX && (e = readdir(base));)
        if (is_ours_by_name(e->d_name))
            swept += sweep_one(dirfd(base), e->d_name);
    closedir(base);
}

/* ---- making ---- */

/* Locked before it bears the name that a sweeper looks for. */
static int make_lock(const char *folder)
{
    char early[EMBED_FOLDER_BYTES_MAX + 16], name[EMBED_FOLDER_BYTES_MAX + 16];

    snprintf(early, sizeof early, "%s/%s", folder, "new");
    snprintf(name, sizeof name, "%s/%s", folder, LOCK_NAME);
    int fd = open(early, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && rename(early, name) == 0)
        return fd;
    unlink(early);
    close(fd);
    return -1;
}

static bool make_in(const char *base, struct embed_folder *f)
{
    char path[EMBED_FOLDER_BYTES_MAX];
    int length = snprintf(path, sizeof path, "%s/" PREFIX "XXXXXX", base);

    if (length < 0 || (size_t)length >= sizeof path || !mkdtemp(path))
        return false;
    int lock = make_lock(path);
    if (lock < 0) {
        rmdir(path);
        return false;
    }
    f->lock_fd = lock;
    memcpy(f->path, path, sizeof path);
    return true;
}

int embed_folder_make(struct embed_folder *f)
{
    const char *const bases[] = {getenv("XDG_RUNTIME_DIR"), getenv("TMPDIR"), "/tmp"};

    for (size_t i = 0; i < COUNT_OF(bases); i++) {
        if (!bases[i] || bases[i][0] != '/')
            continue;
        sweep(bases[i]);
        if (make_in(bases[i], f))
            return ACCORD_OK;
    }
    return ACCORD_E_IO;
}

void embed_folder_remove(struct embed_folder *f)
{
    char name[EMBED_FOLDER_BYTES_MAX + 16];

    if (!f->path[0])
        return;
    snprintf(name, sizeof name, "%s/%s", f->path, LOCK_NAME);
    unlink(name);
    rmdir(f->path);
    close(f->lock_fd);
    *f = (struct embed_folder){.lock_fd = -1};
}
