/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/xmpp/place.h"

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#define EXPECTED "xmpp://user:password@host/room@conference.host"

uint64_t xmpp_random(void)
{
    uint64_t n = 0;

    ASSERT(getrandom(&n, sizeof n, 0) == sizeof n);
    return n;
}

static int parse_tls(struct xmpp_place *p, char why[BUS_WHY_BYTES_MAX])
{
    const char *tls = bus_url_option(&p->url, "tls", "");

    p->ca = bus_url_option(&p->url, "ca", NULL);
    p->direct_tls = strcmp(tls, "direct") == 0;
    p->no_tls = strcmp(tls, "insecure-off") == 0;
    if (tls[0] && !p->direct_tls && !p->no_tls)
        return bus_fail(why, ACCORD_E_INVALID,
                        "tls=%.40s: expected direct, or, where nobody can listen, "
                        "insecure-off; without it TLS is demanded",
                        tls);
    if (p->no_tls && p->ca)
        return bus_fail(why, ACCORD_E_INVALID,
                        "tls=insecure-off and ca contradict each other; leave one of them out");
    return ACCORD_OK;
}

/* What may be half of an address: no blanks, no second '@' or '/', nothing that XML escapes. */
static bool is_part(const char *text, size_t length)
{
    static const char none[] = " \"&'/:<>@";

    for (size_t i = 0; i < length; i++)
        if ((unsigned char)text[i] <= ' ' || memchr(none, text[i], sizeof none - 1))
            return false;
    return length > 0 && length < XMPP_JID_BYTES_MAX / 4;
}

static int parse_room(struct xmpp_place *p, char why[BUS_WHY_BYTES_MAX])
{
    const char *path = p->url.path, *at = strchr(path, '@');

    if (!at || !is_part(path, (size_t)(at - path)) || !is_part(at + 1, strlen(at + 1)))
        return bus_fail(
            why, ACCORD_E_INVALID,
            "\"/%.80s\" is no room of the form room@conference.host; expected " EXPECTED, path);
    snprintf(p->room, sizeof p->room, "%s", path);
    return ACCORD_OK;
}

static int parse_user(struct xmpp_place *p, char why[BUS_WHY_BYTES_MAX])
{
    const char *user = p->url.user;
    const char *domain = bus_url_option(&p->url, "domain", p->url.servers[0].host);

    if (!user || !is_part(user, strlen(user)) || !is_part(domain, strlen(domain)))
        return bus_fail(why, ACCORD_E_INVALID,
                        "the URL needs the account's user before its host (and domain= where "
                        "the host is not its domain); expected " EXPECTED);
    if (!p->url.password)
        return bus_fail(why, ACCORD_E_INVALID,
                        "the URL has no password; give one, or password_file");
    snprintf(p->jid, sizeof p->jid, "%s@%s/accord-%016" PRIx64, user, domain, xmpp_random());
    return ACCORD_OK;
}

static int parse_nick(struct xmpp_place *p, const char *node, char why[BUS_WHY_BYTES_MAX])
{
    const char *nick = bus_url_option(&p->url, "nick", node);

    if (!nick)
        snprintf(p->nick, sizeof p->nick, "accord-%08x", (unsigned)xmpp_random());
    else if (strlen(nick) > NODE_NAME_BYTES_MAX || !nick[0])
        return bus_fail(why, ACCORD_E_INVALID, "nick=%.40s: expected 1 to %d bytes", nick,
                        NODE_NAME_BYTES_MAX);
    else
        snprintf(p->nick, sizeof p->nick, "%s", nick);
    return ACCORD_OK;
}

static int parse(struct xmpp_place *p, const char *node, char why[BUS_WHY_BYTES_MAX])
{
    static const char *const known[] = {"domain", "nick", "room_password", "ca", "tls", NULL};

    int status = bus_url_know(&p->url, known, why);
    if (status == ACCORD_OK)
        status = parse_room(p, why);
    if (status == ACCORD_OK)
        status = parse_user(p, why);
    if (status == ACCORD_OK)
        status = parse_nick(p, node, why);
    if (status == ACCORD_OK)
        status = parse_tls(p, why);
    p->room_password = bus_url_option(&p->url, "room_password", NULL);
    return status;
}

int xmpp_place_init(struct xmpp_place *out, const char *url, const char *node,
                    char why[BUS_WHY_BYTES_MAX])
{
    memset(out, 0, sizeof *out);
    int status = bus_url_parse(&out->url, url, XMPP_PORT, EXPECTED, why);
    if (status == ACCORD_OK)
        status = parse(out, node, why);
    if (status != ACCORD_OK)
        xmpp_place_done(out);
    return status;
}

void xmpp_place_done(struct xmpp_place *p)
{
    bus_url_done(&p->url);
}
