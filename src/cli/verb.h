/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* verb.h - what every verb of the command line shares: registration, help, exit codes.
 *
 * A verb is one file, src/cli/verb_NAME.c, with `int verb_NAME(int argc, char **argv)`, and one
 * entry in defs/verb.def. main() finds it there, prints its --help by itself, and calls it with
 * argv[0] = the verb's name. It returns an exit code of the list below. Standard output carries
 * the answer, standard error everything else.
 */
#ifndef ACCORD_CLI_VERB_H
#define ACCORD_CLI_VERB_H

#include "base/base.h"

/* EXIT(NAME, value, "meaning"). Append only: scripts depend on them. */
#define EXIT_CODES(EXIT)                                                                       \
    EXIT(OK, 0, "done; for get: a hit")                                                        \
    EXIT(FAILED, 1, "failed; the message says why and what to do")                             \
    EXIT(USAGE, 2, "the command line or a setting is wrong")                                   \
    EXIT(FATAL, 3,                                                                             \
         "serve: the node had to end (its name is taken, the state folder is in use)")         \
    EXIT(DOWN, 4,                                                                              \
         "no daemon answers at the socket, permission was denied, or it has no connection "    \
         "left")                                                                               \
    EXIT(MISS, 5, "get: not there")                                                            \
    EXIT(UNSURE, 6, "the node cannot know whether its copies are current")                     \
    EXIT(STALE, 7, "get: a value, but stale")                                                  \
    EXIT(UNPUBLISHED, 8, "removed here, queued for the bus")                                   \
    EXIT(TIMEOUT, 9, "timed out; the outcome is unknown")                                      \
    EXIT(BROKEN, 10, "demo, torture, bench: a promise was broken")                             \
    EXIT(NOT_JUDGED, 11, "demo, torture: too few hits to say anything; give it more time")     \
    EXIT(NOT_HERE, 12, "torture: the scenario needs what this machine or user does not allow")

enum exit_code {
#define EXIT(name, value, text) EXIT_##name = value,
    EXIT_CODES(EXIT)
#undef EXIT
};

#define VERB(name, usage, line, details) int verb_##name(int argc, char **argv);
#include "defs/verb.def"
#undef VERB

/* Says "accord VERB: MESSAGE" on standard error, and how to get help. Always EXIT_USAGE. */
PRINTF_LIKE(2, 3)
int usage_error(const char *verb, const char *format, ...);

/* Says "accord: MESSAGE" on standard error. Always `code`, so that a failure is one statement.
 */
PRINTF_LIKE(2, 3)
int fail(int code, const char *format, ...);

/* What was printed has left: EXIT_OK. Else EXIT_FAILED, said, unless it was a pipe that
 * somebody has closed. */
MUST_CHECK int output_done(void);

/* The exit code for a status of the library: DOWN, DENIED → EXIT_DOWN, and so on. */
int exit_code_of(int status);

/* Prints the help of `verb`, or of all for NULL, to standard output. Always EXIT_OK. */
int help_print(const char *verb);

#endif
