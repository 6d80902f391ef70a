/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "door/secret.h"

bool door_same_secret(struct bytes given, const char *password)
{
    size_t n = strlen(password);
    unsigned differs = given.size_bytes != n;

    for (size_t i = 0; i < given.size_bytes; i++)
        differs |= given.data[i] ^ (unsigned char)password[n > 0 ? i % n : 0];
    return differs == 0;
}
