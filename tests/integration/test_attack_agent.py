"""A hostile agent: what a pod may answer to the command that root runs on its node."""

import contextlib
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

import msgpack
import pytest

from .agent import SANITIZER_OPTIONS, TALLY
from .fake_agent import FakeAgent

SO_SNDBUFFORCE = 32
LONG = bool(os.environ.get("TALLY_LONG"))
ENV = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **SANITIZER_OPTIONS}


@pytest.fixture
def folder():
    path = tempfile.mkdtemp(prefix="tally-", dir="/tmp")
    yield path
    shutil.rmtree(path, ignore_errors=True)


def is_sanitized():
    with open(TALLY, "rb") as file:
        return b"__asan_init" in file.read()


class Tally:
    """One run of the command: its exit code, its output as bytes, and its seconds."""

    def __init__(self, *arguments, env=None, timeout=60, before=()):
        start = time.monotonic()
        done = subprocess.run([*before, TALLY, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, env={**ENV, **(env or {})}, timeout=timeout,
                              check=False)
        self.seconds = time.monotonic() - start
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert b"Sanitizer" not in self.err and b"runtime error" not in self.err, self.err


# Between pytest and the command: the peak of a process starts with that of the one it is forked from.
PEAK = """
import resource, subprocess, sys
code = subprocess.run(sys.argv[2:]).returncode
with open(sys.argv[1], "w") as file:
    file.write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))
sys.exit(code)
"""


class Flood:
    """Accepts connections, reads the request, and sends what `pieces(msgid)` yields until the
    peer has gone."""

    def __init__(self, path, pieces):
        self.pieces = pieces
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(64)
        self.open = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in (self.listener, *self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.open.append(connection)
            with contextlib.suppress(OSError):  # root may queue more at once than wmem_max
                connection.setsockopt(socket.SOL_SOCKET, SO_SNDBUFFORCE, 32 * 1024 * 1024)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            msgid = msgpack.unpackb(connection.recv(65536))[1]
            for piece in self.pieces(msgid):
                connection.sendall(piece)
            connection.recv(1)
        except (OSError, ValueError):
            pass


# ---- memory ----

def nested(depth):
    return b"\x91" * depth + b"\xc0"


def array(element, size=16 * 1024 * 1024 - 64):
    count = size // len(element)
    return b"\xdd" + struct.pack(">I", count) + element * count


OVERSIZED = {
    "maps": lambda: array(b"\x80"),
    "arrays": lambda: array(b"\x90"),
    "strings": lambda: array(b"\xa0"),
    "nils": lambda: array(b"\xc0"),
    "pairs": lambda: b"\xdf" + struct.pack(">I", 4_000_000) + b"\xa0\xc0" * 4_000_000,
    "triggers": lambda: b"\x81\xa8triggers" + array(b"\x81\xa4name\xa1x"),
    "bytes": lambda: b"\xc6" + struct.pack(">I", 15 * 1024 * 1024) + b"\xff" * (15 * 1024 * 1024),
    "most": lambda: array(b"\x80", 262_000),
    "deep": lambda: nested(29),
    "too-deep": lambda: nested(1_000_000),
    "announced": lambda: b"\xdd\xff\xff\xff\xff",
}


@pytest.mark.parametrize("kind", OVERSIZED)
@pytest.mark.parametrize("verb", ["list", "ready", "sockets"] if not LONG else
                         ["list", "ready", "sockets", "status", "whoami", "ping", "call"])
def test_an_oversized_answer_takes_little_memory(folder, kind, verb):
    """4.2 GB for 16 MiB of empty maps, before the number of values was bounded."""
    path = os.path.join(folder, "t.sock")
    payload = OVERSIZED[kind]()
    arguments = {"sockets": ["sockets", path], "call": ["-s", path, "call", "x"]}
    with Flood(path, lambda msgid: [b"\x94\x01\xce" + struct.pack(">I", msgid) + b"\xc0" + payload]):
        peak = os.path.join(folder, "peak")
        done = Tally(*arguments.get(verb, ["-s", path, verb]),
                     before=[sys.executable, "-ISc", PEAK, peak])
    assert done.code in (0, 1)
    with open(peak, encoding="utf-8") as file:
        assert int(file.read()) < (800 if is_sanitized() else 128) * 1024
    if kind not in ("bytes", "most", "deep") and verb != "sockets":
        assert (done.code, done.out) == (1, b"") and done.err.startswith(b"tally: PROTOCOL: ")


# ---- time ----

ANSWER = b"\x94\x01\x7f\xc0\xc0"
NOTIFICATION = msgpack.packb([2, "changed", [{"trigger": "a/b", "count": 1, "quality": "exact"}]])


def forever(piece):
    while True:
        yield piece


def drip(piece):
    yield b"\x94\x01\xce"
    while True:
        time.sleep(0.05)
        yield piece


def large_then_small(_):
    """Makes the input buffer as large as it may get and has it read while the client is busy with
    it, then fills it with small frames."""
    size = 15 * 1024 * 1024
    yield b"\x93\x02\xa1x\xc6" + struct.pack(">I", size) + bytes(size - 1)
    time.sleep(0.2)
    yield b"\x00" + ANSWER * 30_000 + ANSWER[:3]
    yield ANSWER[3:] + ANSWER * 3_000_000
    yield from forever(ANSWER * 3_000_000)


FLOODS = {
    "answers": lambda _: forever(ANSWER * 10_000),
    "answers-behind-a-large-frame": large_then_small,
    "notifications": lambda _: forever(NOTIFICATION * 2_000),
    "drip": lambda _: drip(b"\x00"),
    "drip-in-a-string": lambda _: drip(b"a"),
    "requests": lambda _: forever(b"\x94\x00\x01\xa4ping\x90" * 10_000),
    "endless-frame": lambda _: forever(b"\x91\xc6\x00\x00\xff\xff" + bytes(65535)),
    "silence": lambda _: iter(()),
}


@pytest.mark.parametrize("kind", FLOODS)
@pytest.mark.parametrize("verb", ["ping", "watch"] if not LONG else
                         ["ping", "watch", "list", "status", "wait", "ready", "count"])
def test_a_deadline_holds_against_a_flood(folder, kind, verb):
    """92 s for a deadline of 1 s, before."""
    path = os.path.join(folder, "t.sock")
    more = {"watch": ["x"], "count": ["x"], "wait": ["x", "--until", "count < 0"]}.get(verb, [])
    with Flood(path, FLOODS[kind]):
        done = Tally("-s", path, verb, *more, "--timeout", "1s")
    assert done.code in (1, 4) and done.out == b""
    assert done.seconds < 8
    if kind in ("answers", "silence", "notifications"):
        assert done.code == 4 and b"DEADLINE" in done.err
