/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* settings_table.h - defs/setting.def as a table, for the layers of settings and for --help. */
#ifndef ACCORD_NODE_SETTINGS_TABLE_H
#define ACCORD_NODE_SETTINGS_TABLE_H

#include "node/settings.h"

enum setting_kind {
    SETTING_TEXT,
    SETTING_LIST,
    SETTING_SIZE,
    SETTING_DURATION,
    SETTING_DURATION_OR_NEVER,
    SETTING_COUNT,
    SETTING_MODE,
    SETTING_CHOICE,
    SETTING_FRACTION,
    SETTING_CHARACTER,
    SETTING_FLAG,
    SETTING_SWITCH,
};

struct setting {
    const char *name; /* with dashes, as a flag; namespaces' with underscores */
    enum setting_kind kind;
    size_t offset, bytes; /* of the field in its struct */
    const char *standard; /* the default as text; NULL: zero */
    uint64_t min, max;
    const char *words;    /* of a choice, separated by spaces */
    const char *argument; /* how help names the value; NULL: the words; "": it has none */
    const char *help;
};

/* All settings of the node, or of one namespace. Static. */
const struct setting *settings_table(bool of_namespace, size_t *count);
/* NULL: none of that name. */
const struct setting *settings_find(bool of_namespace, const char *name);
/* The name most like `name`, or NULL where none is near. */
const char *settings_nearest(bool of_namespace, const char *name);
/* Stores text into the field of *base; false: not what the setting expects, field untouched. */
MUST_CHECK bool settings_store(const struct setting *d, void *base, const char *value);
/* A section header is enough to declare a namespace. */
MUST_CHECK int settings_declare_namespace(struct settings *s, const char *where,
                                          const char *name, char why[SETTINGS_WHY_BYTES_MAX]);
/* "ACCORD_MAX_STALE" of "max-stale". */
void settings_variable_of(const char *name, char variable[64]);
/* NAMESPACES_MAX: none of that name. */
size_t settings_namespace_index(const struct settings *s, const char *name);
/* By any layer, be it the default's value. */
bool settings_is_given(const struct settings *s, const char *name);
/* One line for `why`. Always returns `status`. */
PRINTF_LIKE(3, 4)
int settings_fail(char why[SETTINGS_WHY_BYTES_MAX], int status, const char *format, ...);

#endif
