/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/node_private.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

enum {
    FILES_RESERVED = 96, /* as the door keeps of its own (resp.c) */
    FILES_MIN = 64,      /* with fewer the bus or the state folder cannot be opened */
};

int node_fail(char why[NODE_WHY_BYTES_MAX], int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, NODE_WHY_BYTES_MAX, format, args);
    va_end(args);
    return status;
}

static bool random_bytes(void *out, size_t size)
{
    return getrandom(out, size, 0) == (ssize_t)size;
}

/* ---- the segment ---------------------------------------------------------------------------
 */

static void name_namespaces(const struct settings *s, struct segment_namespace *out)
{
    for (size_t i = 0; i < s->namespace_count; i++) {
        const struct namespace_settings *from = &s->namespaces[i];
        if (i > 0) /* [0] is "default", which the segment calls "" */
            snprintf(out[i].name, sizeof out[i].name, "%s", from->name);
        out[i].when_unsure = from->when_unsure;
        out[i].refresh_permille = from->refresh_permille;
        out[i].jitter_permille = from->jitter_permille;
        out[i].delimiter = from->delimiter;
        out[i].max_stale_ns = from->max_stale_ns;
    }
}

static int format_segment(struct node *n, const struct segment_settings *s)
{
    /* Zeroed by the kernel, page by page as it is used. */
    void *memory = mmap(NULL, n->sizes.writer_bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int status;

    if (memory == MAP_FAILED)
        return ACCORD_E_NOMEM;
    n->writer_memory = memory;
    status = writer_init(&n->writer, n->writer_memory, n->mapping.segment, n->mapping.hints, s);
    if (status != ACCORD_OK)
        return status;
    return reader_init(&n->reader, n->mapping.segment, n->mapping.segment_bytes,
                       n->mapping.hints, n->mapping.hints_bytes);
}

static int map_segment(struct node *n, const struct segment_settings *s, char *why)
{
    int status = segment_sizes(s, &n->sizes);

    if (status != ACCORD_OK)
        return node_fail(why, status, "no segment of that size: %s; choose with --memory",
                         status_text(status));
    status = mapping_new(&n->mapping, n->sizes.segment_bytes, n->sizes.hints_bytes, why,
                         NODE_WHY_BYTES_MAX);
    if (status != ACCORD_OK)
        return status;
    status = format_segment(n, s);
    if (status != ACCORD_OK)
        return node_fail(why, status,
                         "the segment cannot be made: %s; choose less with --memory",
                         status_text(status));
    return ACCORD_OK;
}

static int open_segment(struct node *n, char *why)
{
    struct segment_namespace *names = calloc(NAMESPACES_MAX, sizeof *names);
    struct segment_settings s = {.memory_bytes = (size_t)n->settings->memory_bytes,
                                 .incarnation = n->incarnation,
                                 .clock = n->clock.settings,
                                 .namespaces = names,
                                 .namespace_count = n->settings->namespace_count};
    int status;

    if (!names)
        return node_fail(why, ACCORD_E_NOMEM, "out of memory");
    name_namespaces(n->settings, names);
    /* An heir has the secret of the one before: the tags of items are hashes. */
    s.seed = n->core_settings.resume ? n->saved.segment.seed : 0;
    status = n->core_settings.resume || random_bytes(&s.seed, sizeof s.seed)
                 ? map_segment(n, &s, why)
                 : node_fail(why, ACCORD_E_IO, "no random numbers: %s", strerror(errno));
    free(names);
    n->identity.incarnation = n->incarnation;
    n->identity.seed = s.seed;
    if (status == ACCORD_OK && !earlier_identify(n->mapping.segment_fd, &n->identity))
        n->boot_known = false; /* then nothing is saved that names it */
    return status;
}

/* ---- the core ------------------------------------------------------------------------------
 */

static void describe(struct node *n)
{
    const struct settings *s = n->settings;
    struct core_settings *c = &n->core_settings;

    *c = (struct core_settings){
        .incarnation = n->incarnation,
        .max_stale_ns = s->max_stale_ns,
        .max_stale_given = s->max_stale_given,
        .publish_timeout_ns = s->publish_timeout_ns,
        .load_timeout_ns = s->load_timeout_ns,
        .join_settle_ns = s->join_settle_ns,
        .expect_members = (uint32_t)s->expect_members,
        .head_linearizable = n->bus_ops->caps.head_linearizable,
        .ack_local = s->ack == ACK_LOCAL,
        .signing = s->keys.key_count > 0,
        .unsigned_removals = (uint32_t)s->unsigned_removals,
        .hand = n->applying,
        .namespaces = s->namespaces,
        .namespace_count = s->namespace_count,
    };
    snprintf(c->name, sizeof c->name, "%s", s->name);
    /* A signature needs room beside it. */
    snprintf(c->about, sizeof c->about, "app %.*s %s", c->signing ? 130 : 200,
             s->listen.count > 0 ? s->listen.text[0] : s->socket, ACCORD_VERSION);
    policies_print(s->namespaces, s->namespace_count, c->policies);
    n->boot_known = earlier_boot(&n->identity.boot);
    warm_read(n, c);
}

/* What the heap and its mappings grew by: the core does not say what it took. */
static size_t heap_bytes(void)
{
    struct mallinfo2 m = mallinfo2();

    return m.uordblks + m.hblkhd;
}

static int open_core(struct node *n, char *why)
{
    struct core_settings *c = &n->core_settings;
    size_t before = heap_bytes();

    if (n->journal)
        c->fence_count =
            journal_fences(n->journal, n->fences, COUNT_OF(n->fences), &c->fences_at);
    c->fences = n->fences;
    if (!random_bytes(c->random, sizeof c->random))
        return node_fail(why, ACCORD_E_IO, "no random numbers: %s", strerror(errno));
    n->now_ns = n->started_ns = reader_now_ns(&n->reader);
    n->wakes_ns = UINT64_MAX;
    int status = core_new(&n->core, c, n->writer, n->now_ns);
    if (status != ACCORD_OK)
        return node_fail(why, status, "the settings do not fit together: %s",
                         status_text(status));
    n->core_bytes = u64_sub_sat(heap_bytes(), before);
    return ACCORD_OK;
}

/* ---- state ---------------------------------------------------------------------------------
 */

static void say_in_hand(struct node *n, const struct poison_found *found)
{
    bool skipped = found->tries >= POISON_TRIES;
    char position[POSITION_TEXT_BYTES_MAX];

    position_print((struct position){found->at.epoch, found->at.position}, position);
    LOG(&n->log, clock_wall_ms(), skipped ? LOG_ERROR : LOG_WARN,
        skipped ? "poison" : "in-hand",
        log_text("why",
                 skipped ? "an earlier run ended, again, with this entry of the log in hand: "
                           "it is skipped from now on, and the cache dropped there. Look at "
                           "it, and report it: docs/operating/drops.md says how"
                         : "an earlier run ended with this entry of the log in hand: if that "
                           "goes on, it will be skipped"),
        log_text("position", position), log_number("tries", found->tries));
}

/* Without it the node does all the same what it is for. */
static void open_poison(struct node *n)
{
    struct poison_found found[POISON_STAGES];
    char why[POISON_WHY_BYTES_MAX] = "";
    size_t count = 0;

    if (poison_open(&n->poison, n->settings->state, found, &count, why) != ACCORD_OK)
        LOG(&n->log, clock_wall_ms(), LOG_WARN, "no-hand", log_text("why", why));
    for (size_t i = 0; i < count; i++)
        say_in_hand(n, &found[i]);
    n->applying = poison_hand(n->poison, POISON_APPLYING);
}

/* What the next start begins with is said in full: nobody looks for a cold cache there. */
static void say_state_lost(struct node *n, const struct journal_report *r)
{
    if (r->known)
        snprintf(n->state_why, sizeof n->state_why,
                 "the run before had not saved its place in the log, or what it saved is "
                 "damaged");
    if (!r->moved_aside[0])
        return;
    snprintf(n->state_why, sizeof n->state_why,
             "the state folder's database was moved aside: %.100s", r->moved_why);
    LOG(&n->log, clock_wall_ms(), LOG_WARN, "state-moved-aside", log_text("why", r->moved_why),
        log_text("to", r->moved_aside),
        log_text("dropped", r->unreadable > 0
                                ? "the place in the log, the cache, and changes not published "
                                  "yet that cannot be read"
                                : "the place in the log and the cache; changes not published "
                                  "yet were read and are kept"));
}

static int open_state(struct node *n, char *why)
{
    const struct settings *s = n->settings;
    struct journal_report r;
    uint64_t now = clock_wall_ms();

    if (!s->state[0]) {
        LOG(&n->log, now, LOG_INFO, "no-state",
            log_text("why", "without --state nothing is kept over a restart: changes that the "
                            "bus has not taken yet are lost when this process ends"));
        return ACCORD_OK;
    }
    int status = journal_open(&n->journal, s->state, s->name, &r, why);
    if (status != ACCORD_OK)
        return settings_blame(s, "state", 0, status, why, NODE_WHY_BYTES_MAX);
    say_state_lost(n, &r);
    if (r.name_before[0])
        LOG(&n->log, now, LOG_WARN, "renamed", log_text("before", r.name_before));
    if (r.unreadable > 0)
        LOG(&n->log, now, LOG_WARN, "state-unreadable",
            log_text("why", "changes were kept that cannot be read: everything is cleared, on "
                            "every host, in their stead"),
            log_number("rows", r.unreadable));
    LOG(&n->log, now, LOG_INFO, "state", log_text("folder", s->state),
        log_number("pending", r.pending));
    open_poison(n);
    if (journal_thread_start(&n->journal_thread, &n->loop, n->journal, step_journal_answer,
                             n) != ACCORD_OK)
        return node_fail(why, ACCORD_E_NOMEM, "no thread can be started for the state folder");
    return ACCORD_OK;
}

/* First of all, before any request: what an earlier run had accepted. */
static void resend(struct node *n)
{
    struct event e = {.type = EVENT_RESEND};

    if (!n->journal)
        return;
    e.resend.changes = journal_pending(n->journal, &e.resend.count);
    if (e.resend.count > 0)
        step_event(n, &e);
    journal_drop_pending(n->journal);
}

/* ---- doors and bus -------------------------------------------------------------------------
 */

static bool is_http(const char *address)
{
    return strncmp(address, "http://", 7) == 0;
}

static size_t http_listeners(const struct settings *s)
{
    size_t count = 0;

    for (size_t i = 0; i < s->listen.count; i++)
        count += is_http(s->listen.text[i]);
    return count;
}

/* Connections may not take the descriptors that the bus and the disk need. */
static uint32_t clients_allowed(struct node *n)
{
    uint64_t others = FILES_RESERVED + http_listeners(n->settings) * 2 * HTTP_CONNECTIONS_MAX;
    uint64_t allowed = u64_sub_sat(n->files_max, others);

    n->clients_max = (uint32_t)u64_max(1, u64_min(allowed, n->settings->max_clients));
    if (n->clients_max < n->settings->max_clients)
        LOG(&n->log, clock_wall_ms(), LOG_WARN, "fewer-clients",
            log_text("why", "the limit of open files is too low for max-clients: raise it "
                            "(ulimit -n, LimitNOFILE=), or lower max-clients"),
            log_number("clients", n->clients_max), log_number("files", n->files_max),
            log_number("files_wanted", n->settings->max_clients + others));
    return n->clients_max;
}

static int listen_http(struct node *n, const char *address, char *why)
{
    struct http_settings http = {.name_count = n->settings->http_hosts.count};
    int status = ACCORD_OK;

    for (size_t i = 0; i < http.name_count; i++)
        http.names[i] = n->settings->http_hosts.text[i];
    http.machine_count = n->settings->cluster_machines.count;
    for (size_t i = 0; i < http.machine_count; i++)
        http.machines[i] = n->settings->cluster_machines.text[i];
    http.secret = n->settings->acs_secret[0] ? n->settings->acs_secret : NULL;
    if (!n->http)
        status = http_door_new(&n->http, &n->host, &http);
    if (status != ACCORD_OK)
        return node_fail(why, status, "%s: %s", address, status_text(status));
    status = http_door_listen(n->http, address, why);
    for (size_t i = 0; status == ACCORD_OK && http_door_address(n->http, i); i++)
        address = http_door_address(n->http, i);
    if (status == ACCORD_OK)
        LOG(&n->log, clock_wall_ms(), LOG_INFO, "http", log_text("listens", address));
    return status;
}

static void note_acs_peer(void *context, const char *what, const char *server, const char *why)
{
    struct node *n = context;

    LOG(&n->log, clock_wall_ms(), *why ? LOG_WARN : LOG_INFO, what, log_text("server", server),
        log_text("why", why));
}

static int open_acs_peers(struct node *n, char *why)
{
    const struct text_list *list = &n->settings->acs_peers;
    const char *servers[LISTEN_MAX];

    _Static_assert((int)LISTEN_MAX <= (int)ACS_PEERS_MAX, "a list's entries all have room");
    for (size_t i = 0; i < list->count; i++)
        servers[i] = list->text[i];
    if (list->count == 0)
        return ACCORD_OK;
    return acs_peers_new(&n->acs_peers, &n->loop, servers, list->count, note_acs_peer, n, why);
}

static int open_doors(struct node *n, char *why)
{
    const struct settings *s = n->settings;
    char address[128], failed[FILES_PATH_BYTES_MAX] = "";
    struct resp_settings door = {.address = address,
                                 .clients_max = clients_allowed(n),
                                 .client_bytes_max = s->client_memory_bytes,
                                 .socket_mode = s->mode,
                                 .socket_group = s->group[0] ? s->group : "accord"};

    if (s->socket_defaulted && files_make_folder_of(s->socket, 0755, failed) != 0)
        return node_fail(
            why, errno == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO,
            "cannot create the socket's folder %.300s: %s; give another place with "
            "--socket PATH, and to clients as ACCORD_SOCKET",
            failed, strerror(errno));
    snprintf(address, sizeof address, "unix:%s", s->socket);
    host_init(n);
    int status = settings_blame(s, "socket", 0, resp_door_new(&n->door, &n->host, &door, why),
                                why, NODE_WHY_BYTES_MAX);
    for (size_t i = 0; i < s->listen.count && status == ACCORD_OK; i++) {
        status = is_http(s->listen.text[i]) ? listen_http(n, s->listen.text[i], why)
                 : chp_door_takes(s->listen.text[i])
                     ? chp_doors_open(n, s->listen.text[i], why)
                     : resp_door_listen(n->door, s->listen.text[i], why);
        settings_blame(s, "listen", i, status, why, NODE_WHY_BYTES_MAX);
    }
    return status;
}

static int make_bus_folder(struct node *n, char *why)
{
    char failed[FILES_PATH_BYTES_MAX] = "";
    const char *path = strchr(n->settings->bus, ':');

    if (!n->settings->bus_defaulted || !path)
        return ACCORD_OK;
    if (files_make_folder_of(path + 1, 0755, failed) == 0)
        return ACCORD_OK;
    return node_fail(why, errno == EACCES ? ACCORD_E_DENIED : ACCORD_E_IO,
                     "cannot create the folder %.300s of the bus file: %s; give another place "
                     "with --bus sqlite:/path/to/file",
                     failed, strerror(errno));
}

static int open_bus(struct node *n, char *why)
{
    const struct settings *s = n->settings;
    struct bus_settings b = {.url = s->bus,
                             .max_stale_ms = s->max_stale_ns / NS_PER_MS,
                             .retain_ms = s->retain_ns / NS_PER_MS,
                             .retain_changes = s->retain_changes,
                             .hand = poison_hand(n->poison, POISON_READING),
                             .node = s->name,
                             .signing = &s->keys,
                             /* Less, so that who waits for it is told what the bus said. */
                             .timeout_ms =
                                 u64_max(100, s->publish_timeout_ns / NS_PER_MS * 3 / 4)};
    int status = make_bus_folder(n, why);

    if (status == ACCORD_OK)
        status = bus_thread_start(&n->bus, &n->loop, n->bus_ops, &b, step_bus_event, n, why);
    return settings_blame(s, "bus", 0, status, why, NODE_WHY_BYTES_MAX);
}

static int find_bus(struct node *n, char *why)
{
    n->bus_ops = bus_find(n->settings->bus, why);
    if (n->bus_ops) {
        bool keys = n->settings->keys.key_count > 0;
        (keys ? signed_ops : keyless_ops)(&n->watched_ops, n->bus_ops);
        n->bus_ops = &n->watched_ops;
    }
    files_public_url(n->settings->bus, n->bus_public, sizeof n->bus_public);
    if (n->bus_ops && n->bus_ops->tools.caveat)
        n->bus_caveat = n->bus_ops->tools.caveat(n->settings->bus);
    return settings_blame(n->settings, "bus", 0, n->bus_ops ? ACCORD_OK : ACCORD_E_INVALID, why,
                          NODE_WHY_BYTES_MAX);
}

/* ---- the loop ------------------------------------------------------------------------------
 */

static void closing(struct node *n)
{
    chp_doors_close(n);
    resp_door_free(n->door);
    n->door = NULL;
    http_door_free(n->http);
    n->http = NULL;
    acs_peers_free(n->acs_peers);
    n->acs_peers = NULL;
    bus_thread_stop(n->bus);
    n->bus = NULL;
    journal_thread_stop(n->journal_thread);
    n->journal_thread = NULL;
    command_stop(n->on_cold);
    n->on_cold = NULL;
    if (n->handles_open) {
        uv_close((uv_handle_t *)&n->timer, NULL);
        uv_close((uv_handle_t *)&n->prepare, NULL);
        uv_close((uv_handle_t *)&n->stop_async, NULL);
        n->handles_open = false;
        if (n->opened && n->hooks.closing)
            n->hooks.closing(n->hooks.context);
    }
}

/* Closing waits for a turn of its own, when no door or bus is in the middle of anything. */
static void timer_passed(uv_timer_t *timer)
{
    struct node *n = timer->data;

    if (n->stopped)
        closing(n);
    else
        step_tick(n);
}

static void say_ready(struct node *n)
{
    char line[READY_LINE_BYTES_MAX], text[READY_LINE_BYTES_MAX + 32];
    struct core_status s;

    core_status(n->core, n->now_ns, &s);
    if (s.fresh && !s.ready && !n->waiting_said) {
        n->waiting_said = true;
        LOG(&n->log, clock_wall_ms(), LOG_INFO, "waiting-for-members",
            log_number("members", s.members),
            log_number("expected", n->settings->expect_members));
    }
    if (!s.ready)
        return;
    n->ready_said = true;
    node_ready_line(n, line, sizeof line);
    snprintf(text, sizeof text, "READY=1\nSTATUS=%s", line);
    notify_service(text);
    LOG(&n->log, clock_wall_ms(), LOG_INFO, "ready", log_text("line", line));
    if (n->hooks.ready)
        n->hooks.ready(n->hooks.context, line);
}

/* Before the loop sleeps: what this turn of it gathered goes to the bus as one batch. Until
 * when may it sleep? */
static void about_to_sleep(uv_prepare_t *prepare)
{
    struct node *n = prepare->data;

    if (!n->stopped && core_deadline_ns(n->core) <= n->now_ns)
        step_tick(n);
    uint64_t deadline = u64_min(core_deadline_ns(n->core), warm_look(n)), now;
    if (!n->ready_said && !n->stop_given)
        say_ready(n);
    if (n->stopped) {
        uv_timer_start(&n->timer, timer_passed, 0, 0);
        return;
    }
    if (deadline == UINT64_MAX) {
        uv_timer_stop(&n->timer);
        return;
    }
    n->wakes_ns = deadline;
    if (deadline == n->armed_ns && uv_is_active((uv_handle_t *)&n->timer))
        return;
    n->armed_ns = deadline;
    now = reader_now_ns(&n->reader);
    uv_update_time(&n->loop);
    uv_timer_start(&n->timer, timer_passed,
                   (u64_sub_sat(deadline, now) + NS_PER_MS - 1) / NS_PER_MS, 0);
}

static void stop_asked(uv_async_t *async)
{
    struct node *n = async->data;

    if (!n->stop_given)
        step_stop(n);
}

static int open_loop(struct node *n, char *why)
{
    if (uv_loop_init(&n->loop) != 0)
        return node_fail(why, ACCORD_E_NOMEM, "the event loop cannot be made");
    n->loop_open = true;
    n->timer.data = n->prepare.data = n->stop_async.data = n;
    if (uv_async_init(&n->loop, &n->stop_async, stop_asked) != 0)
        return node_fail(why, ACCORD_E_NOMEM, "the event loop takes no handles");
    uv_timer_init(&n->loop, &n->timer);
    uv_prepare_init(&n->loop, &n->prepare);
    n->handles_open = true;
    return ACCORD_OK;
}

/* ---- life ----------------------------------------------------------------------------------
 */

static void say_start(struct node *n)
{
    const struct segment_sizes *z = &n->sizes;
    const struct resp_settings clients = {.clients_max = (uint32_t)n->settings->max_clients,
                                          .client_bytes_max = n->settings->client_memory_bytes};
    char memory[32], fixed[32], held[32], total[32];
    uint64_t sum = z->segment_bytes + z->hints_bytes + z->writer_bytes + n->core_bytes +
                   resp_door_bytes_max(&clients) +
                   http_listeners(n->settings) * http_server_bytes_max() +
                   acs_peers_bytes(n->settings->acs_peers.count);

    settings_print_size(n->settings->memory_bytes, memory);
    settings_print_size(z->fixed_bytes / KIB * KIB, fixed);
    settings_print_size(clients.client_bytes_max, held);
    settings_print_size((sum + MIB - 1) / MIB * MIB, total);
    LOG(&n->log, clock_wall_ms(), LOG_INFO, "start", log_text("name", n->settings->name),
        log_text("version", ACCORD_VERSION), log_text("bus", n->bus_public),
        log_text("durability", n->bus_ops->caps.durability),
        log_text("socket", n->settings->socket), log_text("clock", clock_about(&n->clock)));
    LOG(&n->log, clock_wall_ms(), LOG_INFO, "limits", log_text("memory", memory),
        log_text("fixed_tables", fixed), log_text("client_memory", held),
        log_text("at_most_in_all", total), log_number("value_bytes", z->value_bytes_max),
        log_number("outbox", OUTBOX_CHANGES_MAX), log_number("members", MEMBERS_MAX),
        log_number("loads", LOADS_MAX), log_number("waiters", WAITERS_MAX),
        log_number("clients", n->clients_max), log_number("files", n->files_max));
    if (n->settings->ignored[0])
        LOG(&n->log, clock_wall_ms(), LOG_WARN, "environment",
            log_text("ignored", n->settings->ignored),
            log_text("why", "no setting is called so; accord serve --help lists them"));
}

static int open_all(struct node *n, char *why)
{
    int status = find_bus(n, why);

    if (status == ACCORD_OK && !random_bytes(&n->incarnation, sizeof n->incarnation))
        status = node_fail(why, ACCORD_E_IO, "no random numbers: %s", strerror(errno));
    if (status == ACCORD_OK) {
        clock_start(&n->clock, /* allow_tsc= */ true);
        status = open_loop(n, why);
    }
    if (status == ACCORD_OK)
        status = open_state(n, why);
    if (status == ACCORD_OK) {
        describe(n);
        status = open_segment(n, why);
    }
    if (status == ACCORD_OK)
        status = open_core(n, why);
    if (status == ACCORD_OK)
        status = warm_command(n, why);
    if (status == ACCORD_OK)
        status = open_acs_peers(n, why);
    if (status == ACCORD_OK)
        status = open_doors(n, why);
    if (status == ACCORD_OK)
        status = open_bus(n, why);
    return status;
}

int node_open(struct node **out, const struct settings *settings,
              const struct node_hooks *hooks, char why[NODE_WHY_BYTES_MAX])
{
    struct node *n = calloc(1, sizeof *n);

    if (!n)
        return node_fail(why, ACCORD_E_NOMEM, "out of memory");
    n->settings = settings;
    n->hooks = *hooks;
    n->mapping.writer_fd = n->mapping.segment_fd = n->mapping.hints_fd = -1;
    n->files_max = files_raise_limit();
    log_init(&n->log, STDERR_FILENO, (enum log_format)settings->log_format,
             (enum log_level)settings->log_level);
    int status =
        n->files_max < FILES_MIN
            ? node_fail(why, ACCORD_E_FULL,
                        "%llu open files are allowed: a node needs %d to start, and %d and one "
                        "for each connection; raise the limit (ulimit -n, LimitNOFILE=)",
                        (unsigned long long)n->files_max, FILES_MIN, FILES_RESERVED)
            : open_all(n, why);
    if (status != ACCORD_OK) {
        node_close(n);
        return status;
    }
    say_start(n);
    n->opened = true;
    *out = n;
    return ACCORD_OK;
}

int node_run(struct node *n)
{
    resend(n);
    warm_start(n);
    step_tick(n);
    uv_prepare_start(&n->prepare, about_to_sleep);
    uv_run(&n->loop, UV_RUN_DEFAULT);
    LOG(&n->log, clock_wall_ms(), LOG_INFO, "stopped", log_number("fatal", n->fatal));
    return n->fatal ? ACCORD_E_CONFLICT : ACCORD_OK;
}

void node_stop(struct node *n)
{
    uv_async_send(&n->stop_async);
}

void node_reload(struct node *n, const struct settings *settings)
{
    char differ[SETTINGS_DIFFER_BYTES_MAX];

    settings_differ(n->settings, settings, differ);
    n->log.level = (enum log_level)settings->log_level;
    n->log.format = (enum log_format)settings->log_format;
    LOG(&n->log, clock_wall_ms(), differ[0] ? LOG_WARN : LOG_INFO, "reloaded",
        log_text("taken", "log, log-level"), log_text("restart_for", differ));
}

void node_close(struct node *n)
{
    if (!n)
        return;
    if (n->loop_open) {
        closing(n);
        uv_run(&n->loop, UV_RUN_DEFAULT);
        uv_loop_close(&n->loop);
    }
    deferred_done(&n->deferred);
    held_done(&n->held);
    core_free(n->core);
    populate_stop(n->ahead);
    earlier_done(&n->earlier);
    poison_close(n->poison);
    journal_close(n->journal);
    mapping_done(&n->mapping);
    if (n->writer_memory)
        munmap(n->writer_memory, n->sizes.writer_bytes);
    free(n);
}

uv_loop_t *node_loop(struct node *n)
{
    return &n->loop;
}
