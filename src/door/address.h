/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* address.h - of the doors too: see net/address.h. */
#ifndef ACCORD_DOOR_ADDRESS_H
#define ACCORD_DOOR_ADDRESS_H

#include "net/address.h"

#endif
