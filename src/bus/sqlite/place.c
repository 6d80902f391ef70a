/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/sqlite/place.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#define EXPECTED "expected sqlite:/path/to/file[?cluster=name]"

/* Numbers from statfs(2) and the kernel's magic.h. Over these, the shared memory of a WAL is
 * not shared between hosts (or not even between processes), and the file is destroyed in
 * silence. */
static const struct {
    uint64_t type;
    const char *name;
} shared[] = {
    {0x6969, "NFS"},        {0xff534d42, "CIFS"},   {0xfe534d42, "SMB2"},
    {0x517b, "SMB"},        {0x01021997, "9p"},     {0x65735546, "FUSE or virtiofs"},
    {0x564c, "NCP"},        {0x5346414f, "AFS"},    {0x6b414653, "AFS"},
    {0x73757245, "Coda"},   {0x00c36400, "Ceph"},   {0x0bd00bd0, "Lustre"},
    {0x47504653, "GPFS"},   {0x7461636f, "OCFS2"},  {0x01161970, "GFS2"},
    {0x786f4256, "vboxsf"}, {0xbacbacbc, "vmhgfs"}, {0x61636673, "ACFS"},
    {0xaad7aaea, "PanFS"},  {0x19830326, "FhGFS"},  {0x013111a8, "IBRIX"},
};

const char *sqlite_shared_file_system(uint64_t type)
{
    for (size_t i = 0; i < COUNT_OF(shared); i++) {
        if (shared[i].type == (type & UINT32_MAX))
            return shared[i].name;
    }
    return NULL;
}

static bool cluster_is_valid(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= SQL_CLUSTER_BYTES_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

/* What follows "?": only cluster=name. */
static int parse_query(struct sqlite_place *out, const char *query, char why[BUS_WHY_BYTES_MAX])
{
    const char *name = query + sizeof "cluster=" - 1;

    if (strncmp(query, "cluster=", sizeof "cluster=" - 1) != 0)
        return bus_fail(why, ACCORD_E_INVALID, "\"?%.100s\" is not known; " EXPECTED, query);
    if (!cluster_is_valid(name))
        return bus_fail(why, ACCORD_E_INVALID,
                        "cluster=%.100s: a cluster's name is 1 to %d of a-z, 0-9 and _", name,
                        SQL_CLUSTER_BYTES_MAX);
    snprintf(out->suffix, sizeof out->suffix, "_%s", name);
    return ACCORD_OK;
}

static int folder_fail(const char *folder, char why[BUS_WHY_BYTES_MAX])
{
    if (errno == EACCES)
        return bus_fail(why, ACCORD_E_DENIED,
                        "the folder %.300s may not be entered by this user", folder);
    return bus_fail(why, ACCORD_E_INVALID, "the folder %.300s: %s; create it first", folder,
                    strerror(errno));
}

/* Links are resolved, so that every process derives the same names for the files beside. Never
 * open()s the database itself: closing that would drop SQLite's locks in this process. */
static int resolve(char out[SQL_PATH_BYTES_MAX], const char *path, char why[BUS_WHY_BYTES_MAX])
{
    char real[PATH_MAX], folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    struct stat st;
    int used;

    if (strlen(path) >= sizeof folder || !base[0] || strcmp(base, ".") == 0 ||
        strcmp(base, "..") == 0)
        return bus_fail(why, ACCORD_E_INVALID, "\"%.100s\" names no file; " EXPECTED, path);
    if (realpath(path, real)) {
        used = snprintf(out, SQL_PATH_BYTES_MAX, "%s", real);
    } else {
        if (lstat(path, &st) == 0 && S_ISLNK(st.st_mode))
            return bus_fail(why, ACCORD_E_INVALID, "%.300s is a link to nothing; remove it",
                            path);
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1,
                 slash ? path : ".");
        if (!realpath(folder, real))
            return folder_fail(folder, why);
        used = snprintf(out, SQL_PATH_BYTES_MAX, "%s/%s", strcmp(real, "/") == 0 ? "" : real,
                        base);
    }
    if (used >= SQL_PATH_BYTES_MAX)
        return bus_fail(why, ACCORD_E_INVALID, "the path is longer than %d bytes",
                        SQL_PATH_BYTES_MAX - 1);
    return ACCORD_OK;
}

int sqlite_place_init(struct sqlite_place *out, const char *url, char why[BUS_WHY_BYTES_MAX])
{
    const char *at = strchr(url, ':') + 1;
    char path[PATH_MAX];
    size_t length = strcspn(at, "?");

    memset(out, 0, sizeof *out);
    if (length == 0 || length >= sizeof path)
        return bus_fail(why, ACCORD_E_INVALID, "\"%.100s\": " EXPECTED, url);
    if (at[0] == '/' && at[1] == '/' && at[2] != '/')
        return bus_fail(why, ACCORD_E_INVALID,
                        "\"%.100s\": a file has no host, write one slash or three; " EXPECTED,
                        url);
    if (strcmp(at, ":memory:") == 0)
        return bus_fail(why, ACCORD_E_INVALID, "a database in memory is not shared; " EXPECTED);
    memcpy(path, at, length);
    path[length] = '\0';
    int status = at[length] ? parse_query(out, at + length + 1, why) : ACCORD_OK;
    if (status == ACCORD_OK)
        status = resolve(out->path, path, why);
    if (status != ACCORD_OK)
        return status;
    snprintf(out->wal_path, sizeof out->wal_path, "%s-wal", out->path);
    snprintf(out->shm_path, sizeof out->shm_path, "%s-shm", out->path);
    snprintf(out->lock_path, sizeof out->lock_path, "%s-accord-lock", out->path);
    snprintf(out->wake_path, sizeof out->wake_path, "%s-accord-wake%s", out->path, out->suffix);
    return ACCORD_OK;
}

static int check_file_system(const char *folder, char why[BUS_WHY_BYTES_MAX])
{
    struct statfs fs;

    if (statfs(folder, &fs) != 0)
        return folder_fail(folder, why);
    const char *name = sqlite_shared_file_system((uint64_t)fs.f_type);
    if (name)
        return bus_fail(
            why, ACCORD_E_UNSUPPORTED,
            "%.200s is on %s, where SQLite would destroy the log; put the file on a "
            "local disk (one per host), or use a bus with a server",
            folder, name);
    return ACCORD_OK;
}

int sqlite_place_check(const struct sqlite_place *p, char why[BUS_WHY_BYTES_MAX])
{
    char folder[SQL_PATH_BYTES_MAX];
    struct stat st;
    size_t length = (size_t)(strrchr(p->path, '/') - p->path);

    snprintf(folder, sizeof folder, "%.*s", length > 0 ? (int)length : 1, p->path);
    if (stat(p->path, &st) != 0) {
        if (errno != ENOENT)
            return folder_fail(folder, why);
        return check_file_system(folder, why);
    }
    if (!S_ISREG(st.st_mode))
        return bus_fail(why, ACCORD_E_UNSUPPORTED, "%.300s is not a plain file; " EXPECTED,
                        p->path);
    if (st.st_nlink > 1)
        return bus_fail(
            why, ACCORD_E_UNSUPPORTED,
            "%.300s has %lu names (hard links): SQLite would keep a log for each and "
            "destroy the file; leave it one",
            p->path, (unsigned long)st.st_nlink);
    return check_file_system(p->path, why);
}

bool sqlite_identify(const char *path, struct sqlite_identity *out)
{
    struct statx st;

    if (statx(AT_FDCWD, path, AT_STATX_SYNC_AS_STAT, STATX_BASIC_STATS | STATX_BTIME, &st) != 0)
        return false;
    bool born = st.stx_mask & STATX_BTIME;
    *out = (struct sqlite_identity){
        .device = makedev(st.stx_dev_major, st.stx_dev_minor),
        .inode = st.stx_ino,
        .born_ns = born ? (uint64_t)st.stx_btime.tv_sec * NS_PER_S + st.stx_btime.tv_nsec : 0,
        .mode = st.stx_mode & 0777,
        .uid = st.stx_uid,
        .gid = st.stx_gid,
    };
    return true;
}

bool sqlite_identity_equal(const struct sqlite_identity *a, const struct sqlite_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->born_ns == b->born_ns;
}
