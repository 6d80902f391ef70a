/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* listen.c - where clients come in: unix sockets, TCP, and what to say when there are too many.
 *
 * A unix socket that a killed daemon left behind is removed, but only once nobody answers there
 * and only if it is a socket. Two daemons that start at once are kept apart by a lock on the
 * socket's folder, held from the look to the listen().
 */
#include "door/connection.h"
#include "net/bind.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    BACKLOG = 4096,   /* callers not yet accepted; the kernel may allow fewer (somaxconn) */
    ACCEPT_MAX = 256, /* at once, before others get their turn */
    PATH_BYTES_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1,
    LOCK_TRIES = 50,
    LOCK_TRY_MS = 20,
};

_Static_assert((int)DOOR_WHY_BYTES_MAX >= (int)NET_WHY_BYTES_MAX, "net_bind() writes it");

static const char full_text[] = "-ERR max number of clients reached\r\n";

PRINTF_LIKE(3, 4)
static int fail(char why[DOOR_WHY_BYTES_MAX], int status, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, DOOR_WHY_BYTES_MAX, format, arguments);
    va_end(arguments);
    return status;
}

/* ---- accepting ------------------------------------------------------------------------ */

static void refuse(struct resp_door *d, int fd)
{
    ssize_t n = send(fd, full_text, sizeof full_text - 1, MSG_NOSIGNAL | MSG_DONTWAIT);

    (void)n; /* whoever does not get it sees the closed connection */
    close(fd);
    d->counts.refused++;
}

static void pause_accepting(struct resp_door *d, const char *why)
{
    if (d->accept_paused)
        return;
    d->accept_paused = true;
    uv_ref((uv_handle_t *)&d->timer); /* it may be all that keeps the loop going */
    door_note(d, "clients-refused", why);
    for (size_t i = 0; i < d->listener_count; i++) {
        if (d->listeners[i]->open)
            uv_poll_stop(&d->listeners[i]->poll);
    }
}

/* The kernel cannot give us a descriptor: with the one in reserve, take the client and tell it,
 * so that it need not wait in the queue for nothing. False: not even that; pause. */
static bool refuse_with_reserve(struct resp_door *d, int listener)
{
    if (d->reserve_fd < 0)
        return false;
    close(d->reserve_fd);
    d->reserve_fd = -1;
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0)
        refuse(d, fd);
    d->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return fd >= 0;
}

/* Said once; the others are counted. */
static void note_full(struct resp_door *d)
{
    char why[160];

    snprintf(why, sizeof why,
             "all %u connections are taken, and others are told so: raise max-clients, or see "
             "with CLIENT LIST whose they are",
             d->settings.clients_max);
    door_note(d, "clients-refused", why);
}

static void accepted(struct listener *l, int fd, const struct sockaddr_storage *from)
{
    struct resp_door *d = l->door;
    char peer[64];
    int one = 1;

    if (d->counts.clients >= d->settings.clients_max) {
        if (d->counts.refused == 0)
            note_full(d);
        refuse(d, fd);
        return;
    }
    if (l->tcp) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof one);
    }
    net_peer_text((const struct sockaddr *)from, peer);
    if (!connection_new(d, fd, l, peer))
        d->counts.refused++;
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
    struct listener *l = poll->data;
    struct resp_door *d = l->door;

    (void)events;
    for (unsigned i = 0; i < ACCEPT_MAX && status == 0 && !d->accept_paused; i++) {
        struct sockaddr_storage from;
        socklen_t bytes = sizeof from;
        memset(&from, 0, sizeof from);
        int fd = accept4(l->fd, (struct sockaddr *)&from, &bytes, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            accepted(l, fd, &from);
        else if (errno == EAGAIN)
            return;
        else if ((errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) &&
                 !refuse_with_reserve(d, l->fd))
            pause_accepting(d, "out of file descriptors: raise the limit (ulimit -n, "
                               "LimitNOFILE=), or lower max-clients");
    }
}

void accept_resume(struct resp_door *d)
{
    if (!d->accept_paused || d->ending)
        return;
    if (d->reserve_fd < 0)
        d->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    d->accept_paused = false;
    uv_unref((uv_handle_t *)&d->timer);
    for (size_t i = 0; i < d->listener_count; i++) {
        if (d->listeners[i]->open)
            uv_poll_start(&d->listeners[i]->poll, UV_READABLE, on_connection);
    }
}

/* ---- unix ----------------------------------------------------------------------------- */

static int folder_lock(const char *path)
{
    char folder[PATH_BYTES_MAX + 1];
    const char *slash = strrchr(path, '/');

    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1,
             slash ? path : ".");
    int fd = open(folder[0] ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; fd >= 0 && i < LOCK_TRIES; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK)
            break;
        usleep(LOCK_TRY_MS * 1000);
    }
    return fd;
}

static int path_in_use(int fd, const char *path, char why[DOOR_WHY_BYTES_MAX])
{
    struct ucred cred = {.pid = 0};
    socklen_t bytes = sizeof cred;

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &bytes);
    return fail(why, ACCORD_E_CONFLICT,
                "%s is in use by a running daemon (pid %d): stop it, or give this one another "
                "socket",
                path, (int)cred.pid);
}

/* Whether `path` is free, after a stale socket there was removed. */
static int make_way(const char *path, const struct sockaddr_un *address,
                    char why[DOOR_WHY_BYTES_MAX])
{
    struct stat st;

    if (lstat(path, &st) != 0)
        return ACCORD_OK; /* bind() says what is wrong, if anything is */
    if (!S_ISSOCK(st.st_mode))
        return fail(why, ACCORD_E_CONFLICT,
                    "%s exists and is not a socket: move it away, or give another path", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(why, ACCORD_E_IO, "%s: no socket: %s", path, strerror(errno));
    int status = ACCORD_OK;
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 ||
        errno == EAGAIN) /* its queue is full: it lives */
        status = path_in_use(fd, path, why);
    else if (errno != ECONNREFUSED)
        status = fail(why, ACCORD_E_DENIED,
                      "%s exists, and whether a daemon lives there cannot be told: %s", path,
                      strerror(errno));
    else if (unlink(path) != 0)
        status = fail(why, ACCORD_E_DENIED, "%s is a stale socket and cannot be removed: %s",
                      path, strerror(errno));
    close(fd);
    return status;
}

static int bind_failed(const char *path, char why[DOOR_WHY_BYTES_MAX])
{
    const char *slash = strrchr(path, '/');
    int folder = slash ? (int)(slash - path) : 1;

    if (errno == ENOENT || errno == ENOTDIR)
        return fail(why, ACCORD_E_IO,
                    "%s: its folder does not exist: create it (mkdir -p %.*s), or give another "
                    "path",
                    path, folder, path);
    if (errno == EACCES || errno == EPERM || errno == EROFS)
        return fail(why, ACCORD_E_DENIED,
                    "%s: permission denied: this user must be able to write to %.*s, or give "
                    "another path",
                    path, folder, path);
    return fail(why, ACCORD_E_IO, "%s: %s", path, strerror(errno));
}

/* So that nothing is open to more than was asked for, not even for an instant: the mode is set
 * before there is a path (bind() takes it, less the umask), and completed after. */
static void set_access(const struct resp_door *d, int fd, const char *path, bool bound)
{
    mode_t mode = d->settings.socket_mode;

    if (!bound) {
        fchmod(fd, mode);
        return;
    }
    const struct group *group =
        d->settings.socket_group ? getgrnam(d->settings.socket_group) : NULL;
    if (group && chown(path, (uid_t)-1, group->gr_gid) != 0)
        door_note(d, "socket-group", "the socket stays with our own group: not permitted");
    chmod(path, mode);
}

static int unix_bind(struct resp_door *d, struct listener *l, char why[DOOR_WHY_BYTES_MAX])
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct stat st;
    size_t n = strlen(l->path);

    memcpy(address.sun_path, l->path, n);
    int lock = folder_lock(l->path);
    int status = make_way(l->path, &address, why);
    if (status != ACCORD_OK)
        goto out;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0) {
        status = fail(why, ACCORD_E_IO, "%s: no socket: %s", l->path, strerror(errno));
        goto out;
    }
    set_access(d, l->fd, l->path, /* bound= */ false);
    if (bind(l->fd, (struct sockaddr *)&address, sizeof address) != 0) {
        status = bind_failed(l->path, why);
        goto out;
    }
    set_access(d, l->fd, l->path, /* bound= */ true);
    if (lstat(l->path, &st) == 0) {
        l->device = st.st_dev;
        l->inode = st.st_ino;
    }
    if (listen(l->fd, BACKLOG) != 0)
        status = fail(why, ACCORD_E_IO, "%s: %s", l->path, strerror(errno));
out:
    if (lock >= 0)
        close(lock);
    return status;
}

/* ---- TCP ------------------------------------------------------------------------------ */

static int tcp_bind(struct resp_door *d, struct listener *l, char why[DOOR_WHY_BYTES_MAX])
{
    struct net_bound bound;
    int status = net_bind(&bound, "tcp://", l->address, d->host->password != NULL, why);

    if (status != ACCORD_OK)
        return status;
    l->fd = bound.fd;
    snprintf(l->address, sizeof l->address, "%s", bound.address);
    return ACCORD_OK;
}

/* ---- listeners ------------------------------------------------------------------------ */

static int bind_address(struct resp_door *d, struct listener *l, char why[DOOR_WHY_BYTES_MAX])
{
    if (strncmp(l->address, "tcp://", 6) == 0) {
        l->tcp = true;
        return tcp_bind(d, l, why);
    }
    if (strncmp(l->address, "unix:", 5) != 0)
        return fail(why, ACCORD_E_INVALID,
                    "%s: expected unix:/path/to/socket, tcp://host:port, http://host:port or "
                    "chp://host:port",
                    l->address);
    const char *path = l->address + 5;
    if (!path[0] || strlen(path) > PATH_BYTES_MAX)
        return fail(why, ACCORD_E_INVALID, "%s: a socket's path has 1 to %d bytes", l->address,
                    (int)PATH_BYTES_MAX);
    snprintf(l->path, sizeof l->path, "%s", path);
    return unix_bind(d, l, why);
}

static void on_listener_closed(uv_handle_t *handle)
{
    struct listener *l = handle->data;
    struct resp_door *d = l->door;

    door_handle_closed(d);
}

int resp_door_listen(struct resp_door *d, const char *address, char why[DOOR_WHY_BYTES_MAX])
{
    struct listener *l = calloc(1, sizeof *l);

    if (!l)
        return fail(why, ACCORD_E_NOMEM, "%s: out of memory", address);
    l->door = d;
    l->fd = -1;
    int n = snprintf(l->address, sizeof l->address, "%s", address);
    int status = ACCORD_OK;
    if ((size_t)n >= sizeof l->address)
        status = fail(why, ACCORD_E_INVALID, "%s: the address is too long", l->address);
    else if (d->listener_count == LISTENERS_MAX)
        status = fail(why, ACCORD_E_FULL, "%s: at most %d addresses", address, LISTENERS_MAX);
    else
        status = bind_address(d, l, why);
    if (status == ACCORD_OK && uv_poll_init(d->host->loop, &l->poll, l->fd) < 0)
        status = fail(why, ACCORD_E_IO, "%s: the event loop does not take it", address);
    if (status != ACCORD_OK) {
        if (l->fd >= 0)
            close(l->fd);
        free(l);
        return status;
    }
    l->poll.data = l;
    l->open = true;
    d->handles++;
    d->listeners[d->listener_count++] = l;
    uv_poll_start(&l->poll, UV_READABLE, on_connection);
    return ACCORD_OK;
}

/* Another daemon may have taken the path since: only our own socket is removed. */
static void remove_path(const struct listener *l)
{
    struct stat st;

    if (!l->tcp && lstat(l->path, &st) == 0 && S_ISSOCK(st.st_mode) && st.st_dev == l->device &&
        st.st_ino == l->inode)
        unlink(l->path);
}

void listener_close(struct listener *l)
{
    if (!l->open)
        return;
    l->open = false;
    uv_poll_stop(&l->poll);
    remove_path(l);
    close(l->fd);
    l->fd = -1;
    uv_close((uv_handle_t *)&l->poll, on_listener_closed);
}
