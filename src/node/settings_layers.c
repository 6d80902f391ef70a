/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* settings_layers.c - file, environment, flags and query: each names a setting and its value.
 */
#include "node/settings.h"

#include "base/hex.h"
#include "node/settings_table.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LISTS_MAX = 8 };

/* What every layer shares: lists it names replace those of the layers below, once. */
struct layer {
    struct settings *settings;
    char *why;
    int status;
    const struct setting *named[LISTS_MAX]; /* lists that it has named so far */
    size_t named_count;
};

static void name_list(struct layer *l, const struct setting *list)
{
    for (size_t i = 0; i < l->named_count; i++)
        if (l->named[i] == list)
            return;
    ASSERT(l->named_count < LISTS_MAX);
    l->named[l->named_count++] = list;
    memset((uint8_t *)l->settings + list->offset, 0, sizeof(struct text_list));
}

static int layer_set(struct layer *l, const char *where, const char *name, const char *value)
{
    const struct setting *d = settings_find(false, name);

    if (d && d->kind == SETTING_LIST)
        name_list(l, d);
    l->status = settings_set(l->settings, where, name, value, l->why);
    return l->status;
}

/* ---- the file ------------------------------------------------------------------------------
 */

enum { FILE_LINE_BYTES_MAX = 196 }; /* inih's buffer, less the line's end */

struct file_layer {
    struct layer layer;
    const char *path;
    FILE *file;
    unsigned line;
    unsigned given[SETTINGS_MAX];           /* in which line; 0: not yet */
    char section[NAMESPACE_BYTES_MAX + 32]; /* whole: inih cuts its own after 49 bytes */
};

static void file_where(const struct file_layer *f, char where[1100])
{
    snprintf(where, 1100, "%.1000s:%u", f->path, f->line);
}

/* Takes the leading space away: inih would read an indented line as more of the one before. */
static void strip_indent(char *line)
{
    size_t indent = strspn(line, " \t");

    memmove(line, line + indent, strlen(line + indent) + 1);
}

static int file_section(struct file_layer *f, const char *where, const char *section);

/* inih says only that a line is wrong, not what is: look before it does. */
static void check_line(struct file_layer *f, const char *where, const char *line)
{
    char name[NAMESPACE_BYTES_MAX + 32];
    size_t length = strcspn(line, "\r\n");

    if (length == 0 || line[0] == ';' || line[0] == '#')
        return;
    if (line[0] == '[') {
        size_t close = strcspn(line, "]");
        if (line[close] != ']' || close - 1 >= sizeof name) {
            f->layer.status = settings_fail(f->layer.why, ACCORD_E_INVALID,
                                            "%s: expected [node] or [namespace NAME]", where);
            return;
        }
        memcpy(name, line + 1, close - 1);
        name[close - 1] = 0;
        snprintf(f->section, sizeof f->section, "%s", name);
        f->layer.status = file_section(f, where, name);
        return;
    }
    if (!memchr(line, '=', length) && !memchr(line, ':', length))
        f->layer.status = settings_fail(f->layer.why, ACCORD_E_INVALID,
                                        "%s: \"%.*s\" is no setting: expected name = value",
                                        where, (int)length, line);
}

/* As fgets(), which does not tell a NUL of the file from its own. */
static bool read_text(FILE *file, char *buffer, int bytes, bool *has_nul)
{
    int used = 0, c = 0;

    *has_nul = false;
    while (c != '\n' && used + 1 < bytes && (c = getc(file)) != EOF) {
        buffer[used++] = (char)c;
        *has_nul |= c == 0;
    }
    buffer[used] = 0;
    return used > 0;
}

/* fgets() that counts lines and stops the parser at the first thing wrong. */
static char *read_line(char *buffer, int bytes, void *stream)
{
    struct file_layer *f = stream;
    char where[1100];
    bool has_nul;

    if (f->layer.status != ACCORD_OK || !read_text(f->file, buffer, bytes, &has_nul))
        return NULL;
    f->line++;
    file_where(f, where);
    if (has_nul) {
        f->layer.status = settings_fail(f->layer.why, ACCORD_E_INVALID,
                                        "%s: the line has a NUL byte; expected a text file "
                                        "of name = value lines",
                                        where);
        return NULL;
    }
    if (strlen(buffer) > FILE_LINE_BYTES_MAX) {
        f->layer.status =
            settings_fail(f->layer.why, ACCORD_E_INVALID,
                          "%s: the line is longer than %d bytes", where, FILE_LINE_BYTES_MAX);
        return NULL;
    }
    strip_indent(buffer);
    check_line(f, where, buffer);
    return f->layer.status == ACCORD_OK ? buffer : NULL;
}

static bool is_node_section(const char *section)
{
    return !*section || strcmp(section, "node") == 0;
}

/* NULL where the section is not one of a namespace. */
static const char *namespace_of_section(const char *section)
{
    size_t word = strlen("namespace");

    if (strncmp(section, "namespace", word) != 0 || section[word] != ' ')
        return NULL;
    section += word;
    return section + strspn(section, " ");
}

/* The later of two would win in silence. */
static int once(struct file_layer *f, const char *where, const char *what, unsigned *line)
{
    if (*line != 0)
        return settings_fail(f->layer.why, ACCORD_E_INVALID,
                             "%s: %.100s was given in line %u: leave one of both out", where,
                             what, *line);
    *line = f->line;
    return ACCORD_OK;
}

static int begin_namespace(struct file_layer *f, const char *where, const char *name)
{
    struct settings *s = f->layer.settings;
    char what[NAMESPACE_BYTES_MAX + 32];
    int status = settings_declare_namespace(s, where, name, f->layer.why);

    if (status != ACCORD_OK)
        return status;
    snprintf(what, sizeof what, "[namespace %s]", name);
    return once(f, where, what, &s->section_lines[settings_namespace_index(s, name)]);
}

static int file_section(struct file_layer *f, const char *where, const char *section)
{
    const char *name = namespace_of_section(section);

    if (name)
        return begin_namespace(f, where, name);
    if (is_node_section(section))
        return ACCORD_OK;
    if (strncmp(section, "name", 4) == 0) /* "[namespace]", "[namepsace user]" */
        return settings_fail(f->layer.why, ACCORD_E_INVALID,
                             "%s: no section is called [%.100s]; expected [namespace NAME]",
                             where, section);
    return settings_fail(f->layer.why, ACCORD_E_INVALID,
                         "%s: no section is called [%.100s]; did you mean %s%.64s]?", where,
                         section, strncmp(section, "no", 2) == 0 ? "[node" : "[namespace ",
                         strncmp(section, "no", 2) == 0 ? "" : section);
}

/* Lists may go on in another line; names that nobody knows are refused later. */
static int once_each(struct file_layer *f, const char *where, const char *of_namespace,
                     const char *name)
{
    struct settings *s = f->layer.settings;
    const struct setting *d = settings_find(of_namespace != NULL, name);
    size_t count;

    if (!d || d->kind == SETTING_LIST)
        return ACCORD_OK;
    size_t index = (size_t)(d - settings_table(of_namespace != NULL, &count));
    unsigned *line = &f->given[index];
    if (of_namespace) {
        size_t at = settings_namespace_index(s, of_namespace);
        ASSERT(at < NAMESPACES_MAX); /* its section declared it */
        line = &s->namespace_lines[at][index];
    }
    return once(f, where, d->name, line);
}

static int file_value(void *user, const char *section, const char *name, const char *value)
{
    struct file_layer *f = user;
    const char *of_namespace = namespace_of_section(f->section);
    char where[1100];

    (void)section;
    if (f->layer.status != ACCORD_OK)
        return 0;
    file_where(f, where);
    f->layer.settings->now = (struct settings_place){LAYER_FILE, f->line};
    if (strcmp(name, "ClusterMachine") == 0 && !of_namespace)
        name = "cluster-machine";
    f->layer.status = once_each(f, where, of_namespace, name);
    if (f->layer.status != ACCORD_OK)
        return 0;
    if (of_namespace)
        f->layer.status = settings_set_namespace(f->layer.settings, where, of_namespace, name,
                                                 value ? value : "", f->layer.why);
    else
        layer_set(&f->layer, where, name, value ? value : "");
    return f->layer.status == ACCORD_OK;
}

int settings_read_file(struct settings *s, const char *path, char why[SETTINGS_WHY_BYTES_MAX])
{
    struct file_layer f = {.layer = {.settings = s, .why = why}, .path = path};
    int line;

    f.file = fopen(path, "re");
    if (!f.file)
        return settings_fail(why,
                             errno == ENOENT   ? ACCORD_E_ABSENT
                             : errno == EACCES ? ACCORD_E_DENIED
                                               : ACCORD_E_IO,
                             "%.400s: the configuration file cannot be read: %s", path,
                             strerror(errno));
    snprintf(s->file, sizeof s->file, "%s", path);
    memset(s->section_lines, 0, sizeof s->section_lines);
    memset(s->namespace_lines, 0, sizeof s->namespace_lines);
    line = ini_parse_stream(read_line, &f, file_value, &f);
    s->now = (struct settings_place){0};
    if (f.layer.status == ACCORD_OK && ferror(f.file))
        f.layer.status = settings_fail(why, ACCORD_E_IO, "%.400s: cannot be read: %s", path,
                                       strerror(errno));
    if (f.layer.status == ACCORD_OK && line != 0)
        f.layer.status = settings_fail(why, ACCORD_E_INVALID,
                                       "%.400s:%d: expected name = value, [node] or "
                                       "[namespace NAME]",
                                       path, line);
    fclose(f.file);
    return f.layer.status;
}

/* ---- environment, flags, query -------------------------------------------------------------
 */

void settings_variable_of(const char *name, char variable[64])
{
    snprintf(variable, 64, "ACCORD_%s", name);
    for (char *at = variable; *at; at++) {
        if (*at >= 'a' && *at <= 'z')
            *at = (char)(*at - 'a' + 'A');
        else if (*at == '-')
            *at = '_';
    }
}

/* What others of our programs read, tests and the command on-cold-boot among them. */
static bool is_of_others(const char *name)
{
    static const char *const others[] = {"BUILD",    "SANITIZED",    "TRACES", "NATS_SERVER",
                                         "TIMES",    "SLOW_SECONDS", "WHY",    "CAUSE",
                                         "POSITION", "READS"};

    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    return strncmp(name, "TEST_", 5) == 0 || strncmp(name, "BENCH_", 6) == 0;
}

/* "ACCORD_MEMROY" is as wrong as --memroy; but who set it may have meant another program. */
static void note_ignored(struct settings *s)
{
    size_t used = 0;

    s->ignored[0] = 0;
    for (char **at = environ; *at && used < sizeof s->ignored; at++) {
        char name[64], variable[64];
        size_t bytes = strcspn(*at, "=");
        if (strncmp(*at, "ACCORD_", 7) != 0 || bytes >= sizeof name)
            continue;
        for (size_t i = 7; i <= bytes; i++)
            name[i - 7] = (char)(i == bytes ? 0 : (*at)[i]);
        if (is_of_others(name))
            continue;
        for (char *c = name; *c; c++)
            *c = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
        if (settings_find(false, name))
            continue;
        const char *near = settings_nearest(false, name);
        settings_variable_of(near ? near : "", variable);
        used += (size_t)snprintf(s->ignored + used, sizeof s->ignored - used, "%s%.*s%s%s%s",
                                 used > 0 ? ", " : "", (int)bytes, *at,
                                 near ? " (did you mean " : "", near ? variable : "",
                                 near ? "?)" : "");
    }
}

int settings_read_environment(struct settings *s, char why[SETTINGS_WHY_BYTES_MAX])
{
    struct layer l = {.settings = s, .why = why};
    size_t count;
    const struct setting *all = settings_table(false, &count);

    s->now = (struct settings_place){LAYER_VARIABLE, 0};
    for (size_t i = 0; i < count && l.status == ACCORD_OK; i++) {
        char variable[64];
        settings_variable_of(all[i].name, variable);
        const char *value = getenv(variable);
        if (value && *value)
            layer_set(&l, variable, all[i].name, value);
    }
    s->now = (struct settings_place){0};
    note_ignored(s);
    return l.status;
}

/* Splits "--name=value", or takes the next argument. Returns how many arguments were used;
 * 0: wrong, and why says so. */
static int flag_split(int argc, char **argv, int at, char name[64], const char **value,
                      char *why)
{
    const char *flag = argv[at];
    size_t length = strcspn(flag, "=");

    if (strncmp(flag, "--", 2) != 0 || length - 2 >= 64) {
        settings_fail(why, ACCORD_E_INVALID, "\"%.100s\" is not a flag; flags begin with --",
                      flag);
        return 0;
    }
    memcpy(name, flag + 2, length - 2);
    name[length - 2] = 0;
    if (flag[length] == '=') {
        *value = flag + length + 1;
        return 1;
    }
    const struct setting *d = settings_find(false, name);
    if (d && d->kind == SETTING_SWITCH) {
        *value = "yes";
        return 1;
    }
    if (d && at + 1 >= argc) {
        settings_fail(why, ACCORD_E_INVALID, "--%s needs a value", name);
        return 0;
    }
    *value = at + 1 < argc ? argv[at + 1] : "";
    return 2;
}

/* The later of two would win in silence; lists may repeat, and what nobody knows is refused
 * later. */
static int flag_once(const char *given[SETTINGS_MAX], const char *name, const char *value,
                     char *why)
{
    const struct setting *d = settings_find(false, name);
    size_t count;

    if (!d || d->kind == SETTING_LIST)
        return ACCORD_OK;
    const char **before = &given[d - settings_table(false, &count)];
    if (*before)
        return settings_fail(why, ACCORD_E_INVALID,
                             "--%s is given twice, as \"%.200s\" and \"%.200s\": leave one of "
                             "them out",
                             name, *before, value);
    *before = value;
    return ACCORD_OK;
}

int settings_read_flags(struct settings *s, int argc, char **argv,
                        char why[SETTINGS_WHY_BYTES_MAX])
{
    struct layer l = {.settings = s, .why = why};
    const char *given[SETTINGS_MAX] = {NULL};

    s->now = (struct settings_place){LAYER_FLAG, 0};
    for (int i = 1; i < argc && l.status == ACCORD_OK;) {
        char name[64], where[80];
        const char *value;
        int used = flag_split(argc, argv, i, name, &value, why);
        if (used == 0)
            return ACCORD_E_INVALID;
        snprintf(where, sizeof where, "--%s", name);
        l.status = flag_once(given, name, value, why);
        if (l.status == ACCORD_OK)
            layer_set(&l, where, name, value);
        i += used;
    }
    s->now = (struct settings_place){0};
    return l.status;
}

/* Copies up to `end`, decoding %XX; false: too long, or "%" without two digits, or NUL. */
static bool percent_decode(const char *text, const char *end, char *out, size_t out_bytes)
{
    size_t used = 0;

    for (; text < end; text++) {
        char c = *text;
        if (c == '%') {
            int high = text + 1 < end ? hex_digit((uint8_t)text[1]) : -1;
            int low = text + 2 < end ? hex_digit((uint8_t)text[2]) : -1;
            if (high < 0 || low < 0 || (high == 0 && low == 0))
                return false;
            c = (char)(high * 16 + low);
            text += 2;
        }
        if (used + 1 >= out_bytes)
            return false;
        out[used++] = c;
    }
    out[used] = 0;
    return true;
}

int settings_read_query(struct settings *s, const char *query, char why[SETTINGS_WHY_BYTES_MAX])
{
    struct layer l = {.settings = s, .why = why};
    const char *at = query[0] == '?' ? query + 1 : query;

    s->now = (struct settings_place){LAYER_QUERY, 0};
    while (*at && l.status == ACCORD_OK) {
        char name[64], value[1100];
        const char *end = at + strcspn(at, "&");
        const char *equals = memchr(at, '=', (size_t)(end - at));
        if (!equals || !percent_decode(at, equals, name, sizeof name) ||
            !percent_decode(equals + 1, end, value, sizeof value))
            return settings_fail(why, ACCORD_E_INVALID,
                                 "embed: \"%.*s\" is not name=value (percent-encoded)",
                                 (int)(end - at > 100 ? 100 : end - at), at);
        layer_set(&l, "embed", name, value);
        at = *end ? end + 1 : end;
    }
    s->now = (struct settings_place){0};
    return l.status;
}

/* The file is found before it is read: its flag, else its variable. */
static const char *config_path(int argc, char **argv)
{
    const char *path = getenv("ACCORD_CONFIG");

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--config=", 9) == 0)
            path = argv[i] + 9;
        else if (strcmp(argv[i], "--config") == 0 && i + 1 < argc)
            path = argv[i + 1];
    }
    return path && *path ? path : NULL;
}

int settings_load(struct settings **out, int argc, char **argv,
                  char why[SETTINGS_WHY_BYTES_MAX])
{
    struct settings *s = NULL;
    const char *path = config_path(argc, argv);
    int status = settings_new(&s);

    if (status != ACCORD_OK)
        return settings_fail(why, status, "out of memory");
    if (path)
        status = settings_read_file(s, path, why);
    if (status == ACCORD_OK)
        status = settings_read_environment(s, why);
    if (status == ACCORD_OK)
        status = settings_read_flags(s, argc, argv, why);
    if (status == ACCORD_OK)
        status = settings_finish(s, why);
    if (status == ACCORD_OK)
        *out = s;
    else
        settings_free(s);
    return status;
}
