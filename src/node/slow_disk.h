/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* slow_disk.h - for tests: a disk that takes its time. This program's fdatasync(), which SQLite
 * calls, stands still between slow_disk_stop() and slow_disk_go_on(). */
#ifndef ACCORD_NODE_SLOW_DISK_H
#define ACCORD_NODE_SLOW_DISK_H

void slow_disk_stop(void);
void slow_disk_go_on(void);
unsigned slow_disk_syncs(void); /* begun, since the program began */

#endif
