/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "net/chp_sockets.h"

#include "net/address.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

enum { PORT_MAX = UINT16_MAX - 2 };

static int take_options(const char *options, struct chp_address *a, char why[NET_WHY_BYTES_MAX])
{
    if (!options || strcmp(options, "collector=pub") == 0)
        return ACCORD_OK;
    a->push = strcmp(options, "collector=push") == 0;
    if (a->push)
        return ACCORD_OK;
    snprintf(
        why, NET_WHY_BYTES_MAX,
        "%s: after the \"?\" only collector=push (clients of models 3 to 5 of the guide set "
        "with a PUSH socket) or collector=pub (RFC 12) is known",
        a->text);
    return ACCORD_E_INVALID;
}

/* The numeric text of the first address, IPv4 first: it is what clients take "localhost" for.
 */
static int take_host(const struct addrinfo *list, struct chp_address *a,
                     char why[NET_WHY_BYTES_MAX])
{
    const struct addrinfo *at = list;
    char host[56];

    while (at && at->ai_family != AF_INET)
        at = at->ai_next;
    at = at ? at : list;
    if (!address_is_loopback(at->ai_addr)) {
        snprintf(why, NET_WHY_BYTES_MAX,
                 "%s is open to other hosts, and the protocol has no password: listen on "
                 "chp://127.0.0.1 and let others in through a tunnel (ssh -L, WireGuard)",
                 a->text);
        return ACCORD_E_INVALID;
    }
    if (getnameinfo(at->ai_addr, at->ai_addrlen, host, sizeof host, NULL, 0, NI_NUMERICHOST) !=
        0) {
        snprintf(why, NET_WHY_BYTES_MAX, "%s: its address cannot be written", a->text);
        return ACCORD_E_INVALID;
    }
    snprintf(a->host, sizeof a->host, at->ai_family == AF_INET6 ? "[%s]" : "%s", host);
    return ACCORD_OK;
}

int chp_address_parse(const char *text, struct chp_address *out, char why[NET_WHY_BYTES_MAX])
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE}, *list = NULL;
    struct chp_address a = {.push = false};
    char rest[160], host[256], port[8];

    if ((size_t)snprintf(a.text, sizeof a.text, "%s", text) >= sizeof a.text ||
        strncmp(text, "chp://", 6) != 0) {
        snprintf(why, NET_WHY_BYTES_MAX, "%.200s: expected chp://host:port", text);
        return ACCORD_E_INVALID;
    }
    snprintf(rest, sizeof rest, "%s", text + 6);
    char *options = strchr(rest, '?');
    if (options)
        *options++ = 0;
    unsigned long number = address_split(rest, host, port) ? strtoul(port, NULL, 10) : 0;
    if (number == 0 || number > PORT_MAX) {
        snprintf(
            why, NET_WHY_BYTES_MAX,
            "%s: expected chp://host:port; the port is from 1 to %d, and CHP takes the next "
            "two also",
            text, PORT_MAX);
        return ACCORD_E_INVALID;
    }
    a.port = (uint16_t)number;
    int status = take_options(options, &a, why);
    if (status != ACCORD_OK)
        return status;
    int error = getaddrinfo(host, port, &hints, &list);
    if (error != 0) {
        snprintf(why, NET_WHY_BYTES_MAX, "%s: %s", text, gai_strerror(error));
        return ACCORD_E_INVALID;
    }
    status = take_host(list, &a, why);
    freeaddrinfo(list);
    if (status == ACCORD_OK)
        *out = a;
    return status;
}
