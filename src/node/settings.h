/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* settings.h - what a node is told at start, from wherever it is told.
 *
 * In rising precedence: the defaults of defs/setting.def, the configuration file (INI), the
 * environment (ACCORD_MAX_STALE), the flags (--max-stale). A layer that names a list replaces
 * the list of the layers below. "-" and "_" are the same in names.
 *
 * Every failure fills `why` with one line that says where (file and line, variable or flag),
 * what is wrong and what is expected. Text of settings never holds a secret: the password is
 * read from a file at settings_finish(), and so are signing keys.
 */
#ifndef ACCORD_NODE_SETTINGS_H
#define ACCORD_NODE_SETTINGS_H

#include "base/limits.h"
#include "bus/signing.h"
#include "core/core.h"

enum {
    SETTINGS_WHY_BYTES_MAX = 768,
    LISTEN_MAX = 16,
    LISTEN_BYTES_MAX = 256,
    PASSWORD_BYTES_MAX = 512,
    SETTINGS_MAX = 64, /* entries of defs/setting.def */
    NAMESPACE_SETTINGS_MAX = 24,
    SETTINGS_FILE_BYTES_MAX = 1000,
    SETTINGS_IGNORED_BYTES_MAX = 240,
    SETTINGS_DIFFER_BYTES_MAX = 240,
};

/* Where a value comes from, so that a check of later can say it. Zero: nobody gave one. */
enum settings_layer {
    LAYER_NONE,
    LAYER_CALL, /* settings_set() itself */
    LAYER_FILE,
    LAYER_VARIABLE,
    LAYER_FLAG,
    LAYER_QUERY,
};

struct settings_place {
    enum settings_layer layer;
    unsigned line; /* of the file */
};

struct text_list {
    size_t count;
    char text[LISTEN_MAX][LISTEN_BYTES_MAX];
    struct settings_place places[LISTEN_MAX];
};

enum log_format_choice { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
enum ack_choice { ACK_BUS, ACK_LOCAL };
enum signing_choice { SIGNING_REQUIRE, SIGNING_ACCEPT };

struct settings {
#define TEXT(field, name, bytes, standard, argument, help) char field[bytes];
#define LIST(field, name, argument, help)                  struct text_list field;
#define SIZE(field, name, standard, min, max, help)        uint64_t field;
#define DURATION(field, name, standard, min, max, help)    uint64_t field;
#define COUNT(field, name, standard, min, max, help)       uint64_t field;
#define MODE(field, name, standard, help)                  unsigned field;
#define CHOICE(field, name, words, standard, help)         unsigned field;
#define SWITCH(field, name, help)                          unsigned field;
#include "defs/setting.def"

    bool max_stale_given; /* by the user: then a cluster's smaller bound is refused */
    bool bus_defaulted;   /* its folder may be created */
    bool socket_defaulted;
    char password[PASSWORD_BYTES_MAX + 1];   /* "": none */
    char acs_secret[PASSWORD_BYTES_MAX + 1]; /* "": none */
    struct signing keys;                     /* none: changes are not signed */
    size_t namespace_count;                  /* [0] is "default" and always there */
    struct namespace_settings namespaces[NAMESPACES_MAX];

    struct settings_place now; /* being read */
    struct settings_place places[SETTINGS_MAX];
    char
        file[SETTINGS_FILE_BYTES_MAX + 1]; /* of LAYER_FILE, and of these lines; 0: not given */
    unsigned section_lines[NAMESPACES_MAX];
    unsigned namespace_lines[NAMESPACES_MAX][NAMESPACE_SETTINGS_MAX];
    char ignored[SETTINGS_IGNORED_BYTES_MAX]; /* variables ACCORD_… that mean nothing to us */
};

/* The defaults. ACCORD_E_NOMEM. */
MUST_CHECK int settings_new(struct settings **out);
void settings_free(struct settings *s); /* NULL is fine; wipes the secrets */

/* The four layers. ACCORD_E_INVALID with `why`; ACCORD_E_ABSENT, _DENIED, _IO: the file. */
MUST_CHECK int settings_read_file(struct settings *s, const char *path,
                                  char why[SETTINGS_WHY_BYTES_MAX]);
MUST_CHECK int settings_read_environment(struct settings *s, char why[SETTINGS_WHY_BYTES_MAX]);
/* argv[0] is skipped. ACCORD_E_INVALID also for words that are no flags. */
MUST_CHECK int settings_read_flags(struct settings *s, int argc, char **argv,
                                   char why[SETTINGS_WHY_BYTES_MAX]);
/* "bus=memory:x&name=web1", percent-decoded: flags without their dashes. */
MUST_CHECK int settings_read_query(struct settings *s, const char *query,
                                   char why[SETTINGS_WHY_BYTES_MAX]);

/* Fills what depends on this host (name, bus, socket), reads the password, and checks what no
 * single setting can know. */
MUST_CHECK int settings_finish(struct settings *s, char why[SETTINGS_WHY_BYTES_MAX]);

/* All of it: finds --config or ACCORD_CONFIG first, then file, environment, flags, finish. */
MUST_CHECK int settings_load(struct settings **out, int argc, char **argv,
                             char why[SETTINGS_WHY_BYTES_MAX]);

/* One setting from text, as a layer does. `where` begins the message: "accord.conf:12". */
MUST_CHECK int settings_set(struct settings *s, const char *where, const char *name,
                            const char *value, char why[SETTINGS_WHY_BYTES_MAX]);
MUST_CHECK int settings_set_namespace(struct settings *s, const char *where,
                                      const char *namespace_name, const char *name,
                                      const char *value, char why[SETTINGS_WHY_BYTES_MAX]);

/* Puts before `why` where the setting was given ("accord.conf:12: "; `index`: which of a list),
 * unless nobody gave it, or status is ACCORD_OK. Always returns `status`. */
int settings_blame(const struct settings *s, const char *name, size_t index, int status,
                   char *why, size_t why_bytes);
int settings_blame_namespace(const struct settings *s, size_t namespace_index, const char *name,
                             int status, char *why, size_t why_bytes);

/* Names what differs and is fixed while a node runs: "memory, [namespace g] ttl". Cut with "…"
 * where `out` ends; empty: nothing. */
void settings_differ(const struct settings *a, const struct settings *b,
                     char out[SETTINGS_DIFFER_BYTES_MAX]);

/* Adds the key of a file: one newline at its end is none of it. `name` begins the message.
 * ACCORD_E_INVALID: too short or too long, or no file; ACCORD_E_DENIED: others may read it, or
 * we may not; ACCORD_E_IO. */
MUST_CHECK int settings_read_key(struct signing *keys, const char *name, const char *path,
                                 char why[SETTINGS_WHY_BYTES_MAX]);

/* Numbers with units. ACCORD_E_INVALID: not one, or beyond 64 bits; *out untouched. */
MUST_CHECK int settings_parse_size(const char *text, uint64_t *bytes_out);
MUST_CHECK int settings_parse_duration(const char *text, uint64_t *ns_out);
/* Shortest text that parses back: "3s", "1500ms", "never". */
void settings_print_duration(uint64_t ns, char text[32]);
void settings_print_size(uint64_t bytes, char text[32]);

#endif
