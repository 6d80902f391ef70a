/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* hex.h - hexadecimal digits: of numbers and names, as people meet them in a log, and of bytes
 * that are escaped. Pure. */
#ifndef ACCORD_BASE_HEX_H
#define ACCORD_BASE_HEX_H

#include "base/base.h"

/* The value of one digit, of either case; -1: it is none. */
int hex_digit(uint8_t c);

/* 16 digits, without an end. */
void hex_print(char *to, uint64_t number);

/* 32 digits for two numbers, 16 for one (low NULL); only as hex_print() writes them, so that
 * one number has one spelling. False: anything else; nothing written. */
bool hex_parse(struct bytes text, uint64_t *high, uint64_t *low);

#endif
