/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* memory_bench.c - what an item costs beyond its key and value: a million of 16 and 100 bytes
 * in a real node, in redis-server and in memcached.
 *
 * Each is asked twice: what it says it uses, and what the kernel says is resident, after the
 * fill minus before it. Ours is reported by the greater of the two, the peers by the smaller.
 */
#include "bench.h"
#include "fill.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { ITEMS = 1000000, GOAL_BYTES = 24, COMMAND_BYTES_MAX = 256, LINE_BYTES_MAX = 256 };

struct used {
    double said, resident; /* bytes a process uses; of an item, once per_item() made it so */
};

static struct used per_item(struct used before, struct used after, const char *who)
{
    double data = FILL_KEY_BYTES + FILL_VALUE_BYTES;
    struct used u = {(after.said - before.said) / ITEMS - data,
                     (after.resident - before.resident) / ITEMS - data};

    fprintf(stderr,
            "%-12s %.1f bytes an item beyond key and value by its own account, %.1f "
            "resident\n",
            who, u.said, u.resident);
    return u;
}

static struct used used_by_resp(int fd, pid_t pid)
{
    return (struct used){(double)fill_info(fd, "used_memory"),
                         (double)bench_resident_bytes(pid)};
}

/* A node, or redis-server. */
static struct used fill_resp(const char *who, const char *socket_file, pid_t pid)
{
    int fd = bench_connect(bench_path(socket_file));
    struct used before = used_by_resp(fd, pid);

    fill_items(fd, ITEMS);
    struct used after = used_by_resp(fd, pid);
    if (fill_integer(fd, "DBSIZE") != ITEMS) {
        fprintf(stderr, "bench: %s did not keep every item\n", who);
        exit(1);
    }
    close(fd);
    return per_item(before, after, who);
}

/* ---- memcached, text protocol ---- */

static void read_line(int fd, char line[LINE_BYTES_MAX])
{
    size_t n = 0;

    while (n < LINE_BYTES_MAX - 1) {
        bench_read(fd, line + n, 1);
        if (line[n] == '\n')
            break;
        n++;
    }
    line[n] = 0;
}

static double memcached_stat(int fd, const char *command, const char *name)
{
    char line[LINE_BYTES_MAX], wanted[LINE_BYTES_MAX];
    double value = -1;

    bench_write(fd, command, strlen(command));
    snprintf(wanted, sizeof wanted, "STAT %s ", name);
    for (read_line(fd, line); strncmp(line, "END", 3) != 0; read_line(fd, line))
        if (strncmp(line, wanted, strlen(wanted)) == 0)
            value = strtod(line + strlen(wanted), NULL);
    if (value < 0)
        bench_die("memcached stats lack a field");
    return value;
}

static struct used used_by_memcached(int fd, pid_t pid)
{
    /* Not "bytes": that leaves out what slabs round up. */
    return (struct used){memcached_stat(fd, "stats slabs\r\n", "total_malloced") +
                             memcached_stat(fd, "stats\r\n", "hash_bytes"),
                         (double)bench_resident_bytes(pid)};
}

static void set_memcached(int fd, uint64_t number, const char *value)
{
    char key[FILL_KEY_BYTES + 1], command[COMMAND_BYTES_MAX];

    fill_key(number, key);
    int n = snprintf(command, sizeof command, "set %s 0 0 100 noreply\r\n%s\r\n", key, value);
    bench_write(fd, command, (size_t)n);
}

static struct used fill_memcached(void)
{
    char value[FILL_VALUE_BYTES + 1];
    char *argv[] = {"memcached", "-u", "root",
                    "-t",        "1",  "-m",
                    "1024",      "-s", (char *)bench_path("memcached.sock"),
                    NULL};
    pid_t pid = bench_start("memcached", 0, argv);
    int fd = bench_connect(bench_path("memcached.sock"));
    struct used before = used_by_memcached(fd, pid);

    memset(value, 'v', FILL_VALUE_BYTES);
    value[FILL_VALUE_BYTES] = 0;
    for (uint64_t i = 0; i < ITEMS; i++)
        set_memcached(fd, i, value);
    while (memcached_stat(fd, "stats\r\n", "hash_is_expanding") != 0)
        usleep(10000);
    struct used after = used_by_memcached(fd, pid);
    if (memcached_stat(fd, "stats\r\n", "curr_items") != ITEMS)
        bench_die("memcached did not keep every item");
    close(fd);
    bench_stop(pid);
    return per_item(before, after, "memcached");
}

static void report(const char *name, struct used ours, struct used theirs, const char *peer)
{
    double most = ours.said > ours.resident ? ours.said : ours.resident;
    double least = theirs.said < theirs.resident ? theirs.said : theirs.resident;

    bench_report(&(struct bench_result){.name = name,
                                        .ours = most,
                                        .against = least,
                                        .unit = "bytes",
                                        .more_is_better = false,
                                        .peer = peer,
                                        .goal = least / GOAL_BYTES,
                                        .bus = "sqlite"});
}

int main(void)
{
    char bus[320];

    snprintf(bus, sizeof bus, "sqlite:%s", bench_path("bus.db"));
    pid_t accord = bench_start_accord("a", bus, "256M", FILL_CONFIG, 0);
    struct used ours = fill_resp("accord", "a.sock", accord);
    bench_stop(accord);
    pid_t redis = bench_start_redis(false, 0);
    struct used redis_used = fill_resp("redis-server", "redis.sock", redis);
    bench_stop(redis);
    struct used memcached_used = fill_memcached();
    report("memory-overhead-vs-redis", ours, redis_used, "redis-server");
    report("memory-overhead-vs-memcached", ours, memcached_used, "memcached");
    return 0;
}
