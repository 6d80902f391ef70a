/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* session.c - commands about the connection: HELLO AUTH SELECT PING RESET QUIT …, and those
 * that are here only to say why they are not. */
#include "door/connection.h"
#include "door/secret.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>

void command_PING(struct connection *c, const struct bytes *args, size_t count)
{
    if (count > 2) {
        reply_error(c, "ERR wrong number of arguments for 'ping' command");
    } else if (c->watching && !c->resp3) {
        reply_array(c, 2);
        reply_text(c, "pong");
        reply_bulk(c, count == 2 ? args[1] : bytes_of(NULL, 0));
    } else if (count == 2) {
        reply_bulk(c, args[1]);
    } else {
        reply_line(c, "PONG");
    }
}

void command_ECHO(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    reply_bulk(c, args[1]);
}

void command_SELECT(struct connection *c, const struct bytes *args, size_t count)
{
    int64_t index;

    (void)count;
    if (!integer_argument(c, args[1], &index))
        return;
    if (index == 0)
        reply_ok(c);
    else
        reply_error(c, "ERR DB index is out of range");
}

void command_QUIT(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_ok(c);
    c->closing = true;
}

void command_RESET(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    connection_reset(c);
    c->mute_command = false;
    reply_line(c, "RESET");
}

void command_TIME(struct connection *c, const struct bytes *args, size_t count)
{
    char text[24];
    struct timeval t;

    (void)args;
    (void)count;
    gettimeofday(&t, NULL);
    reply_array(c, 2);
    snprintf(text, sizeof text, "%lld", (long long)t.tv_sec);
    reply_text(c, text);
    snprintf(text, sizeof text, "%ld", (long)t.tv_usec);
    reply_text(c, text);
}

/* ---- AUTH, HELLO ---------------------------------------------------------------------- */

static bool authenticate(struct connection *c, struct bytes user, struct bytes password)
{
    const char *secret = c->door->host->password;

    if (!word_is(user, "default") || (secret && !door_same_secret(password, secret))) {
        reply_error(c, "WRONGPASS invalid username-password pair or user is disabled.");
        return false;
    }
    c->authenticated = true;
    c->parser.unauthenticated = false;
    return true;
}

void command_AUTH(struct connection *c, const struct bytes *args, size_t count)
{
    if (count > 3) {
        reply_error(c, "ERR syntax error");
        return;
    }
    if (count == 2 && !c->door->host->password) {
        reply_error(c, "ERR AUTH <password> called without any password configured for the "
                       "default user. Are you sure your configuration is correct?");
        return;
    }
    if (authenticate(c, count == 3 ? args[1] : bytes_of_text("default"), args[count - 1]))
        reply_ok(c);
}

static void reply_hello(struct connection *c)
{
    reply_map(c, 7);
    reply_text(c, "server");
    reply_text(c, "accord");
    reply_text(c, "version"); /* of Redis, whose commands these are: clients look at it */
    reply_text(c, REDIS_VERSION);
    reply_text(c, "proto");
    reply_integer(c, c->resp3 ? 3 : 2);
    reply_text(c, "id");
    reply_unsigned(c, c->client);
    reply_text(c, "mode");
    reply_text(c, "standalone");
    reply_text(c, "role");
    reply_text(c, "master");
    reply_text(c, "modules");
    reply_array(c, 0);
}

/* Carries out the options; false: replied to. */
static bool hello_options(struct connection *c, const struct bytes *args, size_t count,
                          struct bytes *name)
{
    for (size_t i = 2; i < count; i++) {
        size_t more = count - 1 - i;
        if (word_is(args[i], "auth") && more >= 2) {
            if (!authenticate(c, args[i + 1], args[i + 2]))
                return false;
            i += 2;
        } else if (word_is(args[i], "setname") && more >= 1) {
            *name = args[i + 1];
            if (!client_name_fits(c, *name))
                return false;
            i++;
        } else {
            reply_error(c, "ERR Syntax error in HELLO option '%.*s'",
                        (int)u64_min(args[i].size_bytes, 128), (const char *)args[i].data);
            return false;
        }
    }
    return true;
}

void command_HELLO(struct connection *c, const struct bytes *args, size_t count)
{
    int64_t version = c->resp3 ? 3 : 2;
    struct bytes name = bytes_of(NULL, 0);

    if (count > 1 && resp_integer(args[1], &version) != ACCORD_OK) {
        reply_error(c, "ERR Protocol version is not an integer or out of range");
        return;
    }
    if (version < 2 || version > 3) {
        reply_error(c, "NOPROTO unsupported protocol version");
        return;
    }
    if (!hello_options(c, args, count, &name))
        return;
    if (!c->authenticated) {
        reply_error(c, "NOAUTH HELLO must be called with the client already authenticated, "
                       "otherwise the HELLO <proto> AUTH <user> <pass> option can be used to "
                       "authenticate the client and select the RESP protocol version at the "
                       "same time");
        return;
    }
    if (name.data)
        client_set_name(&c->name, name);
    c->resp3 = version == 3;
    reply_hello(c);
}

/* ---- what is not here ----------------------------------------------------------------- */

void command_WATCH(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    if (c->multi)
        reply_error(c, "ERR WATCH inside MULTI is not allowed");
    else
        reply_error(c, "ERR WATCH is not supported: a cache takes no locks; ACCORD.GET and "
                       "ACCORD.FILL with its token refuse what is outdated");
}

void command_UNWATCH(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_ok(c);
}

static void not_yet(struct connection *c, const char *name)
{
    reply_error(c, "ERR %s is not supported yet; ACCORD.WATCH tells of every applied change",
                name);
}

void command_SUBSCRIBE(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    not_yet(c, "SUBSCRIBE");
}

void command_PSUBSCRIBE(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    not_yet(c, "PSUBSCRIBE");
}

void command_UNSUBSCRIBE(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    not_yet(c, "UNSUBSCRIBE");
}

void command_PUNSUBSCRIBE(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    not_yet(c, "PUNSUBSCRIBE");
}

void command_PUBLISH(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    not_yet(c, "PUBLISH");
}

/* There is nothing to save, so NOSAVE and SAVE are the same; the connection ends with us. */
void command_SHUTDOWN(struct connection *c, const struct bytes *args, size_t count)
{
    const struct door_host *host = c->door->host;

    if (count > 2 || (count == 2 && !word_is(args[1], "nosave") && !word_is(args[1], "save"))) {
        reply_error(c, "ERR syntax error");
        return;
    }
    if (c->tcp && !host->password) {
        reply_error(c, "ERR SHUTDOWN needs the unix socket, or a password");
        return;
    }
    door_note(c->door, "shutdown", "a client asked for it");
    host->stop(host->node);
}
