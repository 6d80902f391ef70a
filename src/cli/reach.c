/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/reach.h"

#include "cli/verb.h"

#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SYSTEM_SOCKET "/run/accord/accord.sock"

enum { LOOK_MS = 500, SAID_BYTES = 128, NAME_BYTES = 64 };

const char *reach_socket(const char *given, char room[REACH_PATH_BYTES_MAX])
{
    const char *variable = getenv("ACCORD_SOCKET"), *runtime = getenv("XDG_RUNTIME_DIR");

    if (given)
        return given;
    if (variable && *variable)
        return variable;
    if (!runtime || !*runtime || access(SYSTEM_SOCKET, F_OK) == 0)
        return SYSTEM_SOCKET;
    snprintf(room, REACH_PATH_BYTES_MAX, "%s/accord.sock", runtime);
    return room;
}

/* ---- permission denied ---- */

static void name_owner(const struct stat *st, char owner[NAME_BYTES], char group[NAME_BYTES])
{
    const struct passwd *user = getpwuid(st->st_uid);
    const struct group *g = getgrgid(st->st_gid);

    if (user)
        snprintf(owner, NAME_BYTES, "%s", user->pw_name);
    else
        snprintf(owner, NAME_BYTES, "uid %u", st->st_uid);
    if (g)
        snprintf(group, NAME_BYTES, "%s", g->gr_name);
    else
        snprintf(group, NAME_BYTES, "gid %u", st->st_gid);
}

static int fail_denied(const char *path)
{
    char owner[NAME_BYTES], group[NAME_BYTES];
    struct stat st;

    if (stat(path, &st) != 0)
        return fail(EXIT_DOWN,
                    "permission denied at %s: this user may not enter its folder; ask its "
                    "owner, or name another socket with --socket or ACCORD_SOCKET",
                    path);
    name_owner(&st, owner, group);
    bool by_group = (st.st_mode & S_IWGRP) != 0;
    if (!by_group || st.st_gid == 0) /* nobody should have to become a member of root's */
        return fail(EXIT_DOWN,
                    "permission denied at %s: it is open to %s %s%s (mode %04o); start the "
                    "daemon with --group of one that this user is in, and --mode 0660",
                    path, owner, by_group ? "and the group " : "alone", by_group ? group : "",
                    st.st_mode & 07777u);
    return fail(
        EXIT_DOWN,
        "permission denied at %s: it is open to %s and the group %s (mode %04o); become "
        "a member (usermod -aG %s USER as root, then log in anew), or start the daemon "
        "with another --group",
        path, owner, group, st.st_mode & 07777u, group);
}

/* ---- nobody there ---- */

bool reach_is_full(struct bytes error)
{
    static const char words[] = "ERR max number of clients";
    size_t bytes = sizeof words - 1;

    return error.size_bytes >= bytes && memcmp(error.data, words, bytes) == 0;
}

int reach_fail_full(const char *path)
{
    return fail(EXIT_DOWN,
                "all connections of the daemon%s%s are taken: close some, or start it with "
                "more (--max-clients, and the limit of open files: ulimit -n, LimitNOFILE=)",
                path ? " at " : "", path ? path : "");
}

/* What the daemon says first, unasked: where it has room for us, nothing. */
static size_t listen_to(int fd, char said[SAID_BYTES])
{
    struct pollfd wanted = {.fd = fd, .events = POLLIN};
    ssize_t got = poll(&wanted, 1, LOOK_MS) > 0 ? recv(fd, said, SAID_BYTES, MSG_DONTWAIT) : 0;

    return got > 0 ? (size_t)got : 0;
}

static int look(const char *path, int fd)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char said[SAID_BYTES];
    size_t size = strlen(path);

    if (fd < 0 || size >= sizeof address.sun_path)
        return fail(EXIT_DOWN, "no daemon answers at %s", path);
    memcpy(address.sun_path, path, size + 1);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0 && errno != EAGAIN)
        return fail(EXIT_DOWN,
                    "no daemon answers at %s: the one that listened there has ended; start one "
                    "with accord serve --socket %s",
                    path, path);
    size = listen_to(fd, said);
    if (size > 1 && said[0] == '-' && reach_is_full(bytes_of(said + 1, size - 1)))
        return reach_fail_full(path);
    return fail(EXIT_DOWN, "the daemon at %s has closed the connection; its log says why",
                path);
}

static int fail_down(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        return fail(EXIT_DOWN,
                    "no daemon answers at %s; start one with accord serve --socket %s, or name "
                    "its socket with --socket or ACCORD_SOCKET",
                    path, path);
    if (!S_ISSOCK(st.st_mode))
        return fail(EXIT_DOWN,
                    "no daemon answers at %s: that is no socket; name the daemon's with "
                    "--socket or ACCORD_SOCKET",
                    path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int code = look(path, fd);
    if (fd >= 0)
        close(fd);
    return code;
}

int reach_fail(int status, const char *path, uint64_t within_ms)
{
    switch (status) {
    case ACCORD_E_DOWN:
        return fail_down(path);
    case ACCORD_E_DENIED:
        return fail_denied(path);
    case ACCORD_E_TIMEOUT:
        return fail(
            EXIT_TIMEOUT,
            "the daemon at %s did not answer within %.1f s: it is busy, or hangs, or is "
            "stopped; its log says what it did last",
            path, (double)within_ms / 1e3);
    case ACCORD_E_INVALID:
        return fail(EXIT_USAGE, "%s: a socket's path has 1 to %zu bytes", path,
                    sizeof((struct sockaddr_un *)0)->sun_path - 1);
    default:
        return fail(exit_code_of(status), "%s: %s", path, status_text(status));
    }
}
