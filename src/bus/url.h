/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* url.h - the URL of a bus that is a server, taken apart:
 *
 *     scheme://user:password@host:port,host:port/path?option=value&option=value
 *
 * Every part is percent-decoded; a host may be an IPv6 address in brackets. Better than in the
 * URL, the password is in a file: ?password_file=/etc/accord/bus.password (its first line).
 * No option may stand there twice; in the names of options "-" and "_" are the same.
 *
 * Nothing here prints a password, and bus_url_done() wipes it. Not thread-safe; plain data.
 */
#ifndef ACCORD_BUS_URL_H
#define ACCORD_BUS_URL_H

#include "bus/bus.h"

enum {
    BUS_URL_BYTES_MAX = 1024, /* with its end */
    BUS_URL_SERVERS_MAX = 8,
    BUS_URL_OPTIONS_MAX = 24,
    BUS_URL_PASSWORD_BYTES_MAX = 256, /* of a file, with its end */
};

struct bus_url_server {
    const char *host; /* without brackets */
    uint16_t port;
};

struct bus_url_option {
    const char *name, *value; /* the name with "_" for each "-" */
};

struct bus_url {
    const char *scheme;
    const char *user;     /* NULL: none */
    const char *password; /* NULL: none; of the URL, or of password_file */
    const char *path;     /* what follows the slash; "" where there is none */
    struct bus_url_server servers[BUS_URL_SERVERS_MAX];
    size_t server_count; /* at least 1 */
    struct bus_url_option options[BUS_URL_OPTIONS_MAX];
    size_t option_count;
    char text[2 * BUS_URL_BYTES_MAX]; /* what the pointers point to */
    char file_password[BUS_URL_PASSWORD_BYTES_MAX];
};

/* Takes `url` apart; `expected` is what to write instead, for the message. The pointers of *out
 * point into it: it may not be copied. ACCORD_E_INVALID: `why` says which part; it never holds
 * the password. ACCORD_E_DENIED: the password's file cannot be read. On failure nothing of a
 * password is left in *out. */
MUST_CHECK int bus_url_parse(struct bus_url *out, const char *url, uint16_t default_port,
                             const char *expected, char why[BUS_WHY_BYTES_MAX]);

/* The value of an option, or `otherwise`. */
const char *bus_url_option(const struct bus_url *u, const char *name, const char *otherwise);

/* ACCORD_E_INVALID where an option's name is none of `known`, a list that NULL ends
 * (password_file is always known); `why` lists them. */
MUST_CHECK int bus_url_know(const struct bus_url *u, const char *const *known,
                            char why[BUS_WHY_BYTES_MAX]);

/* A whole number from `least` to `most`; *out is set to `otherwise` without the option. */
MUST_CHECK int bus_url_number(const struct bus_url *u, const char *name, uint64_t least,
                              uint64_t most, uint64_t otherwise, uint64_t *out,
                              char why[BUS_WHY_BYTES_MAX]);

/* 1, yes, true, on; 0, no, false, off. */
MUST_CHECK int bus_url_flag(const struct bus_url *u, const char *name, bool otherwise,
                            bool *out, char why[BUS_WHY_BYTES_MAX]);

/* Whether `name` may be a cluster's: 1 to 32 of a-z, 0-9 and _. */
bool bus_cluster_is_valid(const char *name);

/* Wipes all of it. */
void bus_url_done(struct bus_url *u);

#endif
