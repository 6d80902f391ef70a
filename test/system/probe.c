/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* probe.c - libaccord, driven by a test: one request a line on standard input, one answer a
 * line on standard output. Keys and values are hexadecimal; "-" has no bytes. Usage: probe
 * SOCKET
 *
 *   get KEY                STATUS STATE VALUE
 *   set KEY VALUE          STATUS TEXT
 *   fill KEY VALUE         STATUS TEXT     with the token of a get just before
 *   remove KEY | tag TAG   STATUS TEXT
 *   soft KEY               STATUS TEXT     a removal that leaves it stale
 *   load KEY FOLDER        STATUS STATE VALUE   get_or_set: its loader adds a line to
 *                          FOLDER/began, waits for FOLDER/go, and finds FOLDER/value
 *   sync                   STATUS TEXT
 *   spin KEY SECONDS       hits others     gets, as many as there are time for
 *   history KEY SECONDS    MS:STATE …      each change of what a get answers */
#include <accord.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
    BYTES_MAX = 2 * 1024 * 1024,
    LINE_MAX_BYTES = 2 * 2 * BYTES_MAX + 64,
    LOADER_MS = 60000
};

struct blob {
    unsigned char *data;
    size_t size;
};

static struct accord *a;
static struct blob value;

static double now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static void *room(size_t bytes)
{
    void *at = malloc(bytes);

    if (!at)
        exit(3);
    return at;
}

static unsigned char digit(char c)
{
    return (unsigned char)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static struct blob parse(const char *hex)
{
    struct blob b = {room(strlen(hex) / 2 + 1), strlen(hex) / 2};

    for (size_t i = 0; i < b.size; i++)
        b.data[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
    return b;
}

static void print_hex(const unsigned char *data, size_t size)
{
    for (size_t i = 0; i < size; i++)
        printf("%02x", data[i]);
    puts(size ? "" : "-");
}

static void said(int status)
{
    const char *why = accord_last_error();

    printf("%d %s\n", status,
           status == ACCORD_OK ? ""
           : why[0]            ? why
                               : accord_strerror(status));
}

static int get(const struct blob *key, struct accord_result *r)
{
    *r = (struct accord_result){.state = -1};
    return accord_get(a, key->data, key->size, value.data, BYTES_MAX, r);
}

static void spin(const struct blob *key, double seconds)
{
    double end = now_ms() + 1e3 * seconds;
    unsigned long hits = 0, others = 0;
    struct accord_result r;

    while (now_ms() < end)
        for (int i = 0; i < 100; i++) {
            if (get(key, &r) == ACCORD_OK && r.state == ACCORD_HIT)
                hits++;
            else
                others++;
        }
    printf("%lu %lu\n", hits, others);
}

static void history(const struct blob *key, double seconds)
{
    double began = now_ms(), end = began + 1e3 * seconds;
    struct accord_result r;
    int last = -2;

    while (now_ms() < end) {
        struct timespec pause = {0, 1000000};
        (void)get(key, &r);
        if (r.state != last)
            printf("%.0f:%d ", now_ms() - began, r.state);
        last = r.state;
        fflush(stdout);
        nanosleep(&pause, NULL);
    }
    puts("");
}

static void path_in(const struct blob *folder, const char *name, char path[512])
{
    snprintf(path, 512, "%.*s/%s", (int)folder->size, (const char *)folder->data, name);
}

/* Fails where nobody lets it go on within LOADER_MS. */
static int load_gated(void *context, struct accord_loaded *out)
{
    static unsigned char loaded[256];
    struct timespec pause = {0, 5000000};
    const struct blob *folder = context;
    double end = now_ms() + LOADER_MS;
    char path[512];

    path_in(folder, "began", path);
    FILE *f = fopen(path, "a");
    if (!f || fputs("x\n", f) < 0 || fclose(f) != 0)
        exit(3);
    path_in(folder, "go", path);
    while (access(path, F_OK) != 0) {
        if (now_ms() > end)
            return 1;
        nanosleep(&pause, NULL);
    }
    path_in(folder, "value", path);
    f = fopen(path, "r");
    if (!f)
        exit(3);
    out->value = loaded;
    out->value_bytes = fread(loaded, 1, sizeof loaded, f);
    fclose(f);
    return 0;
}

static void load_value(const struct blob *key, struct blob *folder)
{
    struct accord_result r = {.state = -1};
    int status = accord_get_or_set(a, key->data, key->size, load_gated, folder, NULL,
                                   value.data, BYTES_MAX, &r);

    printf("%d %d ", status, r.state);
    print_hex(value.data, status == ACCORD_OK ? r.value_bytes : 0);
}

static void carry_out(const char *verb, const struct blob *key, struct blob *more,
                      const char *text)
{
    struct accord_remove_options soft = {.flags = ACCORD_SOFT};
    struct accord_result r;

    if (strcmp(verb, "get") == 0) {
        int status = get(key, &r);
        printf("%d %d ", status, r.state);
        print_hex(value.data, status == ACCORD_OK ? r.value_bytes : 0);
    } else if (strcmp(verb, "set") == 0) {
        said(accord_set(a, key->data, key->size, more->data, more->size, NULL, NULL));
    } else if (strcmp(verb, "fill") == 0) {
        (void)get(key, &r);
        said(accord_fill(a, key->data, key->size, more->data, more->size, &r.token, NULL));
    } else if (strcmp(verb, "remove") == 0) {
        said(accord_remove(a, key->data, key->size, NULL, NULL));
    } else if (strcmp(verb, "soft") == 0) {
        said(accord_remove(a, key->data, key->size, &soft, NULL));
    } else if (strcmp(verb, "load") == 0) {
        load_value(key, more);
    } else if (strcmp(verb, "tag") == 0) {
        key->data[key->size] = 0;
        said(accord_remove_by_tag(a, (const char *)key->data, NULL, NULL));
    } else if (strcmp(verb, "sync") == 0) {
        said(accord_sync(a, NULL, 5000));
    } else if (strcmp(verb, "spin") == 0) {
        spin(key, atof(text));
    } else if (strcmp(verb, "history") == 0) {
        history(key, atof(text));
    } else {
        exit(2);
    }
}

int main(int argc, char **argv)
{
    char *line = room(LINE_MAX_BYTES);
    int status = argc == 2 ? accord_open(&a, argv[1], NULL) : ACCORD_E_INVALID;

    said(status);
    fflush(stdout);
    if (status != ACCORD_OK)
        return 1;
    value.data = room(BYTES_MAX);
    while (fgets(line, LINE_MAX_BYTES, stdin)) {
        char *rest, *verb = strtok_r(line, " \n", &rest);
        char *first = strtok_r(NULL, " \n", &rest), *second = strtok_r(NULL, " \n", &rest);
        struct blob key = parse(first ? first : "-"), more = parse(second ? second : "-");
        carry_out(verb ? verb : "", &key, &more, second ? second : "0");
        fflush(stdout);
        free(key.data);
        free(more.data);
    }
    accord_close(a);
    free(value.data);
    free(line);
    return 0;
}
