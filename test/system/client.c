/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* client.c - programs that use libaccord as applications do; client.sh runs them against a real
 * daemon, and kills either. Usage: client WHAT [ARGUMENT…], at $ACCORD_SOCKET. */
#include <accord.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CHECK(e)                                                                               \
    do {                                                                                       \
        if (!(e)) {                                                                            \
            fprintf(stderr, "client.c:%d: %s (%s)\n", __LINE__, #e, accord_last_error());      \
            exit(1);                                                                           \
        }                                                                                      \
    } while (0)

enum { THREADS = 8, KEYS = 64 };

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static struct accord *opened(void)
{
    struct accord *a = NULL;

    CHECK(accord_open(&a, NULL, NULL) == ACCORD_OK);
    return a;
}

/* ---- an origin whose value of a key is known: "<key>=<key>=…" of some length ---- */

static size_t value_of(const char *key, char *value)
{
    size_t size = 0, key_size = strlen(key), times = 1 + (unsigned char)key[key_size - 1] % 40;

    for (size_t i = 0; i < times; i++) {
        memcpy(value + size, key, key_size);
        value[size + key_size] = '=';
        size += key_size + 1;
    }
    return size;
}

struct row {
    const char *key;
    char value[4096];
    unsigned sleep_ms;
    int loads;
};

static int load(void *context, struct accord_loaded *out)
{
    struct row *row = context;

    row->loads++;
    if (row->sleep_ms > 0)
        usleep(row->sleep_ms * 1000);
    out->value = row->value;
    out->value_bytes = value_of(row->key, row->value);
    return 0;
}

static bool is_value_of(const char *key, const char *value, size_t size)
{
    char expected[4096];

    return size == value_of(key, expected) && memcmp(value, expected, size) == 0;
}

/* Any way of reading, and whatever comes is the key's value or none. */
static int read_somehow(struct accord *a, const char *key, unsigned way)
{
    char value[4096];
    struct accord_result r;
    struct accord_borrow borrow;
    struct row row = {.key = key};

    switch (way % 4) {
    case 0:
        CHECK(accord_get_or_set(a, key, strlen(key), load, &row, NULL, value, sizeof value,
                                &r) == ACCORD_OK);
        CHECK(is_value_of(key, value, r.value_bytes));
        break;
    case 1:
        CHECK(accord_borrow(a, key, strlen(key), &borrow, &r) == ACCORD_OK);
        bool right = !borrow.value || is_value_of(key, borrow.value, borrow.value_bytes);
        int released = accord_release(a, &borrow);
        CHECK(right || released == ACCORD_E_GONE);
        break;
    case 2: {
        struct accord_read reads[2] = {{key, strlen(key), value, 2000, {0}},
                                       {key, strlen(key), value + 2000, 2000, {0}}};
        CHECK(accord_get_many(a, reads, 2) == ACCORD_OK);
        for (int i = 0; i < 2; i++)
            CHECK(reads[i].result.state != ACCORD_HIT ||
                  is_value_of(key, reads[i].buffer, reads[i].result.value_bytes));
        r = reads[0].result;
        break;
    }
    default:
        CHECK(accord_get(a, key, strlen(key), value, sizeof value, &r) == ACCORD_OK);
        CHECK(r.state != ACCORD_HIT || is_value_of(key, value, r.value_bytes));
    }
    return r.state;
}

/* A bus that is slow at the moment is no failure of a client: removed here, and queued. */
static void remove_key(struct accord *a, const char *key)
{
    int status = accord_remove(a, key, strlen(key), NULL, NULL);

    CHECK(status == ACCORD_OK || status == ACCORD_E_UNPUBLISHED);
}

/* ---- threads ---- */

struct job {
    struct accord *a;
    unsigned number;
    double until_s;
    unsigned long hits, others;
};

static void *work(void *argument)
{
    struct job *job = argument;
    unsigned rng = job->number * 7919 + 1;
    char key[32];

    while (now_s() < job->until_s) {
        rng = rng * 1664525 + 1013904223;
        snprintf(key, sizeof key, "key-%u", (rng >> 8) % KEYS);
        if ((rng >> 20) % 200 == 0) {
            remove_key(job->a, key);
            continue;
        }
        if (read_somehow(job->a, key, rng >> 16) == ACCORD_HIT)
            job->hits++;
        else
            job->others++;
    }
    return NULL;
}

static int threads(double seconds)
{
    struct accord *a = opened();
    struct job jobs[THREADS];
    pthread_t ids[THREADS];
    unsigned long hits = 0, others = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        jobs[i] = (struct job){.a = a, .number = i, .until_s = now_s() + seconds};
        CHECK(pthread_create(&ids[i], NULL, work, &jobs[i]) == 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(ids[i], NULL);
        hits += jobs[i].hits;
        others += jobs[i].others;
    }
    accord_close(a);
    printf("%lu hits, %lu others\n", hits, others);
    CHECK(hits > 1000);
    return 0;
}

/* ---- fork ---- */

static void use(struct accord *a, const char *who)
{
    char key[64];

    for (unsigned i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "%s-%u", who, i % 10);
        (void)read_somehow(a, key, 0);
        (void)read_somehow(a, key, i);
        if (i % 10 == 9)
            remove_key(a, key);
    }
}

/* As a prefork server does: open, fork, and serve; with threads at work while it forks. */
static int forks(void)
{
    struct accord *a = opened();
    struct job job = {.a = a, .number = 1, .until_s = now_s() + 1};
    pthread_t busy;
    pid_t children[4];

    use(a, "parent");
    CHECK(pthread_create(&busy, NULL, work, &job) == 0);
    for (int i = 0; i < 4; i++) {
        children[i] = fork();
        CHECK(children[i] >= 0);
        if (children[i] == 0) {
            char who[32];
            snprintf(who, sizeof who, "child-%d", i);
            use(a, who);
            use(a, "shared");
            accord_close(a);
            _exit(0);
        }
        use(a, "shared");
    }
    for (int i = 0; i < 4; i++) {
        int status = -1;
        CHECK(waitpid(children[i], &status, 0) == children[i] && status == 0);
    }
    pthread_join(busy, NULL);
    use(a, "parent");
    accord_close(a);
    return 0;
}

/* ---- a daemon that is killed and comes back ---- */

static atomic_int reached[3]; /* readers that saw: a hit, then unsure, then a hit again */

static void *through_restart(void *argument)
{
    static const int wanted[3] = {ACCORD_HIT, ACCORD_UNSURE, ACCORD_HIT};
    double until_s = now_s() + 60;
    unsigned way = 0;

    for (int stage = 0; stage < 3 && now_s() < until_s; way++) {
        /* Loading fills the new daemon's cache; while there is none, it answers UNSURE. */
        int state = read_somehow(argument, "key-1", stage == 1 ? 3 : way % 2 ? 0 : 3);
        if (state == wanted[stage])
            atomic_fetch_add(&reached[stage++], 1);
        usleep(500);
    }
    return NULL;
}

static int restart(void)
{
    struct accord *a = opened();
    pthread_t ids[4];
    bool said = false;

    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&ids[i], NULL, through_restart, a) == 0);
    while (!said && atomic_load(&reached[1]) < 4) {
        if (atomic_load(&reached[0]) == 4) {
            puts("hits");
            fflush(stdout);
            said = true;
        }
        usleep(1000);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(ids[i], NULL);
    printf("%d hit, %d unsure, %d hit again\n", reached[0], reached[1], reached[2]);
    CHECK(reached[2] == 4);
    accord_close(a);
    return 0;
}

/* ---- a daemon that is stopped, and goes on ---- */

enum { STOPPED_CALLS = 100, STOPPED_MS = 500 }; /* of each thread; what one may take */

static pid_t stopped;

static void go_on(void)
{
    kill(stopped, SIGCONT);
}

/* Whether it has come to a halt: kill() does not wait for that. */
static bool has_stopped(void)
{
    char path[64], state = '?';

    snprintf(path, sizeof path, "/proc/%d/stat", (int)stopped);
    FILE *f = fopen(path, "r");
    CHECK(f && fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
    fclose(f);
    return state == 'T';
}

static void *call_stopped(void *argument)
{
    struct accord *a = argument;
    struct accord_result r;
    char value[4096], key[32];

    for (unsigned i = 0; i < STOPPED_CALLS; i++) {
        snprintf(key, sizeof key, "stopped-%u", i);
        struct row row = {.key = key};
        CHECK(accord_get_or_set(a, key, strlen(key), load, &row, NULL, value, sizeof value,
                                &r) == ACCORD_OK);
        CHECK(row.loads == 1 && is_value_of(key, value, r.value_bytes));
        CHECK(accord_remove(a, key, strlen(key), NULL, NULL) == ACCORD_E_TIMEOUT);
    }
    return NULL;
}

/* Stops the daemon of that pid under eight threads: each call of each would pay its timeout, so
 * that it would take at least 100 x 2 x 0.5 s. */
static int stops(const char *pid)
{
    struct accord_options o = {.connect_timeout_ms = STOPPED_MS,
                               .request_timeout_ms = STOPPED_MS,
                               .load_wait_ms = STOPPED_MS};
    pthread_t ids[THREADS];
    struct accord *a = NULL;

    CHECK(accord_open(&a, NULL, &o) == ACCORD_OK);
    use(a, "before");
    stopped = (pid_t)strtol(pid, NULL, 10);
    CHECK(atexit(go_on) == 0 && kill(stopped, SIGSTOP) == 0);
    while (!has_stopped())
        usleep(1000);
    double began_s = now_s();
    for (unsigned i = 0; i < THREADS; i++)
        CHECK(pthread_create(&ids[i], NULL, call_stopped, a) == 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(ids[i], NULL);
    double took_s = now_s() - began_s;
    printf("stopped: %.1f s\n", took_s);
    CHECK(took_s < 40 * STOPPED_MS / 1000.0);
    go_on();
    while (accord_remove(a, "stopped-1", 9, NULL, NULL) != ACCORD_OK && now_s() < began_s + 60)
        usleep(10000);
    CHECK(accord_remove(a, "stopped-1", 9, NULL, NULL) == ACCORD_OK);
    accord_close(a);
    return 0;
}

/* ---- to be killed in the middle of something ---- */

static int for_ever(const char *what)
{
    struct accord *a = opened();
    struct accord_result r;
    char value[4096], key[32];

    puts("begun");
    fflush(stdout);
    for (unsigned i = 0;; i++) {
        snprintf(key, sizeof key, "key-%u", i % KEYS);
        if (strcmp(what, "read") == 0) {
            (void)read_somehow(a, key, i);
        } else {
            CHECK(accord_get(a, key, strlen(key), NULL, 0, &r) != ACCORD_E_INVALID);
            (void)accord_fill(a, key, strlen(key), value, value_of(key, value), &r.token, NULL);
        }
    }
}

/* Holds the right to load KEY and never lets go. */
static int hang(void *context, struct accord_loaded *out)
{
    (void)context;
    (void)out;
    puts("loading");
    fflush(stdout);
    while (pause() < 0)
        ;
    return -1;
}

static int hold(const char *key)
{
    struct accord_result r;
    char value[100];

    return accord_get_or_set(opened(), key, strlen(key), hang, NULL, NULL, value, sizeof value,
                             &r);
}

/* Gets KEY, loading it if it must; says how long that took. Waits for others up to WAIT ms. */
static int load_one(const char *key, const char *wait_ms, const char *sleep_ms)
{
    struct accord_options o = {.load_wait_ms = (uint32_t)strtoul(wait_ms, NULL, 10)};
    struct row row = {.key = key, .sleep_ms = (unsigned)strtoul(sleep_ms, NULL, 10)};
    struct accord_result r;
    struct accord *a;
    char value[4096];
    double began_s = now_s();

    CHECK(accord_open(&a, NULL, &o) == ACCORD_OK);
    CHECK(accord_get_or_set(a, key, strlen(key), load, &row, NULL, value, sizeof value, &r) ==
          ACCORD_OK);
    CHECK(is_value_of(key, value, r.value_bytes));
    printf("%s state %d after %.0f ms\n", row.loads ? "loaded" : "given", r.state,
           (now_s() - began_s) * 1000);
    accord_close(a);
    return 0;
}

/* ---- everything once ---- */

static void watching(struct accord *a)
{
    struct accord_watch *w;
    struct accord_change c;
    struct accord_position p;

    CHECK(accord_watch(a, "every*", &w) == ACCORD_OK);
    /* Changes made before may still be on their way back through the log. */
    while (accord_watch_next(w, 100, &c) != ACCORD_E_TIMEOUT)
        ;
    CHECK(accord_remove(a, "every-2", 7, NULL, &p) == ACCORD_OK);
    CHECK(accord_watch_next(w, 5000, &c) == ACCORD_OK);
    CHECK(strcmp(c.op, "remove") == 0 && c.key_bytes == 7 && memcmp(c.key, "every-2", 7) == 0);
    CHECK(c.origin[0] && !c.soft && c.position.value == p.value && c.position.epoch == p.epoch);
    accord_watch_close(w);
}

static void filling(struct accord *a)
{
    static const char *const tags[] = {"red", "blue"};
    struct accord_fill_options o = {.ttl_ms = 60000, .tags = tags, .tag_count = 2};
    struct accord_fill_options negative = {.negative = 1};
    struct accord_result r, before;
    char value[100];

    CHECK(accord_get(a, "every-1", 7, value, 100, &r) == ACCORD_OK && r.state == ACCORD_MISS);
    CHECK(accord_fill(a, "every-1", 7, "one", 3, &r.token, &o) == ACCORD_OK);
    CHECK(accord_get(a, "every-1", 7, value, 100, &before) == ACCORD_OK);
    CHECK(before.state == ACCORD_HIT && before.ttl_ms > 0 && before.ttl_ms <= 60000);
    CHECK(accord_remove_by_tag(a, "blue", NULL, NULL) == ACCORD_OK);
    CHECK(accord_get(a, "every-1", 7, value, 100, &r) == ACCORD_OK && r.state == ACCORD_MISS);
    CHECK(accord_fill(a, "every-1", 7, "one", 3, &before.token, &o) == ACCORD_E_TOKEN);
    CHECK(accord_fill(a, "every-1", 7, NULL, 0, &r.token, &negative) == ACCORD_OK);
    CHECK(accord_get(a, "every-1", 7, value, 100, &r) == ACCORD_OK);
    CHECK(r.state == ACCORD_NEGATIVE && r.negative);
}

static int everything(const char *address)
{
    struct accord_position p;
    struct accord_result r;
    struct accord *a;
    struct accord_fill_options longest = {.ttl_ms = ACCORD_FOREVER - 1};
    char value[100], line[200], *large = calloc(1, 17 << 20);

    CHECK(large && accord_open(&a, address, NULL) == ACCORD_OK);
    filling(a);
    CHECK(accord_set(a, "every-3", 7, "three", 5, NULL, &p) == ACCORD_OK && p.value > 0);
    CHECK(accord_sync(a, &p, 5000) == ACCORD_OK);
    CHECK(accord_sync(a, NULL, 5000) == ACCORD_OK);
    CHECK(accord_get(a, "every-3", 7, value, 100, &r) == ACCORD_OK && r.state == ACCORD_HIT);
    CHECK(accord_clear(a, "*", NULL, &p) == ACCORD_OK);
    CHECK(accord_get(a, "every-3", 7, value, 100, &r) == ACCORD_OK && r.state == ACCORD_MISS);
    CHECK(accord_set(a, "every-4", 7, "old", 3, NULL, NULL) == ACCORD_OK);
    CHECK(accord_set(a, "every-4", 7, large, 4000000, NULL, NULL) == ACCORD_E_SIZE);
    CHECK(accord_get(a, "every-4", 7, value, 100, &r) == ACCORD_OK && r.state == ACCORD_MISS);
    CHECK(accord_set(a, "every-4", 7, "old", 3, NULL, NULL) == ACCORD_OK);
    CHECK(accord_set(a, "every-4", 7, large, 17 << 20, NULL, &p) == ACCORD_E_SIZE);
    CHECK(accord_get(a, "every-4", 7, value, 100, &r) == ACCORD_OK && r.state == ACCORD_MISS);
    CHECK(accord_set(a, "every-4", 7, large, 100000, &longest, NULL) == ACCORD_OK);
    CHECK(accord_get(a, "every-4", 7, value, 100, &r) == ACCORD_E_SIZE);
    CHECK(r.value_bytes == 100000);
    watching(a);
    CHECK(accord_status(a, line, sizeof line) == ACCORD_OK && strncmp(line, "fresh", 5) == 0);
    CHECK(accord_status(a, line, 4) == ACCORD_OK && strcmp(line, "fre") == 0);
    accord_close(a);
    free(large);
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    if (strcmp(what, "everything") == 0)
        return everything(argc > 2 ? argv[2] : NULL);
    if (strcmp(what, "threads") == 0 && argc == 3)
        return threads(strtod(argv[2], NULL));
    if (strcmp(what, "forks") == 0)
        return forks();
    if (strcmp(what, "stops") == 0 && argc == 3)
        return stops(argv[2]);
    if (strcmp(what, "restart") == 0)
        return restart();
    if (strcmp(what, "for-ever") == 0 && argc == 3)
        return for_ever(argv[2]);
    if (strcmp(what, "hold") == 0 && argc == 3)
        return hold(argv[2]);
    if (strcmp(what, "load") == 0 && argc == 5)
        return load_one(argv[2], argv[3], argv[4]);
    fprintf(stderr, "see client.c\n");
    return 2;
}
