/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/relay/cursors.h"

#include "base/hex.h"
#include "node/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

/* "from <log> <epoch> <position> <message>\n" and the same of "to". */
static const char head[] = "accord-relay 1\n";
static const char *const words[RELAY_SIDES] = {"from ", "to "};
enum { TEXT_BYTES_MAX = 512, LINE_DIGITS = 32 + 1 + 16 + 1 + 16 + 1 + 32 };

PRINTF_LIKE(3, 4)
static int failed(char why[CURSORS_WHY_BYTES_MAX], int status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, CURSORS_WHY_BYTES_MAX, format, args);
    va_end(args);
    return status;
}

static int failed_io(char *why, const char *folder, const char *what)
{
    return failed(why, errno == EACCES || errno == EROFS ? ACCORD_E_DENIED : ACCORD_E_IO,
                  "state folder %.500s: cannot %s: %s", folder, what, strerror(errno));
}

/* ---- the text ------------------------------------------------------------------------------
 */

static char *put(char *at, uint64_t number)
{
    hex_print(at, number);
    return at + 16;
}

static char *put_line(char *at, const char *word, const struct cursor *c)
{
    memcpy(at, word, strlen(word));
    at = put(put(at + strlen(word), c->log.high), c->log.low);
    *at++ = ' ';
    at = put(at, c->epoch);
    *at++ = ' ';
    at = put(at, c->position);
    *at++ = ' ';
    at = put(put(at, c->message.high), c->message.low);
    *at++ = '\n';
    return at;
}

static size_t print(const struct cursors *c, char text[TEXT_BYTES_MAX])
{
    char *at = text + sizeof head - 1;

    memcpy(text, head, sizeof head - 1);
    for (size_t i = 0; i < RELAY_SIDES; i++)
        if (c->known[i])
            at = put_line(at, words[i], &c->at[i]);
    return (size_t)(at - text);
}

static bool read_line(const uint8_t *at, struct cursor *out)
{
    struct cursor c = {.position = 0};

    if (!hex_parse(bytes_of(at, 32), &c.log.high, &c.log.low) || at[32] != ' ' ||
        !hex_parse(bytes_of(at + 33, 16), &c.epoch, NULL) || at[49] != ' ' ||
        !hex_parse(bytes_of(at + 50, 16), &c.position, NULL) || at[66] != ' ' ||
        !hex_parse(bytes_of(at + 67, 32), &c.message.high, &c.message.low) || at[99] != '\n')
        return false;
    *out = c;
    return true;
}
_Static_assert(LINE_DIGITS == 99, "the places above");

/* False: it is not what print() writes. */
static bool parse(const uint8_t *at, size_t left, struct cursors *out)
{
    struct cursors c = {.known = {false}};

    if (left < sizeof head - 1 || memcmp(at, head, sizeof head - 1) != 0)
        return false;
    at += sizeof head - 1;
    left -= sizeof head - 1;
    for (size_t i = 0; i < RELAY_SIDES; i++) {
        size_t word = strlen(words[i]);
        if (left < word + LINE_DIGITS + 1 || memcmp(at, words[i], word) != 0)
            continue;
        if (!read_line(at + word, &c.at[i]))
            return false;
        c.known[i] = true;
        at += word + LINE_DIGITS + 1;
        left -= word + LINE_DIGITS + 1;
    }
    if (left > 0)
        return false;
    *out = c;
    return true;
}

/* ---- the folder ----------------------------------------------------------------------------
 */

static int lock(struct cursors_folder *f, char *why)
{
    char path[CURSORS_PATH_BYTES_MAX];

    snprintf(path, sizeof path, "%.1100s/lock", f->path);
    f->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (f->lock_fd < 0)
        return failed_io(why, f->path, "open its lock");
    if (flock(f->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return ACCORD_OK;
    int status =
        errno != EWOULDBLOCK
            ? failed_io(why, f->path, "lock it")
            : failed(why, ACCORD_E_CONFLICT,
                     "state folder %.500s is in use by another process: stop that one, "
                     "or give this relay a folder of its own with --state",
                     f->path);
    cursors_close(f);
    return status;
}

static int load(const struct cursors_folder *f, struct cursors *out, char *why)
{
    char path[CURSORS_PATH_BYTES_MAX];
    uint8_t text[TEXT_BYTES_MAX];

    snprintf(path, sizeof path, "%.1100s/relay.cursors", f->path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT)
        return ACCORD_OK;
    if (fd < 0)
        return failed_io(why, f->path, "read relay.cursors");
    ssize_t got = read(fd, text, sizeof text);
    int problem = errno;
    close(fd);
    errno = problem;
    if (got < 0)
        return failed_io(why, f->path, "read relay.cursors");
    if (!parse(text, (size_t)got, out))
        return failed(why, ACCORD_E_FORMAT,
                      "state folder %.500s: relay.cursors is damaged, or of a later version: "
                      "both fleets are cleared, and the relay begins anew",
                      f->path);
    return ACCORD_OK;
}

int cursors_open(struct cursors_folder *f, const char *folder, struct cursors *out,
                 char why[CURSORS_WHY_BYTES_MAX])
{
    char where[FILES_PATH_BYTES_MAX] = "";

    *out = (struct cursors){.known = {false}};
    f->lock_fd = -1;
    if (strlen(folder) > 1000)
        return failed(why, ACCORD_E_INVALID, "--state: the path is longer than 1000 bytes");
    snprintf(f->path, sizeof f->path, "%s", folder);
    if (files_make_folders(folder, 0700, where) != 0)
        return failed_io(why, folder, "make it");
    int status = lock(f, why);
    if (status == ACCORD_OK)
        status = load(f, out, why);
    if (status != ACCORD_OK && status != ACCORD_E_FORMAT)
        cursors_close(f);
    return status;
}

void cursors_close(struct cursors_folder *f)
{
    if (f->path[0] && f->lock_fd >= 0)
        close(f->lock_fd);
    f->lock_fd = -1;
}

static int write_new(const char *path, const char *text, size_t bytes)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

    if (fd < 0)
        return -1;
    ssize_t written = write(fd, text, bytes);
    if (written >= 0 && (size_t)written < bytes)
        errno = ENOSPC;
    bool good = written == (ssize_t)bytes && fsync(fd) == 0;
    int problem = errno;
    close(fd);
    errno = problem;
    return good ? 0 : -1;
}

int cursors_save(const struct cursors_folder *f, const struct cursors *c,
                 char why[CURSORS_WHY_BYTES_MAX])
{
    char path[CURSORS_PATH_BYTES_MAX], fresh[CURSORS_PATH_BYTES_MAX], text[TEXT_BYTES_MAX];

    ASSERT(f->lock_fd >= 0);
    snprintf(path, sizeof path, "%.1100s/relay.cursors", f->path);
    snprintf(fresh, sizeof fresh, "%.1100s/relay.cursors.new", f->path);
    if (write_new(fresh, text, print(c, text)) != 0)
        return failed_io(why, f->path, "write relay.cursors.new");
    if (rename(fresh, path) != 0)
        return failed_io(why, f->path, "replace relay.cursors");
    int fd = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0) { /* else an old one may come back: that costs repeats */
        (void)fsync(fd);
        close(fd);
    }
    return ACCORD_OK;
}
