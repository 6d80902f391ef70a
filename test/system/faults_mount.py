#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""faults_mount.py - a bus file on a file system that hosts may share, really mounted: a FUSE one, as
sshfs and many others are, served from here in a mount namespace of our own.

Prints "ok NAME", "not ok NAME" or "skip NAME: why". ACCORD_BUILD names the build folder."""
import ctypes
import errno
import os
import stat
import struct
import subprocess
import sys
import tempfile
import threading

from lib import ACCORD, WAIT, Skip, expect, main, test

CLONE_NEWNS, MS_REC, MS_PRIVATE, MS_NOSUID, MS_NODEV = 0x20000, 0x4000, 0x40000, 2, 4
LOOKUP, FORGET, GETATTR, STATFS, INIT = 1, 2, 3, 17, 26
libc = ctypes.CDLL(None, use_errno=True)


def attributes():
    """An empty folder."""
    return struct.pack("<QII", 60, 0, 0) + struct.pack(
        "<6Q3I7I", 1, 0, 0, 0, 0, 0, 0, 0, 0, stat.S_IFDIR | 0o777, 2, 0, 0, 0, 4096, 0)


def serve(fd):
    """The least of FUSE (linux/fuse.h): a root folder with nothing in it."""
    while True:
        try:
            request = os.read(fd, 1 << 20)
        except OSError:
            return
        _, op, unique = struct.unpack_from("<IIQ", request)
        error, body = 0, b""
        if op == INIT:
            body = struct.pack("<IIIIHHIIHH8I", 7, 31, 65536, 0, 1, 1, 65536, 1, 1, 0, *[0] * 8)
        elif op == GETATTR:
            body = attributes()
        elif op == STATFS:
            body = struct.pack("<5Q4I6I", 1000, 500, 500, 100, 50, 4096, 255, 4096, 0, *[0] * 6)
        elif op == FORGET:
            continue
        else:
            error = -(errno.ENOENT if op == LOOKUP else errno.ENOSYS)
        os.write(fd, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def checked(result, what):
    if result != 0:
        raise Skip(f"{what}: {os.strerror(ctypes.get_errno())}")


def mount(folder):
    try:
        fd = os.open("/dev/fuse", os.O_RDWR)
    except OSError as why:
        raise Skip(f"/dev/fuse: {why.strerror}") from None
    checked(libc.unshare(CLONE_NEWNS), "no mount namespace of our own")
    checked(libc.mount(None, b"/", None, MS_REC | MS_PRIVATE, None), "mounts stay shared")
    options = f"fd={fd},rootmode=40000,user_id={os.getuid()},group_id={os.getgid()}"
    checked(libc.mount(b"accord-test", folder.encode(), b"fuse", MS_NOSUID | MS_NODEV,
                       options.encode()), "cannot mount")
    threading.Thread(target=serve, args=(fd,), daemon=True).start()


@test
def a_bus_file_on_a_mounted_fuse_file_system_is_refused_with_what_to_do():
    with tempfile.TemporaryDirectory() as folder:
        at = os.path.join(folder, "shared")
        os.mkdir(at)
        mount(at)
        try:
            out = subprocess.run([ACCORD, "serve", "--name", "web1", "--socket", folder + "/s", "--bus",
                                  f"sqlite:{at}/bus.db"], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True, timeout=WAIT, check=False)
            expect(out.returncode != 0)
            expect(f"{at} is on FUSE or virtiofs, where SQLite would destroy the log; put the file on a "
                   "local disk" in out.stdout, out.stdout)
        finally:
            libc.umount2(at.encode(), 2)


if __name__ == "__main__":
    sys.exit(main())
