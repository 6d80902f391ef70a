/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "net/address.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

bool address_is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *in6 = (const void *)a;
    return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr) ||
           (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr) && in6->sin6_addr.s6_addr[12] == 127);
}

bool address_split(const char *text, char host[256], char port[8])
{
    const char *colon = strrchr(text, ':');

    if (!colon || colon == text || strlen(colon + 1) > 5 || !colon[1])
        return false;
    size_t n = (size_t)(colon - text);
    if (text[0] == '[') {
        if (text[n - 1] != ']')
            return false;
        text++;
        n -= 2;
    }
    if (n == 0 || n > 255)
        return false;
    snprintf(host, 256, "%.*s", (int)n, text);
    snprintf(port, 8, "%s", colon + 1);
    /* getaddrinfo() would take 65537 for 1. */
    return strspn(port, "0123456789") == strlen(port) && strtoul(port, NULL, 10) <= UINT16_MAX;
}
