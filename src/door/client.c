/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* client.c - CLIENT, and the view of who is connected. */
#include "door/connection.h"

#include <stdio.h>
#include <stdlib.h>

enum { CLIENT_LINE_BYTES = 1024 };

bool client_name_fits(struct connection *c, struct bytes name)
{
    if (name.size_bytes > NAME_BYTES_MAX) {
        reply_error(c, "TOOLARGE a client's name has at most %d bytes", NAME_BYTES_MAX);
        return false;
    }
    for (size_t i = 0; i < name.size_bytes; i++) {
        if (name.data[i] < '!' || name.data[i] > '~') {
            reply_error(c, "ERR Client names cannot contain spaces, newlines or special "
                           "characters.");
            return false;
        }
    }
    return true;
}

void client_set_name(char **name, struct bytes text)
{
    free(*name);
    *name = text.size_bytes > 0
                ? strndup((const char *)text.data, u64_min(text.size_bytes, NAME_BYTES_MAX))
                : NULL;
}

size_t client_line(const struct connection *c, char *text, size_t text_bytes)
{
    uint64_t now = uv_now(c->door->host->loop);

    int n = snprintf(
        text, text_bytes,
        "id=%llu addr=%s laddr=%s fd=%d name=%s age=%llu idle=%llu flags=%s db=0 sub=0 "
        "psub=0 ssub=0 multi=%d qbuf=%zu qbuf-free=%zu argv-mem=%zu multi-mem=%zu rbs=%zu "
        "rbp=%zu obl=%zu oll=%llu "
        "omem=%zu tot-mem=%zu events=%s%s cmd=%s user=default redir=-1 resp=%d lib-name=%s "
        "lib-ver=%s pid=%lld uid=%lld watch=%d attached=%d",
        (unsigned long long)c->client, c->peer, c->local, c->fd, c->name ? c->name : "",
        (unsigned long long)(now - c->created_ms) / 1000,
        (unsigned long long)(now - c->active_ms) / 1000, c->tcp ? "N" : "U",
        c->multi ? (int)c->queued : -1, c->in.bytes - c->in.start, c->in.capacity - c->in.bytes,
        c->parser.capacity * sizeof *c->parser.arguments, c->queue.bytes, c->out.capacity,
        c->out.bytes, output_pending(c), (unsigned long long)(c->slot_next - c->slot_first),
        c->out.capacity + c->held.capacity,
        sizeof *c + c->in.capacity + c->out.capacity + c->held.capacity + c->queue.capacity,
        c->events & UV_READABLE ? "r" : "", c->events & UV_WRITABLE ? "w" : "", c->last_command,
        c->resp3 ? 3 : 2, c->library ? c->library : "",
        c->library_version ? c->library_version : "", (long long)c->pid, (long long)c->uid,
        c->watching, c->line >= 0);
    return (size_t)n < text_bytes ? (size_t)n : text_bytes - 1;
}

void resp_door_clients(const struct resp_door *d, const struct view_sink *sink)
{
    uint64_t now = uv_now(d->host->loop);

    for (const struct connection *c = d->connections; c; c = c->next) {
        sink->row(sink->context);
        sink->number(sink->context, "id", c->client);
        sink->text(sink->context, "address", c->peer);
        sink->text(sink->context, "listener", c->local);
        sink->text(sink->context, "name", c->name ? c->name : "");
        sink->text(sink->context, "library", c->library ? c->library : "");
        sink->number(sink->context, "pid", c->pid > 0 ? (uint64_t)c->pid : 0);
        sink->number(sink->context, "age_s", (now - c->created_ms) / 1000);
        sink->number(sink->context, "idle_s", (now - c->active_ms) / 1000);
        sink->number(sink->context, "commands", c->commands);
        sink->number(sink->context, "waiting", c->slot_next - c->slot_first);
        sink->number(sink->context, "unread_bytes", output_pending(c));
        sink->text(sink->context, "last", c->last_command);
        sink->flag(sink->context, "attached", c->line >= 0);
        sink->flag(sink->context, "watching", c->watching);
    }
}

/* ---- LIST, KILL ----------------------------------------------------------------------- */

static void add_line(struct connection *c, const struct connection *of)
{
    char text[CLIENT_LINE_BYTES];
    struct buffer *sink = c->sink;
    size_t n = client_line(of, text, sizeof text - 1);

    text[n++] = '\n';
    c->sink = &c->door->temporary;
    reply_raw(c, bytes_of(text, n));
    c->sink = sink;
}

static void finish_lines(struct connection *c)
{
    struct buffer *t = &c->door->temporary;

    reply_verbatim(c, bytes_of(t->data, t->bytes));
    buffer_release(c->door, t);
}

/* Those of Redis; here all are of one. */
static bool is_type(struct bytes word)
{
    static const char *const types[] = {"normal", "master", "slave", "replica", "pubsub"};

    for (size_t i = 0; i < COUNT_OF(types); i++)
        if (word_is(word, types[i]))
            return true;
    return false;
}

static void list(struct connection *c, const struct bytes *args, size_t count)
{
    int64_t id;

    if (count > 3 && word_is(args[2], "id")) {
        for (size_t i = 3; i < count; i++) {
            if (resp_integer(args[i], &id) != ACCORD_OK || id < 1) {
                buffer_release(c->door, &c->door->temporary);
                reply_error(c, "ERR Invalid client ID");
                return;
            }
            const struct connection *of = clients_find(c->door, (uint64_t)id);
            if (of)
                add_line(c, of);
        }
        finish_lines(c);
        return;
    }
    if (count == 4 && word_is(args[2], "type") && !is_type(args[3])) {
        reply_error(c, "ERR Unknown client type '%.*s'", (int)u64_min(args[3].size_bytes, 128),
                    (const char *)args[3].data);
        return;
    }
    bool normal = count == 4 && word_is(args[2], "type") && word_is(args[3], "normal");
    if (count == 4 && word_is(args[2], "type") && !normal) {
        finish_lines(c);
        return;
    }
    if (count != 2 && !normal) {
        reply_error(c, "ERR syntax error");
        return;
    }
    for (const struct connection *of = c->door->connections; of; of = of->next)
        add_line(c, of);
    finish_lines(c);
}

/* Its own connection may still say so. */
static void kill_one(struct connection *c, struct connection *of)
{
    if (of == c)
        c->closing = true;
    else
        connection_doom(of, "killed by CLIENT KILL");
}

static bool is_peer(const struct connection *c, struct bytes address)
{
    return bytes_equal(address, bytes_of_text(c->peer));
}

struct kill {
    int64_t id;           /* 0: any */
    struct bytes address; /* data NULL: any */
    bool skip_me;
};

static bool kill_options(struct connection *c, const struct bytes *args, size_t count,
                         struct kill *k)
{
    if (count % 2 != 0) {
        reply_error(c, "ERR syntax error");
        return false;
    }
    for (size_t i = 2; i < count; i += 2) {
        if (word_is(args[i], "id")) {
            if (resp_integer(args[i + 1], &k->id) != ACCORD_OK || k->id < 1) {
                reply_error(c, "ERR client-id should be greater than 0");
                return false;
            }
        } else if (word_is(args[i], "addr")) {
            k->address = args[i + 1];
        } else if (word_is(args[i], "skipme") &&
                   (word_is(args[i + 1], "yes") || word_is(args[i + 1], "no"))) {
            k->skip_me = word_is(args[i + 1], "yes");
        } else {
            reply_error(c, "ERR syntax error");
            return false;
        }
    }
    return true;
}

static void kill_clients(struct connection *c, const struct bytes *args, size_t count)
{
    struct kill k = {.skip_me = true};
    int64_t killed = 0;

    if (count == 3) { /* the old form: one address */
        k.address = args[2];
        k.skip_me = false;
    } else if (!kill_options(c, args, count, &k)) {
        return;
    }
    for (struct connection *of = c->door->connections; of; of = of->next) {
        if ((k.id && (uint64_t)k.id != of->client) ||
            (k.address.data && !is_peer(of, k.address)) || (k.skip_me && of == c))
            continue;
        kill_one(c, of);
        killed++;
    }
    if (count != 3)
        reply_integer(c, killed);
    else if (killed > 0)
        reply_ok(c);
    else
        reply_error(c, "ERR No such client");
}

/* ---- the small ones ------------------------------------------------------------------- */

static void client_id(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_unsigned(c, c->client);
}

static void client_info(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    add_line(c, c);
    finish_lines(c);
}

static void client_setname(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    if (!client_name_fits(c, args[2]))
        return;
    client_set_name(&c->name, args[2]);
    reply_ok(c);
}

static void client_getname(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    if (c->name)
        reply_text(c, c->name);
    else
        reply_null(c);
}

static void client_setinfo(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    bool library = word_is(args[2], "lib-name");

    if (!library && !word_is(args[2], "lib-ver")) {
        reply_error(c, "ERR Unrecognized option '%.*s'", (int)u64_min(args[2].size_bytes, 128),
                    (const char *)args[2].data);
        return;
    }
    if (!client_name_fits(c, args[3]))
        return;
    client_set_name(library ? &c->library : &c->library_version, args[3]);
    reply_ok(c);
}

static void client_reply(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    if (word_is(args[2], "on")) {
        c->mute = c->mute_command = false;
        reply_ok(c);
    } else if (word_is(args[2], "off")) {
        c->mute = c->mute_command = true;
    } else if (word_is(args[2], "skip")) {
        c->mute_next = c->mute_command = true;
    } else {
        reply_error(c, "ERR syntax error");
    }
}

/* Nothing evicts clients here, and no read keeps anything alive that should not be. */
static void client_on_off(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    if (word_is(args[2], "on") || word_is(args[2], "off"))
        reply_ok(c);
    else
        reply_error(c, "ERR syntax error");
}

static void client_tracking(struct connection *c, const struct bytes *args, size_t count)
{
    (void)count;
    reply_error(c,
                "ERR CLIENT %.*s is not supported yet; ACCORD.WATCH tells of every applied "
                "change",
                (int)u64_min(args[1].size_bytes, 32), (const char *)args[1].data);
}

static void client_help(struct connection *c, const struct bytes *args, size_t count)
{
    static const char *const lines[] = {
        "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
        "GETNAME",
        "ID",
        "INFO",
        "KILL <ip:port> | <option> <value> ... (ID, ADDR, SKIPME)",
        "LIST [ID <id> ...]",
        "NO-EVICT (ON|OFF)",
        "REPLY (ON|OFF|SKIP)",
        "SETINFO <option> <value> (LIB-NAME, LIB-VER)",
        "SETNAME <name>",
    };

    (void)args;
    (void)count;
    reply_array(c, COUNT_OF(lines));
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        reply_line(c, lines[i]);
}

void command_CLIENT(struct connection *c, const struct bytes *args, size_t count)
{
    static const struct subcommand list_of[] = {
        {"id", client_id, 2},
        {"info", client_info, 2},
        {"list", list, -2},
        {"kill", kill_clients, -3},
        {"setname", client_setname, 3},
        {"getname", client_getname, 2},
        {"setinfo", client_setinfo, 4},
        {"reply", client_reply, 3},
        {"no-evict", client_on_off, 3},
        {"no-touch", client_on_off, 3},
        {"tracking", client_tracking, -3},
        {"caching", client_tracking, 3},
        {"help", client_help, 2},
    };

    subcommand_run(c, "client", list_of, COUNT_OF(list_of), args, count);
}
