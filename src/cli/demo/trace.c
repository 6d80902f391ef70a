/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Numbers keys in the order in which they first appear; by their hash, which is wide enough. */
struct numbers {
    uint64_t *hashes; /* 0: free */
    uint32_t *values;
    size_t slots; /* a power of two */
    size_t count;
};

struct trace {
    FILE *file;
    pid_t decompressor; /* 0: none */
};

static int fail_with(char *why, int status, const char *path, const char *what)
{
    snprintf(why, DEMO_KEYS_WHY_BYTES_MAX, "%s: %s", path, what);
    return status;
}

static size_t slot_of(const struct numbers *n, uint64_t hash)
{
    size_t slot = (size_t)hash & (n->slots - 1);

    while (n->hashes[slot] != 0 && n->hashes[slot] != hash)
        slot = (slot + 1) & (n->slots - 1);
    return slot;
}

static bool numbers_grow(struct numbers *n)
{
    struct numbers larger = {.slots = n->slots ? 2 * n->slots : 4096, .count = n->count};

    larger.hashes = calloc(larger.slots, sizeof *larger.hashes);
    larger.values = malloc(larger.slots * sizeof *larger.values);
    if (!larger.hashes || !larger.values) {
        free(larger.hashes);
        free(larger.values);
        return false;
    }
    for (size_t i = 0; i < n->slots; i++) {
        if (n->hashes[i] == 0)
            continue;
        size_t slot = slot_of(&larger, n->hashes[i]);
        larger.hashes[slot] = n->hashes[i];
        larger.values[slot] = n->values[i];
    }
    free(n->hashes);
    free(n->values);
    *n = larger;
    return true;
}

static bool number_of(struct numbers *n, const char *key, size_t size, uint32_t *out)
{
    uint64_t hash = XXH3_64bits(key, size);

    hash += hash == 0;
    if (2 * n->count >= n->slots && !numbers_grow(n))
        return false;
    size_t slot = slot_of(n, hash);
    if (n->hashes[slot] == 0) {
        n->hashes[slot] = hash;
        n->values[slot] = (uint32_t)n->count++;
    }
    *out = n->values[slot];
    return true;
}

static bool is_zstd(FILE *f)
{
    uint8_t magic[4] = {0};
    size_t got = fread(magic, 1, sizeof magic, f);

    rewind(f);
    return got == 4 && memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0;
}

_Noreturn static void run_zstdcat(const char *path, int output)
{
    int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);

    dup2(output, STDOUT_FILENO);
    if (nothing >= 0)
        dup2(nothing, STDERR_FILENO);
    execlp("zstdcat", "zstdcat", "--", path, (char *)NULL);
    _exit(127);
}

static int trace_open(struct trace *t, const char *path, char *why)
{
    int ends[2];
    FILE *plain = fopen(path, "re");

    if (!plain)
        return fail_with(why, ACCORD_E_IO, path, strerror(errno));
    if (!is_zstd(plain)) {
        *t = (struct trace){plain, 0};
        return ACCORD_OK;
    }
    fclose(plain);
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_with(why, ACCORD_E_IO, path, strerror(errno));
    pid_t child = fork();
    if (child == 0)
        run_zstdcat(path, ends[1]);
    close(ends[1]);
    FILE *file = child > 0 ? fdopen(ends[0], "r") : NULL;
    if (!file) {
        close(ends[0]);
        return fail_with(why, ACCORD_E_IO, path, strerror(errno));
    }
    *t = (struct trace){file, child};
    return ACCORD_OK;
}

/* Closing the pipe ends a zstdcat that has more to say than was wanted: that is no failure. */
static int trace_close(struct trace *t, bool read_all, const char *path, char *why)
{
    int ended = 0;

    fclose(t->file);
    if (t->decompressor == 0)
        return ACCORD_OK;
    while (waitpid(t->decompressor, &ended, 0) < 0 && errno == EINTR)
        continue;
    if (!read_all || (WIFEXITED(ended) && WEXITSTATUS(ended) == 0))
        return ACCORD_OK;
    if (WIFEXITED(ended) && WEXITSTATUS(ended) == 127)
        return fail_with(why, ACCORD_E_IO, path,
                         "zstdcat is needed to read it: apt-get install zstd");
    return fail_with(why, ACCORD_E_FORMAT, path, "zstdcat could not read all of it");
}

static int add_row(struct demo_keys *k, size_t *room, uint32_t row)
{
    if (k->count == *room) {
        size_t larger = *room ? 2 * *room : 65536;
        uint32_t *rows = realloc(k->rows, larger * sizeof *rows);
        if (!rows)
            return ACCORD_E_NOMEM;
        k->rows = rows;
        *room = larger;
    }
    k->rows[k->count++] = row;
    return ACCORD_OK;
}

static int read_lines(FILE *f, struct demo_keys *k, struct numbers *n, uint32_t row_count,
                      const char *path, char *why)
{
    static char line[DEMO_TRACE_LINE_BYTES_MAX + 2];
    size_t room = 0, line_number = 0;
    uint32_t number;

    while (k->count < DEMO_TRACE_REQUESTS_MAX && fgets(line, sizeof line, f)) {
        size_t size = strcspn(line, "\r\n");
        line_number++;
        if (size > DEMO_TRACE_LINE_BYTES_MAX) {
            char what[128];
            snprintf(what, sizeof what, "line %zu is longer than %d bytes; expected a key",
                     line_number, DEMO_TRACE_LINE_BYTES_MAX);
            return fail_with(why, ACCORD_E_FORMAT, path, what);
        }
        if (size == 0)
            continue;
        if (!number_of(n, line, size, &number) || add_row(k, &room, number % row_count) != 0)
            return fail_with(why, ACCORD_E_NOMEM, path, "out of memory");
    }
    if (ferror(f))
        return fail_with(why, ACCORD_E_IO, path, strerror(errno));
    if (k->count == 0)
        return fail_with(why, ACCORD_E_FORMAT, path, "empty; expected one key a line");
    return ACCORD_OK;
}

int demo_keys_trace(struct demo_keys *out, const char *path, uint32_t row_count,
                    char why[DEMO_KEYS_WHY_BYTES_MAX])
{
    struct demo_keys k = {NULL, 0, 0};
    struct numbers n = {NULL, NULL, 0, 0};
    struct trace t;

    ASSERT(row_count > 0);
    int status = trace_open(&t, path, why);
    if (status != ACCORD_OK)
        return status;
    status = read_lines(t.file, &k, &n, row_count, path, why);
    bool read_all = k.count < DEMO_TRACE_REQUESTS_MAX;
    int closed = trace_close(&t, read_all, path, why);
    if (status == ACCORD_OK || (status == ACCORD_E_FORMAT && k.count == 0))
        status = closed != ACCORD_OK ? closed : status;
    k.distinct = n.count;
    if (status == ACCORD_OK) {
        *out = k;
        k.rows = NULL;
    }
    free(n.hashes);
    free(n.values);
    free(k.rows);
    return status;
}
