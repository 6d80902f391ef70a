/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* fault_proxy.h - a TCP proxy that does to a connection what networks do to it: delays, cuts,
 * stalls one way, resets, throttles, splits what was sent into pieces.
 *
 * It stands between a client and a real server, on a loopback port of its own, and is driven by
 * the test: here as a thread of it; for tests in other languages as the program fault-proxy
 * (fault_proxy_main.c), which takes the same commands as lines. Equal seeds, equal choices.
 *
 * A failure to start or an unknown command ends the test. All functions: any thread. */
#ifndef ACCORD_TEST_FAULT_PROXY_H
#define ACCORD_TEST_FAULT_PROXY_H

#include <stdbool.h>
#include <stdint.h>

struct fault_proxy;

/* Forwards 127.0.0.1:fault_proxy_port() to 127.0.0.1:to_port. NULL: no port or no memory. */
struct fault_proxy *fault_proxy_start(uint16_t to_port, uint64_t seed);
/* The same, and it listens on every address of this network namespace. */
struct fault_proxy *fault_proxy_start_everywhere(uint16_t to_port, uint64_t seed);
uint16_t fault_proxy_port(const struct fault_proxy *p);
void fault_proxy_stop(struct fault_proxy *p); /* closes all; NULL is fine */

/* One command; it holds until `heal`, and for later connections too. False: unknown.
 *   delay MS [JITTER_MS]    what is sent arrives so much later, in order
 *   throttle BYTES          a second, each way of each connection
 *   split BYTES             no piece larger than a random number up to this
 *   stall up|down|both      nothing goes to the server, to the client, or either way; what was
 *                           sent arrives after heal
 *   cut                     closes every connection; later ones are closed at once
 *   reset                   resets every connection; later ones are fine
 *   reset-after BYTES       resets a connection once it has carried so many to the server
 *   to PORT                 later connections go there
 *   heal                    ends all of that, but `to` */
bool fault_proxy_command(struct fault_proxy *p, const char *command);

/* Connections that are open, and that were ever accepted. */
unsigned fault_proxy_open(struct fault_proxy *p);
unsigned fault_proxy_accepted(struct fault_proxy *p);

#endif
