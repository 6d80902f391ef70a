/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/http/private.h"
#include "door/secret.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

enum { HOST_BYTES_MAX = 256 };

const char *shown(const char *text, char out[104])
{
    size_t n = 0;

    for (; text && text[n] && n < 100; n++)
        out[n] = text[n] > ' ' && text[n] <= '~' ? text[n] : '?';
    memcpy(out + n, text && text[n] ? "..." : "", text && text[n] ? 4 : 1);
    return out;
}

/* "[::1]:80" is "::1", "localhost:80" is "localhost", "web1." is "web1". */
static bool name_of(const char *host, char name[HOST_BYTES_MAX])
{
    size_t bytes = strcspn(host, ":");

    if (host[0] == '[') {
        host++;
        bytes = strcspn(host, "]");
        if (host[bytes] != ']')
            return false;
    }
    if (bytes > 0 && host[bytes - 1] == '.')
        bytes--;
    if (bytes == 0 || bytes >= HOST_BYTES_MAX)
        return false;
    memcpy(name, host, bytes);
    name[bytes] = '\0';
    return true;
}

static bool is_address(const char *name)
{
    struct in6_addr address;

    return inet_pton(AF_INET, name, &address) == 1 || inet_pton(AF_INET6, name, &address) == 1;
}

static bool is_ours(const struct http_door *d, const char *name)
{
    if (strcasecmp(name, "localhost") == 0 || strcasecmp(name, d->own_name) == 0)
        return true;
    for (size_t i = 0; i < d->settings.name_count; i++)
        if (strcasecmp(name, d->settings.names[i]) == 0)
            return true;
    return false;
}

/* A name that somebody made point here is in Host, whatever page asks (DNS rebinding). */
static bool host_fits(struct http_door *d, const struct http_request *r, struct http_answer *a)
{
    char name[HOST_BYTES_MAX], host[104];

    if (r->host_count != 1 || !r->host || !name_of(r->host, name)) {
        answer_refused(d, a, 400, "A request needs one Host header: a name or an address.");
        return false;
    }
    if (is_address(name) || is_ours(d, name))
        return true;
    answer_refused(d, a, 421,
                   "This node is not known as \"%s\": call it by its address, or give it that "
                   "name with --http-host.",
                   shown(name, host));
    return false;
}

static bool origin_fits(struct http_door *d, const struct http_request *r,
                        struct http_answer *a)
{
    const char *of = r->origin;
    char origin[104];

    if (!of)
        return true;
    of += strncmp(of, "http://", 7) == 0 ? 7 : strncmp(of, "https://", 8) == 0 ? 8 : 0;
    if (of != r->origin && strcasecmp(of, r->host) == 0)
        return true;
    answer_refused(d, a, 403, "Pages of other sites may not ask here (Origin: %s).",
                   shown(r->origin, origin));
    return false;
}

static bool method_fits(struct http_door *d, const struct http_request *r,
                        struct http_answer *a)
{
    char method[104];

    if (strcmp(r->method, "GET") != 0 && strcmp(r->method, "HEAD") != 0) {
        a->allow = "GET, HEAD";
        answer_refused(d, a, 405, "%s does nothing here: only GET and HEAD do.",
                       shown(r->method, method));
        return false;
    }
    if (r->has_body) {
        answer_refused(d, a, 413, "A body is not read here: send none.");
        return false;
    }
    return true;
}

bool guard_admits(struct http_door *d, const struct http_request *r, struct http_answer *a)
{
    return host_fits(d, r, a) && origin_fits(d, r, a) && method_fits(d, r, a);
}

bool guard_knows_password(const struct http_door *d, const struct http_request *r)
{
    return !d->host->password ||
           (r->password && door_same_secret(bytes_of_text(r->password), d->host->password));
}

bool guard_wants_password(struct http_door *d, const struct http_request *r,
                          struct http_answer *a)
{
    if (guard_knows_password(d, r))
        return true;
    a->ask_password = true;
    answer_refused(d, a, 401,
                   "%s: send the first line of the node's password-file with HTTP's Basic "
                   "authentication (any user), or as a Bearer token.",
                   r->password ? "That is not the password" : "This needs the node's password");
    return false;
}
