/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* handle_test.c - the library against a small daemon of our own, that can do what a real one
 * never does: refuse, hang, lie, and vanish at a chosen moment. Its segment is a real one. The
 * library against the real daemon is test/system/client.sh. */
#include <accord.h>

#include "cache/reader.h"
#include "cache/writer.h"
#include "client/reply.h"

#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* ---- the small daemon ---- */

enum mood {
    HONEST,
    REFUSES,    /* -NOATTACH */
    UNSEALED,   /* its segment could be shrunk under us */
    SHORT,      /* says more bytes than there are */
    GARBAGE,    /* its segment is none */
    OTHER_NAME, /* says another incarnation than the segment has */
    ONE_FD,     /* sends half of what it must */
    SILENT,     /* accepts, and never answers */
    FOREIGN,    /* another server that speaks RESP */
    CHATTY_1,   /* says more than it was asked: after ATTACH */
    CHATTY,     /* after a request */
};

struct daemon {
    _Atomic int mood;
    int listener, segment_fd, hints_fd;
    struct segment_sizes sizes;
    struct id128 incarnation;
    void *segment, *hints, *memory;
    pthread_mutex_t lock; /* of the writer and of the rights */
    struct writer *writer;
    atomic_int loader; /* the connection that holds the right to load; -1: none */
    atomic_int connections, attaches, gets, fills, next_line;
    atomic_bool stop;
    pthread_t thread;
    pthread_t workers[128];
    int fds[128];
    atomic_int worker_count;
};

static char path[200];

static uint64_t boottime_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_BOOTTIME, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static void *shared(int *fd, size_t size, bool seal)
{
    *fd = memfd_create("accord-test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(*fd >= 0 && ftruncate(*fd, (off_t)size) == 0);
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    CHECK(at != MAP_FAILED);
    if (seal)
        CHECK(fcntl(*fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0);
    return at;
}

static void make_segment(struct daemon *d)
{
    static const struct segment_namespace names[] = {{.name = "default"}};
    struct segment_settings s = {.memory_bytes = SEGMENT_BYTES_MIN,
                                 .incarnation = d->incarnation,
                                 .seed = 42,
                                 .clock = {.clock = CLOCK_CLASS_BOOTTIME},
                                 .namespaces = names,
                                 .namespace_count = 1};

    CHECK(segment_sizes(&s, &d->sizes) == ACCORD_OK);
    d->segment = shared(&d->segment_fd, d->sizes.segment_bytes, d->mood != UNSEALED);
    d->hints = shared(&d->hints_fd, d->sizes.hints_bytes, true);
    d->memory = aligned_alloc(64, (d->sizes.writer_bytes + 63) & ~(size_t)63);
    CHECK(d->memory != NULL);
    memset(d->memory, 0, d->sizes.writer_bytes);
    if (d->mood == GARBAGE)
        memset(d->segment, 0x5a, 4096);
    else
        CHECK(writer_init(&d->writer, d->memory, d->segment, d->hints, &s) == ACCORD_OK);
}

/* Fresh for `ms` from now; 0: unsure. */
static void lease(struct daemon *d, uint64_t ms)
{
    uint64_t now_ns = boottime_ns();

    pthread_mutex_lock(&d->lock);
    writer_set_lease(d->writer, ms > 0 ? now_ns + ms * NS_PER_MS : 0, now_ns);
    pthread_mutex_unlock(&d->lock);
}

static void put(struct daemon *d, const char *key, const char *value)
{
    struct item item = {
        .key = bytes_of_text(key), .value = bytes_of_text(value), .ttl_ns = UINT64_MAX};

    pthread_mutex_lock(&d->lock);
    CHECK(writer_fill(d->writer, &item, NULL, boottime_ns()) == ACCORD_OK);
    pthread_mutex_unlock(&d->lock);
}

static void say(int fd, const char *text)
{
    (void)send(fd, text, strlen(text), MSG_NOSIGNAL);
}

static void answer_attach(struct daemon *d, int fd)
{
    char text[400];
    int fds[2] = {d->segment_fd, d->hints_fd};
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control = {.bytes = {0}};
    size_t fds_bytes = d->mood == ONE_FD ? sizeof(int) : sizeof fds;
    struct iovec part = {.iov_base = text};
    struct msghdr m = {.msg_iov = &part,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(fds_bytes)};
    struct cmsghdr *head = CMSG_FIRSTHDR(&m);

    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(fds_bytes);
    memcpy(CMSG_DATA(head), fds, fds_bytes);
    part.iov_len = (size_t)snprintf(
        text, sizeof text,
        "*10\r\n$8\r\nprotocol\r\n:1\r\n$13\r\nsegment_bytes\r\n:%zu\r\n$11\r\nhints_bytes\r\n"
        ":%zu\r\n$11\r\nincarnation\r\n$32\r\n%016llx%016llx\r\n$4\r\nline\r\n:%d\r\n%s",
        d->sizes.segment_bytes + (d->mood == SHORT ? 4096 : 0), d->sizes.hints_bytes,
        (unsigned long long)d->incarnation.high + (d->mood == OTHER_NAME),
        (unsigned long long)d->incarnation.low, atomic_fetch_add(&d->next_line, 1),
        d->mood == CHATTY_1 ? "+and another thing\r\n" : "");
    atomic_fetch_add(&d->attaches, 1);
    (void)sendmsg(fd, &m, MSG_NOSIGNAL); /* the client may be gone, or we be stopped */
}

/* GET, as the door answers it, but for waiting: a second LOAD is told "busy" at once. */
static void answer_get(struct daemon *d, int fd, struct bytes key, bool load)
{
    char value[256], text[800], printed[TOKEN_TEXT_BYTES_MAX];
    struct reader reader;
    struct read_result r;

    atomic_fetch_add(&d->gets, 1);
    pthread_mutex_lock(&d->lock);
    CHECK(reader_init(&reader, d->segment, d->sizes.segment_bytes, NULL, 0) == ACCORD_OK);
    reader_get(&reader, key, value, sizeof value, &r);
    token_print(&r.token, printed);
    bool has = r.state == ACCORD_HIT || r.state == ACCORD_STALE;
    bool right = load && !has && d->loader < 0;
    if (right)
        d->loader = fd;
    pthread_mutex_unlock(&d->lock);
    const char *state = has     ? state_word((int)r.state)
                        : right ? state_word((int)r.state)
                        : load  ? "busy"
                                : state_word((int)r.state);
    int size = snprintf(
        text, sizeof text,
        "*10\r\n$5\r\nstate\r\n+%s\r\n$5\r\nvalue\r\n$%zu\r\n%.*s\r\n"
        "$5\r\ntoken\r\n+%s\r\n$8\r\nmay_load\r\n:%d\r\n$6\r\nttl_ms\r\n:-1\r\n",
        state, has ? r.value_bytes : 0, has ? (int)r.value_bytes : 0, value, printed, right);
    CHECK(size > 0 && (size_t)size < sizeof text);
    say(fd, text);
}

static void answer_fill(struct daemon *d, int fd, const struct reply_node *args)
{
    struct token token;
    struct item item = {.key = args[2].text, .value = args[3].text, .ttl_ns = UINT64_MAX};

    atomic_fetch_add(&d->fills, 1);
    CHECK(token_parse(args[5].text, &token) == ACCORD_OK);
    pthread_mutex_lock(&d->lock);
    d->loader = -1;
    int status = writer_fill(d->writer, &item, &token, boottime_ns());
    pthread_mutex_unlock(&d->lock);
    say(fd, status == ACCORD_OK ? "+STORED\r\n" : "+REFUSED token\r\n");
}

static void answer(struct daemon *d, int fd, const struct reply_node *args)
{
    if (d->mood == FOREIGN)
        say(fd, "-ERR unknown command\r\n");
    else if (reply_says(&args[1], "ACCORD.ATTACH") && d->mood == REFUSES)
        say(fd, "-NOATTACH another time namespace\r\n");
    else if (reply_says(&args[1], "ACCORD.ATTACH"))
        answer_attach(d, fd);
    else if (reply_says(&args[1], "ACCORD.GET"))
        answer_get(d, fd, args[2].text, args[0].count > 2);
    else if (reply_says(&args[1], "ACCORD.FILL"))
        answer_fill(d, fd, args);
    else if (reply_says(&args[1], "ACCORD.REMOVE"))
        say(fd, "-UNPUBLISHED removed here, queued for the bus (out of paper)\r\n");
    else
        say(fd, d->mood == CHATTY ? "+7@1f\r\n+and another thing\r\n" : "+7@1f\r\n");
}

struct worker {
    struct daemon *d;
    int fd;
};

static void *run_worker(void *argument)
{
    struct worker *w = argument;
    static _Thread_local struct reply_node nodes[128];
    static _Thread_local char in[70000];
    size_t have = 0, count, used;

    for (;;) {
        ssize_t n = read(w->fd, in + have, sizeof in - have);
        if (n <= 0)
            break;
        have += (size_t)n;
        while (w->d->mood != SILENT && reply_parse(bytes_of(in, have), nodes, COUNT_OF(nodes),
                                                   &count, &used) == ACCORD_OK) {
            answer(w->d, w->fd, nodes);
            memmove(in, in + used, have - used);
            have -= used;
        }
    }
    pthread_mutex_lock(&w->d->lock);
    if (w->d->loader == w->fd)
        w->d->loader = -1;
    pthread_mutex_unlock(&w->d->lock);
    free(w);
    return NULL;
}

static void *run_daemon(void *argument)
{
    struct daemon *d = argument;

    for (;;) {
        int fd = accept(d->listener, NULL, NULL), i = atomic_load(&d->worker_count);
        if (fd < 0)
            return NULL;
        struct worker *w = malloc(sizeof *w);
        CHECK(w != NULL && i < 128);
        *w = (struct worker){d, fd};
        d->fds[i] = fd;
        atomic_fetch_add(&d->connections, 1);
        CHECK(pthread_create(&d->workers[i], NULL, run_worker, w) == 0);
        atomic_store(&d->worker_count, i + 1);
    }
}

static struct daemon *daemon_start(enum mood mood)
{
    static uint64_t incarnations = 7;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct daemon *d = calloc(1, sizeof *d);

    CHECK(d != NULL);
    d->mood = mood;
    d->loader = -1;
    d->incarnation = (struct id128){++incarnations, 0xabcdef};
    pthread_mutex_init(&d->lock, NULL);
    make_segment(d);
    if (d->writer)
        lease(d, 60000);
    snprintf(path, sizeof path, "%s/s", test_folder());
    snprintf(address.sun_path, sizeof address.sun_path, "%.100s", path);
    (void)unlink(path);
    d->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(bind(d->listener, (struct sockaddr *)&address, sizeof address) == 0);
    CHECK(listen(d->listener, 64) == 0);
    CHECK(pthread_create(&d->thread, NULL, run_daemon, d) == 0);
    return d;
}

/* As after SIGKILL: the lease word stays as it is. */
static void daemon_stop(struct daemon *d)
{
    shutdown(d->listener, SHUT_RDWR);
    pthread_join(d->thread, NULL);
    close(d->listener);
    for (int i = 0; i < atomic_load(&d->worker_count); i++) {
        shutdown(d->fds[i], SHUT_RDWR);
        pthread_join(d->workers[i], NULL);
        close(d->fds[i]);
    }
    munmap(d->segment, d->sizes.segment_bytes);
    munmap(d->hints, d->sizes.hints_bytes);
    close(d->segment_fd);
    close(d->hints_fd);
    free(d->memory);
    free(d);
}

/* ---- reading ---- */

static char buffer[256];
static struct accord_result r;

static int state_of(struct accord *a, const char *key)
{
    CHECK(accord_get(a, key, strlen(key), buffer, sizeof buffer, &r) == ACCORD_OK);
    return r.state;
}

static bool reads(struct accord *a, const char *key, const char *value)
{
    return state_of(a, key) == ACCORD_HIT && r.value_bytes == strlen(value) &&
           memcmp(buffer, value, r.value_bytes) == 0;
}

static struct accord *opened(void)
{
    struct accord_options o = {.connect_timeout_ms = 300, .request_timeout_ms = 500};
    struct accord *a = NULL;

    CHECK(accord_open(&a, path, &o) == ACCORD_OK && a != NULL);
    return a;
}

TEST(a_hit_comes_out_of_shared_memory_with_no_request)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct reader reader;

    put(d, "k", "value");
    CHECK(reads(a, "k", "value"));
    CHECK(state_of(a, "other") == ACCORD_MISS && r.why == ACCORD_WHY_ABSENT);
    CHECK(accord_get(a, "k", 1, buffer, 2, &r) == ACCORD_E_SIZE && r.value_bytes == 5);
    CHECK(accord_get(a, "k", 1, NULL, 0, &r) == ACCORD_E_SIZE && r.value_bytes == 5);
    CHECK(r.ttl_ms == ACCORD_FOREVER);
    for (int i = 0; i < 200; i++)
        CHECK(reads(a, "k", "value"));
    CHECK(d->gets == 0 && d->connections == 1);
    accord_close(a);
    CHECK(reader_init(&reader, d->segment, d->sizes.segment_bytes, d->hints,
                      d->sizes.hints_bytes) == ACCORD_OK);
    CHECK(reader_count_line(&reader, 0)->hits == 203);
    CHECK(reader_count_line(&reader, 0)->misses == 1);
    daemon_stop(d);
}

TEST(arguments_that_are_none_are_refused)
{
    static char key[ACCORD_KEY_BYTES_MAX + 1];
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_fill_options tags = {.tag_count = ACCORD_TAGS_MAX + 1};
    struct accord_token token = {{0}};

    CHECK(accord_get(a, "", 0, buffer, 1, &r) == ACCORD_E_INVALID);
    CHECK(accord_get(a, key, ACCORD_KEY_BYTES_MAX, buffer, 1, &r) == ACCORD_OK);
    CHECK(accord_get(a, key, ACCORD_KEY_BYTES_MAX + 1, buffer, 1, &r) == ACCORD_E_INVALID);
    CHECK(accord_get(NULL, "k", 1, buffer, 1, &r) == ACCORD_E_INVALID);
    CHECK(accord_get(a, "k", 1, NULL, 1, &r) == ACCORD_E_INVALID);
    CHECK(accord_fill(a, "k", 1, "v", 1, &token, &tags) == ACCORD_E_INVALID);
    CHECK(accord_set(a, "k", 1, NULL, 1, NULL, NULL) == ACCORD_E_INVALID);
    CHECK(strcmp(accord_last_error(), "an argument is not valid") == 0);
    CHECK(accord_remove_by_tag(a, "", NULL, NULL) == ACCORD_E_INVALID);
    CHECK(strstr(accord_last_error(), "has 1 to 8192 bytes") != NULL);
    CHECK(accord_remove(a, "k", 1, &(struct accord_remove_options){.flags = 4}, NULL) ==
          ACCORD_E_INVALID);
    accord_close(a);
    accord_close(NULL);
    accord_watch_close(NULL);
    daemon_stop(d);
}

TEST(a_daemon_that_says_more_than_it_was_asked_is_not_listened_to)
{
    struct daemon *d = daemon_start(CHATTY_1);
    struct accord_options o = {.connect_timeout_ms = 300, .request_timeout_ms = 500};
    struct accord *a = NULL;

    CHECK(accord_open(&a, path, &o) == ACCORD_E_FORMAT);
    CHECK(a == NULL);
    daemon_stop(d);
    d = daemon_start(CHATTY);
    a = opened();
    for (int i = 0; i < 3; i++) /* each answer is the one to its own question */
        CHECK(accord_clear(a, "users", NULL, NULL) == ACCORD_OK);
    CHECK(d->connections == 3);
    accord_close(a);
    daemon_stop(d);
}

TEST(opening_says_why_it_failed)
{
    struct accord *a = NULL;
    char longer[200];

    CHECK(accord_open(&a, "/nowhere/accord.sock", NULL) == ACCORD_E_DOWN && !a);
    CHECK(strstr(accord_last_error(), "accord serve") != NULL);
    memset(longer, 'x', sizeof longer);
    longer[108] = 0;
    CHECK(accord_open(&a, longer, NULL) == ACCORD_E_INVALID && !a);
    longer[107] = 0;
    CHECK(accord_open(&a, longer, NULL) == ACCORD_E_DOWN && !a);
    struct daemon *d = daemon_start(FOREIGN);
    CHECK(accord_open(&a, path, NULL) == ACCORD_E_UNSUPPORTED && !a);
    CHECK(strstr(accord_last_error(), "not an Accord daemon") != NULL);
    daemon_stop(d);
}

TEST(a_daemon_that_hangs_at_open_costs_the_timeout)
{
    struct daemon *d = daemon_start(SILENT);
    struct accord_options o = {.connect_timeout_ms = 100};
    struct accord *a = NULL;
    uint64_t began_ns = boottime_ns();

    CHECK(accord_open(&a, path, &o) == ACCORD_E_TIMEOUT && !a);
    CHECK(boottime_ns() - began_ns < 20000 * NS_PER_MS);
    daemon_stop(d);
}

/* Whatever is wrong with what the daemon gives, reads go over the socket. */
TEST(where_the_segment_cannot_be_mapped_reads_go_over_the_socket)
{
    static const enum mood moods[] = {REFUSES, UNSEALED, SHORT, OTHER_NAME, ONE_FD};

    for (size_t i = 0; i < COUNT_OF(moods); i++) {
        struct daemon *d = daemon_start(moods[i]);
        struct accord *a = opened();
        struct accord_borrow borrow;
        put(d, "k", "value");
        CHECK(reads(a, "k", "value"));
        CHECK(d->gets == 1);
        CHECK(state_of(a, "other") == ACCORD_MISS);
        CHECK(accord_borrow(a, "k", 1, &borrow, &r) == ACCORD_OK && r.state == ACCORD_HIT);
        CHECK(borrow.value_bytes == 5 && memcmp(borrow.value, "value", 5) == 0);
        CHECK(accord_release(a, &borrow) == ACCORD_OK);
        struct accord_read many[] = {{"k", 1, buffer, 100, {0}}, {"x", 1, buffer, 9, {0}}};
        CHECK(accord_get_many(a, many, 2) == ACCORD_OK);
        CHECK(many[0].result.state == ACCORD_HIT && many[1].result.state == ACCORD_MISS);
        daemon_stop(d);
        CHECK(state_of(a, "k") == ACCORD_UNSURE);
        accord_close(a);
    }
    struct daemon *d = daemon_start(GARBAGE);
    accord_close(opened());
    daemon_stop(d);
}

TEST(a_refusal_is_not_for_ever)
{
    struct daemon *d = daemon_start(REFUSES);
    struct accord *a = opened();

    put(d, "k", "value");
    CHECK(reads(a, "k", "value") && d->gets == 1);
    d->mood = HONEST;
    usleep(1100000);
    CHECK(reads(a, "k", "value") && d->gets == 2);
    CHECK(reads(a, "k", "value") && d->gets == 2);
    accord_close(a);
    daemon_stop(d);
}

/* ---- restarts ---- */

TEST(after_a_restart_reads_are_unsure_and_then_hits_again)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();

    put(d, "k", "old");
    CHECK(reads(a, "k", "old"));
    lease(d, 0);
    daemon_stop(d);
    CHECK(state_of(a, "k") == ACCORD_UNSURE);
    d = daemon_start(HONEST);
    put(d, "k", "new");
    for (int i = 0; i < 100 && state_of(a, "k") != ACCORD_HIT; i++)
        usleep(10000);
    CHECK(reads(a, "k", "new"));
    CHECK(d->connections == 1);
    accord_close(a);
    daemon_stop(d);
}

TEST(while_a_living_daemon_is_unsure_it_is_not_asked_again_and_again)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();

    lease(d, 0);
    for (int i = 0; i < 300; i++) {
        CHECK(state_of(a, "k") == ACCORD_UNSURE);
        usleep(1000);
    }
    CHECK(d->connections == 1 && d->attaches == 1);
    lease(d, 60000);
    CHECK(state_of(a, "k") == ACCORD_MISS);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_request_after_a_restart_attaches_first)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_position p;

    put(d, "k", "old");
    daemon_stop(d); /* killed: its lease still runs */
    CHECK(reads(a, "k", "old"));
    d = daemon_start(HONEST);
    put(d, "k", "new");
    CHECK(reads(a, "k", "old"));
    CHECK(accord_clear(a, "x", NULL, &p) == ACCORD_OK && p.value == 7 && p.epoch == 0x1f);
    CHECK(reads(a, "k", "new"));
    accord_close(a);
    daemon_stop(d);
}

TEST(a_borrow_outlives_the_mapping_it_was_made_in)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_borrow borrow;

    put(d, "k", "old");
    lease(d, 200);
    CHECK(accord_borrow(a, "k", 1, &borrow, &r) == ACCORD_OK && r.state == ACCORD_HIT);
    daemon_stop(d);
    usleep(250000);
    d = daemon_start(HONEST);
    put(d, "k", "new");
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    CHECK(reads(a, "k", "new"));
    CHECK(memcmp(borrow.value, "old", 3) == 0); /* still mapped */
    CHECK(accord_release(a, &borrow) == ACCORD_E_GONE);
    CHECK(accord_release(a, &borrow) == ACCORD_OK); /* again: nothing is held */
    CHECK(accord_borrow(a, "k", 1, &borrow, &r) == ACCORD_OK && r.state == ACCORD_HIT);
    CHECK(accord_release(a, &borrow) == ACCORD_OK);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_thread_may_hold_31_borrows)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_borrow borrows[32];

    put(d, "k", "value");
    for (int i = 0; i < 31; i++)
        CHECK(accord_borrow(a, "k", 1, &borrows[i], &r) == ACCORD_OK);
    CHECK(accord_borrow(a, "k", 1, &borrows[31], &r) == ACCORD_E_FULL);
    CHECK(accord_release(a, &borrows[7]) == ACCORD_OK);
    CHECK(accord_borrow(a, "k", 1, &borrows[7], &r) == ACCORD_OK);
    for (int i = 0; i < 31; i++)
        CHECK(accord_release(a, &borrows[i]) == ACCORD_OK);
    for (int i = 0; i < 100; i++) { /* a miss holds nothing */
        CHECK(accord_borrow(a, "x", 1, &borrows[0], &r) == ACCORD_OK);
        CHECK(r.state == ACCORD_MISS && borrows[0].value == NULL);
    }
    accord_close(a);
    daemon_stop(d);
}

struct reading {
    struct accord *a;
    atomic_bool *stop;
    atomic_uint hits, unsure, wrong;
};

static void *read_on(void *argument)
{
    struct reading *reading = argument;
    char value[64];
    struct accord_result result;

    while (!atomic_load(reading->stop)) {
        if (accord_get(reading->a, "k", 1, value, sizeof value, &result) != ACCORD_OK)
            atomic_fetch_add(&reading->wrong, 1);
        else if (result.state == ACCORD_HIT)
            atomic_fetch_add(memcmp(value, "value", 5) == 0 ? &reading->hits : &reading->wrong,
                             1);
        else if (result.state == ACCORD_UNSURE)
            atomic_fetch_add(&reading->unsure, 1);
    }
    return NULL;
}

TEST(four_threads_read_through_five_restarts)
{
    static atomic_bool stop;
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    static struct reading reading;
    pthread_t threads[4];

    reading = (struct reading){.a = a, .stop = &stop};
    put(d, "k", "value");
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, read_on, &reading) == 0);
    for (int i = 0; i < 5; i++) {
        usleep(20000);
        lease(d, 0);
        daemon_stop(d);
        unsigned unsure = atomic_load(&reading.unsure);
        while (atomic_load(&reading.unsure) == unsure)
            usleep(1000);
        d = daemon_start(HONEST);
        put(d, "k", "value");
        unsigned hits = atomic_load(&reading.hits);
        while (atomic_load(&reading.hits) == hits)
            usleep(1000);
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(atomic_load(&reading.wrong) == 0);
    accord_close(a);
    daemon_stop(d);
}

/* ---- requests ---- */

TEST(the_daemons_own_words_are_kept_for_people)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct accord_position p = {1, 2};

    CHECK(accord_remove(a, "k", 1, NULL, &p) == ACCORD_E_UNPUBLISHED);
    CHECK(p.epoch == 1 && p.value == 2); /* untouched */
    CHECK(strstr(accord_last_error(), "out of paper") != NULL);
    CHECK(accord_sync(a, &p, 100) == ACCORD_OK);
    CHECK(accord_status(a, buffer, sizeof buffer) == ACCORD_E_FORMAT);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_request_that_is_not_answered_ends_in_time_and_the_next_has_a_new_connection)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();

    d->mood = SILENT;
    uint64_t began_ns = boottime_ns();
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_E_TIMEOUT);
    CHECK(boottime_ns() - began_ns < 20000 * NS_PER_MS);
    d->mood = HONEST;
    CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    CHECK(d->connections == 2);
    accord_close(a);
    daemon_stop(d);
}

static void *clear_often(void *a)
{
    for (int i = 0; i < 50; i++)
        CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    return NULL;
}

TEST(eight_threads_share_at_most_eight_connections)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    pthread_t threads[8];

    for (int i = 0; i < 8; i++)
        CHECK(pthread_create(&threads[i], NULL, clear_often, a) == 0);
    for (int i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    CHECK(d->connections <= 8);
    accord_close(a);
    daemon_stop(d);
}

/* ---- loading ---- */

struct source {
    struct daemon *d;
    const char *value; /* NULL: the loader fails */
    bool negative, remove;
    int loads, releases;
    const char *const *tags;
    size_t tag_count;
};

static void source_release(void *context)
{
    ((struct source *)context)->releases++;
}

static int source_load(void *context, struct accord_loaded *out)
{
    struct source *s = context;

    s->loads++;
    if (s->remove) {
        pthread_mutex_lock(&s->d->lock);
        (void)writer_remove_key(s->d->writer, bytes_of("k", 1), false, boottime_ns());
        pthread_mutex_unlock(&s->d->lock);
    }
    if (!s->value && !s->negative)
        return -1;
    out->value = s->value;
    out->value_bytes = s->value ? strlen(s->value) : 0;
    out->options.negative = s->negative;
    out->options.tags = s->tags;
    out->options.tag_count = s->tag_count;
    out->release = source_release;
    return 0;
}

static int source_load_nowhere(void *context, struct accord_loaded *out)
{
    (void)context;
    out->value_bytes = 5;
    return 0;
}

static int get_or_set(struct accord *a, struct source *s)
{
    return accord_get_or_set(a, "k", 1, source_load, s, NULL, buffer, sizeof buffer, &r);
}

TEST(get_or_set_loads_once_and_then_hits)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded"};

    for (int i = 0; i < 3; i++) {
        CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_HIT);
        CHECK(r.value_bytes == 6 && memcmp(buffer, "loaded", 6) == 0);
    }
    CHECK(s.loads == 1 && s.releases == 1 && d->fills == 1);
    CHECK(accord_get_or_set(a, "k", 1, source_load, &s, NULL, buffer, 3, &r) == ACCORD_E_SIZE);
    CHECK(r.value_bytes == 6 && memcmp(buffer, "loa", 3) == 0);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_value_that_was_removed_while_it_was_loaded_is_given_but_not_kept)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded", .remove = true};

    CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_UNSURE);
    CHECK(r.value_bytes == 6 && memcmp(buffer, "loaded", 6) == 0);
    CHECK(state_of(a, "k") == ACCORD_MISS);
    s.remove = false;
    CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_HIT && s.loads == 2);
    accord_close(a);
    daemon_stop(d);
}

TEST(a_loader_that_fails_gives_the_right_back)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source bad = {.d = d, .value = NULL}, good = {.d = d, .value = "loaded"};

    CHECK(get_or_set(a, &bad) == ACCORD_E_LOADER && bad.releases == 0);
    for (int i = 0; i < 100 && d->loader >= 0; i++)
        usleep(1000);
    CHECK(d->loader == -1);
    CHECK(get_or_set(a, &good) == ACCORD_OK && r.state == ACCORD_HIT);
    accord_close(a);
    daemon_stop(d);
}

TEST(what_a_loader_failed_at_is_said)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source bad = {.d = d, .value = NULL}, good = {.d = d, .value = "loaded"};
    static const char *const many[ACCORD_TAGS_MAX + 1];

    CHECK(get_or_set(a, &bad) == ACCORD_E_LOADER);
    CHECK(strcmp(accord_last_error(), "the loader of \"k\" answered -1: nothing is stored") ==
          0);
    CHECK(accord_get_or_set(a, "k\n", 2, source_load_nowhere, &bad, NULL, NULL, 0, &r) ==
          ACCORD_E_LOADER);
    CHECK(strcmp(accord_last_error(),
                 "the loader of \"k?\" gave 5 bytes at NULL: nothing is stored") == 0);
    good.tags = many;
    good.tag_count = COUNT_OF(many);
    CHECK(get_or_set(a, &good) == ACCORD_OK && r.state == ACCORD_UNSURE && good.releases == 1);
    CHECK(strcmp(accord_last_error(),
                 "what was loaded is not kept: a key has at most 32 tags, of 1 to 8192 bytes "
                 "each") == 0);
    accord_close(a);
    daemon_stop(d);
}

TEST(who_is_told_busy_loads_without_the_right)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded"};

    d->loader = 9999; /* somebody else */
    CHECK(get_or_set(a, &s) == ACCORD_OK && s.loads == 1);
    CHECK(memcmp(buffer, "loaded", 6) == 0);
    accord_close(a);
    daemon_stop(d);
}

TEST(with_no_daemon_the_origin_still_answers)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    struct source s = {.d = d, .value = "loaded"};

    lease(d, 0);
    daemon_stop(d);
    CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_UNSURE && s.releases == 1);
    CHECK(r.value_bytes == 6 && memcmp(buffer, "loaded", 6) == 0);
    s.value = NULL;
    CHECK(get_or_set(a, &s) == ACCORD_E_LOADER);
    accord_close(a);
}

static struct accord *opened_anyway(void)
{
    struct accord_options o = {.connect_timeout_ms = 300,
                               .request_timeout_ms = 500,
                               .flags = ACCORD_OPEN_WITHOUT_DAEMON};
    struct accord *a = NULL;

    CHECK(accord_open(&a, path, &o) == ACCORD_OK && a != NULL);
    return a;
}

TEST(a_handle_opened_before_its_daemon_loads_and_then_attaches)
{
    struct source s = {.value = "loaded"};
    struct accord_position p;
    char line[100];

    snprintf(path, sizeof path, "%s/s", test_folder());
    struct accord *a = opened_anyway();
    CHECK(strstr(accord_last_error(), "no daemon answers") != NULL);
    CHECK(state_of(a, "k") == ACCORD_UNSURE);
    CHECK(get_or_set(a, &s) == ACCORD_OK && r.state == ACCORD_UNSURE && s.releases == 1);
    CHECK(r.value_bytes == 6 && memcmp(buffer, "loaded", 6) == 0);
    CHECK(accord_status(a, line, sizeof line) == ACCORD_E_DOWN);
    CHECK(accord_clear(a, "x", NULL, &p) == ACCORD_E_DOWN);
    struct daemon *d = daemon_start(HONEST);
    put(d, "k", "value");
    CHECK(reads(a, "k", "value") && accord_clear(a, "x", NULL, &p) == ACCORD_OK);
    CHECK(d->connections == 1 && d->gets <= 1); /* mapped by the first that asks */
    accord_close(a);
    daemon_stop(d);
}

TEST(whatever_is_wrong_with_the_daemon_a_handle_may_be_had_and_no_more_than_that)
{
    struct accord_options o = {.flags = ACCORD_OPEN_WITHOUT_DAEMON}, none = {.flags = 2};
    struct accord *a = NULL;
    char longer[200];

    struct daemon *d = daemon_start(SILENT);
    a = opened_anyway();
    CHECK(strstr(accord_last_error(), "did not answer") != NULL);
    accord_close(a);
    daemon_stop(d);
    d = daemon_start(FOREIGN);
    a = opened_anyway();
    CHECK(strstr(accord_last_error(), "not an Accord daemon") != NULL);
    CHECK(state_of(a, "k") == ACCORD_UNSURE);
    accord_close(a);
    daemon_stop(d);
    a = NULL;
    memset(longer, 'x', sizeof longer);
    longer[108] = 0;
    CHECK(accord_open(&a, longer, &o) == ACCORD_E_INVALID && !a);
    CHECK(accord_open(&a, path, &none) == ACCORD_E_INVALID && !a);
    CHECK(strstr(accord_last_error(), "flag") != NULL);
    CHECK(accord_open(&a, "tcp://127.0.0.1:6379", &o) == ACCORD_E_INVALID && !a);
    CHECK(strstr(accord_last_error(), "unix socket") != NULL);
    CHECK(accord_open(&a, "", NULL) == ACCORD_E_INVALID && !a);
}

/* ---- fork ---- */

static int child_works(struct accord *a)
{
    if (!reads(a, "k", "value"))
        return 1;
    if (accord_clear(a, "x", NULL, NULL) != ACCORD_OK)
        return 2;
    pid_t grandchild = fork();
    if (grandchild == 0)
        _exit(reads(a, "k", "value") && accord_clear(a, "x", NULL, NULL) == ACCORD_OK ? 0 : 1);
    int status = -1;
    if (waitpid(grandchild, &status, 0) != grandchild || status != 0)
        return 3;
    accord_close(a);
    return 0;
}

TEST(parent_and_children_go_on_with_connections_of_their_own)
{
    struct daemon *d = daemon_start(HONEST);
    struct accord *a = opened();
    pid_t children[4];
    pthread_t busy;
    int status = -1;

    put(d, "k", "value");
    CHECK(pthread_create(&busy, NULL, clear_often, a) == 0); /* forks in mid-request */
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(child_works(a));
        CHECK(children[i] > 0);
        CHECK(reads(a, "k", "value"));
        CHECK(accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    }
    for (int i = 0; i < 4; i++)
        CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
    pthread_join(busy, NULL);
    CHECK(reads(a, "k", "value") && accord_clear(a, "x", NULL, NULL) == ACCORD_OK);
    accord_close(a);
    daemon_stop(d);
}
