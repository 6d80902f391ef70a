/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "prosody_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test.h"

enum { PATIENCE_STEPS = 6000, STEP_US = 10000, ITEMS_MAX = 1 << 16 };

static uint16_t free_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&at, &length) == 0);
    close(fd);
    return ntohs(at.sin_port);
}

/* To whoever opens a stream it says its features. */
static bool answers(uint16_t port)
{
    static const char hello[] = "<?xml version='1.0'?><stream:stream to='localhost' "
                                "xmlns='jabber:client' version='1.0' "
                                "xmlns:stream='http://etherx.jabber.org/streams'>";
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char text[16] = "";

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool yes = fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0 &&
               send(fd, hello, sizeof hello - 1, MSG_NOSIGNAL) > 0 &&
               recv(fd, text, sizeof text - 1, 0) > 0;
    close(fd);
    return yes;
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[512];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    f = fopen(path, "we");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void make_folder(const char *folder, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", folder, name);
    CHECK(mkdir(path, 0700) == 0);
}

static void configure(const struct prosody_server *s)
{
    char text[2048];

    snprintf(text, sizeof text,
             "run_as_root = true\n"
             "pidfile = \"%s/pid\"\n"
             "data_path = \"%s/data\"\n"
             "log = { info = \"%s/log\" }\n"
             "interfaces = { \"127.0.0.1\" }\n"
             "c2s_ports = { %u }\n"
             "c2s_direct_tls_ports = { }\n"
             "s2s_ports = { }\n"
             "http_ports = { }\n"
             "https_ports = { }\n"
             "modules_enabled = { \"saslauth\", \"disco\", \"ping\" }\n"
             "modules_disabled = { \"s2s\", \"tls\" }\n"
             "c2s_require_encryption = false\n"
             "authentication = \"internal_plain\"\n"
             "storage = \"internal\"\n"
             "VirtualHost \"localhost\"\n"
             "Component \"rooms.localhost\" \"muc\"\n"
             "  modules_enabled = { \"muc_mam\" }\n"
             "  muc_tombstones = false\n"
             "  restrict_room_creation = false\n",
             s->folder, s->folder, s->folder, s->port);
    write_file(s->folder, "prosody.cfg.lua", text);
    make_folder(s->folder, "data");
    make_folder(s->folder, "data/localhost");
    make_folder(s->folder, "data/localhost/accounts");
    write_file(s->folder, "data/localhost/accounts/accord.dat",
               "return { [\"password\"] = \"secret\"; };\n");
}

void prosody_server_start(struct prosody_server *s)
{
    char config[300];
    int status;

    snprintf(config, sizeof config, "%s/prosody.cfg.lua", s->folder);
    fflush(NULL);
    s->pid = fork();
    CHECK(s->pid >= 0);
    if (s->pid == 0) {
        int null = open("/dev/null", O_RDWR);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(null, 0);
        dup2(null, 1);
        dup2(null, 2);
        execlp("prosody", "prosody", "--config", config, "-F", (char *)NULL);
        _exit(127);
    }
    for (int i = 0; !answers(s->port); i++) {
        CHECK(i < PATIENCE_STEPS);
        if (waitpid(s->pid, &status, WNOHANG) == s->pid) {
            s->pid = 0;
            if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
                test_skip("prosody is not installed");
            fprintf(stderr, "prosody ends at its start: see %s/log\n", s->folder);
            CHECK(s->pid > 0);
        }
        usleep(STEP_US);
    }
}

void prosody_server_begin(struct prosody_server *s)
{
    snprintf(s->folder, sizeof s->folder, "%s/prosody", test_folder());
    CHECK(mkdir(s->folder, 0700) == 0);
    s->port = free_port();
    configure(s);
    prosody_server_start(s);
}

void prosody_server_kill(struct prosody_server *s)
{
    CHECK(kill(s->pid, SIGKILL) == 0);
    CHECK(waitpid(s->pid, NULL, 0) == s->pid);
    s->pid = 0;
}

void prosody_server_url(const struct prosody_server *s, const char *room, char *out,
                        size_t bytes)
{
    snprintf(out, bytes,
             "xmpp://accord:secret@127.0.0.1:%u/%s@rooms.localhost?domain=localhost&"
             "tls=insecure-off",
             s->port, room);
}

void prosody_server_cut(const struct prosody_server *s, const char *room, unsigned count)
{
    static char text[4 << 20];
    static size_t begins[ITEMS_MAX];
    char path[512];
    size_t n = 0;

    snprintf(path, sizeof path, "%s/data/rooms%%2elocalhost/muc_log/%s.list", s->folder, room);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t bytes = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    CHECK(bytes > 0);
    text[bytes] = '\0';
    for (char *at = text; (at = strstr(at, "item({")) != NULL && n < ITEMS_MAX; at++)
        if (at == text || at[-1] == '\n')
            begins[n++] = (size_t)(at - text);
    CHECK(n >= count);
    CHECK(ftruncate(fd, (off_t)begins[n - count]) == 0);
    CHECK(close(fd) == 0);
}
