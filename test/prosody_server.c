/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* prosody_server.c - Prosody, without TLS. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "room_server.h"
#include "test.h"

enum { ITEMS_MAX = 1 << 16, TEXT_BYTES_MAX = 4 << 20 };

static void configure(const char *folder, uint16_t port)
{
    char text[2048];

    snprintf(text, sizeof text,
             "run_as_root = true\n"
             "pidfile = \"%s/prosody.pid\"\n"
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
             folder, folder, folder, port);
    room_server_write(folder, "prosody.cfg.lua", text);
    room_server_make_folder(folder, "data");
    room_server_make_folder(folder, "data/localhost");
    room_server_make_folder(folder, "data/localhost/accounts");
    room_server_write(folder, "data/localhost/accounts/accord.dat",
                      "return { [\"password\"] = \"secret\"; };\n");
    room_server_write(folder, "ready", "");
}

static void become(const char *folder)
{
    char config[300];

    snprintf(config, sizeof config, "%s/prosody.cfg.lua", folder);
    execlp("prosody", "prosody", "--config", config, "-F", (char *)NULL);
}

static void cut(const char *folder, const char *room, unsigned count)
{
    static char text[TEXT_BYTES_MAX];
    static size_t begins[ITEMS_MAX];
    char path[512];
    size_t n = 0;

    snprintf(path, sizeof path, "%s/data/rooms%%2elocalhost/muc_log/%s.list", folder, room);
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

const struct room_server_kind prosody_server = {"prosody", "prosody", SIGKILL,
                                                configure, become,    cut};
