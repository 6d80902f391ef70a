/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* secret.h - whether a password is the one that is wanted. */
#ifndef ACCORD_DOOR_SECRET_H
#define ACCORD_DOOR_SECRET_H

#include "base/base.h"

/* Takes as long whatever differs, but for the length. */
bool door_same_secret(struct bytes given, const char *password);

#endif
