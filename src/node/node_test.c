/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* node_test.c - whole nodes in this process, on the memory bus, spoken to over their sockets.
 */
#include "node/embed.h"
#include "node/node_private.h"
#include "node/slow_disk.h"
#include "test.h"

#include "bus/memory.h"
#include "cache/clock.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WAIT_MS = 20000 };

/* ---- a client ------------------------------------------------------------------------------
 */

static int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval limit = {WAIT_MS / 1000, 0};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    CHECK(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit) == 0);
    return fd;
}

/* Inline commands in; what comes back until it ends with `end`. */
static const char *ask(int fd, const char *command, const char *end)
{
    static char reply[65536];
    size_t used = 0;

    CHECK(send(fd, command, strlen(command), MSG_NOSIGNAL) == (ssize_t)strlen(command));
    do {
        ssize_t got = recv(fd, reply + used, sizeof reply - 1 - used, 0);
        CHECK(got > 0);
        used += (size_t)got;
        reply[used] = 0;
    } while (used < strlen(end) || strcmp(reply + used - strlen(end), end) != 0);
    return reply;
}

static bool says(int fd, const char *command, const char *expected)
{
    const char *reply = ask(fd, command, "\r\n");

    if (strcmp(reply, expected) != 0)
        fprintf(stderr, "%s answered %s", command, reply);
    return strcmp(reply, expected) == 0;
}

/* ---- a node in a thread that the test can look into
 * ------------------------------------------ */

struct running {
    struct settings *settings;
    struct node *node;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool ready;
    char line[READY_LINE_BYTES_MAX], fatal[512];
    int status;
};

static void on_ready(void *context, const char *line)
{
    struct running *r = context;

    pthread_mutex_lock(&r->mutex);
    r->ready = true;
    snprintf(r->line, sizeof r->line, "%s", line);
    pthread_cond_signal(&r->changed);
    pthread_mutex_unlock(&r->mutex);
}

static void on_fatal(void *context, const char *why)
{
    struct running *r = context;

    snprintf(r->fatal, sizeof r->fatal, "%s", why);
}

static void *run(void *context)
{
    struct running *r = context;

    r->status = node_run(r->node);
    return NULL;
}

/* Opens, without running. `query` as of an embedded node; the socket is NAME.sock. */
static void opened(struct running *r, const char *query)
{
    struct node_hooks hooks = {r, on_ready, on_fatal, NULL};
    char why[NODE_WHY_BYTES_MAX] = "";

    memset(r, 0, sizeof *r);
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->changed, NULL);
    CHECK(settings_new(&r->settings) == ACCORD_OK);
    CHECK(settings_set(r->settings, "t", "log-level", "error", why) == ACCORD_OK);
    CHECK(settings_set(r->settings, "t", "memory", "8M", why) == ACCORD_OK);
    CHECK(settings_read_query(r->settings, query, why) == ACCORD_OK);
    snprintf(r->settings->socket, sizeof r->settings->socket, "%.70s/%.20s%.8s.sock",
             test_folder(), r->settings->name, r->settings->group);
    CHECK(settings_finish(r->settings, why) == ACCORD_OK);
    int status = node_open(&r->node, r->settings, &hooks, why);
    if (status != ACCORD_OK)
        fprintf(stderr, "%s\n", why);
    CHECK(status == ACCORD_OK);
}

static void started(struct running *r, const char *query)
{
    opened(r, query);
    CHECK(pthread_create(&r->thread, NULL, run, r) == 0);
    pthread_mutex_lock(&r->mutex);
    while (!r->ready)
        pthread_cond_wait(&r->changed, &r->mutex);
    pthread_mutex_unlock(&r->mutex);
}

static void stopped(struct running *r)
{
    node_stop(r->node);
    node_stop(r->node);
    pthread_join(r->thread, NULL);
    CHECK(r->status == ACCORD_OK);
    node_close(r->node);
    settings_free(r->settings);
}

/* ---- tests ---------------------------------------------------------------------------------
 */

TEST(a_node_is_ready_serves_and_stops)
{
    struct running r;

    started(&r, "bus=memory:a&name=web1");
    CHECK(strcmp(r.line, "ready: web1, 1 member (web1), memory:a, THIS HOST ONLY") == 0);
    int fd = dial(r.settings->socket);
    CHECK(says(fd, "SET k v\r\n", "+OK\r\n"));
    CHECK(says(fd, "GET k\r\n", "$1\r\nv\r\n"));
    close(fd);
    char path[108];
    snprintf(path, sizeof path, "%s", r.settings->socket);
    stopped(&r);
    CHECK(access(path, F_OK) != 0);
}

struct recorded {
    const char *view;
    char names[256][40];
    size_t rows, fields;
};

static void record_row(void *context)
{
    struct recorded *r = context;

    r->rows++;
    r->fields = 0;
}

static void record(void *context, const char *field)
{
    struct recorded *r = context;

    CHECK(r->rows > 0);
    CHECK(r->fields < COUNT_OF(r->names));
    snprintf(r->names[r->fields++], sizeof r->names[0], "%s", field);
}

static void record_text(void *context, const char *field, const char *value)
{
    CHECK(value);
    record(context, field);
}

static void record_number(void *context, const char *field, uint64_t value)
{
    (void)value;
    record(context, field);
}

static void record_real(void *context, const char *field, double value)
{
    (void)value;
    record(context, field);
}

static void record_flag(void *context, const char *field, bool value)
{
    (void)value;
    record(context, field);
}

TEST(every_view_has_the_fields_that_are_declared_in_their_order)
{
    static const struct {
        const char *view, *field;
    } declared[] = {
#define FIELD(view, name, type, help) {#view, #name},
#include "defs/view.def"
    };
    static const char *const views[] = {
#define VIEW(name, help) #name,
#include "defs/view.def"
    };
    struct running n;

    opened(&n, "bus=memory:views&name=web1");
    for (size_t v = 0; v < COUNT_OF(views); v++) {
        struct recorded r = {.view = views[v]};
        struct view_sink sink = {&r,          record_row, record_text, record_number,
                                 record_real, record_flag};
        size_t expected = 0;
        CHECK(view_fill(n.node, views[v], &sink) == ACCORD_OK);
        for (size_t i = 0; i < COUNT_OF(declared); i++) {
            if (strcmp(declared[i].view, views[v]) != 0 || r.rows == 0)
                continue;
            if (expected >= r.fields || strcmp(r.names[expected], declared[i].field) != 0)
                fprintf(stderr, "%s: field %zu should be %s\n", views[v], expected,
                        declared[i].field);
            CHECK(expected < r.fields);
            CHECK(strcmp(r.names[expected++], declared[i].field) == 0);
        }
        CHECK(r.rows == 0 || expected == r.fields);
        CHECK(r.rows > 0 || strcmp(views[v], "clients") == 0 ||
              strcmp(views[v], "nodes") == 0 || strcmp(views[v], "fences") == 0 ||
              strcmp(views[v], "ping") == 0);
    }
    struct view_sink none = {0};
    CHECK(view_fill(n.node, "no such view", &none) == ACCORD_E_ABSENT);
    node_close(n.node);
    settings_free(n.settings);
}

TEST(a_clock_that_runs_wrong_is_left_for_good_and_the_lease_with_it)
{
    struct running r;

    opened(&r, "bus=memory:clock&name=web1&max-stale=600ms");
    if (r.node->clock.settings.clock != CLOCK_CLASS_TSC)
        test_skip("the kernel does not use an invariant TSC here");
    /* What the node compares with is 4 % off, as if the counter's rate had changed. */
    r.node->clock.settings.tsc_mult += r.node->clock.settings.tsc_mult / 25;
    CHECK(pthread_create(&r.thread, NULL, run, &r) == 0);
    usleep(1500000);
    int fd = dial(r.settings->socket);
    const char *status = ask(fd, "ACCORD.STATUS\r\n", "\r\n");
    CHECK(strstr(status, "boottime"));
    CHECK(strstr(status, "fresh, lease "));
    CHECK(r.node->clock.broken);
    CHECK(reader_now_ns(&r.node->reader) >= r.node->started_ns);
    close(fd);
    stopped(&r);
}

TEST(local_acknowledgements_end_where_the_disk_does)
{
    struct running r;
    char query[400];
    struct rlimit none = {0, 0};

    snprintf(query, sizeof query,
             "bus=memory:disk&name=web1&ack=local&publish-timeout=300ms&state=%s/state",
             test_folder());
    CHECK(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    started(&r, query);
    int fd = dial(r.settings->socket);
    CHECK(says(fd, "DEL a\r\n", ":0\r\n"));
    none.rlim_max = RLIM_INFINITY;
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    const char *reply = ask(fd, "DEL b\r\n", "\r\n");
    CHECK(strncmp(reply, "-UNPUBLISHED ", 13) == 0);
    CHECK(strstr(reply, "state folder"));
    none.rlim_cur = RLIM_INFINITY;
    CHECK(setrlimit(RLIMIT_FSIZE, &none) == 0);
    CHECK(says(fd, "DEL c\r\n", ":0\r\n"));
    close(fd);
    stopped(&r);
}

/* The loop does not wait for the disk; who asked for the disk does. */
TEST(a_disk_that_takes_its_time_stalls_only_who_waits_for_it)
{
    struct running r;
    char query[400], reply[16] = "";

    snprintf(query, sizeof query, "bus=memory:slow&name=web1&ack=local&state=%s/state",
             test_folder());
    started(&r, query);
    int waits = dial(r.settings->socket), reads = dial(r.settings->socket);
    CHECK(says(reads, "SET k 1\r\n", "+OK\r\n"));
    unsigned before = slow_disk_syncs();
    slow_disk_stop();
    CHECK(send(waits, "DEL k\r\nPING\r\n", 13, MSG_NOSIGNAL) == 13);
    while (slow_disk_syncs() == before)
        usleep(1000);
    for (int i = 0; i < 100; i++)
        CHECK(says(reads, "GET k\r\n", "$-1\r\n"));
    CHECK(recv(waits, reply, sizeof reply, MSG_DONTWAIT) < 0);
    slow_disk_go_on();
    while (strlen(reply) < 11)
        CHECK(recv(waits, reply + strlen(reply), sizeof reply - 1 - strlen(reply), 0) > 0);
    CHECK(strcmp(reply, ":1\r\n+PONG\r\n") == 0);
    close(waits);
    close(reads);
    stopped(&r);
}

TEST(requests_made_while_effects_are_carried_out_are_all_answered)
{
    enum { CLIENTS = 50 };
    struct running r;
    int fds[CLIENTS];

    started(&r, "bus=memory:defer&name=web1");
    for (int i = 0; i < CLIENTS; i++)
        fds[i] = dial(r.settings->socket);
    for (int i = 0; i < CLIENTS; i++) {
        static const char command[] = "ACCORD.GET k LOAD 50 MAXSTALE 0\r\n";
        CHECK(send(fds[i], command, sizeof command - 1, 0) == sizeof command - 1);
    }
    for (int i = 0; i < CLIENTS; i++) {
        char reply[4096];
        CHECK(recv(fds[i], reply, sizeof reply, 0) > 0);
        CHECK(reply[0] == '*');
        close(fds[i]);
    }
    stopped(&r);
}

TEST(a_namesake_is_refused_and_says_why)
{
    struct running first, second;

    started(&first, "bus=memory:names&name=web1");
    opened(&second, "bus=memory:names&name=web1&group=other");
    second.status = node_run(second.node);
    CHECK(second.status == ACCORD_E_CONFLICT);
    CHECK(strstr(second.fatal, "web1"));
    CHECK(!second.ready);
    node_close(second.node);
    settings_free(second.settings);
    stopped(&first);
}

TEST(embedded_nodes_keep_each_other_in_accord)
{
    struct accord_embed *a = NULL, *b = NULL;
    char why[512] = "", folder[200];
    struct stat st;

    CHECK(accord_embed_start("?bus=memory:embed&name=a&memory=8M", &a, why, sizeof why) == 0);
    CHECK(accord_embed_start("bus=memory:embed&name=b&memory=8M", &b, why, sizeof why) == 0);
    snprintf(folder, sizeof folder, "%s", accord_embed_socket(a));
    *strrchr(folder, '/') = 0;
    CHECK(stat(folder, &st) == 0 && (st.st_mode & 0777) == 0700);
    int at_a = dial(accord_embed_socket(a)), at_b = dial(accord_embed_socket(b));
    CHECK(says(at_a, "SET k old\r\n", "+OK\r\n"));
    CHECK(says(at_a, "GET k\r\n", "$3\r\nold\r\n"));
    CHECK(says(at_b, "DEL k\r\n", ":0\r\n"));
    CHECK(ask(at_a, "ACCORD.SYNC WAIT 5000\r\n", "\r\n")[0] == '+');
    CHECK(says(at_a, "GET k\r\n", "$-1\r\n"));
    close(at_a);
    close(at_b);
    accord_embed_stop(a);
    accord_embed_stop(b);
    accord_embed_stop(NULL);
    CHECK(stat(folder, &st) != 0);
}

TEST(an_embedded_node_whose_name_is_taken_says_so)
{
    struct accord_embed *first = NULL, *second = NULL;
    char why[512] = "";

    CHECK(accord_embed_start("bus=memory:taken&name=web1&memory=8M&ready-wait=60s", &first, why,
                             sizeof why) == 0);
    CHECK(accord_embed_start("bus=memory:taken&name=web1&memory=8M&ready-wait=60s", &second,
                             why, sizeof why) == ACCORD_E_CONFLICT);
    CHECK(!second && strstr(why, "web1") != NULL);
    accord_embed_stop(first);
}

/* ---- what a killed process leaves ---- */

static void base_is_the_tests(void)
{
    CHECK(setenv("XDG_RUNTIME_DIR", test_folder(), 1) == 0);
}

/* An embedded node in a process of its own; its folder is in *folder once it runs. */
static pid_t embedded_child(char folder[200])
{
    struct accord_embed *e = NULL;
    char why[512] = "";
    int ends[2];

    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (accord_embed_start("bus=memory:child&memory=8M", &e, why, sizeof why) != 0)
            _exit(1);
        (void)!write(ends[1], accord_embed_socket(e), strlen(accord_embed_socket(e)));
        for (;;)
            pause();
    }
    CHECK(child > 0);
    close(ends[1]);
    ssize_t n = read(ends[0], folder, 199);
    CHECK(n > 0);
    folder[n] = 0;
    *strrchr(folder, '/') = 0;
    close(ends[0]);
    return child;
}

static void killed(pid_t child)
{
    CHECK(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
}

TEST(the_folder_of_a_killed_embedding_process_is_removed_by_the_next)
{
    struct accord_embed *e = NULL;
    char why[512] = "", dead[200], alive[200], other[300], full[300], file[400];
    struct stat st;

    base_is_the_tests();
    pid_t doomed = embedded_child(dead), living = embedded_child(alive);
    killed(doomed);
    CHECK(stat(dead, &st) == 0);
    /* What is not provably such a folder, or has more in it, stays. */
    snprintf(other, sizeof other, "%s/accord-ABCDEF", test_folder());
    CHECK(mkdir(other, 0700) == 0);
    pid_t doomed_too = embedded_child(full);
    snprintf(file, sizeof file, "%s/mine", full);
    CHECK(close(open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) == 0);
    killed(doomed_too);
    CHECK(accord_embed_start("bus=memory:next&memory=8M", &e, why, sizeof why) == 0);
    CHECK(stat(dead, &st) != 0);
    CHECK(stat(alive, &st) == 0 && stat(other, &st) == 0 && stat(file, &st) == 0);
    accord_embed_stop(e);
    killed(living);
}

TEST(an_embedded_node_that_cannot_start_says_why)
{
    struct accord_embed *e = NULL;
    char why[512] = "";

    CHECK(accord_embed_start("bus=pigeon:x", &e, why, sizeof why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "pigeon"));
    CHECK(accord_embed_start("bsu=memory:x", &e, why, sizeof why) == ACCORD_E_INVALID);
    CHECK(strstr(why, "did you mean \"bus\"?"));
    CHECK(!e);
}

TEST(urls_are_shown_without_their_passwords)
{
    char text[128];

    files_public_url("redis://me:secret@host:6379/0", text, sizeof text);
    CHECK(strcmp(text, "redis://***@host:6379/0") == 0);
    files_public_url("redis://host/a@b", text, sizeof text);
    CHECK(strcmp(text, "redis://host/a@b") == 0);
    files_public_url("sqlite:/a/b@c", text, sizeof text);
    CHECK(strcmp(text, "sqlite:/a/b@c") == 0);
    files_public_url("postgres://me:p@ss@host/db?password=secret&sslmode=require", text,
                     sizeof text);
    CHECK(strcmp(text, "postgres://***@host/db?password=******&sslmode=require") == 0);
    files_public_url("xmpp://me:secret@host/a@b?room_password=key", text, sizeof text);
    CHECK(strcmp(text, "xmpp://***@host/a@b?room_password=***") == 0);
}

TEST(passwords_are_wiped_where_they_stand)
{
    char url[] = "--bus=redis://me:secret@host:6379/0", plain[] = "redis://host:6379/a@b";
    char query[] = "postgres://host/db?sslmode=require&password=secret";

    files_wipe_url(url);
    CHECK(strcmp(url, "--bus=redis://me:******@host:6379/0") == 0);
    files_wipe_url(plain);
    CHECK(strcmp(plain, "redis://host:6379/a@b") == 0);
    files_wipe_url(query);
    CHECK(strcmp(query, "postgres://host/db?sslmode=require&password=******") == 0);
}

/* What stands alone before the host of a NATS URL is one (docs/operating/bus_nats.md). */
TEST(tokens_are_wiped_where_they_stand)
{
    char token[] = "--bus=nats://t0ken@h:4222/shop?replicas=3", tls[] = "tls://t0ken@h/shop";
    char user[] = "nats://me@h/shop?password_file=/p", other[] = "redis://me@h/shop";

    files_wipe_url(token);
    CHECK(strcmp(token, "--bus=nats://*****@h:4222/shop?replicas=3") == 0);
    files_wipe_url(tls);
    CHECK(strcmp(tls, "tls://*****@h/shop") == 0);
    files_wipe_url(user);
    CHECK(strcmp(user, "nats://me@h/shop?password_file=/p") == 0);
    files_wipe_url(other);
    CHECK(strcmp(other, "redis://me@h/shop") == 0);
}
