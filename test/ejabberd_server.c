/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* ejabberd_server.c - ejabberd, without TLS, and without ejabberdctl: that changes to a user of
 * its own, and has a daemon (epmd) that outlives it. One node needs neither. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "room_server.h"
#include "test.h"

static void configure(const char *folder, uint16_t port)
{
    char text[2048];

    snprintf(text, sizeof text,
             "hosts:\n"
             "  - localhost\n"
             "loglevel: info\n"
             "log_rotate_count: 0\n"
             "auth_method: internal\n"
             "auth_password_format: plain\n"
             "default_db: mnesia\n"
             "acme:\n"
             "  auto: false\n"
             "listen:\n"
             "  -\n"
             "    port: %u\n"
             "    ip: \"127.0.0.1\"\n"
             "    module: ejabberd_c2s\n"
             "modules:\n"
             "  mod_disco: {}\n"
             "  mod_ping: {}\n"
             "  mod_mam:\n"
             "    default: never\n"
             "  mod_muc:\n"
             "    host: rooms.localhost\n"
             "    access: all\n"
             "    access_create: all\n"
             "    access_admin: none\n"
             "    history_size: 0\n"
             "    default_room_options:\n"
             "      mam: true\n"
             "      persistent: true\n",
             port);
    room_server_write(folder, "ejabberd.yml", text);
    room_server_make_folder(folder, "spool");
}

/* The database's folder is an Erlang string. */
static void run_erlang(const char *folder, const char *const words[5])
{
    char path[512], home[512], data[512];

    snprintf(path, sizeof path, "%s/ejabberd.yml", folder);
    setenv("EJABBERD_CONFIG_PATH", path, 1);
    snprintf(path, sizeof path, "%s/log", folder);
    setenv("EJABBERD_LOG_PATH", path, 1);
    setenv("ERL_CRASH_DUMP", "/dev/null", 1);
    setenv("ERL_LIBS", "/usr/lib/x86_64-linux-gnu:/usr/lib", 1);
    snprintf(home, sizeof home, "%s", folder);
    setenv("HOME", home, 1);
    snprintf(data, sizeof data, "\"%s/spool\"", folder);
    execlp("erl", "erl", "-noinput", "+S", "1", "-mnesia", "dir", data, words[0], words[1],
           words[2], words[3], (char *)NULL);
}

static void become(const char *folder)
{
    run_erlang(folder, (const char *const[]){
                           "-s", "ejabberd", "-eval",
                           "Let = fun Let() -> "
                           "ejabberd_auth:try_register(<<\"accord\">>, <<\"localhost\">>, "
                           "<<\"secret\">>), "
                           "case ejabberd_auth:check_password(<<\"accord\">>, <<>>, "
                           "<<\"localhost\">>, <<\"secret\">>) of true -> ok; "
                           "_ -> timer:sleep(200), Let() end end, Let(), "
                           "ok = file:write_file(\"ready\", <<>>).",
                           NULL});
}

/* From the database itself, of which ejabberd has told nothing yet. */
static void cut(const char *folder, const char *room, unsigned count)
{
    char text[1024];
    int status = -1;

    snprintf(text, sizeof text,
             "ok = mnesia:start(), ok = mnesia:wait_for_tables([archive_msg], 60000), "
             "All = lists:keysort(4, mnesia:dirty_read(archive_msg, {<<\"%s\">>, "
             "<<\"rooms.localhost\">>})), "
             "Kept = length(All) - %u, true = Kept >= 0, "
             "[ok = mnesia:dirty_delete_object(R) || R <- lists:nthtail(Kept, All)], "
             "stopped = mnesia:stop(), halt(0).",
             room, count);
    fflush(NULL);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        alarm(0);
        run_erlang(folder, (const char *const[]){"-eval", text, NULL, NULL, NULL});
        _exit(127);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    snprintf(text, sizeof text, "%s/ready", folder);
    CHECK(unlink(text) == 0);
}

/* One that is killed may lose more than it is to lose: it writes its archive now and then. */
const struct room_server_kind ejabberd_server = {"ejabberd", "ejabberdctl", SIGTERM,
                                                 configure,  become,        cut};
