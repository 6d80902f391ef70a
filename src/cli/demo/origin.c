/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/origin.h"

#include "cli/demo/dpkg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

/* In front of the text of each value. */
struct value_head {
    uint64_t hash; /* of all that follows */
    uint64_t row;
    uint64_t version;
};

static const char create_sql[] =
    "PRAGMA journal_mode=WAL;"
    "CREATE TABLE packages(id INTEGER PRIMARY KEY, name TEXT NOT NULL, version TEXT NOT NULL,"
    " section TEXT NOT NULL, architecture TEXT NOT NULL, installed_kib INTEGER NOT NULL,"
    " depends TEXT NOT NULL, description TEXT NOT NULL,"
    " row_version INTEGER NOT NULL DEFAULT 1, UNIQUE(name, architecture)) STRICT;";
static const char insert_sql[] =
    "INSERT INTO packages(id, name, version, section, architecture, installed_kib, depends,"
    " description) VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING";
static const char select_sql[] =
    "SELECT row_version, name, version, section, architecture, installed_kib, depends,"
    " description FROM packages WHERE id = ?";
static const char update_sql[] = "UPDATE packages SET row_version = ? WHERE id = ?";

static int fail_with(char *why, int status, const char *what, const char *reason)
{
    snprintf(why, DEMO_ORIGIN_WHY_BYTES_MAX, "%s: %s", what, reason);
    return status;
}

/* ---- loading the input ------------------------------------------------------------------- */

static int read_all(int fd, uint8_t *into, size_t size, size_t *got)
{
    *got = 0;
    while (*got < size) {
        ssize_t more = read(fd, into + *got, size - *got);
        if (more < 0 && errno == EINTR)
            continue;
        if (more < 0)
            return ACCORD_E_IO;
        if (more == 0)
            break;
        *got += (size_t)more;
    }
    return ACCORD_OK;
}

static int read_file(const char *path, struct bytes *out, char *why)
{
    struct stat st;
    uint8_t *data = NULL;
    size_t size = 0;
    int status = ACCORD_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return fail_with(why, ACCORD_E_IO, path, strerror(errno));
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
        status = fail_with(why, ACCORD_E_IO, path, "not a regular file");
    else if (st.st_size == 0 || st.st_size > DEMO_INPUT_BYTES_MAX)
        status = fail_with(why, ACCORD_E_SIZE, path, "empty, or larger than 1 GiB");
    else if (!(data = malloc((size_t)st.st_size)))
        status = fail_with(why, ACCORD_E_NOMEM, path, "out of memory");
    else if (read_all(fd, data, (size_t)st.st_size, &size) != ACCORD_OK)
        status = fail_with(why, ACCORD_E_IO, path, strerror(errno));
    close(fd);
    if (status == ACCORD_OK)
        *out = bytes_of(data, size);
    else
        free(data);
    return status;
}

static int bind_text(sqlite3_stmt *s, int at, struct bytes b)
{
    const char *text = b.size_bytes > 0 ? (const char *)b.data : "";

    return sqlite3_bind_text(s, at, text, (int)b.size_bytes, SQLITE_STATIC);
}

static int insert(sqlite3 *db, sqlite3_stmt *s, int64_t id, const struct dpkg_package *p)
{
    bool bound =
        sqlite3_bind_int64(s, 1, id) == SQLITE_OK && bind_text(s, 2, p->name) == SQLITE_OK &&
        bind_text(s, 3, p->version) == SQLITE_OK && bind_text(s, 4, p->section) == SQLITE_OK &&
        bind_text(s, 5, p->architecture) == SQLITE_OK &&
        sqlite3_bind_int64(s, 6, (int64_t)(p->installed_kib & INT64_MAX)) == SQLITE_OK &&
        bind_text(s, 7, p->depends) == SQLITE_OK &&
        bind_text(s, 8, p->description) == SQLITE_OK;
    int step = bound ? sqlite3_step(s) : SQLITE_ERROR;

    sqlite3_reset(s);
    if (step != SQLITE_DONE)
        return ACCORD_E_IO;
    return sqlite3_changes(db) == 1 ? ACCORD_OK : ACCORD_E_CONFLICT;
}

/* The texts of one row, appended to `text` of which *used bytes are taken. Offsets are kept
 * until the end, when the text no longer moves. */
struct growing {
    struct demo_table table;
    size_t used, room, rows_room;
};

static bool grow(void **memory, size_t *room, size_t wanted, size_t element)
{
    if (wanted <= *room)
        return true;
    size_t larger = wanted + *room + 1024;
    void *moved = realloc(*memory, larger * element);
    if (!moved)
        return false;
    *memory = moved;
    *room = larger;
    return true;
}

static bool add_row(struct growing *g, const struct dpkg_package *p)
{
    size_t most = p->name.size_bytes + p->architecture.size_bytes + p->section.size_bytes + 64;
    void *text = g->table.text, *rows = g->table.rows;
    bool grown = grow(&text, &g->room, g->used + most, 1) &&
                 grow(&rows, &g->rows_room, g->table.count + 1u, sizeof *g->table.rows);

    g->table.text = text;
    g->table.rows = rows;
    if (!grown)
        return false;
    char *at = g->table.text + g->used;
    int key = snprintf(at, most, "package:%.*s:%.*s", (int)p->name.size_bytes,
                       (const char *)p->name.data, (int)p->architecture.size_bytes,
                       (const char *)p->architecture.data) +
              1;
    int tag = snprintf(at + key, most - (size_t)key, "section:%.*s", (int)p->section.size_bytes,
                       (const char *)p->section.data) +
              1;
    struct demo_row *row = &g->table.rows[g->table.count++];
    *row = (struct demo_row){NULL, NULL, (size_t)key - 1};
    g->used += (size_t)key + (size_t)tag;
    return true;
}

/* Now that the text stays where it is: key, NUL, tag, NUL, for each row in turn. */
static void point_rows(struct demo_table *t)
{
    char *at = t->text;

    for (uint32_t i = 0; i < t->count; i++) {
        t->rows[i].key = at;
        t->rows[i].key_bytes = strlen(at);
        at += t->rows[i].key_bytes + 1;
        t->rows[i].tag = at;
        at += strlen(at) + 1;
    }
}

/* A name is text without control characters and NUL, short enough for a key. */
static bool is_usable(const struct dpkg_package *p)
{
    size_t total = p->name.size_bytes + p->architecture.size_bytes + p->section.size_bytes;

    return total < 4096 && !memchr(p->name.data, 0, p->name.size_bytes) &&
           (p->architecture.size_bytes == 0 ||
            !memchr(p->architecture.data, 0, p->architecture.size_bytes)) &&
           (p->section.size_bytes == 0 || !memchr(p->section.data, 0, p->section.size_bytes));
}

static int insert_all(sqlite3 *db, sqlite3_stmt *s, struct bytes file, const char *input,
                      struct growing *g, char *why)
{
    struct dpkg_reader reader = dpkg_reader_of(file);
    char line_why[DPKG_WHY_BYTES_MAX];
    struct dpkg_package p;
    int status;

    while ((status = dpkg_next(&reader, &p, line_why)) == ACCORD_OK) {
        if (!is_usable(&p))
            continue;
        if (g->table.count == DEMO_ROWS_MAX)
            break;
        status = insert(db, s, (int64_t)g->table.count + 1, &p);
        if (status == ACCORD_E_CONFLICT)
            continue;
        if (status != ACCORD_OK)
            return fail_with(why, status, "the origin database", sqlite3_errmsg(db));
        if (!add_row(g, &p))
            return fail_with(why, ACCORD_E_NOMEM, input, "out of memory");
    }
    if (status == ACCORD_E_FORMAT)
        return fail_with(why, status, input, line_why);
    if (g->table.count == 0)
        return fail_with(why, ACCORD_E_FORMAT, input, "no stanza with a Package field");
    return ACCORD_OK;
}

int demo_origin_create(const char *path, const char *input, struct demo_table *out,
                       char why[DEMO_ORIGIN_WHY_BYTES_MAX])
{
    struct growing g = {.table = {NULL, 0, NULL}};
    struct bytes file = {NULL, 0};
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;

    int status = read_file(input, &file, why);
    if (status != ACCORD_OK)
        return status;
    bool open = sqlite3_open(path, &db) == SQLITE_OK &&
                sqlite3_exec(db, create_sql, NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
                sqlite3_prepare_v2(db, insert_sql, -1, &s, NULL) == SQLITE_OK;
    if (open)
        status = insert_all(db, s, file, input, &g, why);
    else
        status = fail_with(why, ACCORD_E_IO, path, db ? sqlite3_errmsg(db) : "out of memory");
    sqlite3_finalize(s);
    if (status == ACCORD_OK && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) != SQLITE_OK)
        status = fail_with(why, ACCORD_E_IO, path, sqlite3_errmsg(db));
    sqlite3_close(db);
    free((void *)(uintptr_t)file.data);
    if (status == ACCORD_OK) {
        point_rows(&g.table);
        *out = g.table;
    } else {
        demo_table_free(&g.table);
    }
    return status;
}

void demo_table_free(struct demo_table *t)
{
    free(t->rows);
    free(t->text);
    *t = (struct demo_table){NULL, 0, NULL};
}

/* ---- one connection ---------------------------------------------------------------------- */

int demo_origin_open(struct demo_origin *out, const char *path,
                     char why[DEMO_ORIGIN_WHY_BYTES_MAX])
{
    struct demo_origin o = {NULL, NULL, NULL};
    bool good =
        sqlite3_open_v2(path, &o.db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(o.db, DEMO_BUSY_TIMEOUT_MS) == SQLITE_OK &&
        sqlite3_exec(o.db, "PRAGMA synchronous=NORMAL", NULL, NULL, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(o.db, select_sql, -1, &o.select, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(o.db, update_sql, -1, &o.update, NULL) == SQLITE_OK;

    if (!good) {
        int status =
            fail_with(why, ACCORD_E_IO, path, o.db ? sqlite3_errmsg(o.db) : "out of memory");
        demo_origin_close(&o);
        return status;
    }
    *out = o;
    return ACCORD_OK;
}

void demo_origin_close(struct demo_origin *o)
{
    sqlite3_finalize(o->select);
    sqlite3_finalize(o->update);
    sqlite3_close(o->db);
    *o = (struct demo_origin){NULL, NULL, NULL};
}

static size_t append(uint8_t *to, size_t at, const char *label, sqlite3_stmt *s, int column)
{
    const void *text = sqlite3_column_text(s, column);
    struct bytes parts[] = {bytes_of_text(label),
                            bytes_of(text, (size_t)sqlite3_column_bytes(s, column)),
                            bytes_of_text("\n")};

    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size_t room = DEMO_VALUE_BYTES_MAX - at;
        size_t size = parts[i].size_bytes < room ? parts[i].size_bytes : room;
        if (size > 0)
            memcpy(to + at, parts[i].data, size);
        at += size;
    }
    return at;
}

static uint64_t hash_of(const uint8_t *value, size_t value_bytes)
{
    size_t skipped = offsetof(struct value_head, row);

    return XXH3_64bits(value + skipped, value_bytes - skipped);
}

int demo_origin_load(struct demo_origin *o, uint32_t row, void *value, size_t *value_bytes)
{
    static const char *const labels[] = {
        "Package: ", "Version: ", "Section: ",    "Architecture: ",
        "Size: ",    "Depends: ", "Description: "};
    struct value_head head = {0, row, 0};
    uint8_t *to = value;
    size_t at = sizeof head;
    int status = ACCORD_E_IO;

    sqlite3_bind_int64(o->select, 1, (int64_t)row + 1);
    int step = sqlite3_step(o->select);
    if (step == SQLITE_ROW) {
        head.version = (uint64_t)sqlite3_column_int64(o->select, 0);
        for (size_t i = 0; i < COUNT_OF(labels); i++)
            at = append(to, at, labels[i], o->select, (int)i + 1);
        memcpy(to, &head, sizeof head);
        head.hash = hash_of(to, at);
        memcpy(to, &head, sizeof head);
        *value_bytes = at;
        status = ACCORD_OK;
    }
    sqlite3_reset(o->select);
    return status;
}

int demo_origin_update(struct demo_origin *o, const struct demo_update *updates, size_t count)
{
    bool good = sqlite3_exec(o->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;

    for (size_t i = 0; good && i < count; i++) {
        sqlite3_bind_int64(o->update, 1, updates[i].version);
        sqlite3_bind_int64(o->update, 2, (int64_t)updates[i].row + 1);
        good = sqlite3_step(o->update) == SQLITE_DONE;
        sqlite3_reset(o->update);
    }
    good = good && sqlite3_exec(o->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
    if (!good && !sqlite3_get_autocommit(o->db))
        sqlite3_exec(o->db, "ROLLBACK", NULL, NULL, NULL);
    return good ? ACCORD_OK : ACCORD_E_IO;
}

bool demo_value_check(const void *value, size_t value_bytes, uint32_t row, uint64_t *version)
{
    struct value_head head;

    if (value_bytes < sizeof head || value_bytes > DEMO_VALUE_BYTES_MAX)
        return false;
    memcpy(&head, value, sizeof head);
    if (head.row != row || head.hash != hash_of(value, value_bytes))
        return false;
    *version = head.version;
    return true;
}
