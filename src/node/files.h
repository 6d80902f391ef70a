/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* files.h - folders, descriptors, and text that may be shown. */
#ifndef ACCORD_NODE_FILES_H
#define ACCORD_NODE_FILES_H

#include "base/base.h"

enum { FILES_PATH_BYTES_MAX = 1200 };

/* Makes the folder and those above it, where missing. -1 and errno; `failed` (may be NULL) then
 * names the one that could not be made. */
MUST_CHECK int files_make_folders(const char *folder, unsigned mode,
                                  char failed[FILES_PATH_BYTES_MAX]);

/* Likewise the folder that the file at `path` lies in. */
MUST_CHECK int files_make_folder_of(const char *path, unsigned mode,
                                    char failed[FILES_PATH_BYTES_MAX]);

/* Puts this process's folder before a path that is relative, in its room; an absolute one, or
 * none, stays. False: there is no room for it, or no such folder any more; nothing changed. */
MUST_CHECK bool files_absolute(char *path, size_t room);
/* Likewise the path of a sqlite: URL; other URLs stay. */
MUST_CHECK bool files_absolute_url(char *url, size_t room);

/* Raises the soft limit of open files to the hard one; returns how many may be open. */
uint64_t files_raise_limit(void);

/* `url` without what lies between "://" and "@", and without secrets in its query: user and
 * password are nobody's business. */
void files_public_url(const char *url, char *out, size_t out_bytes);

/* Overwrites the password, or NATS token, of a URL where it stands (in argv, which all users of
 * a host can read); anything else is left as it is. */
void files_wipe_url(char *url);

void files_print_id(struct id128 id, char text[33]);

#endif
