/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* sqlite_test.c - what people, applications and accidents do to the file. What every bus must
 * do is in test/contract. */
#include "bus/sqlite/sqlite.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bus/sqlite/beside.h"
#include "bus/sqlite/reader.h"
#include "net/time.h"
#include "test.h"

enum { TIMEOUT_MS = 2000, NOBODY = 65534 };

static char why[BUS_WHY_BYTES_MAX];
static char url[600], path[512];

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

static void name_files(const char *folder)
{
    snprintf(path, sizeof path, "%s/app.db", folder);
    snprintf(url, sizeof url, "sqlite:%s", path);
}

static int try_open(struct bus **out, const char *at_url, uint64_t timeout_ms)
{
    struct bus_settings s = {.url = at_url,
                             .max_stale_ms = 3000,
                             .retain_ms = 24ull * 3600 * 1000,
                             .retain_changes = 100000,
                             .timeout_ms = timeout_ms};

    *out = NULL;
    why[0] = '\0';
    return bus_sqlite.open(out, &s, why);
}

static void attach(struct node *n)
{
    OK(bus_sqlite.attach(n->bus, NULL, 3600 * 1000, &n->attached, why));
    n->at = (struct cursor){
        .log = n->attached.log, .epoch = n->attached.epoch, .position = n->attached.after};
}

static struct node opened(void)
{
    struct node n = {0};

    if (!path[0])
        name_files(test_folder());
    OK(try_open(&n.bus, url, TIMEOUT_MS));
    attach(&n);
    return n;
}

static int publish(struct node *n, const char *key, struct position *last)
{
    static uint64_t messages;
    struct change c = {.op = CHANGE_REMOVE,
                       .key = bytes_of_text(key),
                       .message = {(uint64_t)getpid(), ++messages},
                       .origin = bytes_of_text("web1")};

    return bus_sqlite.publish(n->bus, &c, 1, last, why);
}

static uint64_t published(struct node *n, const char *key)
{
    struct position last = {0};

    OK(publish(n, key, &last));
    return last.value;
}

static size_t read_all(struct node *n, uint64_t timeout_ms)
{
    const struct entry *entries;
    size_t count = 0, total = 0;

    do {
        OK(bus_sqlite.read(n->bus, n->at.position, timeout_ms, &entries, &count, why));
        if (count > 0) {
            n->at.position = entries[count - 1].position;
            n->at.message = entries[count - 1].change.message;
        }
        total += count;
        timeout_ms = 0;
    } while (count > 0);
    return total;
}

/* Whether the next entry is this key, alone. */
static bool comes(struct node *n, const char *key)
{
    const struct entry *entries;
    size_t count = 0;

    OK(bus_sqlite.read(n->bus, n->at.position, TIMEOUT_MS, &entries, &count, why));
    if (count != 1)
        return false;
    n->at.position = entries[0].position;
    n->at.message = entries[0].change.message;
    return bytes_equal(entries[0].change.key, bytes_of_text(key));
}

static int read_status(struct node *n)
{
    const struct entry *entries;
    size_t count;

    return bus_sqlite.read(n->bus, n->at.position, 0, &entries, &count, why);
}

static int head_status(struct node *n)
{
    uint64_t head;

    return bus_sqlite.head(n->bus, &n->at, &head, why);
}

/* SQL as an application runs it. The error, or NULL. Static. */
static const char *app_runs(const char *sql)
{
    static char error[512];
    sqlite3 *db = NULL;

    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_busy_timeout(db, 5000) == SQLITE_OK);
    int result = sqlite3_exec(db, sql, NULL, NULL, NULL);
    snprintf(error, sizeof error, "%s", sqlite3_errmsg(db));
    CHECK(sqlite3_close(db) == SQLITE_OK);
    return result == SQLITE_OK ? NULL : error;
}

static uint64_t now_ms(void)
{
    return time_monotonic_ns() / NS_PER_MS;
}

/* A shell command; its exit status. */
PRINTF_LIKE(1, 2) static int shell(const char *format, ...)
{
    char command[4096];
    va_list arguments;

    va_start(arguments, format);
    int used = vsnprintf(command, sizeof command, format, arguments);
    va_end(arguments);
    CHECK(used < (int)sizeof command);
    return system(command);
}

/* Everyday use. */

static const char trigger[] =
    "CREATE TRIGGER greeble_changed AFTER UPDATE ON greeble BEGIN\n"
    "  INSERT INTO accord_changes(key) VALUES ('greeble:' || OLD.id);\n"
    "END;\n";

TEST(sqlite_trigger_of_the_application_removes_when_its_transaction_commits)
{
    struct node n = opened();

    CHECK(!app_runs("CREATE TABLE greeble (id INTEGER PRIMARY KEY, name TEXT);"
                    "INSERT INTO greeble VALUES (43, 'old')"));
    CHECK(!app_runs(trigger));
    CHECK(!app_runs("BEGIN; UPDATE greeble SET name = 'new' WHERE id = 43; ROLLBACK"));
    CHECK(read_all(&n, 300) == 0);
    CHECK(!app_runs("BEGIN; UPDATE greeble SET name = 'new' WHERE id = 43; COMMIT"));
    CHECK(comes(&n, "greeble:43"));
    bus_sqlite.close(n.bus);
}

TEST(sqlite_manual_shows_the_trigger_that_is_tested)
{
    static char manual[65536];
    FILE *f = fopen("docs/operating/sqlite.md", "r");

    if (!f)
        test_skip("not run from the root of the tree");
    CHECK(fread(manual, 1, sizeof manual - 1, f) > 0);
    fclose(f);
    CHECK(strstr(manual, trigger));
}

TEST(sqlite_shell_of_the_system_reads_and_writes_the_log)
{
    struct node n = opened();

    if (shell("command -v sqlite3 >/dev/null") != 0)
        test_skip("no sqlite3 on this machine");
    CHECK(shell("sqlite3 %s \"INSERT INTO accord_changes(key) VALUES ('greeble:43')\"", path) ==
          0);
    CHECK(comes(&n, "greeble:43"));
    CHECK(shell("sqlite3 %s \"BEGIN; INSERT INTO accord_changes(key) VALUES ('no'); ROLLBACK\"",
                path) == 0);
    CHECK(
        shell("printf '%%s' \"%s\" | sed 's/greeble ON/&/' | sqlite3 %s \"CREATE TABLE greeble"
              "(id INTEGER PRIMARY KEY, name)\" && printf '%%s' \"%s\" | sqlite3 %s",
              trigger, path, trigger, path) == 0);
    CHECK(shell("sqlite3 %s \"INSERT INTO greeble VALUES (7, 'a'); BEGIN; UPDATE greeble SET "
                "name = "
                "'b'; ROLLBACK; BEGIN; UPDATE greeble SET name = 'c'; COMMIT\"",
                path) == 0);
    CHECK(comes(&n, "greeble:7"));
    published(&n, "from accord");
    CHECK(
        shell(
            "sqlite3 %s 'SELECT key, origin FROM accord_changes' | grep -qx 'from accord|web1'",
            path) == 0);
    bus_sqlite.close(n.bus);
}

TEST(sqlite_refuses_mistakes_where_they_are_written)
{
    static const struct {
        const char *sql, *says;
    } wrong[] = {
        {"INSERT INTO accord_changes(key) VALUES (NULL)", "key is 1 to 8192 bytes"},
        {"INSERT INTO accord_changes(key) VALUES ('')", "key is 1 to 8192 bytes"},
        {"INSERT INTO accord_changes DEFAULT VALUES", "key is 1 to 8192 bytes"},
        {"INSERT INTO accord_changes(key) VALUES (zeroblob(8193))", "key is 1 to 8192 bytes"},
        {"INSERT INTO accord_changes(key, op) VALUES ('k', 'flush')", "op is remove, tag"},
        {"INSERT INTO accord_changes(key, op) VALUES ('user:7', 'clear')",
         "for clear it is NULL"},
        {"INSERT INTO accord_changes(key, version) VALUES ('k', 'two')", "version is a number"},
        {"INSERT INTO accord_changes(key, soft) VALUES ('k', 'yes')", "soft is 0 or 1"},
        {"INSERT INTO accord_changes(key, message) VALUES ('k', 'mine')",
         "message is 32 digits"},
        {"INSERT INTO accord_changes(id, key) VALUES (1, 'k')", "leave out the id"},
        {"INSERT INTO accord_changes(id, key) VALUES (9000000000000000000, 'k')",
         "leave out the id"},
        {"UPDATE accord_changes SET key = 'other'", "insert a new row instead"},
    };
    struct node n = opened();

    published(&n, "k");
    CHECK(read_all(&n, 0) == 1);
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        const char *error = app_runs(wrong[i].sql);
        if (!error || !strstr(error, wrong[i].says))
            fprintf(stderr, "%s: %s\n", wrong[i].sql, error ? error : "taken");
        CHECK(error && strstr(error, wrong[i].says));
    }
    CHECK(read_all(&n, 0) == 0);
    CHECK(!app_runs("INSERT INTO accord_changes(key) VALUES (42)"));
    CHECK(comes(&n, "42"));
    CHECK(!app_runs("INSERT INTO accord_changes(key) VALUES (zeroblob(8192))"));
    CHECK(read_all(&n, TIMEOUT_MS) == 1);
    bus_sqlite.close(n.bus);
}

TEST(sqlite_notices_rows_that_were_deleted_before_they_were_read)
{
    struct node n = opened(), ahead = opened();

    for (unsigned i = 0; i < 4; i++)
        published(&n, "k");
    CHECK(read_all(&ahead, 0) == 4);
    CHECK(!app_runs("DELETE FROM accord_changes WHERE id = 2"));
    OK(head_status(&ahead)); /* it had read them */
    CHECK(read_status(&n) == ACCORD_E_GONE);
    CHECK(head_status(&n) == ACCORD_E_GONE);
    attach(&n);
    CHECK(read_all(&n, 0) == 2);
    bus_sqlite.close(n.bus);
    bus_sqlite.close(ahead.bus);
}

TEST(sqlite_lives_in_the_applications_own_database)
{
    name_files(test_folder());
    CHECK(!app_runs("PRAGMA encoding='UTF-16le'; PRAGMA journal_mode=DELETE;"
                    "CREATE TABLE seq (id INTEGER PRIMARY KEY AUTOINCREMENT, t);"
                    "INSERT INTO seq(t) VALUES ('kept')"));
    struct node n = opened();
    static const char *const keys[] = {
        "a",   "\xc3\xa9", "\xef\xbb\xbfx", "\xef\xbf\xbf", "\xf0\x9f\x90\x99", "\xef\xbf\xbe",
        "\xff"};
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        published(&n, keys[i]);
        CHECK(comes(&n, keys[i]));
    }
    CHECK(!app_runs("INSERT INTO accord_changes(key) VALUES (char(233, 128025))"));
    CHECK(comes(&n, "\xc3\xa9\xf0\x9f\x90\x99"));
    bus_sqlite.close(n.bus);
    CHECK(
        shell(
            "test \"$(sqlite3 %s 'SELECT t FROM seq; PRAGMA journal_mode' | tr '\\n' ' ')\" = "
            "'kept wal '",
            path) == 0);
    CHECK(access("contract.db", F_OK) != 0);
}

TEST(sqlite_switches_back_to_wal_when_somebody_switched_away)
{
    struct node n = opened();

    published(&n, "1");
    bus_sqlite.close(n.bus);
    CHECK(!app_runs("PRAGMA journal_mode=DELETE"));
    n = opened();
    CHECK(comes(&n, "1"));
    CHECK(app_runs(
        "PRAGMA busy_timeout=1; PRAGMA journal_mode=DELETE")); /* not while it is open */
    published(&n, "2");
    CHECK(comes(&n, "2"));
    bus_sqlite.close(n.bus);
}

TEST(sqlite_leaves_no_wal_behind_when_the_last_one_closes)
{
    char wal[600];
    struct node n = opened(), m = opened();

    snprintf(wal, sizeof wal, "%s-wal", path);
    published(&n, "k");
    bus_sqlite.close(n.bus);
    CHECK(access(wal, F_OK) == 0);
    bus_sqlite.close(m.bus);
    CHECK(access(wal, F_OK) != 0);
}

struct late {
    struct node *node;
    bool foreign;
};

static void *write_late(void *context)
{
    struct late *late = context;

    usleep(3000);
    if (late->foreign)
        CHECK(!app_runs("INSERT INTO accord_changes(key) VALUES ('k')"));
    else
        published(late->node, "k");
    return NULL;
}

/* How many of 20 rows came late to a reader that looks by itself only every 4 s. Without a
 * wake-up it takes half of that on average; on a quiet machine it is a millisecond. */
static unsigned count_late(bool foreign)
{
    static struct sqlite_place place;
    static struct sqlite_reader reader;
    struct bus_settings s = {.timeout_ms = TIMEOUT_MS, .max_stale_ms = 3000};
    struct node m = opened();
    struct bus_attached attached;
    unsigned slow = 0;

    OK(sqlite_place_init(&place, url, why));
    OK(sqlite_reader_init(&reader, &place, &s, why));
    OK(sqlite_reader_attach(&reader, NULL, 0, &attached, why));
    reader.chase.idle_ns = 4 * NS_PER_S;
    for (unsigned i = 0; i < 20; i++) {
        struct late late = {&m, foreign};
        const struct entry *entries;
        size_t count = 0;
        pthread_t thread;

        uint64_t began_ms = now_ms();
        CHECK(pthread_create(&thread, NULL, write_late, &late) == 0);
        OK(sqlite_reader_read(&reader, attached.after, 60 * 1000, &entries, &count, why));
        slow += now_ms() - began_ms > 1500;
        CHECK(count == 1);
        attached.after = entries[0].position;
        CHECK(pthread_join(thread, NULL) == 0);
    }
    sqlite_reader_done(&reader);
    bus_sqlite.close(m.bus);
    return slow;
}

/* A foreign writer that is put aside between its writing and its commit is seen only at the
 * next look: on a busy machine a few are. */
static void check_is_woken(bool foreign)
{
    unsigned late = count_late(foreign);

    if (late > 5)
        fprintf(stderr, "%u of 20 rows came late\n", late);
    CHECK(late <= 5);
}

TEST(sqlite_wakes_readers_when_accord_commits)
{
    check_is_woken(/* foreign= */ false);
}

TEST(sqlite_wakes_readers_when_others_commit)
{
    check_is_woken(/* foreign= */ true);
}

TEST(sqlite_resolves_links_so_that_all_names_of_a_file_share_one_log)
{
    struct node n = opened(), m = {0};
    char link_url[700];

    CHECK(shell("ln -s %s %s/link.db", path, test_folder()) == 0);
    snprintf(link_url, sizeof link_url, "sqlite:%s/link.db", test_folder());
    OK(try_open(&m.bus, link_url, TIMEOUT_MS));
    attach(&m);
    CHECK(id128_equal(n.attached.log, m.attached.log));
    CHECK(n.attached.epoch == m.attached.epoch);
    published(&n, "k");
    CHECK(comes(&m, "k"));
    CHECK(shell("ls %s | grep -q link.db-", test_folder()) != 0);
    bus_sqlite.close(n.bus);
    bus_sqlite.close(m.bus);

    CHECK(chdir(test_folder()) == 0); /* a relative path is of the moment of open() */
    OK(try_open(&n.bus, "sqlite:app.db", TIMEOUT_MS));
    CHECK(chdir("/") == 0);
    attach(&n);
    CHECK(id128_equal(n.attached.log, m.attached.log));
    bus_sqlite.close(n.bus);
}

/* Accidents. */

TEST(sqlite_refuses_what_is_no_url_of_a_file)
{
    static const struct {
        const char *url;
        const char *says;
    } wrong[] = {
        {"sqlite:", "expected sqlite:/path"},
        {"sqlite:?cluster=a", "expected sqlite:/path"},
        {"sqlite::memory:", "not shared"},
        {"sqlite:/", "names no file"},
        {"sqlite:/tmp/", "names no file"},
        {"sqlite://host/path", "one slash or three"},
        {"sqlite:/no/such/folder/x.db", "create it first"},
        {"sqlite:/tmp/x.db?mode=ro", "not known"},
        {"sqlite:/tmp/x.db?cluster=", "a cluster's name"},
        {"sqlite:/tmp/x.db?cluster=Shop", "a cluster's name"},
        {"sqlite:/tmp/x.db?cluster=a&b", "a cluster's name"},
        {"sqlite:/tmp/x.db?cluster=abcdefghijklmnopqrstuvwxyz0123456", "a cluster's name"},
    };
    struct bus *b;

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK(try_open(&b, wrong[i].url, 100) == ACCORD_E_INVALID);
        CHECK(!b);
        if (!strstr(why, wrong[i].says))
            fprintf(stderr, "%s: %s\n", wrong[i].url, why);
        CHECK(strstr(why, wrong[i].says));
    }
}

/* 1.7.1: WAL may seem to work there until the first write. */
TEST(sqlite_knows_the_file_systems_that_hosts_share)
{
    CHECK(strcmp(sqlite_shared_file_system(0x6969), "NFS") == 0);
    CHECK(sqlite_shared_file_system(0xff534d42));
    CHECK(sqlite_shared_file_system(0xffffffffff534d42)); /* f_type is signed */
    CHECK(sqlite_shared_file_system(0x65735546));
    CHECK(sqlite_shared_file_system(0x01021997));
    CHECK(!sqlite_shared_file_system(0xef53));     /* ext4 */
    CHECK(!sqlite_shared_file_system(0x01021994)); /* tmpfs */
    CHECK(!sqlite_shared_file_system(0x9123683e)); /* btrfs */
}

TEST(sqlite_refuses_files_that_are_none_of_its_own)
{
    struct bus *b;

    name_files(test_folder());
    CHECK(shell("echo 'this is no database, but it is long enough to be one' >%s", path) == 0);
    CHECK(try_open(&b, url, 500) == ACCORD_E_IO);
    CHECK(strstr(why, "name another file"));
    CHECK(shell("grep -q 'no database' %s", path) == 0); /* untouched */

    CHECK(shell("rm %s* && mkdir %s", path, path) == 0);
    CHECK(try_open(&b, url, 500) == ACCORD_E_UNSUPPORTED);
    CHECK(shell("rmdir %s && ln -s /nowhere/at/all %s", path, path) == 0);
    CHECK(try_open(&b, url, 500) == ACCORD_E_INVALID);
    CHECK(strstr(why, "link to nothing"));
    CHECK(shell("rm %s && sqlite3 %s 'CREATE TABLE t(x)' && ln %s %s.second", path, path, path,
                path) == 0);
    CHECK(try_open(&b, url, 500) == ACCORD_E_UNSUPPORTED);
    CHECK(strstr(why, "hard links"));
}

TEST(sqlite_refuses_a_log_of_a_later_format)
{
    struct node n = opened();
    struct bus *b;

    CHECK(!app_runs("UPDATE accord_meta SET format = 2"));
    CHECK(try_open(&b, url, 500) == ACCORD_E_UNSUPPORTED);
    CHECK(strstr(why, "update it"));
    CHECK(head_status(&n) == ACCORD_E_UNSUPPORTED);
    CHECK(publish(&n, "k", &(struct position){0}) == ACCORD_E_DOWN);
    bus_sqlite.close(n.bus);
}

/* Runs as a user who may do little; the exit status is 0 if `check` held. */
static void as_nobody(bool (*check)(void))
{
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
            _exit(2);
        bool held = check();
        if (!held)
            fprintf(stderr, "as nobody: %s\n", why);
        _exit(held ? 0 : 1);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static bool open_is_denied(void)
{
    struct bus *b;

    return try_open(&b, url, 500) == ACCORD_E_DENIED && !b &&
           strstr(why, "let this user write");
}

static bool file_is_denied(void)
{
    struct bus *b;

    return try_open(&b, url, 500) == ACCORD_E_DENIED && !b && strstr(why, "user");
}

TEST(sqlite_says_who_may_not_write_where)
{
    name_files(test_folder());
    CHECK(chmod(test_folder(), 0555) == 0);
    as_nobody(open_is_denied); /* cannot make the file */
    CHECK(chmod(test_folder(), 0777) == 0);
    struct node n = opened();
    bus_sqlite.close(n.bus);
    CHECK(chmod(path, 0444) == 0);
    as_nobody(file_is_denied); /* cannot write it */
    CHECK(chmod(path, 0666) == 0);
    CHECK(chmod(test_folder(), 0555) == 0);
    as_nobody(file_is_denied); /* cannot keep a WAL beside it */
    CHECK(chmod(test_folder(), 0777) == 0);
}

TEST(sqlite_gives_its_files_the_mode_of_the_database)
{
    name_files(test_folder());
    CHECK(!app_runs("CREATE TABLE t(x)"));
    CHECK(chmod(path, 0660) == 0);
    struct node n = opened();
    struct stat st;
    char beside[600];

    published(&n, "k");
    snprintf(beside, sizeof beside, "%s-accord-lock", path);
    CHECK(stat(beside, &st) == 0 && (st.st_mode & 0777) == 0660);
    snprintf(beside, sizeof beside, "%s-accord-wake", path);
    CHECK(stat(beside, &st) == 0 && (st.st_mode & 0777) == 0660);
    bus_sqlite.close(n.bus);
}

/* T15, 1.7.1: beats must not stand behind a long transaction for longer than they may. */
TEST(sqlite_locked_by_a_program_answers_in_time_and_loses_nothing)
{
    struct node n = {0};
    sqlite3 *db = NULL;
    struct position last = {.value = 7};

    name_files(test_folder());
    OK(try_open(&n.bus, url, /* timeout_ms= */ 200));
    attach(&n);
    CHECK(sqlite3_open(path, &db) == SQLITE_OK);
    CHECK(sqlite3_exec(db, "BEGIN IMMEDIATE", 0, 0, 0) == SQLITE_OK);
    uint64_t began_ms = now_ms();
    CHECK(publish(&n, "k", &last) == ACCORD_E_DOWN);
    CHECK(now_ms() - began_ms >= 199 && now_ms() - began_ms < 1000);
    CHECK(strstr(why, "locked by another program"));
    CHECK(last.value == 7);
    OK(head_status(&n)); /* reading goes on */
    attach(&n);
    CHECK(sqlite3_exec(db, "INSERT INTO accord_changes(key) VALUES ('theirs'); COMMIT", 0, 0,
                       0) == SQLITE_OK);
    CHECK(sqlite3_close(db) == SQLITE_OK);
    published(&n, "ours");
    CHECK(read_all(&n, TIMEOUT_MS) == 2);
    bus_sqlite.close(n.bus);
}

TEST(sqlite_writer_that_was_stopped_holding_the_lock_costs_others_only_their_timeout)
{
    struct node n = {0};
    struct sqlite_place place;
    struct sqlite_lock lock = {.fd = -1};

    name_files(test_folder());
    OK(try_open(&n.bus, url, 200));
    attach(&n);
    OK(sqlite_place_init(&place, url, why));
    OK(sqlite_lock_take(&lock, &place, 0, why));
    uint64_t began_ms = now_ms();
    CHECK(publish(&n, "k", &(struct position){0}) == ACCORD_E_DOWN);
    CHECK(now_ms() - began_ms < 1000);
    CHECK(strstr(why, "fuser"));
    sqlite_lock_give(&lock);
    published(&n, "k");
    sqlite_lock_close(&lock);
    bus_sqlite.close(n.bus);
}

static bool has_room_for_little(void)
{
    if (unshare(CLONE_NEWNS) != 0)
        return false;
    return mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("tmpfs", test_folder(), "tmpfs", 0, "size=1m") == 0;
}

TEST(sqlite_full_disk_loses_nothing_and_goes_on_when_there_is_room)
{
    static uint8_t key[KEY_BYTES_MAX];
    struct position last = {0};
    uint64_t sequence = 0;
    int status = ACCORD_OK;

    if (!has_room_for_little())
        test_skip("may not mount a small disk here");
    struct node n = opened();
    memset(key, 'k', sizeof key);
    CHECK(shell("head -c 200000 /dev/zero >%s/ballast", test_folder()) == 0);
    while (status == ACCORD_OK) {
        struct change c = {
            .op = CHANGE_REMOVE, .key = bytes_of(key, sizeof key), .message = {1, ++sequence}};
        status = bus_sqlite.publish(n.bus, &c, 1, &last, why);
        CHECK(sequence < 1000);
    }
    CHECK(status == ACCORD_E_IO);
    CHECK(strstr(why, "full"));
    CHECK(read_all(&n, 0) == sequence - 1);
    OK(head_status(&n));
    CHECK(shell("rm %s/ballast", test_folder()) == 0);
    struct change c = {
        .op = CHANGE_REMOVE, .key = bytes_of(key, sizeof key), .message = {1, sequence}};
    OK(bus_sqlite.publish(n.bus, &c, 1, &last, why));
    CHECK(read_all(&n, TIMEOUT_MS) == 1);
    bus_sqlite.close(n.bus);
    CHECK(umount2(test_folder(), MNT_DETACH) == 0);
}

TEST(sqlite_file_deleted_while_running_is_noticed_and_made_again)
{
    struct node n = opened(), m = opened();
    struct cursor before;
    struct bus_attached a;

    published(&n, "k");
    read_all(&n, 0);
    read_all(&m, 0);
    before = n.at;
    CHECK(shell("rm %s %s-wal %s-shm", path, path, path) == 0);
    CHECK(publish(&n, "lost?", &(struct position){0}) != ACCORD_OK);
    CHECK(read_status(&n) == ACCORD_E_GONE);
    CHECK(head_status(&n) == ACCORD_E_GONE);
    CHECK(strstr(why, "deleted"));
    CHECK(bus_sqlite.attach(n.bus, &before, 0, &a, why) == ACCORD_E_GONE);
    attach(&n);
    attach(&m);
    CHECK(id128_equal(n.attached.log, m.attached.log));
    CHECK(!id128_equal(n.attached.log, before.log));
    published(&m, "again");
    CHECK(comes(&n, "again"));
    bus_sqlite.close(n.bus);
    bus_sqlite.close(m.bus);
}

TEST(sqlite_waiting_read_ends_when_the_file_is_deleted)
{
    struct node n = opened();
    const struct entry *entries;
    size_t count;

    CHECK(shell("(sleep 0.2; rm %s) &", path) == 0);
    uint64_t began_ms = now_ms();
    CHECK(bus_sqlite.read(n.bus, 0, 20000, &entries, &count, why) == ACCORD_E_GONE);
    CHECK(now_ms() - began_ms < 5000);
    bus_sqlite.close(n.bus);
}

/* Copies the database whole, as `.backup` does, over another or into a new file. */
static void backup(const char *from, const char *to)
{
    sqlite3 *source = NULL, *target = NULL;

    CHECK(sqlite3_open(from, &source) == SQLITE_OK);
    CHECK(sqlite3_open(to, &target) == SQLITE_OK);
    CHECK(sqlite3_busy_timeout(target, 5000) == SQLITE_OK);
    sqlite3_backup *b = sqlite3_backup_init(target, "main", source, "main");
    CHECK(b);
    CHECK(sqlite3_backup_step(b, -1) == SQLITE_DONE);
    CHECK(sqlite3_backup_finish(b) == SQLITE_OK);
    CHECK(sqlite3_close(source) == SQLITE_OK);
    CHECK(sqlite3_close(target) == SQLITE_OK);
}

/* Three entries, then a copy, then three more: `slow` has read one, `fast` all six. */
static void make_history(struct node *slow, struct node *fast, const char *copy)
{
    *slow = opened();
    *fast = opened();
    published(fast, "1");
    CHECK(comes(slow, "1"));
    published(fast, "2");
    published(fast, "3");
    backup(path, copy);
    for (unsigned i = 0; i < 3; i++)
        published(fast, "lost");
    CHECK(read_all(fast, 0) == 6);
}

/* After the loss nobody's place is proven: also not that of the slow one, whose next entries
 * are all there, but for those which were acknowledged and then lost. */
static void check_loss_is_noticed(struct node *slow, struct node *fast)
{
    struct cursor slow_at = slow->at, fast_at = fast->at;
    struct bus_attached a;

    CHECK(head_status(slow) == ACCORD_E_GONE);
    CHECK(head_status(fast) == ACCORD_E_GONE);
    CHECK(read_status(fast) == ACCORD_E_GONE);
    CHECK(publish(fast, "not yet", &(struct position){0}) == ACCORD_E_DOWN);
    CHECK(bus_sqlite.attach(slow->bus, &slow_at, 0, &a, why) == ACCORD_E_GONE);
    CHECK(bus_sqlite.attach(fast->bus, &fast_at, 0, &a, why) == ACCORD_E_GONE);
    attach(fast);
    published(fast, "4");
    published(fast, "5");
    CHECK(bus_sqlite.attach(slow->bus, &slow_at, 0, &a, why) == ACCORD_E_GONE);
    attach(slow);
    CHECK(read_all(slow, 0) == 5);
    CHECK(read_all(fast, 0) == 5);
    CHECK(slow->at.epoch == fast->at.epoch);
    OK(head_status(slow));
    OK(head_status(fast));
}

TEST(sqlite_database_restored_in_place_from_an_older_copy_is_noticed_by_all)
{
    struct node slow, fast;
    char copy[600];

    snprintf(copy, sizeof copy, "%s/copy.db", test_folder());
    make_history(&slow, &fast, copy);
    backup(copy, path);
    check_loss_is_noticed(&slow, &fast);
    bus_sqlite.close(slow.bus);
    bus_sqlite.close(fast.bus);
}

TEST(sqlite_database_replaced_by_an_older_copy_is_noticed_by_all)
{
    struct node slow, fast;
    char copy[600];

    snprintf(copy, sizeof copy, "%s/copy.db", test_folder());
    make_history(&slow, &fast, copy);
    CHECK(shell("rm -f %s-wal %s-shm && mv %s %s", path, path, copy, path) == 0);
    check_loss_is_noticed(&slow, &fast);
    bus_sqlite.close(slow.bus);
    bus_sqlite.close(fast.bus);
}

TEST(sqlite_folder_restored_whole_while_all_were_stopped_is_noticed)
{
    struct node slow, fast;
    struct bus_attached a;
    char copy[600];

    snprintf(copy, sizeof copy, "%s/copy.db", test_folder());
    make_history(&slow, &fast, copy);
    struct cursor slow_at = slow.at;
    bus_sqlite.close(slow.bus);
    bus_sqlite.close(fast.bus);
    CHECK(shell("rm %s* && mv %s %s", path, copy, path) == 0); /* no wake file is left */
    OK(try_open(&slow.bus, url, TIMEOUT_MS));
    CHECK(bus_sqlite.attach(slow.bus, &slow_at, 0, &a, why) == ACCORD_E_GONE);
    bus_sqlite.close(slow.bus);
}

TEST(sqlite_files_beside_may_be_deleted_damaged_or_touched)
{
    struct node n = opened(), m = opened();

    published(&n, "1");
    CHECK(comes(&m, "1"));
    CHECK(shell("rm %s-accord-wake %s-accord-lock", path, path) == 0);
    published(&n, "2");
    CHECK(comes(&m, "2"));
    published(&m, "3");
    CHECK(read_all(&n, TIMEOUT_MS) == 3);
    CHECK(shell("echo garbage >%s-accord-wake", path) == 0);
    OK(head_status(&n));
    published(&n, "4");
    CHECK(read_all(&m, TIMEOUT_MS) >= 1);
    CHECK(shell("touch %s-accord-wake; : >%s-accord-wake", path, path) == 0);
    CHECK(read_all(&m, 100) <= 1);
    OK(head_status(&m));
    CHECK(shell("test -f %s-accord-lock", path) == 0);
    bus_sqlite.close(n.bus);
    bus_sqlite.close(m.bus);
}

/* Like the shell, who joins with connections of its own finds other files there than we hold.
 */
TEST(sqlite_wal_and_shm_deleted_while_running_are_noticed)
{
    struct node n = opened(), m = opened();
    bool both = false;

    if (shell("command -v sqlite3 >/dev/null") != 0)
        test_skip("no sqlite3 on this machine");
    published(&n, "1");
    CHECK(comes(&n, "1"));
    CHECK(comes(&m, "1"));
    CHECK(!app_runs("PRAGMA wal_checkpoint"));
    CHECK(shell("rm %s-wal %s-shm", path, path) == 0);
    CHECK(shell("sqlite3 %s \"INSERT INTO accord_changes(key) VALUES ('unheard')\"", path) ==
          0);
    CHECK(head_status(&n) == ACCORD_E_GONE);
    CHECK(strstr(why, "-wal"));
    CHECK(read_status(&m) == ACCORD_E_GONE);
    CHECK(publish(&n, "lost?", &(struct position){0}) != ACCORD_OK);
    /* Nobody here opens the new files while anybody here holds the old ones. */
    for (unsigned i = 0; i < 4 && !both; i++) {
        both = bus_sqlite.attach(n.bus, NULL, 0, &n.attached, why) == ACCORD_OK;
        both &= bus_sqlite.attach(m.bus, NULL, 0, &m.attached, why) == ACCORD_OK;
    }
    CHECK(both);
    attach(&n);
    attach(&m);
    (void)read_all(&n, 0);
    (void)read_all(&m, 0);
    published(&n, "2");
    CHECK(comes(&n, "2"));
    CHECK(comes(&m, "2"));
    CHECK(shell("sqlite3 %s \"INSERT INTO accord_changes(key) VALUES ('heard')\"", path) == 0);
    CHECK(comes(&n, "heard"));
    CHECK(comes(&m, "heard"));
    bus_sqlite.close(n.bus);
    bus_sqlite.close(m.bus);
}

TEST(sqlite_tables_dropped_by_hand_begin_a_new_log)
{
    struct node n = opened();
    struct id128 log = n.attached.log;

    published(&n, "1");
    CHECK(comes(&n, "1"));
    CHECK(!app_runs("DROP TABLE accord_changes"));
    CHECK(read_status(&n) == ACCORD_E_GONE);
    CHECK(publish(&n, "k", &(struct position){0}) == ACCORD_E_DOWN);
    attach(&n);
    CHECK(!id128_equal(log, n.attached.log));
    published(&n, "2");
    CHECK(comes(&n, "2"));
    CHECK(!app_runs("DELETE FROM accord_meta"));
    CHECK(head_status(&n) == ACCORD_E_GONE);
    attach(&n);
    published(&n, "3");
    CHECK(read_all(&n, 0) >= 1);
    CHECK(!app_runs("UPDATE accord_meta SET log = 'mine'"));
    CHECK(head_status(&n) == ACCORD_E_FORMAT);
    CHECK(strstr(why, "delete it"));
    bus_sqlite.close(n.bus);
}

TEST(sqlite_survives_vacuum_and_checkpoints_of_others)
{
    struct node n = opened();

    for (unsigned i = 0; i < 20; i++)
        published(&n, "k");
    CHECK(read_all(&n, 0) == 20);
    CHECK(
        !app_runs("PRAGMA wal_checkpoint(TRUNCATE); VACUUM; PRAGMA wal_checkpoint(TRUNCATE)"));
    OK(head_status(&n));
    published(&n, "after");
    CHECK(comes(&n, "after"));
    bus_sqlite.close(n.bus);
}

TEST(sqlite_refuses_to_replace_a_row_by_its_message)
{
    struct node n = opened();
    static const char replace[] =
        "INSERT OR REPLACE INTO accord_changes(key, message) VALUES "
        "('other', (SELECT message FROM accord_changes WHERE key = 'k'))";
    static const char ignore[] = "INSERT OR IGNORE INTO accord_changes(key, message) VALUES "
                                 "('other', (SELECT message FROM accord_changes))";

    published(&n, "k");
    const char *error = app_runs(replace);
    CHECK(error && strstr(error, "a row has that message"));
    error = app_runs(ignore);
    CHECK(error && strstr(error, "a row has that message"));
    CHECK(comes(&n, "k"));
    CHECK(read_all(&n, 0) == 0);
    bus_sqlite.close(n.bus);
}

/* As Accord made it until its rows became cheaper. */
static void make_older_guards(void)
{
    CHECK(!app_runs(
        "DROP INDEX accord_lives; DROP TRIGGER accord_insert; DROP TRIGGER accord_delete;"
        "CREATE INDEX accord_members ON accord_changes (inserted_ms)"
        "  WHERE op IN ('join','leave','beat');"
        "CREATE TRIGGER accord_ids BEFORE INSERT ON accord_changes WHEN NEW.id <> -1"
        "  BEGIN SELECT RAISE(ABORT, 'accord_changes: leave out the id'); END;"
        "CREATE TRIGGER accord_pruned AFTER DELETE ON accord_changes"
        "  WHEN OLD.op NOT IN ('join','leave','beat')"
        "  BEGIN UPDATE accord_meta SET pruned_to = max(pruned_to, OLD.id); END"));
}

TEST(sqlite_a_log_with_the_guards_of_an_older_accord_goes_on_with_those_of_this_one)
{
    struct node n = opened();
    uint64_t last = published(&n, "before");
    struct id128 log = n.attached.log;

    CHECK(comes(&n, "before"));
    make_older_guards();
    published(&n, "with the old ones"); /* an older Accord may have run meanwhile */
    CHECK(comes(&n, "with the old ones"));
    bus_sqlite.close(n.bus);

    OK(try_open(&n.bus, url, TIMEOUT_MS));
    struct cursor at = n.at;
    OK(bus_sqlite.attach(n.bus, &at, 0, &n.attached, why));
    CHECK(n.attached.resumed);
    CHECK(id128_equal(n.attached.log, log));
    CHECK(published(&n, "after") == last + 2);
    CHECK(comes(&n, "after"));
    CHECK(app_runs("INSERT OR REPLACE INTO accord_changes(key, message) VALUES "
                   "('k', (SELECT message FROM accord_changes LIMIT 1))"));
    CHECK(app_runs("INSERT INTO accord_changes(id, key) VALUES (1000, 'k')"));
    CHECK(!app_runs("CREATE TEMP TABLE t(x CHECK (x = 4)); INSERT INTO t SELECT count(*) FROM "
                    "sqlite_schema WHERE name IN ('accord_lives', 'accord_insert', "
                    "'accord_delete', 'accord_append', 'accord_members', 'accord_ids', "
                    "'accord_pruned')"));
    CHECK(!app_runs("DELETE FROM accord_changes WHERE key = 'after'"));
    bus_sqlite.close(n.bus);
    OK(try_open(&n.bus, url, TIMEOUT_MS));
    CHECK(bus_sqlite.attach(n.bus, &at, 0, &n.attached, why) == ACCORD_E_GONE);
    bus_sqlite.close(n.bus);
}

TEST(sqlite_a_repeat_is_found_with_the_guards_of_an_older_accord_too)
{
    struct node n = opened();
    struct change c = {
        .op = CHANGE_REMOVE, .key = bytes_of_text("k"), .message = {1, 2}, .wall_ms = 1};
    struct position first = {0}, again = {0};

    make_older_guards();
    OK(bus_sqlite.publish(n.bus, &c, 1, &first, why));
    published(&n, "between");
    OK(bus_sqlite.publish(n.bus, &c, 1, &again, why));
    CHECK(again.value == first.value);
    CHECK(read_all(&n, 0) == 2);
    bus_sqlite.close(n.bus);
}
