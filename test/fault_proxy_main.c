/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* fault_proxy_main.c - the fault proxy as a program, for tests that are not written in C.
 *   fault-proxy TO_PORT SEED
 * prints the port on which it listens, takes commands (fault_proxy.h) as lines, answers each
 * with "ok" or "unknown", and ends with its input: so it never outlives who started it. */
#include "fault_proxy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(int argc, char **argv)
{
    char line[256];

    if (argc != 3) {
        fprintf(stderr, "usage: fault-proxy TO_PORT SEED\n");
        return 2;
    }
    struct fault_proxy *p =
        fault_proxy_start((uint16_t)strtoul(argv[1], NULL, 10), strtoull(argv[2], NULL, 10));
    if (!p) {
        fprintf(stderr, "fault-proxy: no port to listen on\n");
        return 1;
    }
    printf("%u\n", fault_proxy_port(p));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        line[strcspn(line, "\r\n")] = 0;
        printf("%s\n", fault_proxy_command(p, line) ? "ok" : "unknown");
        fflush(stdout);
    }
    fault_proxy_stop(p);
    return 0;
}
