/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* info.c - INFO, CONFIG GET, COMMAND, and views as maps. */
#include "door/connection.h"
#include "wire/glob.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- views ---------------------------------------------------------------------------- */

/* A row's fields gather in door->temporary; once it ends, their number is known. */
struct view_maps {
    struct connection *c;
    struct buffer rows;
    size_t row_count, fields;
};

static void end_row(struct view_maps *v)
{
    struct connection *c = v->c;
    struct buffer *t = &c->door->temporary;

    if (v->row_count == 0)
        return;
    c->sink = &v->rows;
    reply_map(c, v->fields);
    reply_raw(c, bytes_of(t->data, t->bytes));
    c->sink = t;
    t->bytes = 0;
    v->fields = 0;
}

static void on_row(void *context)
{
    struct view_maps *v = context;

    end_row(v);
    v->row_count++;
}

static void on_text(void *context, const char *field, const char *value)
{
    struct view_maps *v = context;

    v->fields++;
    reply_text(v->c, field);
    reply_text(v->c, value);
}

static void on_number(void *context, const char *field, uint64_t value)
{
    struct view_maps *v = context;

    v->fields++;
    reply_text(v->c, field);
    reply_unsigned(v->c, value);
}

static void on_real(void *context, const char *field, double value)
{
    struct view_maps *v = context;

    v->fields++;
    reply_text(v->c, field);
    reply_real(v->c, value);
}

static void on_flag(void *context, const char *field, bool value)
{
    struct view_maps *v = context;

    v->fields++;
    reply_text(v->c, field);
    reply_flag(v->c, value);
}

void reply_view(struct connection *c, const char *name, bool one)
{
    const struct door_host *host = c->door->host;
    struct view_maps v = {.c = c};
    const struct view_sink sink = {&v, on_row, on_text, on_number, on_real, on_flag};
    struct buffer *reply = c->sink;

    c->sink = &c->door->temporary;
    int status = host->view(host->node, name, &sink);
    end_row(&v);
    c->sink = reply;
    if (status != ACCORD_OK) {
        reply_error(c, "ERR there is no view '%s' here", name);
    } else {
        if (!one)
            reply_array(c, v.row_count);
        else if (v.row_count == 0)
            reply_map(c, 0);
        reply_raw(c, bytes_of(v.rows.data, v.rows.bytes));
    }
    buffer_release(c->door, &v.rows);
    buffer_release(c->door, &c->door->temporary);
}

/* ---- INFO ----------------------------------------------------------------------------- */

PRINTF_LIKE(2, 3) static void add(struct connection *c, const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    reply_raw(c, bytes_of(text, u64_min((uint64_t)n, sizeof text - 1)));
}

static void info_server(struct connection *c)
{
    const struct resp_door *d = c->door;

    add(c,
        "# Server\r\nredis_version:%s\r\nredis_mode:standalone\r\naccord_version:%s\r\n"
        "arch_bits:64\r\nprocess_id:%d\r\nuptime_in_seconds:%llu\r\n",
        REDIS_VERSION, d->host->version, (int)getpid(),
        (unsigned long long)(uv_now(d->host->loop) - d->started_ms) / 1000);
    for (size_t i = 0; i < d->listener_count; i++)
        add(c, "listener%zu:%s\r\n", i, d->listeners[i]->address);
}

static void info_clients(struct connection *c)
{
    const struct resp_door *d = c->door;

    add(c,
        "# Clients\r\nconnected_clients:%llu\r\nmaxclients:%u\r\nwatching_clients:%llu\r\n"
        "attached_clients:%llu\r\nblocked_clients:0\r\n",
        (unsigned long long)d->counts.clients, d->settings.clients_max,
        (unsigned long long)d->counts.watchers, (unsigned long long)d->counts.attached);
}

static void no_row(void *context)
{
    (void)context;
}

static void skip_text(void *context, const char *field, const char *value)
{
    (void)context;
    (void)field;
    (void)value;
}

/* Redis's word for what is in use now: our tables, and the blocks with index and items. */
static void add_used(void *context, const char *field, uint64_t value)
{
    if (strcmp(field, "fixed_bytes") == 0 || strcmp(field, "used_bytes") == 0)
        *(uint64_t *)context += value;
}

static void skip_real(void *context, const char *field, double value)
{
    (void)context;
    (void)field;
    (void)value;
}

static void skip_flag(void *context, const char *field, bool value)
{
    (void)context;
    (void)field;
    (void)value;
}

static void info_memory(struct connection *c)
{
    const struct door_host *host = c->door->host;
    uint64_t used = 0;
    const struct view_sink sink = {&used, no_row, skip_text, add_used, skip_real, skip_flag};

    add(c, "# Memory\r\n");
    if (host->view(host->node, "segment", &sink) == ACCORD_OK)
        add(c, "used_memory:%llu\r\n", (unsigned long long)used);
    add(c,
        "maxmemory:%zu\r\nmaxmemory_policy:allkeys-lfu\r\n"
        "segment_bytes:%zu\r\nhints_bytes:%zu\r\nmem_clients_normal:%llu\r\n",
        host->segment_bytes, host->segment_bytes, host->hints_bytes,
        (unsigned long long)c->door->client_bytes);
}

static void info_stats(struct connection *c)
{
    const struct door_host *host = c->door->host;
    const struct resp_counts *n = &c->door->counts;
    struct core_status status;

    core_status(host->core, reader_now_ns(host->reader), &status);
    add(c,
        "# Stats\r\ntotal_connections_received:%llu\r\nrejected_connections:%llu\r\n"
        "total_commands_processed:%llu\r\ntotal_net_input_bytes:%llu\r\n"
        "total_net_output_bytes:%llu\r\nkeyspace_hits:%llu\r\nkeyspace_misses:%llu\r\n"
        "total_error_replies:%llu\r\nprotocol_errors:%llu\r\npushes:%llu\r\n"
        "closed_idle:%llu\r\nclosed_output:%llu\r\nevicted_clients:%llu\r\nsets_not_stored:%"
        "llu\r\n",
        (unsigned long long)n->accepted, (unsigned long long)n->refused,
        (unsigned long long)n->commands, (unsigned long long)n->bytes_in,
        (unsigned long long)n->bytes_out, (unsigned long long)(n->get_hits + n->get_stale),
        (unsigned long long)(n->gets - n->get_hits - n->get_stale),
        (unsigned long long)n->errors, (unsigned long long)n->protocol_errors,
        (unsigned long long)n->pushes, (unsigned long long)n->closed_idle,
        (unsigned long long)n->closed_output, (unsigned long long)n->closed_memory,
        (unsigned long long)status.sets_not_stored);
}

/* Clients look for these before they trust a server. */
static void info_replication(struct connection *c)
{
    add(c, "# Replication\r\nrole:master\r\nconnected_slaves:0\r\n");
}

static void info_persistence(struct connection *c)
{
    add(c, "# Persistence\r\nloading:0\r\nasync_loading:0\r\n");
}

static void info_keyspace(struct connection *c)
{
    const struct door_host *host = c->door->host;

    add(c, "# Keyspace\r\n");
    if (host->item_count)
        add(c, "db0:keys=%llu,expires=0,avg_ttl=0\r\n",
            (unsigned long long)host->item_count(host->node));
}

static void text_line(void *context, const char *field, const char *value)
{
    add(context, "%s:%s\r\n", field, value);
}

static void number_line(void *context, const char *field, uint64_t value)
{
    add(context, "%s:%llu\r\n", field, (unsigned long long)value);
}

static void real_line(void *context, const char *field, double value)
{
    add(context, "%s:%.6g\r\n", field, value);
}

static void flag_line(void *context, const char *field, bool value)
{
    add(context, "%s:%d\r\n", field, value);
}

static void info_accord(struct connection *c)
{
    const struct door_host *host = c->door->host;
    const struct view_sink sink = {c, no_row, text_line, number_line, real_line, flag_line};

    add(c, "# Accord\r\n");
    if (host->view(host->node, "status", &sink) != ACCORD_OK)
        add(c, "status:unknown\r\n");
}

static const struct section {
    const char *name;
    void (*write)(struct connection *c);
} sections[] = {
    {"server", info_server},     {"clients", info_clients},
    {"memory", info_memory},     {"persistence", info_persistence},
    {"stats", info_stats},       {"replication", info_replication},
    {"keyspace", info_keyspace}, {"accord", info_accord},
};

static bool section_wanted(const char *name, const struct bytes *args, size_t count)
{
    bool wanted = count == 1;

    for (size_t i = 1; i < count; i++)
        wanted |= word_is(args[i], name) || word_is(args[i], "all") ||
                  word_is(args[i], "default") || word_is(args[i], "everything");
    return wanted;
}

void command_INFO(struct connection *c, const struct bytes *args, size_t count)
{
    struct buffer *t = &c->door->temporary, *sink = c->sink;

    c->sink = t;
    for (size_t i = 0; i < COUNT_OF(sections); i++) {
        if (!section_wanted(sections[i].name, args, count))
            continue;
        if (t->bytes > 0)
            add(c, "\r\n");
        sections[i].write(c);
    }
    c->sink = sink;
    reply_verbatim(c, bytes_of(t->data, t->bytes));
    buffer_release(c->door, t);
}

/* ---- CONFIG --------------------------------------------------------------------------- */

struct config_entry {
    const char *name;
    char value[64];
};

static size_t config_entries(const struct connection *c, struct config_entry out[16])
{
    const struct resp_door *d = c->door;
    size_t n = 0;

#define ENTRY(key, ...)                                                                        \
    do {                                                                                       \
        out[n].name = key;                                                                     \
        snprintf(out[n++].value, sizeof out[0].value, __VA_ARGS__);                            \
    } while (0)
    ENTRY("maxclients", "%u", d->settings.clients_max);
    ENTRY("timeout", "%llu", (unsigned long long)d->settings.idle_timeout_ms / 1000);
    ENTRY("maxmemory", "%zu", d->host->segment_bytes);
    ENTRY("maxmemory-clients", "%llu", (unsigned long long)d->settings.client_bytes_max);
    ENTRY("maxmemory-policy", "allkeys-lfu");
    ENTRY("save", "%s", "");
    ENTRY("appendonly", "no");
    ENTRY("databases", "1");
    ENTRY("proto-max-bulk-len", "%d", RESP_BULK_BYTES_MAX);
    ENTRY("notify-keyspace-events", "%s", "");
#undef ENTRY
    return n;
}

static void config_get(struct connection *c, const struct bytes *args, size_t count)
{
    struct config_entry entries[16];
    size_t n = config_entries(c, entries), matched = 0;
    bool wanted[16] = {false};

    for (size_t i = 0; i < n; i++) {
        for (size_t j = 2; j < count; j++)
            wanted[i] |= word_is(args[j], entries[i].name) ||
                         glob_match(args[j], bytes_of_text(entries[i].name));
        matched += wanted[i];
    }
    reply_map(c, matched);
    for (size_t i = 0; i < n; i++) {
        if (!wanted[i])
            continue;
        reply_text(c, entries[i].name);
        reply_text(c, entries[i].value);
    }
}

static void config_set(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_error(c, "ERR settings are made in the configuration file, the environment or flags: "
                   "see accord serve --help");
}

static void config_help(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_array(c, 2);
    reply_line(c, "CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    reply_line(c, "GET <pattern>");
}

void command_CONFIG(struct connection *c, const struct bytes *args, size_t count)
{
    static const struct subcommand list[] = {
        {"get", config_get, -3},    {"set", config_set, -4},  {"resetstat", config_set, 2},
        {"rewrite", config_set, 2}, {"help", config_help, 2},
    };

    subcommand_run(c, "config", list, COUNT_OF(list), args, count);
}

/* ---- COMMAND -------------------------------------------------------------------------- */

static void reply_flags(struct connection *c, unsigned flags)
{
    static const struct {
        unsigned flag;
        const char *word;
    } words[] = {{READ, "readonly"},    {WRITE, "write"},     {FAST, "fast"},
                 {ADMIN, "admin"},      {LOADING, "loading"}, {NO_AUTH, "no_auth"},
                 {NO_MULTI, "no_multi"}};
    size_t n = 0;

    for (size_t i = 0; i < COUNT_OF(words); i++)
        n += (flags & words[i].flag) != 0;
    reply_header(c, c->resp3 ? '~' : '*', n);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (flags & words[i].flag)
            reply_line(c, words[i].word);
    }
}

/* The ten fields of Redis 7; the last four are for its ACLs and cluster. */
static void reply_command(struct connection *c, const struct command *command)
{
    reply_array(c, 10);
    reply_text(c, command->name);
    reply_integer(c, command->arity);
    reply_flags(c, command->flags);
    reply_integer(c, command->first_key);
    reply_integer(c, command->last_key);
    reply_integer(c, command->step);
    for (unsigned i = 0; i < 4; i++)
        reply_header(c, c->resp3 && i == 0 ? '~' : '*', 0);
}

static void command_count_all(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_unsigned(c, command_count);
}

static void command_info(struct connection *c, const struct bytes *args, size_t count)
{
    if (count == 2) {
        reply_array(c, command_count);
        for (size_t i = 0; i < command_count; i++)
            reply_command(c, &commands[i]);
        return;
    }
    reply_array(c, count - 2);
    for (size_t i = 2; i < count; i++) {
        const struct command *command = command_find(c->door, args[i]);
        if (command)
            reply_command(c, command);
        else
            reply_null(c);
    }
}

static void reply_docs(struct connection *c, const struct command *command)
{
    reply_text(c, command->name);
    reply_map(c, 3);
    reply_text(c, "summary");
    reply_text(c, command->summary);
    reply_text(c, "since");
    reply_text(c, command->since);
    reply_text(c, "group");
    reply_text(c, command->group);
}

static void command_docs(struct connection *c, const struct bytes *args, size_t count)
{
    size_t known = 0;

    for (size_t i = 2; i < count; i++)
        known += command_find(c->door, args[i]) != NULL;
    reply_map(c, count == 2 ? command_count : known);
    for (size_t i = 0; count == 2 && i < command_count; i++)
        reply_docs(c, &commands[i]);
    for (size_t i = 2; i < count; i++) {
        const struct command *command = command_find(c->door, args[i]);
        if (command)
            reply_docs(c, command);
    }
}

static void command_list(struct connection *c, const struct bytes *args, size_t count)
{
    (void)args;
    (void)count;
    reply_header(c, c->resp3 ? '~' : '*', command_count);
    for (size_t i = 0; i < command_count; i++)
        reply_text(c, commands[i].name);
}

static void command_getkeys(struct connection *c, const struct bytes *args, size_t count)
{
    const struct command *command = command_find(c->door, args[2]);
    size_t n = count - 2;

    if (!command) {
        reply_error(c, "ERR Invalid command specified");
        return;
    }
    if (command->first_key == 0) {
        reply_error(c, "ERR The command has no key arguments");
        return;
    }
    if (command->arity < 0 ? n < (size_t)-command->arity : n != (size_t)command->arity) {
        reply_error(c, "ERR Invalid number of arguments specified for command");
        return;
    }
    size_t first = (size_t)command->first_key, step = (size_t)command->step;
    size_t last =
        command->last_key < 0 ? n - (size_t)-command->last_key : (size_t)command->last_key;
    reply_array(c, (last - first) / step + 1);
    for (size_t i = first; i <= last; i += step)
        reply_bulk(c, args[2 + i]);
}

static void command_help(struct connection *c, const struct bytes *args, size_t count)
{
    static const char *const lines[] = {"(no subcommand)",      "COUNT",
                                        "DOCS [<command> ...]", "GETKEYS <full-command>",
                                        "INFO [<command> ...]", "LIST"};

    (void)args;
    (void)count;
    reply_array(c, COUNT_OF(lines));
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        reply_line(c, lines[i]);
}

void command_COMMAND(struct connection *c, const struct bytes *args, size_t count)
{
    static const struct subcommand list[] = {
        {"count", command_count_all, 2},  {"docs", command_docs, -2},
        {"info", command_info, -2},       {"list", command_list, -2},
        {"getkeys", command_getkeys, -4}, {"help", command_help, 2},
    };

    if (count == 1)
        command_info(c, NULL, 2);
    else
        subcommand_run(c, "command", list, COUNT_OF(list), args, count);
}
