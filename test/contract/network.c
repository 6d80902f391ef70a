/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "network.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "test.h"

/* Who a packet is for is said by its hardware address: one that nobody has, and the other end
 * drops it. No firewall is needed, and who sends notices nothing. */
#define HERE_ADDRESS    "02:00:00:00:00:01"
#define THERE_ADDRESS   "02:00:00:00:00:02"
#define NOBODYS_ADDRESS "02:00:00:00:00:99"

static int here = -1, there = -1;

static void enter(int namespace_fd)
{
    CHECK(setns(namespace_fd, CLONE_NEWNET) == 0);
}

void network_go_there(void)
{
    enter(there);
}

void network_come_back(void)
{
    enter(here);
}

static bool command(const char *text)
{
    return system(text) == 0;
}

static int new_namespace(void)
{
    int fd = unshare(CLONE_NEWNET) == 0 ? open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
                                        : -1;

    if (fd < 0) {
        static char why[128];
        snprintf(why, sizeof why, "no network namespace: %s", strerror(errno));
        test_skip(why);
    }
    return fd;
}

/* Whether what is sent from here arrives there; and from there here. */
static void carry(bool to_there, bool to_here)
{
    CHECK(command(to_there ? "ip neigh replace 10.99.0.2 lladdr " THERE_ADDRESS
                             " dev here nud permanent"
                           : "ip neigh replace 10.99.0.2 lladdr " NOBODYS_ADDRESS
                             " dev here nud permanent"));
    network_go_there();
    CHECK(command(to_here ? "ip neigh replace 10.99.0.1 lladdr " HERE_ADDRESS
                            " dev there nud permanent"
                          : "ip neigh replace 10.99.0.1 lladdr " NOBODYS_ADDRESS
                            " dev there nud permanent"));
    network_come_back();
}

void network_begin(void)
{
    char text[256];

    if (!command("command -v ip >/dev/null"))
        test_skip("iproute2 is not installed");
    here = new_namespace();
    there = new_namespace();
    snprintf(text, sizeof text,
             "ip link add there address " THERE_ADDRESS " type veth peer name here address "
             "" HERE_ADDRESS " netns /proc/%d/fd/%d 2>/dev/null",
             (int)getpid(), here);
    if (!command(text))
        test_skip("this kernel has no veth, or we may not make one");
    CHECK(command("ip link set lo up && ip addr add 10.99.0.2/24 dev there && "
                  "ip link set there up"));
    network_come_back();
    CHECK(command("ip link set lo up && ip addr add 10.99.0.1/24 dev here && "
                  "ip link set here up"));
    carry(true, true);
}

void network_break(enum network_fault fault)
{
    if (fault == SWITCHED_OFF_HERE)
        CHECK(command("ip link set here down"));
    else
        carry(fault == LOST_ON_THE_WAY_BACK, fault == LOST_ON_THE_WAY_THERE);
}

/* Who is whose neighbour is forgotten where an interface was switched off. */
void network_heal(void)
{
    CHECK(command("ip link set here up"));
    carry(true, true);
}
