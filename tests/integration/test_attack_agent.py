# SPDX-License-Identifier: Apache-2.0
"""A hostile agent: answers of a pod to the command that root runs on its node."""

import contextlib
import glob
import json
import os
import pty
import re
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

from tests.gateway.local import ROOT

from .agent import BUILD, SANITIZER_OPTIONS, TALLY
from .fake_agent import FakeAgent, Refusal, result

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
    """One run of the command: exit code, output as bytes, and seconds."""

    def __init__(self, *arguments, env=None, timeout=60, before=()):
        start = time.monotonic()
        done = subprocess.run([*before, TALLY, *arguments], stdin=subprocess.DEVNULL,
                              capture_output=True, env={**ENV, **(env or {})}, timeout=timeout,
                              check=False)
        self.seconds = time.monotonic() - start
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr
        assert b"Sanitizer" not in self.err and b"runtime error" not in self.err, self.err


# Between pytest and the command: a forked process inherits the peak memory of its parent.
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
    "keys-of-keys": lambda: b"\x81" * 28 + b"\xa1x" + b"\xc0" * 28,
    "announced": lambda: b"\xdd\xff\xff\xff\xff",
}


@pytest.mark.parametrize("kind", OVERSIZED)
@pytest.mark.parametrize("verb", ["list", "ready", "sockets"] if not LONG else
                         ["list", "ready", "sockets", "status", "whoami", "ping", "call"])
def test_an_oversized_answer_takes_little_memory(folder, kind, verb):
    """It took 4.2 GB for 16 MiB of empty maps, before the number of values was bounded."""
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
    """Grows the input buffer to its maximum, waits until the client has read it, then fills it with
    small frames."""
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
    """It took 92 s for a deadline of 1 s, before."""
    path = os.path.join(folder, "t.sock")
    more = {"watch": ["x"], "count": ["x"], "wait": ["x", "--until", "count < 0"]}.get(verb, [])
    with Flood(path, FLOODS[kind]):
        done = Tally("-s", path, verb, *more, "--timeout", "1s")
    assert done.code in (1, 4) and done.out == b""
    assert done.seconds < 8
    if kind in ("answers", "silence", "notifications"):
        assert done.code == 4 and b"DEADLINE" in done.err


@pytest.mark.parametrize("arguments", [["ping"], ["status", "-o", "prometheus"]])
def test_two_calls_share_one_deadline(folder, arguments):
    path = os.path.join(folder, "t.sock")

    def slow(name):
        return lambda _: time.sleep(2) or result(f"{name}-answer")
    with FakeAgent(path, **{name: slow(name) for name in ("ping", "status", "list")}):
        done = Tally("-s", path, *arguments, "--timeout", "3s")
    assert (done.code, done.out) == (4, b"") and done.seconds < 3.9


# ---- output ----

# OSC 52 (clipboard), title, colours, C1's CSI, DEL, bidirectional controls, a forged line.
POISON = ("\x1b]52;c;ZXZpbA==\x07\x1b[2J\x00\b\r\nFORGED\t\x7f\x80\x85\x9b31m\u202e\u2066\u200f\u2028"
          "\u061c\"\\'} 1\n")
SHOWN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]|^FORGED", re.M)
EXTREMES = [-2**63, 2**63 - 1, 2**64 - 1, 0]


def poisoned(value, number):
    """Replaces every string, every unknown key, and every number of an answer."""
    if isinstance(value, dict):
        inner = {key: poisoned(member, number) for key, member in value.items()}
        return {**inner, POISON: POISON, "new" + POISON: {POISON: [number, {POISON: number}]}}
    if isinstance(value, list):
        return [poisoned(member, number) for member in value]
    if isinstance(value, str):
        return POISON
    if isinstance(value, float):
        return float(number) * 1e290
    return value if isinstance(value, bool) else number


VERBS = {"count": ["count", "x"], "list": ["list"], "status": ["status"], "whoami": ["whoami"],
         "explain": ["explain", "x"], "ready": ["ready"], "ready-trigger": ["ready", "x"],
         "ping": ["ping"], "query": ["query", "t", "k = :k"], "call": ["call", "status"],
         "wait": ["wait", "x", "--until", "count != 5", "--timeout", "2s"]}
OUTPUTS = {"count": 3, "list": 3, "status": 3}


def check_shown(data, json_lines=False):
    found = SHOWN.search(data.decode())  # the output is valid UTF-8
    assert found is None, data[max(found.start() - 40, 0):][:120]
    if json_lines:
        json.loads(data)


def replies(number, refuse):
    def reply(name):
        def answer(_):
            if refuse:
                raise Refusal(number if refuse == "code" else 9, POISON, POISON, retry_after_ms=number,
                              aws={"code": POISON, "request_id": POISON, "reasons": POISON})
            return poisoned(result(name), number)
        return answer
    return {method: reply(f"{method}-answer") for method in
            ("hello", "ping", "count", "list", "status", "whoami", "explain", "query")}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("refuse", ["", "error", "code"])
def test_no_field_of_an_answer_moves_the_terminal(folder, verb, refuse):
    path = os.path.join(folder, "t.sock")
    for number in EXTREMES:
        with FakeAgent(path, **replies(number, refuse)):
            for form in ["text", "json", "prometheus"][:OUTPUTS.get(verb, 2)]:
                done = Tally("-s", path, *VERBS[verb], "-o", form)
                assert done.code in (0, 1, 2, 3, 4)
                assert done.out or done.err
                check_shown(done.out, form == "json" and done.code == 0)
                check_shown(done.err)


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_notification_moves_the_terminal(folder, form):
    path = os.path.join(folder, "t.sock")
    for number in EXTREMES:
        reply = [{**poisoned(result("count-answer"), number), "trigger": "shop/x"},
                {"trigger": "shop/x", "error": {"code": 9, "name": POISON, "message": POISON}},
                {"trigger": "shop/x", "error": {"code": 3, "name": POISON, "message": POISON}}]
        with FakeAgent(path, reply, watch=lambda _: {"trigger": "shop/x", "new": POISON}):
            done = Tally("-s", path, "watch", "x", "-o", form)
        assert done.code == 1 and done.out.count(b"\n") == 2
        check_shown(done.out)
        check_shown(done.err)


@pytest.mark.parametrize("number", EXTREMES)
def test_top_shows_no_control_of_the_agents(folder, number):
    path = os.path.join(folder, "t.sock")
    with FakeAgent(path, **replies(number, "")):
        child, terminal = pty.fork()
        if child == 0:
            os.execve(TALLY, [TALLY, "-s", path, "top", "--interval", "100ms"],
                      {**ENV, "TERM": "xterm", **SANITIZER_OPTIONS})
        shown = b""
        deadline = time.monotonic() + 20
        while shown.count(b"q ends") < 3 and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                shown += os.read(terminal, 65536)
        with contextlib.suppress(OSError):
            os.write(terminal, b"q")
        with contextlib.suppress(OSError):
            while data := os.read(terminal, 65536):
                shown += data
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
        os.close(terminal)
    ours = re.compile(rb"\x1b\[(\?25[hl]|\?1049[hl]|H|2J|[0-9]{1,2}m)|\r(?=\n)")
    check_shown(ours.sub(b"", shown))
    assert shown.count(b"\x1b[2J") == shown.count(b"\x1b[H\x1b[2J")


def test_only_one_file_of_the_command_writes():
    """All output of the command goes through the same functions, including new fields."""
    writers = "printf|fprintf|vfprintf|puts|putchar|fputs|fputc|putc|fwrite|vprintf|dprintf"
    for path in glob.glob(os.path.join(BUILD, "obj", "client", "cli", "*.o")):
        name = os.path.basename(path)
        if not os.path.exists(os.path.join(ROOT, "client", "cli", name[:-2] + ".c")):
            continue  # of an older build
        done = subprocess.run(["nm", "-u", path], capture_output=True, text=True, check=True)
        used = re.findall(rf" U (?:__)?((?:{writers}|_IO_putc|json_dumpf)(?:_chk|_unlocked)?)$", done.stdout, re.M)
        # The help and the option texts are the command's own.
        assert not used or name in ("terminal.o", "tally.o", "arguments.o"), (name, used)


# ---- tally sockets on a node of untrusted pods ----

def test_silent_sockets_delay_no_other(folder):
    """Before, it took half a second for each, one after the other and without output."""
    paths = [os.path.join(folder, f"t{number:02}.sock") for number in range(41)]
    with contextlib.ExitStack() as stack:
        for number, path in enumerate(paths[:-1]):
            stack.enter_context(Flood(path, list(FLOODS.values())[number % len(FLOODS)]))
        stack.enter_context(FakeAgent(paths[-1]))
        start = time.monotonic()
        child = subprocess.Popen([TALLY, "sockets", "-t", "3s", os.path.join(folder, "t*.sock")],
                                 stdout=subprocess.PIPE, env=ENV)
        while paths[-1].encode() not in (line := child.stdout.readline()):
            assert line
        first = time.monotonic() - start
        rest = child.stdout.read()
        assert child.wait(60) == 0
        assert first < 2.9 and time.monotonic() - start < 12
        assert rest.count(b"DEADLINE") >= 5
        start = time.monotonic()
        done = Tally("sockets", "-o", "json", os.path.join(folder, "t*.sock"))
        assert time.monotonic() - start < 8
        found = json.loads(done.out)
        assert {entry["path"] for entry in found} == set(paths)
        assert [entry["version"] for entry in found if "version" in entry] == ["1.2.3"]


def test_an_invalid_answer_is_no_agent(folder):
    path = os.path.join(folder, "t.sock")
    for answer in (5, "x", [], {}, {"protocol": "tally"}, {"protocol": "x", "agent": "1"}, b"\xff",
                   {"protocol": 1, "agent": "1"}):
        with FakeAgent(path, hello=lambda _, answer=answer: answer, count=lambda _, answer=answer: answer,
                       ping=lambda _, answer=answer: answer):
            for arguments in (["ready"], ["ready", "x"], ["ready", "-o", "json"]):
                done = Tally("-s", path, *arguments)
                assert (done.code, done.out) == (1, b"") and b"PROTOCOL" in done.err
            assert json.loads(Tally("sockets", "-o", "json", path).out)[0]["error"] == "PROTOCOL"
    with FakeAgent(path):
        assert Tally("-s", path, "ready").code == 0


# A verb, and the field that its result must have.
RESULTS = {"count x": "count", "query x a=:a": "count", "list": "triggers", "status": "connections",
           "whoami": "identities", "explain x": "config", "ping": "pid"}


@pytest.mark.parametrize("words, form", [
    *((words, form) for words in RESULTS for form in ("text", "json")),
    ("list", "prometheus"), ("status", "prometheus")])
def test_a_result_of_another_shape_is_an_error(folder, words, form):
    path = os.path.join(folder, "t.sock")
    for answer in (5, "x", [], {}, {"other": 1}, {RESULTS[words]: None}, {RESULTS[words]: b"\xff"}):
        with FakeAgent(path, **{words.split()[0]: lambda _, answer=answer: answer}):
            done = Tally("-s", path, "-o", form, *words.split())
            assert (done.code, done.out) == (1, b""), answer
            assert b"PROTOCOL" in done.err and RESULTS[words].encode() in done.err


def volume(folder, uid):
    path = os.path.join(folder, "pods", uid, "volumes", "kubernetes.io~empty-dir", "run")
    os.makedirs(path)
    return path


def test_no_link_leads_out_of_a_pods_volume(folder):
    host, pod = os.path.join(folder, "host"), volume(folder, "evil")
    os.makedirs(os.path.join(host, "sub"))
    with FakeAgent(os.path.join(host, "tally.sock")) as one, \
            FakeAgent(os.path.join(host, "sub", "tally.sock")) as two, \
            FakeAgent(os.path.join(pod, "tally-own.sock")):
        os.symlink(os.path.join(host, "tally.sock"), os.path.join(pod, "tally.sock"))
        os.symlink("../../../../../host/tally.sock", os.path.join(pod, "tally2.sock"))
        os.symlink(host, os.path.join(pod, "linked"))
        os.symlink(folder, os.path.join(folder, "node"))  # the administrator's own symlink: followed
        base = os.path.join(folder, "node", "pods/*/volumes/kubernetes.io~empty-dir")
        inside = os.path.join(folder, "pods/evil/volumes/kubernetes.io~empty-dir/run")
        for patterns in ([base + "/*/tally*.sock", base + "/*/*/tally*.sock"],
                         [base + "/../*/*/tally*.sock"],
                         [inside + "/linked/tally.sock", inside + "/tally.sock", inside + "/tally-own.sock"]):
            done = Tally("sockets", "-o", "json", *patterns)
            found = [os.path.basename(entry["path"]) for entry in json.loads(done.out)]
            assert found == ["tally-own.sock"] or ".." in patterns[0] and not found
            assert b"not followed" in done.err or not found
        assert not one.requests and not two.requests


def test_the_peers_uid_is_shown(folder):
    path = os.path.join(folder, "t.sock")
    with FakeAgent(path):
        assert json.loads(Tally("sockets", "-o", "json", path).out) == [
            {"path": path, "peer_uid": os.getuid(), "version": "1.2.3"}]
        assert str(os.getuid()) in Tally("sockets", path).out.decode().splitlines()[1].split()
        assert Tally("sockets", env={"TALLY_SOCKET": path}).out.decode().splitlines()[1].endswith(path)


def test_one_pod_does_not_hide_the_others(folder):
    pod, other = volume(folder, "many"), volume(folder, "other")
    with contextlib.ExitStack() as stack:
        for number in range(80):
            stack.enter_context(contextlib.closing(socket.socket(socket.AF_UNIX))).bind(
                os.path.join(pod, f"tally{number}.sock"))
        stack.enter_context(FakeAgent(os.path.join(other, "tally.sock")))
        done = Tally("sockets", "-o", "json", os.path.join(folder, "pods/*/volumes/*/*/tally*.sock"))
    found = json.loads(done.out)
    assert len(found) == 65 and sum("version" in entry for entry in found) == 1
    assert b"more sockets" in done.err
