/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* old.h - --allow-old-server: for people who would rather not write it into the URL. */
#ifndef ACCORD_BUS_NATS_OLD_H
#define ACCORD_BUS_NATS_OLD_H

#include "bus/bus.h"

/* Adds allow_old_server=1 to the URL, unless it says so itself. A URL that cannot be taken
 * apart is left as it is: who opens it says why. ACCORD_E_INVALID: another bus, the URL says
 * the opposite, or has no room; then it is as it was. */
MUST_CHECK int nats_allow_old_server(char *url, size_t url_bytes, char why[BUS_WHY_BYTES_MAX]);

#endif
