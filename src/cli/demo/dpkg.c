/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/dpkg.h"

#include <stdio.h>

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static struct bytes trim(struct bytes b)
{
    while (b.size_bytes > 0 && is_blank(b.data[0]))
        b = bytes_of(b.data + 1, b.size_bytes - 1);
    while (b.size_bytes > 0 && is_blank(b.data[b.size_bytes - 1]))
        b.size_bytes--;
    return b;
}

/* Takes one line off the rest, without its newline. False: nothing is left. */
static bool take_line(struct dpkg_reader *r, struct bytes *line)
{
    if (r->rest.size_bytes == 0)
        return false;
    const uint8_t *end = memchr(r->rest.data, '\n', r->rest.size_bytes);
    size_t size = end ? (size_t)(end - r->rest.data) : r->rest.size_bytes;
    size_t taken = end ? size + 1 : size;
    *line = bytes_of(r->rest.data, size);
    r->rest = bytes_of(r->rest.data + taken, r->rest.size_bytes - taken);
    r->line++;
    return true;
}

/* Takes the lines that continue the field whose value began with `value`. */
static struct bytes take_value(struct dpkg_reader *r, struct bytes value)
{
    const uint8_t *end = value.data + value.size_bytes;
    struct bytes line;

    while (r->rest.size_bytes > 0 && (is_blank(r->rest.data[0]) || r->rest.data[0] == '#')) {
        struct dpkg_reader before = *r;
        take_line(r, &line);
        if (line.size_bytes > 0 && line.data[0] == '#')
            continue;
        if (trim(line).size_bytes == 0) { /* a line of blanks alone ends the stanza */
            *r = before;
            break;
        }
        end = line.data + line.size_bytes;
    }
    return trim(bytes_of(value.data, (size_t)(end - value.data)));
}

static bool is_name(struct bytes name, const char *wanted)
{
    size_t size = strlen(wanted);

    if (name.size_bytes != size)
        return false;
    for (size_t i = 0; i < size; i++) {
        uint8_t c = name.data[i];
        if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != wanted[i])
            return false;
    }
    return true;
}

static uint64_t number_of(struct bytes text)
{
    uint64_t number = 0;

    for (size_t i = 0; i < text.size_bytes; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > UINT64_MAX / 10 - 1)
            return 0;
        number = number * 10 + (uint64_t)(text.data[i] - '0');
    }
    return number;
}

static void set_field(struct dpkg_package *p, struct bytes name, struct bytes value)
{
    if (is_name(name, "package"))
        p->name = value;
    else if (is_name(name, "version"))
        p->version = value;
    else if (is_name(name, "section"))
        p->section = value;
    else if (is_name(name, "architecture"))
        p->architecture = value;
    else if (is_name(name, "depends"))
        p->depends = value;
    else if (is_name(name, "description"))
        p->description = value;
    else if (is_name(name, "installed-size"))
        p->installed_kib = number_of(value);
}

/* A field's name has no blanks and no control characters, and is not empty. */
static const uint8_t *find_colon(struct bytes line)
{
    for (size_t i = 0; i < line.size_bytes; i++) {
        if (line.data[i] == ':')
            return i > 0 ? line.data + i : NULL;
        if (line.data[i] <= ' ' || line.data[i] >= 127)
            return NULL;
    }
    return NULL;
}

int dpkg_next(struct dpkg_reader *r, struct dpkg_package *out, char why[DPKG_WHY_BYTES_MAX])
{
    struct dpkg_package p = {.name = {NULL, 0}};
    struct bytes line;

    while (take_line(r, &line)) {
        if (trim(line).size_bytes == 0) {
            if (p.name.size_bytes > 0)
                break;
            p = (struct dpkg_package){.name = {NULL, 0}};
            continue;
        }
        if (line.data[0] == '#')
            continue;
        const uint8_t *colon = find_colon(line);
        if (!colon) {
            snprintf(why, DPKG_WHY_BYTES_MAX,
                     "line %llu: expected \"Field: value\", an empty line, or a line that "
                     "begins with a space and continues a field",
                     (unsigned long long)(r->line - 1));
            return ACCORD_E_FORMAT;
        }
        struct bytes name = bytes_of(line.data, (size_t)(colon - line.data));
        const uint8_t *end = line.data + line.size_bytes;
        set_field(&p, name, take_value(r, bytes_of(colon + 1, (size_t)(end - colon - 1))));
    }
    if (p.name.size_bytes == 0)
        return ACCORD_E_ABSENT;
    *out = p;
    return ACCORD_OK;
}
