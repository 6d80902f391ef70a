/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb_memoize.c - what a command prints, run once per host and kept until the key is removed.
 */
#include "cli/client.h"

#include "cli/verb.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_NOT_RUN = 126, EXIT_NOT_FOUND = 127, EXIT_SIGNAL = 128 }; /* as shells have it */

struct run {
    char **command;
    struct owned output;
    size_t room;
    int exit_code;     /* of the command */
    bool ran, written; /* written: too large to keep, so it went straight through */
};

static int write_out(const char *data, size_t size)
{
    while (size > 0) {
        ssize_t n = write(STDOUT_FILENO, data, size);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

static pid_t start(char **command, int *from)
{
    int ends[2];

    if (pipe(ends) != 0)
        return -1;
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        signal(SIGPIPE, SIG_DFL); /* ignored, it would be so for "yes | head" in there too */
        execvp(command[0], command);
        int code = errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_RUN;
        fprintf(stderr, "accord: %s: %s\n", command[0], strerror(errno));
        _exit(code);
    }
    close(ends[1]);
    if (child < 0)
        close(ends[0]);
    else
        *from = ends[0];
    return child;
}

/* Where the next bytes go; what is beyond VALUE_BYTES_MAX is written and not kept. */
static bool make_room(struct run *r)
{
    if (r->output.size_bytes < r->room)
        return true;
    if (r->room >= VALUE_BYTES_MAX) {
        r->written = true;
        bool fine = write_out(r->output.data, r->output.size_bytes) == 0;
        r->output.size_bytes = 0;
        return fine;
    }
    size_t room = r->room > 0 ? r->room * 2 : 64 * 1024;
    char *larger = realloc(r->output.data, room);
    if (!larger)
        return false;
    r->output.data = larger;
    r->room = room;
    return true;
}

static void collect(struct run *r, int from)
{
    while (make_room(r)) {
        ssize_t n =
            read(from, r->output.data + r->output.size_bytes, r->room - r->output.size_bytes);
        if (n == 0 || (n < 0 && errno != EINTR))
            break;
        if (n > 0)
            r->output.size_bytes += (size_t)n;
    }
    if (r->written) {
        (void)write_out(r->output.data, r->output.size_bytes);
        r->output.size_bytes = 0;
    }
}

/* The loader: runs the command. Its failure is passed on, and nothing is kept. */
static int run(void *context, struct accord_loaded *out)
{
    struct run *r = context;
    int from, status = 0;

    fflush(NULL);
    r->ran = true;
    pid_t child = start(r->command, &from);
    if (child < 0) {
        r->exit_code = fail(EXIT_NOT_RUN, "%s: %s", r->command[0], strerror(errno));
        return -1;
    }
    collect(r, from);
    close(from);
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    r->exit_code = WIFSIGNALED(status) ? EXIT_SIGNAL + WTERMSIG(status) : WEXITSTATUS(status);
    out->value = r->output.data;
    out->value_bytes = r->output.size_bytes;
    return r->exit_code == 0 && !r->written ? 0 : -1;
}

/* Or it would run again and again, and nobody would know why. */
static void say_if_too_large(const struct run *r, const struct accord_result *result)
{
    static const char refused[] = "REFUSED size";

    if (r->written)
        fprintf(stderr, "accord: printed, and not kept: it is over 16 MiB\n");
    else if (r->exit_code == 0 && result->state == ACCORD_UNSURE &&
             strncmp(accord_last_error(), refused, sizeof refused - 1) == 0)
        fprintf(stderr, "accord: printed, and not kept: it is larger than a block of the cache "
                        "(1/64 of the daemon's --memory, 1 MiB at most)\n");
}

/* The value of the key, or what the command printed: whichever of the two there is. */
static int obtain(struct accord *a, const char *key, struct run *r,
                  const struct accord_fill_options *o, struct owned *kept)
{
    struct accord_result result = {0};
    size_t room = 64 * 1024;

    for (;;) {
        kept->data = malloc(room);
        if (!kept->data)
            return ACCORD_E_NOMEM;
        int status =
            accord_get_or_set(a, key, strlen(key), run, r, o, kept->data, room, &result);
        kept->size_bytes = status == ACCORD_OK ? result.value_bytes : 0;
        if (r->ran)
            say_if_too_large(r, &result);
        if (r->ran || status != ACCORD_E_SIZE)
            return r->ran ? ACCORD_OK : status;
        room = result.value_bytes + result.value_bytes / 4;
        free(kept->data);
    }
}

static int print_json(const struct asked *asked, const struct run *r,
                      const struct owned *output)
{
    const char *key = asked->words[0];
    int code = json_print(json_pack("{s:o,s:b,s:i,s:o}", "key", json_bytes(key, strlen(key)),
                                    "ran", r->ran, "exit", r->exit_code, "output",
                                    json_bytes(output->data, output->size_bytes)));

    return code == EXIT_OK ? r->exit_code : code;
}

static int memoize(const struct asked *asked, struct run *r,
                   const struct accord_options *options, const struct accord_fill_options *o)
{
    struct accord_loaded unused = {.value = NULL};
    struct owned kept = {NULL, 0};
    struct accord *a = NULL;
    int status = accord_open(&a, asked->socket, options), code = EXIT_OK;

    if (status == ACCORD_OK) {
        status = obtain(a, asked->words[0], r, o, &kept);
    } else {
        /* A script goes on working while the cache does not. */
        fprintf(stderr, "accord: %s; running the command\n", accord_last_error());
        (void)run(r, &unused);
        status = ACCORD_OK;
    }
    const struct owned *output = r->ran ? &r->output : &kept;
    if (status != ACCORD_OK)
        code = client_fail(status);
    else if (asked->json)
        code = print_json(asked, r, output);
    else if (write_out(output->data, output->size_bytes) != 0)
        code = fail(EXIT_FAILED, "standard output: %s", strerror(errno));
    else
        code = r->exit_code;
    free(kept.data);
    accord_close(a);
    return code;
}

int verb_memoize(int argc, char **argv)
{
    struct accord_fill_options o = {0};
    struct texts tags = {.count = 0};
    uint64_t wait_ms = 0;
    struct asked asked;
    const struct flag flags[] = {{"--ttl", FLAG_LIFE, &o.ttl_ms},
                                 {"--grace", FLAG_MS, &o.grace_ms},
                                 {"--wait", FLAG_MS, &wait_ms},
                                 {"--tag", FLAG_TEXTS, &tags}};
    int code = flags_read(&asked, flags, COUNT_OF(flags), argc, argv);

    if (code != EXIT_OK)
        return code;
    if (asked.after != 1 || asked.word_count < 2)
        return usage_error("memoize", "a key, --, and a command are expected: "
                                      "accord memoize report --ttl 1h -- ./report.sh");
    o.tags = tags.text;
    o.tag_count = tags.count;
    argv[argc] = NULL;
    asked.words[asked.word_count] = NULL; /* there is room: "--" was taken out */
    struct run r = {.command = asked.words + 1};
    struct accord_options options = {.load_wait_ms = (uint32_t)u64_min(wait_ms, UINT32_MAX)};
    code = memoize(&asked, &r, &options, &o);
    free(r.output.data);
    return code;
}
