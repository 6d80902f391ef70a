/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/url.h"

#include "base/hex.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLUSTER_BYTES_MAX = 32 };

/* Where the parts are written, one after the other, each with its end. */
struct parts {
    char *at;
    bool bad; /* a part held a "%" without two hex digits, or a %00 */
};

/* The decoded bytes from `begin` to `end`. */
static const char *part(struct parts *p, const char *begin, const char *end)
{
    const char *out = p->at;

    for (; begin < end; begin++) {
        int byte = (unsigned char)*begin;
        if (*begin == '%') {
            int high = end - begin > 2 ? hex_digit((uint8_t)begin[1]) : -1;
            int low = high >= 0 ? hex_digit((uint8_t)begin[2]) : -1;
            byte = low >= 0 ? high << 4 | low : 0;
            p->bad = p->bad || byte == 0;
            begin += low >= 0 ? 2 : 0;
        }
        *p->at++ = (char)byte;
    }
    *p->at++ = '\0';
    return out;
}

static const char *first_of(const char *begin, const char *end, const char *set)
{
    while (begin < end && !strchr(set, *begin))
        begin++;
    return begin;
}

static bool port_parse(const char *begin, const char *end, uint16_t *out)
{
    uint32_t port = 0;

    if (begin == end || end - begin > 5)
        return false;
    for (; begin < end; begin++) {
        if (*begin < '0' || *begin > '9')
            return false;
        port = port * 10 + (uint32_t)(*begin - '0');
    }
    *out = (uint16_t)port;
    return port > 0 && port <= UINT16_MAX;
}

/* host, host:port, [address] or [address]:port. */
static bool server_parse(struct parts *p, const char *begin, const char *end,
                         uint16_t default_port, struct bus_url_server *out)
{
    const char *host_end, *rest;

    if (begin < end && *begin == '[') {
        host_end = first_of(++begin, end, "]");
        if (host_end == end)
            return false;
        rest = host_end + 1;
    } else {
        host_end = rest = first_of(begin, end, ":");
    }
    out->port = default_port;
    if (rest < end && (*rest != ':' || !port_parse(rest + 1, end, &out->port)))
        return false;
    out->host = part(p, begin, host_end);
    return out->host[0] != '\0';
}

/* The text itself is not said: what looks like a port may be a password without its host. */
static int servers_parse(struct bus_url *u, struct parts *p, const char *begin, const char *end,
                         uint16_t default_port, const char *expected,
                         char why[BUS_WHY_BYTES_MAX])
{
    for (const char *comma; begin <= end; begin = comma + 1) {
        comma = first_of(begin, end, ",");
        if (u->server_count == BUS_URL_SERVERS_MAX)
            return bus_fail(why, ACCORD_E_INVALID, "more than %d servers in the URL",
                            BUS_URL_SERVERS_MAX);
        if (!server_parse(p, begin, comma, default_port, &u->servers[u->server_count++]))
            return bus_fail(why, ACCORD_E_INVALID,
                            "server %zu of the URL is no host:port; "
                            "expected %s",
                            u->server_count, expected);
    }
    return ACCORD_OK;
}

/* As for settings, "-" and "_" are the same. */
static const char *option_name(struct parts *p, const char *begin, const char *end)
{
    char *at = p->at;
    const char *name = part(p, begin, end);

    for (; *at; at++)
        *at = *at == '-' ? '_' : *at;
    return name;
}

static int options_parse(struct bus_url *u, struct parts *p, const char *begin, const char *end,
                         char why[BUS_WHY_BYTES_MAX])
{
    for (const char *next; begin < end; begin = next + 1) {
        next = first_of(begin, end, "&");
        const char *equals = first_of(begin, next, "=");
        if (equals == next || equals == begin)
            return bus_fail(why, ACCORD_E_INVALID, "\"%.*s\" is no option=value of the URL",
                            (int)(next - begin > 100 ? 100 : next - begin), begin);
        if (u->option_count == BUS_URL_OPTIONS_MAX)
            return bus_fail(why, ACCORD_E_INVALID, "more than %d options in the URL",
                            BUS_URL_OPTIONS_MAX);
        struct bus_url_option o = {.name = option_name(p, begin, equals),
                                   .value = part(p, equals + 1, next)};
        if (bus_url_option(u, o.name, NULL))
            return bus_fail(why, ACCORD_E_INVALID,
                            "the URL has \"%.50s=\" twice; leave one of them out", o.name);
        u->options[u->option_count++] = o;
    }
    return ACCORD_OK;
}

/* The first line of a file. */
static int password_read(struct bus_url *u, const char *path, char why[BUS_WHY_BYTES_MAX])
{
    FILE *f = fopen(path, "re");

    if (!f)
        return bus_fail(why, ACCORD_E_DENIED, "password_file %.200s: %s", path,
                        strerror(errno));
    setvbuf(f, NULL, _IONBF, 0); /* no other copy of it */
    bool read = fgets(u->file_password, sizeof u->file_password, f) != NULL;
    fclose(f);
    size_t length = read ? strcspn(u->file_password, "\r\n") : 0;
    if (length == 0)
        return bus_fail(why, ACCORD_E_INVALID, "password_file %.200s: its first line is empty",
                        path);
    if (length == sizeof u->file_password - 1)
        return bus_fail(why, ACCORD_E_INVALID, "password_file %.200s: longer than %d bytes",
                        path, BUS_URL_PASSWORD_BYTES_MAX - 2);
    u->file_password[length] = '\0';
    u->password = u->file_password;
    return ACCORD_OK;
}

static void user_parse(struct bus_url *u, struct parts *p, const char *begin, const char *end)
{
    const char *colon = first_of(begin, end, ":");

    if (colon > begin)
        u->user = part(p, begin, colon);
    if (colon < end)
        u->password = part(p, colon + 1, end);
}

static const char *last_of(const char *begin, const char *end, char c)
{
    const char *last = NULL;

    for (; begin < end; begin++)
        if (*begin == c)
            last = begin;
    return last;
}

static int parse(struct bus_url *u, const char *url, uint16_t default_port,
                 const char *expected, char why[BUS_WHY_BYTES_MAX])
{
    struct parts p = {u->text, false};
    const char *end = url + strlen(url), *colon = strchr(url, ':');

    if (end - url >= BUS_URL_BYTES_MAX)
        return bus_fail(why, ACCORD_E_INVALID, "the URL is longer than %d bytes",
                        BUS_URL_BYTES_MAX - 1);
    if (!colon || colon[1] != '/' || colon[2] != '/')
        return bus_fail(why, ACCORD_E_INVALID, "the bus has no \"://\"; expected %s", expected);
    u->scheme = part(&p, url, colon);
    const char *begin = colon + 3, *host_end = first_of(begin, end, "/?");
    const char *query = first_of(host_end, end, "?");
    const char *at = last_of(begin, host_end, '@');
    if (at)
        user_parse(u, &p, begin, at);
    int status =
        servers_parse(u, &p, at ? at + 1 : begin, host_end, default_port, expected, why);
    if (status != ACCORD_OK)
        return status;
    u->path = part(&p, host_end < query ? host_end + 1 : query, query);
    status = options_parse(u, &p, query < end ? query + 1 : end, end, why);
    if (status != ACCORD_OK)
        return status;
    if (p.bad)
        return bus_fail(why, ACCORD_E_INVALID,
                        "a \"%%\" in the URL is not followed by two hex digits (and not 00); "
                        "write %%25 for the sign itself");
    const char *file = bus_url_option(u, "password_file", NULL);
    if (file && u->password)
        return bus_fail(why, ACCORD_E_INVALID,
                        "the URL has a password and password_file; leave one of them out");
    return file ? password_read(u, file, why) : ACCORD_OK;
}

int bus_url_parse(struct bus_url *out, const char *url, uint16_t default_port,
                  const char *expected, char why[BUS_WHY_BYTES_MAX])
{
    memset(out, 0, sizeof *out);
    int status = parse(out, url, default_port, expected, why);
    if (status != ACCORD_OK)
        bus_url_done(out);
    return status;
}

const char *bus_url_option(const struct bus_url *u, const char *name, const char *otherwise)
{
    for (size_t i = 0; i < u->option_count; i++)
        if (strcmp(u->options[i].name, name) == 0)
            return u->options[i].value;
    return otherwise;
}

static bool is_known(const char *name, const char *const *known)
{
    for (; *known; known++)
        if (strcmp(name, *known) == 0)
            return true;
    return strcmp(name, "password_file") == 0;
}

int bus_url_know(const struct bus_url *u, const char *const *known, char why[BUS_WHY_BYTES_MAX])
{
    for (size_t i = 0; i < u->option_count; i++) {
        char list[BUS_WHY_BYTES_MAX - 128];
        size_t used = 0;

        if (is_known(u->options[i].name, known))
            continue;
        for (const char *const *k = known; *k && used < sizeof list; k++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s, ", *k);
        return bus_fail(why, ACCORD_E_INVALID,
                        "\"?%.50s=\" is not known to %s; it has %spassword_file",
                        u->options[i].name, u->scheme, used > 0 ? list : "");
    }
    return ACCORD_OK;
}

int bus_url_number(const struct bus_url *u, const char *name, uint64_t least, uint64_t most,
                   uint64_t otherwise, uint64_t *out, char why[BUS_WHY_BYTES_MAX])
{
    const char *text = bus_url_option(u, name, NULL);
    char *end = NULL;

    *out = otherwise;
    if (!text)
        return ACCORD_OK;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || value < least || value > most)
        return bus_fail(why, ACCORD_E_INVALID,
                        "%s=%.50s: expected a whole number from %llu to %llu", name, text,
                        (unsigned long long)least, (unsigned long long)most);
    *out = value;
    return ACCORD_OK;
}

int bus_url_flag(const struct bus_url *u, const char *name, bool otherwise, bool *out,
                 char why[BUS_WHY_BYTES_MAX])
{
    static const char *const words[] = {"0", "1", "no", "yes", "false", "true", "off", "on"};
    const char *text = bus_url_option(u, name, NULL);

    *out = otherwise;
    if (!text)
        return ACCORD_OK;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(text, words[i]) != 0)
            continue;
        *out = i % 2;
        return ACCORD_OK;
    }
    return bus_fail(why, ACCORD_E_INVALID, "%s=%.50s: expected 1 or 0", name, text);
}

bool bus_cluster_is_valid(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length <= CLUSTER_BYTES_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") == length;
}

void bus_url_done(struct bus_url *u)
{
    explicit_bzero(u, sizeof *u);
}
