/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* network.h - a network of this test's own: two namespaces and one cable between them. The node
 * is here, its server is there, and what goes over the cable is lost as it is lost between
 * hosts: without a word. Nothing outside is touched, and all of it ends with the test.
 *
 * It takes root, and a kernel with network namespaces and veth: else the test is skipped. */
#ifndef ACCORD_TEST_NETWORK_H
#define ACCORD_TEST_NETWORK_H

/* Where the server's side listens, as this side sees it. */
#define NETWORK_THERE "10.99.0.2"

/* This thread, and what it starts from now on, is here; both sides are connected. */
void network_begin(void);
/* This thread, and what it starts from now on, is there; and is here again. */
void network_go_there(void);
void network_come_back(void);

enum network_fault {
    LOST_BOTH_WAYS,
    LOST_ON_THE_WAY_BACK,  /* what is sent there arrives, and no answer does */
    LOST_ON_THE_WAY_THERE, /* what there is said by itself arrives, and nothing there */
    SWITCHED_OFF_HERE,     /* who sends is told that there is no network */
    NETWORK_FAULTS
};
void network_break(enum network_fault fault);
void network_heal(void);

#endif
