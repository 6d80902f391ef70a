# SPDX-License-Identifier: BSD-2-Clause
# Copyright (c) 2026 the Accord authors
"""nkeys.py - keys, tokens and credentials of a NATS server that knows no passwords: made with
openssl, as nk and nsc make them. An nkey is Ed25519, its text base32 of a kind, the key and a CRC."""
import base64
import binascii
import json
import os
import subprocess
import time

KINDS = {"O": 14, "A": 0, "U": 20}  # operator, account, user


def text(raw):
    crc = binascii.crc_hqx(raw, 0)
    return base64.b32encode(raw + crc.to_bytes(2, "little")).decode().rstrip("=")


def plain64(raw):
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


class Key:
    """Its private half is a file in `folder`; `seed` is its text."""

    def __init__(self, folder, kind):
        self.path = os.path.join(folder, f"{kind}-{os.urandom(4).hex()}.pem")
        openssl = ("openssl", "pkey", "-in", self.path, "-outform", "DER")
        subprocess.run(("openssl", "genpkey", "-algorithm", "ed25519", "-out", self.path), check=True)
        secret = subprocess.run(openssl, check=True, capture_output=True).stdout[-32:]
        public = subprocess.run((*openssl, "-pubout"), check=True, capture_output=True).stdout[-32:]
        prefix = KINDS[kind] << 3
        self.public = text(bytes([prefix]) + public)
        self.seed = text(bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]) + secret)

    def token(self, subject, name, nats):
        """What this key says of another, or of itself (a JWT)."""
        head = {"typ": "JWT", "alg": "ed25519-nkey"}
        body = {"jti": os.urandom(16).hex(), "iat": int(time.time()), "iss": self.public,
                "sub": subject.public, "name": name, "nats": {"version": 2, **nats}}
        said = ".".join(plain64(json.dumps(part).encode()) for part in (head, body))
        message = self.path + ".said"
        with open(message, "w", encoding="ascii") as f:
            f.write(said)
        signature = subprocess.run(("openssl", "pkeyutl", "-sign", "-rawin", "-inkey", self.path,
                                    "-in", message), check=True, capture_output=True).stdout
        return f"{said}.{plain64(signature)}"


def unlimited():
    return {**dict.fromkeys(("subs", "data", "payload", "imports", "exports", "conn", "leaf",
                             "mem_storage", "disk_storage", "streams", "consumer"), -1),
            "wildcards": True}


class Operator:
    """A server's configuration with one account for JetStream, and users of it."""

    def __init__(self, folder):
        self.folder = folder
        self.key, self.account, system = Key(folder, "O"), Key(folder, "A"), Key(folder, "A")
        own = self.key.token(self.key, "operator", {"type": "operator",
                                                    "system_account": system.public})
        shop = self.key.token(self.account, "shop", {"type": "account", "limits": unlimited()})
        sys = self.key.token(system, "SYS", {"type": "account", "limits": {
            **unlimited(), "mem_storage": 0, "disk_storage": 0}})
        self.config = (f"operator: {own}\nsystem_account: {system.public}\nresolver: MEMORY\n"
                       f"resolver_preload: {{ {self.account.public}: {shop}\n"
                       f"  {system.public}: {sys} }}\n")

    def creds(self, name, issuer=None):
        """A credentials file, as `nsc add user` writes it. `issuer`: another account's key."""
        user = Key(self.folder, "U")
        token = (issuer or self.account).token(user, name, {
            "type": "user", "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1})
        path = os.path.join(self.folder, f"{name}.creds")
        with open(path, "w", encoding="ascii") as f:
            f.write(f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
                    f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n")
        return path, user.seed
