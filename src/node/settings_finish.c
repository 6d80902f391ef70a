/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* settings_finish.c - what depends on this host: its name, its folders, its password file. */
#include "bus/bus.h"
#include "bus/nats/old.h"
#include "node/acs_peers.h"
#include "node/files.h"
#include "node/settings.h"
#include "node/settings_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define HOLD_OFF_NS (60 * NS_PER_S) /* where there are versions; as defs/setting.def says */

static int blame(const struct settings *s, const char *name, int status, char *why)
{
    return settings_blame(s, name, 0, status, why, SETTINGS_WHY_BYTES_MAX);
}

static bool name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-';
}

static int finish_name(struct settings *s, char *why)
{
    if (!s->name[0]) {
        char host[256] = "";
        if (gethostname(host, sizeof host - 1) != 0)
            host[0] = 0;
        snprintf(s->name, sizeof s->name, "%.*s", NODE_NAME_BYTES_MAX, host);
    }
    for (const char *at = s->name; *at; at++)
        if (!name_byte(*at))
            return settings_fail(
                why, ACCORD_E_INVALID,
                "name is \"%s\", but must be letters, digits, \".\", \"_\" and "
                "\"-\": give one with --name",
                s->name);
    if (!s->name[0])
        return settings_fail(why, ACCORD_E_INVALID,
                             "this host has no name: give the node one with --name");
    return ACCORD_OK;
}

static int finish_bus(struct settings *s, char *why)
{
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    int length = 0;

    if (s->bus[0])
        return ACCORD_OK;
    s->bus_defaulted = true;
    if (geteuid() == 0)
        length = snprintf(s->bus, sizeof s->bus, "sqlite:/var/lib/accord/bus.db");
    else if (state && state[0] == '/')
        length = snprintf(s->bus, sizeof s->bus, "sqlite:%s/accord/bus.db", state);
    else if (home && home[0] == '/')
        length = snprintf(s->bus, sizeof s->bus, "sqlite:%s/.local/state/accord/bus.db", home);
    if (length == 0 || (size_t)length >= sizeof s->bus)
        return settings_fail(why, ACCORD_E_INVALID,
                             "there is no $HOME for a bus file: give one with "
                             "--bus sqlite:/path/to/file");
    return ACCORD_OK;
}

static int finish_old_server(struct settings *s, char *why)
{
    char said[BUS_WHY_BYTES_MAX] = "";

    if (!s->allow_old_server)
        return ACCORD_OK;
    int status = nats_allow_old_server(s->bus, sizeof s->bus, said);
    if (status != ACCORD_OK)
        (void)settings_fail(why, status, "%s", said);
    return blame(s, "allow-old-server", status, why);
}

/* Another node, started in another folder, would take the same words for another file. */
static int finish_places(struct settings *s, char *why)
{
    int status = ACCORD_OK;

    if (!files_absolute_url(s->bus, sizeof s->bus))
        status = blame(s, "bus",
                       settings_fail(why, ACCORD_E_INVALID,
                                     "%.200s: with this process's folder before it, the path "
                                     "cannot be used: give an absolute one",
                                     s->bus),
                       why);
    if (status == ACCORD_OK && s->state[0] && !files_absolute(s->state, sizeof s->state))
        status = blame(s, "state",
                       settings_fail(why, ACCORD_E_INVALID,
                                     "%.200s: with this process's folder before it, the path "
                                     "cannot be used: give an absolute one",
                                     s->state),
                       why);
    return status;
}

static int finish_socket(struct settings *s, char *why)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    int length;

    if (s->socket[0])
        return ACCORD_OK;
    s->socket_defaulted = true;
    if (geteuid() == 0 || access("/run/accord", W_OK | X_OK) == 0)
        length = snprintf(s->socket, sizeof s->socket, "/run/accord/accord.sock");
    else if (runtime && runtime[0] == '/')
        length = snprintf(s->socket, sizeof s->socket, "%s/accord.sock", runtime);
    else
        return settings_fail(why, ACCORD_E_INVALID,
                             "there is no $XDG_RUNTIME_DIR for the socket: give its path with "
                             "--socket PATH, and to clients as ACCORD_SOCKET");
    if ((size_t)length >= sizeof s->socket)
        return settings_fail(why, ACCORD_E_INVALID, "the socket's path is too long");
    return ACCORD_OK;
}

/* The first line, without its end. The file is opened once, so what was checked is read. */
static int read_secret(const char *name, const char *path, char secret[PASSWORD_BYTES_MAX + 1],
                       char *why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY), status = ACCORD_OK;
    struct stat st;
    ssize_t got = -1;

    if (fd < 0 || fstat(fd, &st) != 0)
        status = settings_fail(why, errno == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO,
                               "%s %.400s: %s; give a file whose first line is the secret, "
                               "readable by its owner only",
                               name, path, strerror(errno));
    else if (st.st_mode & 077)
        status =
            settings_fail(why, ACCORD_E_DENIED,
                          "%s %.400s can be read by others than its owner: chmod 600 %.200s",
                          name, path, path);
    else if ((got = read(fd, secret, PASSWORD_BYTES_MAX)) < 0)
        status = settings_fail(why, ACCORD_E_IO, "%s %.400s: %s", name, path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (status != ACCORD_OK)
        return status;
    secret[got] = 0;
    secret[strcspn(secret, "\r\n")] = 0;
    if (!secret[0])
        return settings_fail(why, ACCORD_E_INVALID, "%s %.400s: its first line is empty", name,
                             path);
    return ACCORD_OK;
}

/* ---- ArsDigita -----------------------------------------------------------------------------
 */

static bool has_http(const struct settings *s)
{
    for (size_t i = 0; i < s->listen.count; i++)
        if (strncmp(s->listen.text[i], "http://", 7) == 0)
            return true;
    return false;
}

/* Who asks is known by address alone. */
static int check_machines(struct settings *s, char *why)
{
    for (size_t i = 0; i < s->cluster_machines.count; i++) {
        const char *text = s->cluster_machines.text[i];
        if (strspn(text, "0123456789abcdefABCDEF.:*") != strlen(text))
            return settings_fail(why, ACCORD_E_INVALID,
                                 "cluster-machine \"%.100s\" is no address: give one like "
                                 "10.0.0.7, or 10.0.0.* for all of a network",
                                 text);
    }
    if (s->cluster_machines.count > 0 && !has_http(s))
        return settings_fail(
            why, ACCORD_E_INVALID,
            "cluster-machine means something only where this node listens: add "
            "--listen http://HOST:PORT");
    return ACCORD_OK;
}

static int check_acs_peers(struct settings *s, char *why)
{
    for (size_t i = 0; i < s->acs_peers.count; i++) {
        const char *text = s->acs_peers.text[i];
        if (!acs_peer_is_valid(text))
            return settings_fail(why, ACCORD_E_INVALID,
                                 "acs-peer \"%.100s\" is no HOST:PORT: give one like "
                                 "10.0.0.7:8000, or [::1]:8000",
                                 text);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(s->acs_peers.text[j], text) == 0)
                return settings_fail(why, ACCORD_E_INVALID,
                                     "acs-peer %.100s is there twice: once is enough", text);
        }
    }
    return ACCORD_OK;
}

static int finish_machines(struct settings *s, char *why)
{
    int status = blame(s, "cluster-machine", check_machines(s, why), why);

    if (status == ACCORD_OK)
        status = blame(s, "acs-peer", check_acs_peers(s, why), why);
    if (status != ACCORD_OK || !s->acs_secret_file[0])
        return status;
    if (s->cluster_machines.count == 0)
        status = settings_fail(why, ACCORD_E_INVALID,
                               "acs-secret-file means something only with a cluster-machine: "
                               "say from which addresses commands may come");
    else
        status = read_secret("acs-secret-file", s->acs_secret_file, s->acs_secret, why);
    return blame(s, "acs-secret-file", status, why);
}

/* ---- signing keys --------------------------------------------------------------------------
 */

static int check_key_file(int fd, const char *name, const char *path, char *why)
{
    struct stat st;

    if (fd < 0 || fstat(fd, &st) != 0)
        return settings_fail(why, errno == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO,
                             "%s %.400s: %s", name, path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return settings_fail(why, ACCORD_E_INVALID, "%s %.400s is no file", name, path);
    if (st.st_mode & 077)
        return settings_fail(why, ACCORD_E_DENIED,
                             "%s %.400s can be read by others than its owner: chmod 600 %.200s",
                             name, path, path);
    return ACCORD_OK;
}

/* All of the file but one newline at its end, which editors add. */
int settings_read_key(struct signing *keys, const char *name, const char *path,
                      char why[SETTINGS_WHY_BYTES_MAX])
{
    uint8_t key[SIGNING_KEY_BYTES_MAX + 2];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    int status = check_key_file(fd, name, path, why);
    ssize_t got = status == ACCORD_OK ? read(fd, key, sizeof key) : 0;

    if (got < 0)
        status = settings_fail(why, ACCORD_E_IO, "%s %.400s: %s", name, path, strerror(errno));
    if (fd >= 0)
        close(fd);
    size_t size = got > 0 ? (size_t)got : 0;
    if (size > 0 && key[size - 1] == '\n')
        size--;
    if (status == ACCORD_OK && signing_add(keys, bytes_of(key, size)) != ACCORD_OK)
        status = settings_fail(why, ACCORD_E_INVALID,
                               "%s %.400s holds %zu bytes, but must hold %d to %d: make one "
                               "with openssl rand -hex 32",
                               name, path, size, SIGNING_KEY_BYTES_MIN, SIGNING_KEY_BYTES_MAX);
    explicit_bzero(key, sizeof key);
    return status;
}

static int read_keys(struct settings *s, char *why)
{
    const char *alone = s->signing_old_key_file[0]        ? "signing-old-key-file"
                        : s->unsigned_removals > 0        ? "unsigned-removals"
                        : settings_is_given(s, "signing") ? "signing"
                                                          : NULL;

    s->keys = (struct signing){.accept_unsigned = s->signing == SIGNING_ACCEPT};
    if (!s->signing_key_file[0])
        return alone ? blame(s, alone,
                             settings_fail(why, ACCORD_E_INVALID,
                                           "%s means something only with a signing-key-file: "
                                           "give one, or leave it out",
                                           alone),
                             why)
                     : ACCORD_OK;
    int status = settings_read_key(&s->keys, "signing-key-file", s->signing_key_file, why);
    if (status != ACCORD_OK || !s->signing_old_key_file[0])
        return blame(s, "signing-key-file", status, why);
    return blame(
        s, "signing-old-key-file",
        settings_read_key(&s->keys, "signing-old-key-file", s->signing_old_key_file, why), why);
}

/* Where versions guard, what bears none must be guarded all the same. */
static int finish_fences(struct settings *s, char *why)
{
    for (size_t i = 0; i < s->namespace_count; i++) {
        struct namespace_settings *n = &s->namespaces[i];
        if (n->hold_off_ns == UINT64_MAX)
            return settings_blame_namespace(
                s, i, "hold_off",
                settings_fail(why, ACCORD_E_INVALID,
                              "[namespace %s]: hold_off = never would keep a removed key "
                              "out for good; give the longest lag of a replica",
                              n->name[0] ? n->name : "default"),
                why, SETTINGS_WHY_BYTES_MAX);
        if (n->version != VERSION_NONE && n->hold_off_ns == 0)
            n->hold_off_ns = HOLD_OFF_NS;
    }
    return ACCORD_OK;
}

/* The cluster's own number is known once the bus is there; then the core says the same. */
static int check_max_stale(const struct settings *s, char *why)
{
    for (size_t i = 0; i < s->namespace_count; i++) {
        const struct namespace_settings *n = &s->namespaces[i];
        if (s->max_stale_given && n->max_stale_ns != UINT64_MAX &&
            n->max_stale_ns > s->max_stale_ns)
            return settings_blame_namespace(
                s, i, "max_stale",
                settings_fail(why, ACCORD_E_INVALID,
                              "[namespace %s]: max_stale is larger than the node's own "
                              "max-stale; a namespace can only be tighter",
                              n->name[0] ? n->name : "default"),
                why, SETTINGS_WHY_BYTES_MAX);
    }
    return ACCORD_OK;
}

/* Some buses ask for more than the default of the others. A bus that is none is told of when it
 * is opened. */
static void finish_max_stale(struct settings *s)
{
    char why[BUS_WHY_BYTES_MAX];
    const struct bus_ops *bus = bus_find(s->bus, why);

    if (!s->max_stale_given && bus && bus->caps.max_stale_ms > 0)
        s->max_stale_ns = bus->caps.max_stale_ms * NS_PER_MS;
}

int settings_finish(struct settings *s, char why[SETTINGS_WHY_BYTES_MAX])
{
    int status = blame(s, "name", finish_name(s, why), why);

    if (status == ACCORD_OK)
        status = finish_bus(s, why);
    if (status == ACCORD_OK)
        status = finish_old_server(s, why);
    if (status == ACCORD_OK)
        status = finish_places(s, why);
    if (status == ACCORD_OK)
        status = finish_socket(s, why);
    if (status == ACCORD_OK && s->password_file[0])
        status = blame(s, "password-file",
                       read_secret("password-file", s->password_file, s->password, why), why);
    if (status == ACCORD_OK)
        status = finish_machines(s, why);
    if (status == ACCORD_OK)
        status = read_keys(s, why);
    if (status == ACCORD_OK)
        status = finish_fences(s, why);
    if (status == ACCORD_OK) {
        finish_max_stale(s);
        status = check_max_stale(s, why);
    }
    if (status == ACCORD_OK && s->ack == ACK_LOCAL && !s->state[0])
        status = blame(
            s, "ack",
            settings_fail(why, ACCORD_E_INVALID,
                          "ack is local, but there is no state folder to keep removals in: "
                          "give one with --state DIR"),
            why);
    return status;
}
