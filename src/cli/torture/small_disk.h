/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* small_disk.h - file systems of a few MiB, for state folders whose disk is to be full. They
 * are in a mount namespace of our own: nobody else sees them, and they end with us. */
#ifndef ACCORD_CLI_TORTURE_SMALL_DISK_H
#define ACCORD_CLI_TORTURE_SMALL_DISK_H

#include "base/base.h"

/* The mounts that this process and its later children see are their own from here on.
 * ACCORD_E_DENIED: errno says why. */
MUST_CHECK int small_disk_begin(void);
/* Makes the folder, and mounts one there. ACCORD_E_DENIED: errno says why. */
MUST_CHECK int small_disk_mount(const char *folder);

/* Not a byte more has room. ACCORD_E_IO: errno says why. */
MUST_CHECK int small_disk_fill(const char *folder);
void small_disk_make_room(const char *folder); /* also where it is not full */

#endif
