/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* presence.h - which nodes have a connection, by what the servers tell an account of its own
 * ($SYS.REQ.ACCOUNT.PING.CONNZ, B18). Each server of a cluster answers for its connections. */
#ifndef ACCORD_BUS_NATS_PRESENCE_H
#define ACCORD_BUS_NATS_PRESENCE_H

#include "bus/nats/link.h"

#define NATS_PRESENCE_SUBJECT "$SYS.REQ.ACCOUNT.PING.CONNZ"

enum {
    PRESENCE_CONNECTIONS_MAX =
        1024,               /* of one server; of an account with more nothing is told */
    PRESENCE_WAIT_MS = 250, /* for all answers together: read() waits meanwhile */
};

/* As the method of struct bus_ops; on any thread. Where no answer came once, because it is not
 * allowed or nobody serves it, it is not asked again before `asked_in_vain` is cleared. */
struct nats_presence {
    bool asked_in_vain;
};
MUST_CHECK int nats_presence(struct nats_presence *p, struct nats_link *l,
                             const char *const *names, size_t count, bool *there,
                             char why[BUS_WHY_BYTES_MAX]);

/* Marks in `there` who is among the connections of one server's answer. ACCORD_E_FORMAT;
 * ACCORD_E_UNSUPPORTED: it has more than it tells. Pure. */
MUST_CHECK int nats_presence_take(const char *cluster, struct bytes answer,
                                  const char *const *names, size_t count, bool *there,
                                  char why[BUS_WHY_BYTES_MAX]);

#endif
