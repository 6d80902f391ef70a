/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* history_test.c - a log that is not what it was: truncated, re-seeded, forked, or without its
 * newest entry. Whoever stood anywhere in it is told, whether it ran meanwhile or not; nobody
 * goes on as if nothing had been lost. (Restored and replaced by an older copy, moved, deleted:
 * sqlite_test.c. Lost tails and replaced logs, of every bus: B7 and B15 of the contract. The
 * same under running daemons: test/system/faults_bus.py.) */
#include "bus/sqlite/sqlite.h"

#include <sqlite3.h>
#include <stdio.h>
#include <unistd.h>

#include "test.h"

static char why[BUS_WHY_BYTES_MAX];

#define OK(e)                                                                                  \
    do {                                                                                       \
        int status_of_e = (e);                                                                 \
        if (status_of_e != ACCORD_OK)                                                          \
            fprintf(stderr, "%s: %s\n", status_text(status_of_e), why);                        \
        CHECK(status_of_e == ACCORD_OK);                                                       \
    } while (0)

struct node {
    struct bus *bus;
    struct bus_attached attached;
    struct cursor at;
};

static const char *file(const char *name)
{
    static char paths[4][600];
    static unsigned turn;
    char *path = paths[turn++ % COUNT_OF(paths)];

    snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
    return path;
}

static void opened(struct node *n, const char *name)
{
    char url[700];
    struct bus_settings s = {.url = url,
                             .max_stale_ms = 3000,
                             .retain_ms = 24ull * 3600 * 1000,
                             .retain_changes = 100000,
                             .timeout_ms = 2000};

    snprintf(url, sizeof url, "sqlite:%s", file(name));
    OK(bus_sqlite.open(&n->bus, &s, why));
}

static void closed(struct node *n)
{
    bus_sqlite.close(n->bus);
    n->bus = NULL;
}

static void attach(struct node *n)
{
    OK(bus_sqlite.attach(n->bus, NULL, 3600 * 1000, &n->attached, why));
    n->at = (struct cursor){
        .log = n->attached.log, .epoch = n->attached.epoch, .position = n->attached.after};
}

static uint64_t published(struct node *n, enum change_op op)
{
    static uint64_t messages;

    messages++;
    struct change c = {.op = op,
                       .key = bytes_of_text(op == CHANGE_REMOVE ? "k" : ""),
                       .message = {(uint64_t)getpid(), messages},
                       .nonce = op == CHANGE_BEAT ? messages : 0,
                       .origin = bytes_of_text("web1")};
    struct position last = {0};

    OK(bus_sqlite.publish(n->bus, &c, 1, &last, why));
    return last.value;
}

static size_t read_all(struct node *n)
{
    const struct entry *entries;
    size_t count = 0, total = 0;

    do {
        OK(bus_sqlite.read(n->bus, n->at.position, 0, &entries, &count, why));
        if (count > 0) {
            n->at.position = entries[count - 1].position;
            n->at.message = entries[count - 1].change.message;
        }
        total += count;
    } while (count > 0);
    return total;
}

static void sql(const char *name, const char *text)
{
    sqlite3 *db = NULL;

    CHECK(sqlite3_open(file(name), &db) == SQLITE_OK);
    CHECK(sqlite3_busy_timeout(db, 5000) == SQLITE_OK);
    int result = sqlite3_exec(db, text, NULL, NULL, NULL);
    if (result != SQLITE_OK)
        fprintf(stderr, "%s\n", sqlite3_errmsg(db));
    CHECK(result == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
}

/* Whole, as `.backup` does: over what is there, or into a new file. */
static void copy(const char *from, const char *to)
{
    sqlite3 *source = NULL, *target = NULL;

    CHECK(sqlite3_open(file(from), &source) == SQLITE_OK);
    CHECK(sqlite3_open(file(to), &target) == SQLITE_OK);
    CHECK(sqlite3_busy_timeout(target, 5000) == SQLITE_OK);
    sqlite3_backup *b = sqlite3_backup_init(target, "main", source, "main");
    CHECK(b);
    CHECK(sqlite3_backup_step(b, -1) == SQLITE_DONE);
    CHECK(sqlite3_backup_finish(b) == SQLITE_OK);
    CHECK(sqlite3_close(source) == SQLITE_OK);
    CHECK(sqlite3_close(target) == SQLITE_OK);
}

/* ---- misfortunes ---------------------------------------------------------------------------
 */

#define INSERT_NINE                                                                            \
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9)"              \
    " INSERT INTO accord_changes(key) SELECT 'app' FROM n;"
#define TRUNCATE "DELETE FROM accord_changes;"
#define RE_SEED  TRUNCATE "DELETE FROM sqlite_sequence WHERE name = 'accord_changes';"

static void truncate_log(void)
{
    sql("app.db", TRUNCATE);
}

static void truncate_and_grow(void)
{
    sql("app.db", TRUNCATE INSERT_NINE);
}

static void re_seed(void)
{
    sql("app.db", RE_SEED);
}

/* Past everybody's place: each position has an entry again, another one. */
static void re_seed_and_grow(void)
{
    sql("app.db", RE_SEED INSERT_NINE);
}

static void delete_the_newest_change(void)
{
    sql("app.db", "DELETE FROM accord_changes WHERE id = 6");
}

/* A copy of before the last three entries goes its own way, and further than the log itself. */
static void fork_log(void)
{
    sql("fork.db", INSERT_NINE);
}

static void put_fork_in_place(void)
{
    fork_log();
    copy("fork.db", "app.db");
}

static void put_fork_instead(void)
{
    char wal[620], shm[620];

    fork_log();
    snprintf(wal, sizeof wal, "%s-wal", file("app.db"));
    snprintf(shm, sizeof shm, "%s-shm", file("app.db"));
    (void)unlink(wal);
    (void)unlink(shm);
    CHECK(rename(file("fork.db"), file("app.db")) == 0);
}

/* Three changes, then the copy, then three more and a beat: who is slow has read one, who is
 * half there four, and who is fast all seven. */
enum { SLOW, HALF, FAST, NODES };

static void make_history(struct node nodes[NODES])
{
    for (int i = 0; i < NODES; i++) {
        opened(&nodes[i], "app.db");
        attach(&nodes[i]);
    }
    published(&nodes[FAST], CHANGE_REMOVE);
    CHECK(read_all(&nodes[SLOW]) == 1);
    published(&nodes[FAST], CHANGE_REMOVE);
    published(&nodes[FAST], CHANGE_REMOVE);
    copy("app.db", "fork.db");
    published(&nodes[FAST], CHANGE_REMOVE);
    CHECK(read_all(&nodes[HALF]) == 4);
    published(&nodes[FAST], CHANGE_REMOVE);
    published(&nodes[FAST], CHANGE_REMOVE);
    published(&nodes[FAST], CHANGE_BEAT);
    CHECK(read_all(&nodes[FAST]) == 7);
}

/* Nobody's place is proven, by no question; and all begin anew, together. */
static void check_noticed(struct node nodes[NODES], bool were_stopped)
{
    const struct entry *entries;
    size_t count;
    uint64_t head;
    struct bus_attached a;

    for (int i = 0; i < NODES && !were_stopped; i++) {
        CHECK(bus_sqlite.head(nodes[i].bus, &nodes[i].at, &head, why) == ACCORD_E_GONE);
        /* Who has not come as far as the fork may be given more of what is there: by its next
         * lease, it knows. */
        int status =
            bus_sqlite.read(nodes[i].bus, nodes[i].at.position, 0, &entries, &count, why);
        CHECK(status == ACCORD_E_GONE || (i == SLOW && status == ACCORD_OK));
    }
    for (int i = 0; i < NODES; i++) {
        if (were_stopped)
            opened(&nodes[i], "app.db");
        struct cursor at = nodes[i].at;
        CHECK(bus_sqlite.attach(nodes[i].bus, &at, 0, &a, why) == ACCORD_E_GONE);
        CHECK(bus_sqlite.attach(nodes[i].bus, &at, 3600 * 1000, &a, why) == ACCORD_E_GONE);
    }
    for (int i = 0; i < NODES; i++) {
        attach(&nodes[i]);
        (void)read_all(&nodes[i]);
    }
    uint64_t last = published(&nodes[SLOW], CHANGE_REMOVE);
    for (int i = 0; i < NODES; i++) {
        CHECK(read_all(&nodes[i]) == 1);
        CHECK(nodes[i].at.position == last && nodes[i].at.epoch == nodes[SLOW].at.epoch);
        OK(bus_sqlite.head(nodes[i].bus, &nodes[i].at, &head, why));
        closed(&nodes[i]);
    }
}

static void meet(void (*misfortune)(void), bool stopped)
{
    struct node nodes[NODES];

    make_history(nodes);
    for (int i = 0; i < NODES && stopped; i++)
        closed(&nodes[i]);
    misfortune();
    check_noticed(nodes, stopped);
}

#define NOTICED(what, misfortune)                                                              \
    TEST(sqlite_log_that_was_##what##_under_its_nodes_is_noticed_by_all)                       \
    {                                                                                          \
        meet(misfortune, /* stopped= */ false);                                                \
    }                                                                                          \
    TEST(sqlite_log_that_was_##what##_while_all_were_stopped_is_noticed_by_all)                \
    {                                                                                          \
        meet(misfortune, /* stopped= */ true);                                                 \
    }

NOTICED(truncated, truncate_log)
NOTICED(truncated_and_has_grown, truncate_and_grow)
NOTICED(re_seeded, re_seed)
NOTICED(re_seeded_and_has_grown_past_everybody, re_seed_and_grow)
NOTICED(forked_and_overwritten_by_its_fork, put_fork_in_place)
NOTICED(forked_and_replaced_by_its_fork, put_fork_instead)

/* ---- what is no misfortune, or half a one -------------------------------------------------
 */

/* T5, 1.7.1: SQLite has no timeline; only the entries tell one history from another. */
TEST(sqlite_copy_of_a_log_proves_nobodys_place)
{
    struct node nodes[NODES], other = {0};
    struct bus_attached a;

    make_history(nodes);
    struct cursor at = nodes[SLOW].at; /* the copy has the same entry there */
    opened(&other, "fork.db");
    CHECK(bus_sqlite.attach(other.bus, &at, 0, &a, why) == ACCORD_E_GONE);
    attach(&other);
    CHECK(other.at.epoch != nodes[SLOW].at.epoch);
    closed(&other);
    for (int i = 0; i < NODES; i++)
        closed(&nodes[i]);
}

/* Who had it applied already has missed nothing. */
TEST(sqlite_change_that_was_deleted_is_noticed_by_who_had_not_read_it)
{
    struct node nodes[NODES];
    struct bus_attached a;

    make_history(nodes);
    delete_the_newest_change();
    CHECK(bus_sqlite.attach(nodes[SLOW].bus, &nodes[SLOW].at, 0, &a, why) == ACCORD_E_GONE);
    CHECK(bus_sqlite.attach(nodes[HALF].bus, &nodes[HALF].at, 0, &a, why) == ACCORD_E_GONE);
    OK(bus_sqlite.attach(nodes[FAST].bus, &nodes[FAST].at, 0, &a, why));
    for (int i = 0; i < NODES; i++)
        closed(&nodes[i]);
}

/* 1.7.1: without AUTOINCREMENT SQLite gives the id of a deleted last row again. */
TEST(sqlite_position_of_a_deleted_entry_is_never_given_again)
{
    struct node n = {0};

    opened(&n, "app.db");
    attach(&n);
    published(&n, CHANGE_REMOVE);
    uint64_t last = published(&n, CHANGE_REMOVE);
    sql("app.db", "DELETE FROM accord_changes WHERE id = (SELECT max(id) FROM accord_changes)");
    attach(&n);
    CHECK(published(&n, CHANGE_REMOVE) == last + 1);
    sql("app.db", TRUNCATE);
    attach(&n);
    CHECK(published(&n, CHANGE_REMOVE) == last + 2);
    sql("app.db", "UPDATE sqlite_sequence SET seq = 1 WHERE name = 'accord_changes'");
    attach(&n);
    CHECK(published(&n, CHANGE_REMOVE) == last + 3); /* the rows count, too */
    closed(&n);
}
