# SPDX-License-Identifier: Apache-2.0
"""The access keys of an account: their owners, their expiration, and every secret ever issued."""

import base64
import secrets
import time
from dataclasses import dataclass

# A leaked prefix or middle of a secret is a leak too: tests search for pieces of this length.
PIECE = 20


@dataclass
class Key:
    access_key: str
    secret_key: str
    token: str  # "" for the long-term key of a user
    arn: str
    user_id: str
    role: str = ""  # ARN of the role behind an assumed-role session
    expires: float = float("inf")
    revoked: bool = False


class KeyRing:
    def __init__(self, clock):
        self._clock = clock
        self._keys = {}
        self._issued = []

    def issue_user(self, arn, access_key=None, secret_key=None):
        key = Key(access_key or _name("AKIA"), secret_key or _secret(), "", arn, _name("AIDA"))
        return self._add(key)

    def issue_session(self, role, session, lifetime):
        """Temporary credentials for a session of a role, good for `lifetime` seconds."""
        account, name = role.split(":")[4], role.rpartition("/")[2]
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
        key = Key(_name("ASIA"), _secret(), _token(), arn, f"{_name('AROA')}:{session}", role)
        # STS returns whole seconds; the credentials expire exactly at the returned time.
        key.expires = float(int(self._clock.now() + lifetime))
        return self._add(key)

    def find(self, access_key):
        return self._keys.get(access_key)

    def expire(self, access_key=None):
        """Expires one key now, or the keys of all sessions."""
        for key in self._keys.values():
            if key.access_key == access_key or (access_key is None and key.token):
                key.expires = 0.0

    def revoke(self, access_key=None):
        """Makes one key unknown, or the keys of all sessions."""
        for key in self._keys.values():
            if key.access_key == access_key or (access_key is None and key.token):
                key.revoked = True

    def remember_secret(self, text):
        self._issued.append(text)

    def pieces(self):
        """Pieces of every secret ever issued, which must not appear in any output."""
        found = []
        for text in self._issued:
            # The header of a JWT contains only its algorithm and is the same for all.
            text = text.partition(".")[2] if text.count(".") == 2 else text
            # Session tokens share their first characters, as AWS's do.
            text = text.removeprefix(TOKEN_HEAD)
            whole = range(0, max(len(text) - PIECE, 0) + 1, PIECE)
            found += [text[start:start + PIECE] for start in whole if len(text) >= 8]
        return found

    def _add(self, key):
        self._keys[key.access_key] = key
        self._issued += [text for text in (key.secret_key, key.token) if text]
        return key


class Clock:
    """AWS's clock: the machine's, moved by `offset` seconds."""

    def __init__(self):
        self.offset = 0.0

    def now(self):
        return time.time() + self.offset


TOKEN_HEAD = "IQoJb3JpZ2luX2Vj"


def _name(prefix):
    return prefix + base64.b32encode(secrets.token_bytes(10)).decode()


def _secret():
    return base64.b64encode(secrets.token_bytes(30)).decode()


def _token():
    return TOKEN_HEAD + base64.b64encode(secrets.token_bytes(500)).decode()
