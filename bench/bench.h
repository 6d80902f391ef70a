/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* bench.h - what the side-by-side programs share: servers, a RESP client, times, one result.
 *
 * Every program prints one JSON object a line on standard output for each result, and what it
 * does on standard error. Ours and the peer take turns within one run, and medians are quoted:
 * the machine drifts, the ratio holds. Any failure ends the program with status 1: a figure is
 * measured or absent.
 */
#ifndef ACCORD_BENCH_BENCH_H
#define ACCORD_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_result {
    const char *name;
    double ours, against;
    const char *unit;    /* "ns", "op/s", "bytes", "µs", "miss ratio" */
    bool more_is_better; /* of `unit`; the ratio is always > 1 where we are better */
    const char *peer;    /* what `against` is */
    double goal;         /* of the ratio */
    const char *bus, *durability, *clock, *pinning; /* NULL: does not apply */
};
void bench_report(const struct bench_result *r);

_Noreturn void bench_die(const char *what); /* with errno's text */

uint64_t bench_now_ns(void);
/* Sorts in place; the value below which a share of `permille` lies. */
double bench_percentile(double *values, size_t count, unsigned permille);
double bench_median(double *values, size_t count);

/* Runs the calling thread on one processor. */
void bench_pin(int cpu);

/* A fresh folder under TMPDIR, removed at exit together with every server still running. */
const char *bench_folder(void);
/* Starts argv[0] (looked up in PATH), output to folder/NAME.log; pinned where cpu >= 0. */
pid_t bench_start(const char *name, int cpu, char *const argv[]);
void bench_stop(pid_t pid);
/* Resident anonymous and shared memory of a process, bytes. */
size_t bench_resident_bytes(pid_t pid);

/* Starts `accord serve` on the sqlite bus in the folder; extra settings may be NULL. Returns
 * when it is ready. The socket is folder/NAME.sock. */
pid_t bench_start_accord(const char *name, const char *bus, const char *memory,
                         const char *config, int cpu);
/* Starts redis-server on folder/redis.sock; `aof`: appendfsync always. */
pid_t bench_start_redis(bool aof, int cpu);
const char *bench_path(const char *file); /* "folder/file"; one of eight static buffers */

/* Blocking RESP over a unix socket. */
int bench_connect(const char *path); /* waits up to 10 s for the server */
void bench_write(int fd, const void *data, size_t bytes);
/* Reads exactly `bytes`. */
void bench_read(int fd, void *data, size_t bytes);
/* Sends one inline command, returns its reply up to the first CRLF. Static. */
const char *bench_command(int fd, const char *command);

#endif
