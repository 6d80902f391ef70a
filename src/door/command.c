/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* command.c - finds a command, checks what all commands share, runs or queues it. */
#include "door/connection.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const struct command commands[] = {
#define COMMAND(NAME, name, arity, flags, first, last, step, group, since, summary)            \
    {name, command_##NAME, arity, flags, first, last, step, group, since, summary},
#include "defs/command.def"
#undef COMMAND
};
const size_t command_count = COUNT_OF(commands);

_Static_assert(COUNT_OF(commands) * 2 < COMMAND_SLOTS, "the table of names stays sparse");

bool word_is(struct bytes word, const char *lower)
{
    size_t n = strlen(lower);

    return word.size_bytes == n && strncasecmp((const char *)word.data, lower, n) == 0;
}

/* Bit 5 set: letters fall together whatever their case; what else does is told by word_is(). */
static size_t place_of(struct bytes name)
{
    size_t n = name.size_bytes;
    size_t h = n;

    for (size_t i = 0; i < n; i++)
        h = h * 31 + (name.data[i] | 0x20u);
    return (h ^ h >> 8) & (COMMAND_SLOTS - 1);
}

void commands_init(struct resp_door *d)
{
    for (size_t i = 0; i < command_count; i++) {
        size_t at = place_of(bytes_of_text(commands[i].name));
        while (d->commands[at])
            at = (at + 1) & (COMMAND_SLOTS - 1);
        d->commands[at] = &commands[i];
    }
}

const struct command *command_find(const struct resp_door *d, struct bytes name)
{
    if (name.size_bytes == 0 || name.size_bytes > 32)
        return NULL;
    for (size_t i = place_of(name); d->commands[i]; i = (i + 1) & (COMMAND_SLOTS - 1)) {
        if (word_is(name, d->commands[i]->name))
            return d->commands[i];
    }
    return NULL;
}

/* ---- what all commands share ---------------------------------------------------------- */

/* Redis prints arguments as C strings. */
static int text_bytes(struct bytes b, size_t max)
{
    size_t n = u64_min(b.size_bytes, max);
    const uint8_t *end = n > 0 ? memchr(b.data, 0, n) : NULL;

    return (int)(end ? (size_t)(end - b.data) : n);
}

static void unknown_command(struct connection *c, const struct bytes *args, size_t count)
{
    char rest[256] = "";
    size_t n = 0;

    for (size_t i = 1; i < count && n < 128; i++) {
        int bytes = text_bytes(args[i], 128 - n);
        n += (size_t)snprintf(rest + n, sizeof rest - n, "'%.*s' ", bytes,
                              args[i].data ? (const char *)args[i].data : "");
    }
    reply_error(c, "ERR unknown command '%.*s', with args beginning with: %s",
                text_bytes(args[0], 128), args[0].data ? (const char *)args[0].data : "", rest);
}

/* A browser was made to talk to us (Redis's own guard): what follows is no command of ours. */
static bool is_http(const struct bytes *args)
{
    return word_is(args[0], "post") || word_is(args[0], "host:");
}

/* An argument that no block could hold was dropped on its way in. A SET of it still means that
 * what is cached is old: it is removed everywhere, and the reply says that nothing is stored.
 */
static void finish_too_large(struct connection *c, struct slot *s, const struct reply *reply)
{
    (void)reply;
    if (slot_failed(c, s))
        return;
    reply_error(c,
                "TOOLARGE the value is larger than %d bytes: not stored; the key was removed. "
                "With its key and tags it must fit a block, here of %llu bytes: store it "
                "compressed or in parts",
                ARGUMENT_BYTES_MAX, 1ull << c->door->host->reader->block_shift);
}

static bool sets_first_key(const struct command *command)
{
    return command->run == command_SET || command->run == command_SETEX ||
           command->run == command_PSETEX || command->run == command_ACCORD_SET;
}

/* The core must hear of a fill that cannot be: others wait for it. */
static bool fill_with_zeros(struct connection *c, const struct bytes *args, size_t count)
{
    struct resp_door *d = c->door;

    for (size_t i = 0; i < count; i++) {
        if (!args[i].data && i != 2)
            return false;
    }
    if (!d->zeros)
        d->zeros = calloc(1, ARGUMENT_BYTES_MAX + 1);
    if (!d->zeros)
        return false;
    d->arguments[2] = bytes_of(d->zeros, ARGUMENT_BYTES_MAX + 1);
    command_ACCORD_FILL(c, d->arguments, count);
    return true;
}

static void refuse_dropped(struct connection *c, const struct command *command,
                           const struct bytes *args, size_t count)
{
    if (command->run == command_ACCORD_FILL && fill_with_zeros(c, args, count))
        return;
    if (sets_first_key(command) && count >= 3 && args[1].data && args[1].size_bytes > 0 &&
        args[1].size_bytes <= KEY_BYTES_MAX) {
        remove_keys(c, args + 1, 1, finish_too_large);
        return;
    }
    reply_error(c, "TOOLARGE an argument of more than %d bytes", ARGUMENT_BYTES_MAX);
}

/* Redis has no such command, and no text of its own that clients might wait for. */
static bool is_of_accord(const struct command *command)
{
    return strcmp(command->group, "accord") == 0;
}

const char *command_usage(const struct command *command, char text[COMMAND_USAGE_BYTES_MAX])
{
    const char *end = strstr(command->summary, ": ");

    snprintf(text, COMMAND_USAGE_BYTES_MAX, "%s%s%.*s", command->name, end ? " " : "",
             end ? (int)(end - command->summary) : 0, command->summary);
    for (char *p = text; *p && *p != ' '; p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 0x20 : *p);
    return text;
}

/* Replies with what forbids the command, and says so. */
static bool forbidden(struct connection *c, const struct command *command, size_t count)
{
    bool arity =
        command->arity < 0 ? count >= (size_t)-command->arity : count == (size_t)command->arity;

    if (!arity && is_of_accord(command)) {
        char usage[COMMAND_USAGE_BYTES_MAX];
        reply_error(c, "ERR wrong number of arguments for '%s' command: %s", command->name,
                    command_usage(command, usage));
    } else if (!arity) {
        reply_error(c, "ERR wrong number of arguments for '%s' command", command->name);
    } else if (!c->authenticated && !(command->flags & NO_AUTH)) {
        reply_error(c, "NOAUTH Authentication required.");
    } else if (c->watching && !c->resp3 && !(command->flags & IN_WATCH)) {
        reply_error(c,
                    "ERR Can't execute '%s': only ACCORD.WATCH / PING / QUIT / RESET are "
                    "allowed in this context",
                    command->name);
    } else {
        return false;
    }
    return true;
}

/* ---- MULTI ---------------------------------------------------------------------------- */

size_t command_changes(const struct command *command, const struct bytes *args, size_t count)
{
    if (command->run == command_DEL || command->run == command_UNLINK)
        return count - 1;
    if (command->run == command_MSET)
        return (count - 1) / 2;
    if (command->run == command_ACCORD_REMOVE || command->run == command_ACCORD_REMOVETAG)
        return removal_name_count(args, count);
    return command->flags & WRITE ? 1 : 0;
}

/* One queued command: how many arguments, their lengths, their bytes; all 32 bits. */
static void queue_command(struct connection *c, const struct command *command,
                          const struct bytes *args, size_t count)
{
    size_t bytes = (1 + count) * sizeof(uint32_t);
    size_t changes = c->queued_changes + command_changes(command, args, count);
    uint32_t n = (uint32_t)count;

    for (size_t i = 0; i < count; i++)
        bytes += args[i].size_bytes;
    if (changes > PUBLISH_BATCH_MAX) {
        c->multi_broken = true;
        reply_error(c, "TOOLARGE a transaction travels as one: it holds at most %d changes",
                    PUBLISH_BATCH_MAX);
        return;
    }
    if (c->queued == MULTI_COMMANDS_MAX || c->queue.bytes + bytes > MULTI_BYTES_MAX) {
        c->multi_broken = true;
        reply_error(c, "FULL a transaction holds at most %d commands and %d bytes",
                    MULTI_COMMANDS_MAX, MULTI_BYTES_MAX);
        return;
    }
    if (!buffer_room(c->door, &c->queue, bytes)) {
        connection_doom(c, "out of memory");
        return;
    }
    uint8_t *at = c->queue.data + c->queue.bytes;
    memcpy(at, &n, sizeof n);
    at += sizeof n;
    for (size_t i = 0; i < count; i++, at += sizeof n) {
        n = (uint32_t)args[i].size_bytes;
        memcpy(at, &n, sizeof n);
    }
    for (size_t i = 0; i < count; at += args[i].size_bytes, i++) {
        if (args[i].size_bytes > 0)
            memcpy(at, args[i].data, args[i].size_bytes);
    }
    c->queue.bytes += bytes;
    c->queued++;
    c->queued_changes = changes;
    reply_line(c, "QUEUED");
}

void command_queue_drop(struct connection *c)
{
    buffer_release(c->door, &c->queue);
    c->queued = 0;
    c->queued_changes = 0;
    c->multi = c->multi_broken = false;
}

void command_MULTI(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    if (c->multi) {
        reply_error(c, "ERR MULTI calls can not be nested");
        return;
    }
    c->multi = true;
    reply_ok(c);
}

void command_DISCARD(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    if (!c->multi) {
        reply_error(c, "ERR DISCARD without MULTI");
        return;
    }
    command_queue_drop(c);
    reply_ok(c);
}

static void run(struct connection *c, const struct command *command, const struct bytes *args,
                size_t count)
{
    size_t start = sink_begin(c);
    uint64_t slots = c->slot_next;

    c->last_command = command->name;
    command->run(c, args, count);
    if (c->slot_next != slots)
        return; /* the reply comes by its slot */
    if (c->mute_command && !c->doomed)
        c->sink->bytes = start;
    sink_end(c, start);
}

/* Runs the queued command at `at`; returns where the next one is. */
static const uint8_t *run_queued(struct connection *c, const uint8_t *at)
{
    struct resp_door *d = c->door;
    uint32_t count, n;

    memcpy(&count, at, sizeof count);
    const uint8_t *data = at + (1 + count) * sizeof n;
    for (uint32_t i = 0; i < count; i++) {
        memcpy(&n, at + (1 + i) * sizeof n, sizeof n);
        d->arguments[i] = bytes_of(data, n);
        data += n;
    }
    run(c, command_find(d, d->arguments[0]), d->arguments, count);
    return data;
}

/* What the queued commands change leaves in one publish, or none of it: see
 * REQUEST_BATCH_BEGIN. Their keys have at most `bytes`. */
static void batch(struct connection *c, enum request_op op, size_t changes, size_t bytes)
{
    struct request r = request_make(op, NULL, 0);

    r.client = c->client;
    r.id = UINT64_MAX; /* names no slot: nothing is replied */
    r.batch_count = changes;
    r.batch_bytes = bytes;
    c->requested = true;
    c->door->host->submit(c->door->host->node, &r, 1);
}

/* The replies of an EXEC are an array: its header now, its elements in their own slots. */
void command_EXEC(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    if (!c->multi) {
        reply_error(c, "ERR EXEC without MULTI");
        return;
    }
    if (c->multi_broken) {
        command_queue_drop(c);
        reply_error(c, "EXECABORT Transaction discarded because of previous errors.");
        return;
    }
    struct buffer queue = c->queue;
    uint32_t queued = c->queued;
    size_t changes = c->queued_changes;
    c->queue = (struct buffer){0};
    command_queue_drop(c);
    size_t start = sink_begin(c);
    if (!c->mute_command)
        reply_array(c, queued);
    sink_end(c, start);
    const uint8_t *at = queue.data;
    if (changes > 0)
        batch(c, REQUEST_BATCH_BEGIN, changes, queue.bytes);
    for (uint32_t i = 0; i < queued && !c->doomed; i++) {
        at = run_queued(c, at);
        if (output_pending(c) + c->held.bytes > OUTPUT_BYTES_MAX) {
            connection_doom_unread(c, "the replies of one EXEC are over the limit");
        }
    }
    if (changes > 0)
        batch(c, REQUEST_BATCH_END, 0, 0);
    buffer_release(c->door, &queue);
    sink_begin(c);
}

/* ---- subcommands ---------------------------------------------------------------------- */

void subcommand_run(struct connection *c, const char *command, const struct subcommand *list,
                    size_t list_count, const struct bytes *args, size_t count)
{
    for (size_t i = 0; i < list_count; i++) {
        int arity = list[i].arity;
        if (!word_is(args[1], list[i].name))
            continue;
        if (arity < 0 ? count < (size_t)-arity : count != (size_t)arity)
            reply_error(c, "ERR wrong number of arguments for '%s|%s' command", command,
                        list[i].name);
        else
            list[i].run(c, args, count);
        return;
    }
    char upper[16] = "";
    for (size_t i = 0; command[i] && i < sizeof upper - 1; i++)
        upper[i] = (char)(command[i] & ~0x20);
    reply_error(c, "ERR unknown subcommand '%.*s'. Try %s HELP.", text_bytes(args[1], 128),
                (const char *)args[1].data, upper);
}

/* ---- the whole ------------------------------------------------------------------------ */

static bool refuse(struct connection *c, const struct command *command,
                   const struct bytes *args, size_t count, bool dropped)
{
    if (is_http(args)) {
        connection_doom(c, "it speaks HTTP, not Redis's protocol");
        return true;
    }
    if (!command) {
        unknown_command(c, args, count);
        return true;
    }
    if (forbidden(c, command, count))
        return true;
    if (c->multi && (command->flags & NO_MULTI) && command->run != command_EXEC &&
        command->run != command_DISCARD && command->run != command_MULTI &&
        command->run != command_WATCH && command->run != command_RESET) {
        reply_error(c, "ERR Command not allowed inside a transaction");
        return true;
    }
    if (dropped && c->multi) {
        reply_error(c, "TOOLARGE an argument of more than %d bytes", ARGUMENT_BYTES_MAX);
        return true;
    }
    return false;
}

/* EXEC looks after its own slots and output. */
static bool queues(const struct connection *c, const struct command *command)
{
    return c->multi && !(command->flags & NO_MULTI) && command->run != command_QUIT;
}

void command_dispatch(struct connection *c, const struct bytes *args, size_t count,
                      bool dropped)
{
    const struct command *command =
        args[0].data || args[0].size_bytes == 0 ? command_find(c->door, args[0]) : NULL;

    c->commands++;
    c->door->counts.commands++;
    c->mute_command = c->mute || c->mute_next;
    c->mute_next = false;
    size_t start = sink_begin(c);
    uint64_t slots = c->slot_next;
    if (refuse(c, command, args, count, dropped)) {
        c->multi_broken = c->multi;
    } else if (queues(c, command)) {
        queue_command(c, command, args, count);
    } else if (dropped) {
        refuse_dropped(c, command, args, count);
    } else if (command->run == command_EXEC && c->multi && !c->multi_broken) {
        c->last_command = command->name;
        command_EXEC(c, args, count);
        return;
    } else {
        run(c, command, args, count);
        return;
    }
    if (c->slot_next != slots)
        return;
    if (c->mute_command && !c->doomed)
        c->sink->bytes = start;
    sink_end(c, start);
}
