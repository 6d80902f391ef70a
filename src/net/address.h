/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* address.h - what all listeners on TCP need to know of an address. */
#ifndef ACCORD_NET_ADDRESS_H
#define ACCORD_NET_ADDRESS_H

#include "base/base.h"

#include <sys/socket.h>

/* Splits "host:port" or "[host]:port". False: it is neither. */
bool address_split(const char *text, char host[256], char port[8]);
bool address_is_loopback(const struct sockaddr *a);

#endif
