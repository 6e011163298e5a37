# SPDX-License-Identifier: Apache-2.0
"""Hostile and broken peers of tally-bridge: each is stopped, and others are served meanwhile."""

import contextlib
import os
import resource
import socket
import struct
import time

import grpc
import pytest

from .agent import wait_until
from .bridge import Bridge
from .external_scaler import SERVICE, object_ref, refusal
from .fake_agent import FakeAgent
from .http2_frames import (CONTINUATION, DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, PING, PREFACE,
                           PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, grpc_call, grpc_head,
                           grpc_message, literal)
from .process_facts import is_sanitized
from .yaml_files import small_object

ENHANCE_YOUR_CALM = 11
CALL = grpc_head(SERVICE + "IsActive")


def call(stream):
    return grpc_call(stream, SERVICE + "IsActive", object_ref("small"))


class Peer:
    """A connection that has said hello in HTTP/2."""

    def __init__(self, bridge, settings=b""):
        self.socket = bridge.raw(30)
        self.buffer = b""
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def flood(self, data, seconds=20):
        """Sends the same again and again, reading what comes; the error code of GOAWAY, or None
        where the connection just ended."""
        deadline = time.monotonic() + seconds
        self.socket.setblocking(False)
        received = left = b""
        while time.monotonic() < deadline:
            left = left or data
            try:
                left = left[self.socket.send(left):]
            except BlockingIOError:
                time.sleep(0.001)
            except OSError:
                break
            try:
                piece = self.socket.recv(65536)
                if not piece:
                    break
                received += piece
            except BlockingIOError:
                pass
            except OSError:
                break
        else:
            raise AssertionError("the connection lives on")
        self.buffer += received
        codes = [struct.unpack(">I", payload[4:8])[0]
                 for kind, _, _, payload in self.frames() if kind == GOAWAY]
        return codes[-1] if codes else None

    def frames(self):
        """What has come by now."""
        at = 0
        while len(self.buffer) - at >= 9:
            length = int.from_bytes(self.buffer[at:at + 3], "big")
            if len(self.buffer) - at < 9 + length:
                return
            kind, flags = self.buffer[at + 3], self.buffer[at + 4]
            stream = struct.unpack(">I", self.buffer[at + 5:at + 9])[0]
            yield kind, flags, stream, self.buffer[at + 9:at + 9 + length]
            at += 9 + length

    def read_until_end(self):
        try:
            while piece := self.socket.recv(65536):
                self.buffer += piece
        except ConnectionResetError:
            pass
        return list(self.frames())


@pytest.fixture
def bridge(start):
    made = []

    def make(*options, **more):
        agent = more.pop("agent", None) or start(small_object())
        made.append(Bridge(getattr(agent, "socket", None) or agent.path, *options, **more))
        return made[-1].start()

    yield make
    for one in made:
        one.finish()


def serves(bridge):
    started = time.monotonic()
    assert bridge.scaler().is_active(object_ref("small")) is True
    return time.monotonic() - started < 5


def resident(bridge):
    """Its own memory in kB; 0 in a sanitizer build, which keeps what was freed."""
    if "sanitized" in os.environ.get("TALLY_BUILD", ""):
        return 0
    with open(f"/proc/{bridge.child.pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file
                   if line.startswith(("Private_Dirty:", "Private_Clean:")))


@pytest.mark.parametrize("flood", [
    frame(PING, 0, 0, b"12345678"), frame(SETTINGS, 0, 0), frame(SETTINGS, 1, 0),
    frame(PING, 1, 0, b"12345678"), frame(PRIORITY, 0, 1, b"\0\0\0\0\1"),
    frame(DATA, 0, 1), frame(RST_STREAM, 0, 1, b"\0\0\0\0"), frame(77, 0, 0, b"")],
    ids=["ping", "settings", "settings-ack", "ping-ack", "priority", "empty-data", "reset",
         "unknown"])
def test_floods_of_frames_end_the_connection(bridge, flood):
    one = bridge()
    with Peer(one) as peer:
        peer.send(frame(HEADERS, END_HEADERS, 1, CALL))
        peer.flood(flood * 100)
    assert serves(one)


def test_rapid_resets_end_the_connection(bridge):
    one = bridge()
    with Peer(one) as peer:
        try:
            for stream in range(1, 40001, 2):
                peer.send(call(stream) + frame(RST_STREAM, 0, stream, b"\0\0\0\x08"))
        except OSError:
            pass
        else:
            peer.read_until_end()
    assert serves(one)
    assert one.metric("tally_bridge_streams") == "0"


def test_floods_of_continuation_end_the_connection(bridge):
    one = bridge()
    before = resident(one)
    with Peer(one) as peer:
        peer.send(frame(HEADERS, 0, 1, CALL))
        peer.flood(frame(CONTINUATION, 0, 1, literal("x", "y" * 100) * 100))
    assert serves(one) and resident(one) < before + 2000


def test_a_small_block_of_large_headers_ends_the_connection(bridge):
    one = bridge()
    with Peer(one) as peer:
        bomb = CALL + literal("bomb", "x" * 120, indexed=True) + b"\xbe" * 10000
        peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, bomb))
        frames = peer.read_until_end()
    assert [struct.unpack(">I", payload[4:8])[0] for kind, _, _, payload in frames
            if kind == GOAWAY] in ([ENHANCE_YOUR_CALM], [])
    assert serves(one)
    assert one.metric("tally_bridge_connections_abused_total") == "1"


def test_half_a_request_is_answered_in_time(bridge):
    one = bridge()
    with Peer(one) as peer:
        peer.send(frame(HEADERS, END_HEADERS, 1, CALL) + frame(DATA, 0, 1, b"\0\0"))
        started = time.monotonic()
        while not any(kind == HEADERS and stream == 1 for kind, _, stream, _ in peer.frames()):
            peer.buffer += peer.socket.recv(65536)
        assert 1.5 < time.monotonic() - started < 4


def test_bodies_without_end_are_bounded(bridge):
    one = bridge()
    before = resident(one)
    peers = [Peer(one) for _ in range(8)]
    for peer in peers:
        for stream in range(1, 8, 2):
            peer.send(frame(HEADERS, END_HEADERS, stream, CALL) +
                      frame(DATA, 0, stream, b"\0\0\0\x7f\xff" + b"x" * 16000))
    assert serves(one) and resident(one) < before + 4000
    for peer in peers:
        peer.socket.close()


def test_paths_of_requests_without_end_are_bounded(bridge):
    one = bridge()
    before = resident(one)
    path = b"/" * 8000
    head = b"".join(literal(name, value) for name, value in (
        (":method", "GET"), (":scheme", "http"), (":authority", "x"))) + b"\x04\x7f" + bytes(
            [(len(path) - 127) & 127 | 128, (len(path) - 127) >> 7]) + path
    with contextlib.ExitStack() as peers:
        for peer in [peers.enter_context(Peer(one)) for _ in range(6)]:
            peer.send(b"".join(frame(HEADERS, END_HEADERS, stream, head)
                               for stream in range(1, 801, 2)) + frame(PING, 0, 0, b"12345678"))
            while not any(kind == PING for kind, _, _, _ in peer.frames()):
                peer.buffer += peer.socket.recv(65536)  # it has read all
        assert resident(one) < before + 10000  # 19 MB are sent
    wait_until(lambda: one.metric("tally_bridge_streams") == "0")


def test_pages_that_a_peer_does_not_take_keep_no_other_from_being_served(bridge, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    one = bridge("--token-file", str(token))
    head = b"".join(literal(name, value) for name, value in (
        (":method", "GET"), (":scheme", "http"), (":path", "/readyz"), (":authority", "x")))
    with Peer(one, settings=struct.pack(">HI", 4, 0)) as peer:  # SETTINGS_INITIAL_WINDOW_SIZE 0
        for stream in range(1, 201, 2):
            peer.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, head))
            while not any(kind == HEADERS and found == stream
                          for kind, _, found, _ in peer.frames()):
                peer.buffer += peer.socket.recv(65536)
        assert one.get("/readyz")[0] == 200
        assert one.get("/metrics", authorization="Bearer secret")[0] == 200


@pytest.mark.timing
def test_a_peer_that_reads_nothing_costs_little(bridge):
    one = bridge()
    before = resident(one)
    with Peer(one) as peer:
        peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.socket.setblocking(False)
        stream = 1
        deadline = time.monotonic() + 3
        while time.monotonic() < deadline:
            try:
                peer.socket.send(call(stream))  # a part of it ends the flood as well
                stream += 2
            except OSError:
                break
        assert serves(one) and resident(one) < before + 14000  # the streams that one may have
    wait_until(lambda: one.metric("tally_bridge_streams") == "0")


def test_answers_that_no_window_lets_through_end_the_connection(bridge):
    one = bridge()
    with Peer(one, settings=struct.pack(">HI", 4, 0)) as peer:  # SETTINGS_INITIAL_WINDOW_SIZE 0
        peer.send(call(1))
        started = time.monotonic()
        peer.read_until_end()
        assert 10 < time.monotonic() - started < 25
    assert serves(one)


def test_ten_thousand_streams_of_a_connection_are_served(bridge):
    one = bridge()
    with Peer(one) as peer:
        count = 10000
        for i in range(count):
            peer.send(grpc_call(2 * i + 1, SERVICE + "StreamIsActive", object_ref("small")))
            if i % 1000 == 0:
                peer.send(frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 100000)))
        active = set()
        rest = b""
        while len(active) < count:
            peer.buffer = rest + peer.socket.recv(65536)
            used = 0
            for kind, _, stream, payload in peer.frames():
                used += 9 + len(payload)
                if kind == DATA:
                    assert payload == grpc_message(b"\x08\x01")
                    active.add(stream)
            rest = peer.buffer[used:]
    assert one.scaler().is_active(object_ref("small")) is True
    wait_until(lambda: one.metric("tally_bridge_streams") == "0")


def test_idle_peers_give_way_to_new_ones(bridge):
    one = bridge()
    idle = [one.raw() for _ in range(520)]
    assert serves(one)
    assert int(one.metric("tally_bridge_connections_evicted_total")) > 0
    for connection in idle:
        connection.close()


def test_peers_that_say_nothing_are_closed(bridge):
    one = bridge()
    with one.raw() as silent, one.raw() as slow:
        slow.sendall(b"GET / HTTP/1.1\r\n")
        started = time.monotonic()
        assert silent.recv(100) == b""
        assert 4 < time.monotonic() - started < 10
        assert slow.recv(1000).startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize("data", [
    PREFACE + b"\xff" * 1000, PREFACE + frame(HEADERS, END_HEADERS, 2, CALL), PREFACE[:20] + b"xx",
    PREFACE + frame(SETTINGS, 0, 0) + frame(HEADERS, END_HEADERS, 1, b"\xff" * 50),
    PREFACE + frame(SETTINGS, 0, 0, b"123"), PREFACE + frame(DATA, 0, 0, b"x"),
    PREFACE + frame(SETTINGS, 0, 0) + frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\0")])
def test_broken_http2_is_closed(bridge, data):
    one = bridge()
    one.exchange(data)
    assert serves(one)


def test_pages_are_served_over_http2(bridge, tmp_path):
    token = tmp_path / "token"
    token.write_text("secret")
    one = bridge("--token-file", str(token))
    with Peer(one) as peer:
        def get(stream, path, *more):
            head = b"".join(literal(name, value) for name, value in (
                (":method", "GET"), (":scheme", "http"), (":path", path), (":authority", "x"),
                *more))
            peer.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, head))
            while not any(found == stream and flags & END_STREAM
                          for _, flags, found, _ in peer.frames()):
                peer.buffer += peer.socket.recv(65536)
            return b"".join(payload for kind, _, found, payload in peer.frames()
                            if kind == DATA and found == stream)

        assert get(1, "/healthz") == b"ok\n"
        assert b"token" in get(3, "/v1/count/small")
        assert b'"count":7' in get(5, "/v1/count/small?a", ("authorization", "Bearer secret"))
        assert get(7, "/metrics", ("authorization", "Bearer secret")).count(b"# TYPE") > 20


@pytest.mark.timing
def test_no_core_file_and_no_tracer(bridge):
    one = bridge()
    with open(f"/proc/{one.child.pid}/limits", encoding="ascii") as file:
        assert any(line.split()[:6] == ["Max", "core", "file", "size", "0", "0"] for line in file)
    with open(f"/proc/{one.child.pid}/status", encoding="ascii") as file:
        status = dict(line.split(":\t") for line in file if ":\t" in line)
    assert status["NoNewPrivs"].strip() == "1"
    if "sanitized" not in os.environ.get("TALLY_BUILD", ""):
        assert status["Seccomp"].strip() == "2"


def test_without_descriptors_it_goes_on_later(bridge):
    one = bridge()
    used = len(os.listdir(f"/proc/{one.child.pid}/fd"))
    resource.prlimit(one.child.pid, resource.RLIMIT_NOFILE, (used + 3, 4096))
    many = [one.raw() for _ in range(10)]
    wait_until(lambda: "event=cannot_accept" in one.log())
    resource.prlimit(one.child.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    for connection in many:
        connection.close()
    assert serves(one)


@pytest.mark.timing
def test_unknown_objects_do_not_fill_the_memory(bridge):
    one = bridge()
    before = resident(one)
    scaler = one.scaler()
    for i in range(2000):
        assert refusal(scaler.is_active, object_ref(f"nothing-{i}"))[0] == \
            grpc.StatusCode.NOT_FOUND
    assert resident(one) < before + 1000


@pytest.mark.parametrize("path", ["/v1/triggers", "/metrics"])
def test_a_page_that_runs_out_of_memory_is_an_error_of_its_own(bridge, tmp_path, path):
    """As JSON the list takes several MB."""
    rows = [{"name": f"shop/{i}", "table": "orders", "count": i, "target": 5} for i in range(5000)]
    with FakeAgent(str(tmp_path / "s"), list=lambda _: {"triggers": rows}, status=lambda _: {},
                   whoami=lambda _: {"identities": []}) as agent:
        one = bridge(agent=agent)
        before = one.get("/readyz")
        if not is_sanitized(one.child.pid):  # whose allocator needs terabytes of addresses
            with open(f"/proc/{one.child.pid}/statm", encoding="ascii") as file:
                size = int(file.read().split()[0]) * resource.getpagesize()
            none = resource.RLIM_INFINITY
            resource.prlimit(one.child.pid, resource.RLIMIT_AS, (size + 2 * 2**20, none))
            for _ in range(3):
                status, headers, body = one.get(path)
                assert (status, headers["Retry-After"]) == (503, "5"), body[:200]
            resource.prlimit(one.child.pid, resource.RLIMIT_AS, (none, none))
        assert before[0] == one.get("/readyz")[0] == 200
        status, _, body = one.get(path)
        assert status == 200 and body.count("shop/4999") >= 1
