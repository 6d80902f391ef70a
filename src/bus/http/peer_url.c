/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/http/peer_url.h"

#include <errno.h>
#include <stdio.h>

#define EXPECTED "http://127.0.0.1:7311,127.0.0.1:7312?listen=127.0.0.1:7313"

static int address_of(const struct bus_url_server *s, char out[PEER_ADDRESS_BYTES_MAX + 1],
                      char why[BUS_WHY_BYTES_MAX])
{
    int bytes = snprintf(out, PEER_ADDRESS_BYTES_MAX + 1,
                         strchr(s->host, ':') ? "[%s]:%u" : "%s:%u", s->host, s->port);

    if (bytes > PEER_ADDRESS_BYTES_MAX || !peer_address_is_valid(bytes_of_text(out)))
        return bus_fail(why, ACCORD_E_INVALID,
                        "http: \"%.80s\" is no peer's address: host:port of 1 to %d printable "
                        "characters; expected " EXPECTED,
                        s->host, PEER_ADDRESS_BYTES_MAX);
    return ACCORD_OK;
}

static int own_addresses(struct peer_url *out, const struct bus_url *u,
                         char why[BUS_WHY_BYTES_MAX])
{
    const char *listen = bus_url_option(u, "listen", NULL);
    const char *address = bus_url_option(u, "address", "");

    if (!listen || !peer_address_is_valid(bytes_of_text(listen)))
        return bus_fail(why, ACCORD_E_INVALID,
                        "http: say where this node's peers ask it: listen=host:port; "
                        "expected " EXPECTED);
    if (address[0] && !peer_address_is_valid(bytes_of_text(address)))
        return bus_fail(why, ACCORD_E_INVALID,
                        "http: address=%.80s: expected host:port, as the peers reach this node",
                        address);
    snprintf(out->listen, sizeof out->listen, "http://%s", listen);
    snprintf(out->address, sizeof out->address, "%s", address);
    return ACCORD_OK;
}

static int key_read(struct peer_url *out, const char *path, char why[BUS_WHY_BYTES_MAX])
{
    uint8_t bytes[PEER_KEY_BYTES_MAX + 1];
    FILE *f = fopen(path, "re");

    if (!f)
        return bus_fail(why, ACCORD_E_DENIED, "http: key_file %.200s: %s", path,
                        strerror(errno));
    setvbuf(f, NULL, _IONBF, 0); /* no other copy of it */
    size_t size = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    if (size == 0 || peer_key_init(&out->key, bytes_of(bytes, size)) != ACCORD_OK)
        return bus_fail(why, ACCORD_E_INVALID,
                        "http: key_file %.200s: expected %d to %d bytes (openssl rand -out it "
                        "64), the same on every peer",
                        path, PEER_KEY_BYTES_MIN, PEER_KEY_BYTES_MAX);
    return ACCORD_OK;
}

/* Names are not looked up: what they mean may change. */
static bool is_of_this_host(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strncmp(address, "localhost:", 10) == 0 ||
           strncmp(address, "[::1]:", 6) == 0;
}

static int check_hosts(const struct peer_url *out, char why[BUS_WHY_BYTES_MAX])
{
    const char *open_to_others = NULL;

    for (size_t i = 0; i < out->listed_count; i++)
        if (!is_of_this_host(out->listed[i]))
            open_to_others = out->listed[i];
    if (!is_of_this_host(out->listen + strlen("http://")))
        open_to_others = out->listen + strlen("http://");
    if (out->address[0] && !is_of_this_host(out->address))
        open_to_others = out->address;
    if (!open_to_others)
        return ACCORD_OK;
    return bus_fail(
        why, ACCORD_E_INVALID,
        "http: %.80s is not of this host, so the peers need a key: make one "
        "(openssl rand -out /etc/accord/peers.key 64), give it to each of them, and "
        "add key_file=/etc/accord/peers.key to the URL",
        open_to_others);
}

static int take_parts(struct peer_url *out, const struct bus_url *u,
                      char why[BUS_WHY_BYTES_MAX])
{
    const char *key_file = bus_url_option(u, "key_file", NULL);

    if (u->user || u->password || u->path[0])
        return bus_fail(why, ACCORD_E_INVALID,
                        "http: peers have no users, passwords or paths; expected " EXPECTED);
    int status = own_addresses(out, u, why);
    for (size_t i = 0; i < u->server_count && status == ACCORD_OK; i++)
        status = address_of(&u->servers[i], out->listed[out->listed_count++], why);
    if (status == ACCORD_OK && key_file)
        return key_read(out, key_file, why);
    if (status != ACCORD_OK)
        return status;
    status = peer_key_init(&out->key, bytes_of(NULL, 0));
    ASSERT(status == ACCORD_OK);
    return check_hosts(out, why);
}

int peer_url_parse(struct peer_url *out, const char *url, char why[BUS_WHY_BYTES_MAX])
{
    static const char *const known[] = {"listen", "address", "key_file", NULL};
    struct bus_url u;

    memset(out, 0, sizeof *out);
    int status = bus_url_parse(&u, url, PEER_PORT_DEFAULT, EXPECTED, why);
    if (status != ACCORD_OK)
        return status;
    status = bus_url_know(&u, known, why);
    if (status == ACCORD_OK)
        status = take_parts(out, &u, why);
    bus_url_done(&u);
    return status;
}
