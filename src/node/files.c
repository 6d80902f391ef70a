/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "node/files.h"

#include "base/hex.h"

#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

int files_make_folders(const char *folder, unsigned mode, char failed[FILES_PATH_BYTES_MAX])
{
    char path[FILES_PATH_BYTES_MAX];

    if (!*folder || strlen(folder) >= sizeof path) {
        errno = *folder ? ENAMETOOLONG : ENOENT;
        return -1;
    }
    memcpy(path, folder, strlen(folder) + 1);
    for (char *at = path + 1;; at++) {
        char kept = *at;
        if (kept != '/' && kept != 0)
            continue;
        *at = 0;
        if (mkdir(path, mode) != 0 && errno != EEXIST) {
            if (failed)
                memcpy(failed, path, strlen(path) + 1);
            return -1;
        }
        if (kept == 0)
            return 0;
        *at = kept;
    }
}

int files_make_folder_of(const char *path, unsigned mode, char failed[FILES_PATH_BYTES_MAX])
{
    char folder[FILES_PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');

    if (!slash || slash == path)
        return 0;
    if ((size_t)(slash - path) >= sizeof folder) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(folder, path, (size_t)(slash - path));
    folder[slash - path] = 0;
    return files_make_folders(folder, mode, failed);
}

bool files_absolute(char *path, size_t room)
{
    char folder[FILES_PATH_BYTES_MAX];
    size_t length = strlen(path), before;

    if (!*path || *path == '/')
        return true;
    if (!getcwd(folder, sizeof folder - 1))
        return false;
    before = strlen(folder);
    if (folder[before - 1] != '/')
        folder[before++] = '/';
    if (strncmp(path, "./", 2) == 0) {
        memmove(path, path + 2, length - 1);
        length -= 2;
    }
    if (before + length >= room)
        return false;
    memmove(path + before, path, length + 1);
    memcpy(path, folder, before);
    return true;
}

bool files_absolute_url(char *url, size_t room)
{
    static const char scheme[] = "sqlite:";
    size_t bytes = sizeof scheme - 1;
    char *path = url + bytes;

    /* What names no file is refused by the bus, in its own words. */
    if (strncmp(url, scheme, bytes) != 0 || *path == '?' || strcmp(path, ":memory:") == 0)
        return true;
    return files_absolute(path, room - bytes);
}

uint64_t files_raise_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 1024;
    if (limit.rlim_cur < limit.rlim_max) {
        struct rlimit raised = {limit.rlim_max, limit.rlim_max};
        if (setrlimit(RLIMIT_NOFILE, &raised) == 0)
            limit = raised;
    }
    return limit.rlim_cur;
}

/* Overwrites the values of those parameters of a query that are secrets. */
static void hide_parameters(char *url)
{
    static const char *const secret[] = {"password=", "sslpassword=", "room_password="};
    char *at = strchr(url, '?');

    while (at) {
        at++;
        for (size_t i = 0; i < COUNT_OF(secret); i++)
            if (strncmp(at, secret[i], strlen(secret[i])) == 0)
                memset(at + strlen(secret[i]), '*', strcspn(at + strlen(secret[i]), "&"));
        at = strchr(at, '&');
    }
}

void files_public_url(const char *url, char *out, size_t out_bytes)
{
    const char *authority = strstr(url, "://");
    const char *end = authority ? authority + 3 + strcspn(authority + 3, "/?#") : NULL;
    /* The last one: people forget to write an @ of their password as %40. */
    const char *at = authority ? memrchr(authority, '@', (size_t)(end - authority)) : NULL;

    if (!at)
        snprintf(out, out_bytes, "%s", url);
    else
        snprintf(out, out_bytes, "%.*s***%s", (int)(authority + 3 - url), url, at);
    hide_parameters(out);
}

/* A NATS URL names no user without a password: what stands there alone is a token. */
static bool is_token(const char *url, const char *authority)
{
    size_t before = (size_t)(authority - url);

    return ((before >= 4 && memcmp(authority - 4, "nats", 4) == 0) ||
            (before >= 3 && memcmp(authority - 3, "tls", 3) == 0)) &&
           !strstr(authority, "password_file=");
}

void files_wipe_url(char *url)
{
    char *authority = strstr(url, "://");

    if (!authority)
        return;
    char *user = authority + 3, *end = user + strcspn(user, "/?#");
    char *at = memrchr(user, '@', (size_t)(end - user));
    char *colon = at ? memchr(user, ':', (size_t)(at - user)) : NULL;
    char *secret = colon ? colon + 1 : user;
    if (colon || (at && is_token(url, authority)))
        memset(secret, '*', (size_t)(at - secret));
    hide_parameters(url);
}

void files_print_id(struct id128 id, char text[33])
{
    hex_print(text, id.high);
    hex_print(text + 16, id.low);
    text[32] = 0;
}
