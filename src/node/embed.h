/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
/* embed.h - a whole node inside this process, on a thread of its own.
 *
 * libaccord-embed.so exports these three and nothing else; libaccord opens it with dlopen()
 * when asked for "embed:", so that processes which attach to a daemon do not carry a node's
 * weight. The node listens on a unix socket in a fresh folder that only this user may enter;
 * the library attaches there as to any daemon. Includes nothing of the tree: copy the three
 * types.
 *
 * Threads: start and stop from any thread. Fork: the node stays with the process that started
 * it; a child goes on using its socket while that process lives, and accord_embed_stop() there
 * does nothing.
 */
#ifndef ACCORD_NODE_EMBED_H
#define ACCORD_NODE_EMBED_H

#include <stddef.h>

#if defined(__GNUC__)
#define EMBED_API __attribute__((visibility("default")))
#else
#define EMBED_API
#endif

struct accord_embed;

/* Starts a node with the settings of `query`: what follows "embed:", with or without the "?":
 * "bus=memory:x&name=web1&memory=64M&max-stale=3s". Names and values are those of
 * `accord serve`, values percent-decoded ("%26" is "&"). Returns once the socket is open and
 * the node is fresh, or after `ready-wait` (default 3s) without (reads then say unsure until it
 * is). 0, or an ACCORD_E_* (_INVALID: a setting; _CONFLICT: the name, a socket or the state
 * folder is taken; _DENIED, _IO, _NOMEM) with one line of text in why[0..why_bytes): what
 * happened and what to do; on failure *out is untouched and nothing runs. */
EMBED_API int accord_embed_start(const char *query, struct accord_embed **out, char *why,
                                 size_t why_bytes);

/* The path of the node's socket. Valid until accord_embed_stop(). */
EMBED_API const char *accord_embed_socket(const struct accord_embed *e);

/* Leaves the cluster, closes the socket, joins the thread, frees *e. NULL is fine. */
EMBED_API void accord_embed_stop(struct accord_embed *e);

typedef int accord_embed_start_fn(const char *query, struct accord_embed **out, char *why,
                                  size_t why_bytes);
typedef const char *accord_embed_socket_fn(const struct accord_embed *e);
typedef void accord_embed_stop_fn(struct accord_embed *e);

#endif
