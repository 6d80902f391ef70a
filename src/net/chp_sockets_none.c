/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* chp_sockets_none.c - what a build without libzmq has in place of chp_sockets.c. */
#include "net/chp_sockets.h"

#if !__has_include(<zmq.h>)

#include <stdio.h>

int chp_sockets_new(struct chp_sockets **out, const struct chp_address *address,
                    char why[NET_WHY_BYTES_MAX])
{
    (void)out;
    snprintf(
        why, NET_WHY_BYTES_MAX,
        "%s: this accord was built without libzmq: install libzmq3-dev, then make clean all",
        address->text);
    return ACCORD_E_UNSUPPORTED;
}

void chp_sockets_free(struct chp_sockets *s)
{
    ASSERT(!s);
}

int chp_sockets_fd(const struct chp_sockets *s, enum chp_socket which)
{
    (void)which;
    ASSERT(!s);
    return -1;
}

size_t chp_receive(struct chp_sockets *s, enum chp_socket which,
                   struct bytes frames[CHP_RECEIVED_MAX])
{
    (void)which;
    (void)frames;
    ASSERT(!s);
    return 0;
}

int chp_send(struct chp_sockets *s, struct bytes client, const struct bytes *frames,
             size_t count)
{
    (void)client;
    (void)frames;
    (void)count;
    ASSERT(!s);
    return ACCORD_E_GONE;
}

void chp_publish(struct chp_sockets *s, const struct bytes *frames, size_t count)
{
    (void)frames;
    (void)count;
    ASSERT(!s);
}

void chp_subscribed(struct chp_sockets *s)
{
    ASSERT(!s);
}

#endif
