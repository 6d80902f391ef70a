/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* redis_server.h - a real redis-server of the running test: on a loopback port and in a folder
 * of its own, ended with the test whatever becomes of that. */
#ifndef ACCORD_TEST_REDIS_SERVER_H
#define ACCORD_TEST_REDIS_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { REDIS_SERVER_OPTIONS_MAX = 32 };

struct redis_server {
    pid_t pid; /* 0: not running */
    uint16_t port, tls_port;
    char folder[256];
    const char *options[REDIS_SERVER_OPTIONS_MAX]; /* "--name", "value", …; ended by NULL */
};

/* A port that nobody listens on at this moment. */
uint16_t redis_server_port(void);

/* Starts it on s->port with s->options, and waits until it answers; without persistence unless
 * an option says otherwise. Ends the test as skipped where redis-server is not installed. */
void redis_server_start(struct redis_server *s);
/* Fills in port and folder (a sub-folder of test_folder()), and starts it. */
void redis_server_begin(struct redis_server *s, const char *name, const char *const *options);
void redis_server_end(struct redis_server *s, int signal_number); /* waits until it is gone */

/* One command over a connection of its own, past everything that is tested. The answer as text
 * (of a number its digits), of at most `room` bytes with its end. False: an error; the text
 * says which. */
bool redis_server_ask(uint16_t port, char *answer, size_t room, int count,
                      const char *const *words, const size_t *sizes);
/* Words of text that end with NULL; an error ends the test. */
void redis_server_say(uint16_t port, const char *word, ...) __attribute__((sentinel));

#endif
