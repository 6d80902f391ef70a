/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* notify.c - sd_notify(3) and sd_listen_fds_with_names(3) without libsystemd: datagrams to
 * $NOTIFY_SOCKET, and descriptors from 3 on that $LISTEN_FDS counts and $LISTEN_FDNAMES names.
 */
#include "node/node_private.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { LISTEN_FIRST = 3, LISTEN_MAX_FDS = 1024 };

/* `fd` travels with it; -1: none does. */
static void send_to_manager(const char *text, int passed)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = path ? strlen(path) : 0;
    int fd;

    if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* the abstract name space */
        address.sun_path[0] = 0;
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    union {
        struct cmsghdr head;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec data = {(void *)(uintptr_t)text, strlen(text)};
    struct msghdr message = {.msg_name = &address,
                             .msg_namelen =
                                 (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
                             .msg_iov = &data,
                             .msg_iovlen = 1};
    if (passed >= 0) {
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        control.head.cmsg_level = SOL_SOCKET;
        control.head.cmsg_type = SCM_RIGHTS;
        control.head.cmsg_len = CMSG_LEN(sizeof passed);
        memcpy(CMSG_DATA(&control.head), &passed, sizeof passed);
    }
    /* Nobody listens, or its queue is full: the service manager does not decide anything here.
     */
    ssize_t sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    (void)sent;
    close(fd);
}

void notify_service(const char *text)
{
    send_to_manager(text, -1);
}

void notify_store(int fd, const char *name)
{
    char text[128];

    snprintf(text, sizeof text, "FDSTOREREMOVE=1\nFDNAME=%s", name);
    send_to_manager(text, -1);
    snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=%s", name);
    send_to_manager(text, fd);
}

static uint64_t number_of(const char *text)
{
    return text ? strtoull(text, NULL, 10) : 0;
}

int notify_stored(const char *name)
{
    const char *names = getenv("LISTEN_FDNAMES");
    uint64_t count = number_of(getenv("LISTEN_FDS"));
    int found = -1;

    if (!names || number_of(getenv("LISTEN_PID")) != (uint64_t)getpid())
        return -1;
    for (int fd = LISTEN_FIRST; count > 0 && fd < LISTEN_FIRST + LISTEN_MAX_FDS;
         fd++, count--) {
        size_t size = strcspn(names, ":");
        bool ours = size == strlen(name) && strncmp(names, name, size) == 0;
        names += size + (names[size] == ':');
        if (!ours || fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
            continue;
        if (found >= 0)
            close(found); /* of two, the younger */
        found = fd;
    }
    unsetenv("LISTEN_PID"); /* the descriptor is ours: nobody may take it a second time */
    return found;
}
