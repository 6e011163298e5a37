# SPDX-License-Identifier: Apache-2.0
"""The socket: allowed peers, effects of one client on others, and shutdown."""

import contextlib
import os
import random
import stat
import struct
import subprocess

import msgpack
import pytest

from .agent import TALLY
from .rpc import Rpc, RpcError
from .yaml_files import small_object

GARBAGE = {
    "reserved byte": b"\xc1",
    "a string": msgpack.packb("hello"),
    "a number": b"\x07",
    "an answer": msgpack.packb([1, 1, None, None]),
    "a map": msgpack.packb({"a": 1}),
    "a negative msgid": msgpack.packb([0, -1, "ping", []]),
    "a msgid that is text": msgpack.packb([0, "1", "ping", []]),
    "an unknown kind": msgpack.packb([3, 1, "ping", []]),
    "8 GB announced": bytes.fromhex("dd10000000"),
    "8 GB within a request": bytes.fromhex("94 00 01 a4 70 69 6e 67 dd 10 00 00 00"),
    "too deep": b"\x94\x00\x01\xa4ping" + b"\x91" * 40,
    "too long": b"\x94\x00\x01\xa4ping" + b"\xc6" + struct.pack(">I", 1 << 20),
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a TLS hello": bytes.fromhex("16030100c8010000c40303") + bytes(100),
}

NOBODY = 65534


def ping_as(agent, uid):
    """The output of the command as another user; setpriv can start it below a folder of root."""
    return subprocess.run(["setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", TALLY,
                           "-s", agent.socket, "ping"], capture_output=True, timeout=20, check=False)


def ended(connection):
    """Whether the peer closed the connection without an answer."""
    try:
        return connection.recv(4096) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_closes_only_its_own_connection(start, name):
    agent = start(small_object())
    with agent.connect() as good:
        good.call("ping")
        with agent.raw() as bad:
            bad.sendall(GARBAGE[name])
            assert ended(bad)
        assert good.call("count", trigger="small")["count"] == 7
    assert agent.child.poll() is None


def test_random_bytes_harm_nobody(start):
    agent = start(small_object())
    luck = random.Random(4711)
    for _ in range(300):
        with agent.raw() as bad:
            try:
                bad.sendall(luck.randbytes(luck.randrange(1, 2000)))
            except OSError:
                pass
    assert agent.rpc("count", trigger="small")["count"] == 7


def test_a_request_may_come_byte_by_byte(start):
    agent = start(small_object())
    with agent.raw() as connection:
        for byte in msgpack.packb([0, 9, "count", ["small"]]):
            connection.sendall(bytes([byte]))
        unpacker = msgpack.Unpacker()
        while True:
            unpacker.feed(connection.recv(4096))
            for message in unpacker:
                assert message[:3] == [1, 9, None]
                assert message[3]["count"] == 7
                return


@pytest.mark.parametrize("msgid", [0, 127, 128, 65536, 2**32 - 1])
def test_every_msgid_comes_back(start, msgid):
    with start(small_object()).connect() as connection:
        connection.socket.sendall(msgpack.packb([0, msgid, "ping", []]))
        assert connection.receive()[:3] == [1, msgid, None]


def test_many_requests_on_one_connection_are_all_answered(start):
    with start(small_object()).connect() as connection:
        connection.call("count", trigger="small")
        asked = [connection.send("count", {"trigger": "small"}) for _ in range(50)]
        answer = [connection.receive() for _ in asked]
        assert sorted(message[1] for message in answer) == asked
        assert {message[3]["count"] for message in answer} == {7}


def test_an_unknown_method_is_answered_and_a_notification_is_not(start):
    with start(small_object()).connect() as connection:
        with pytest.raises(RpcError) as caught:
            connection.call("nvim_get_api_info")
        assert caught.value.answer["code"] == 2
        assert caught.value.name == "UNKNOWN_METHOD"
        connection.socket.sendall(msgpack.packb([2, "nonsense", []]))
        connection.call("ping")


@pytest.mark.parametrize("params", [
    [{"trigger": 5}], [{}], [], [{"trigger": "small", "timeout_ms": "soon"}], ["small", "x", 3],
    {"trigger": "small"}, [{"trigger": "small", "max_age_ms": -1}]])
def test_wrong_params_are_answered(start, params):
    with start(small_object()).connect() as connection:
        connection.socket.sendall(msgpack.packb([0, 1, "count", params]))
        kind, msgid, error, result = connection.receive()
        assert (kind, msgid, result) == (1, 1, None)
        assert error["name"] == "INVALID_REQUEST"
        connection.call("ping")


@pytest.mark.parametrize("request_", [[0, 1], [0, 1, "ping"], [0, 1, 7, []], [0, 1, "ping", [], 0]])
def test_a_request_of_the_wrong_shape_is_answered(start, request_):
    with start(small_object()).connect() as connection:
        connection.socket.sendall(msgpack.packb(request_))
        kind, msgid, error, _ = connection.receive()
        assert (kind, msgid, error["name"]) == (1, 1, "INVALID_REQUEST")
        connection.call("ping")


def test_unknown_keys_are_ignored(start):
    assert start(small_object()).rpc("count", trigger="small", colour="red")["count"] == 7


def test_hello_shows_version_methods_and_limits(start):
    answer = start(small_object()).rpc("hello", client="a test")
    assert (answer["protocol"], answer["version"]) == ("tally", 1)
    assert {"hello", "ping", "count", "list", "status", "whoami"} <= set(answer["methods"])
    assert answer["limits"]


def test_the_65th_request_in_flight_is_busy(start, world):
    world.fault(action="Query", latency=1.0)
    with start(small_object()).connect() as connection:
        for _ in range(65):
            connection.send("count", {"trigger": "small"})
        answer = [connection.receive() for _ in range(65)]
    names = [message[2]["name"] if message[2] else "ok" for message in answer]
    assert sorted(names) == ["BUSY"] + ["ok"] * 64


def test_the_socket_is_for_its_group_and_goes_with_the_agent(start):
    agent = start(small_object())
    answer = os.stat(agent.socket)
    assert stat.S_ISSOCK(answer.st_mode)
    assert stat.S_IMODE(answer.st_mode) == 0o660
    assert agent.stop() == 0
    assert not os.path.exists(agent.socket)


def start_for_nobody(start):
    """An agent to which all users may connect, but which only NOBODY may use."""
    agent = start(small_object(), options=["--socket-mode", "0666", "--allow-uid", str(NOBODY)])
    os.chmod(agent.folder, 0o755)
    return agent


def test_who_may_not_use_it_is_reported_so_and_nothing_else(start):
    agent = start_for_nobody(start)
    with agent.connect() as other:
        with pytest.raises(RpcError) as refused:
            other.call("ping")
    assert refused.value.name == "NOT_ALLOWED"
    assert f"--allow-uid {os.getuid()}" in str(refused.value)
    assert ping_as(agent, NOBODY).returncode == 0


@pytest.mark.timing
def test_those_who_may_not_use_it_take_nobodys_place(start):
    agent = start_for_nobody(start)
    with contextlib.ExitStack() as stack:
        for _ in range(1200):
            stack.enter_context(agent.raw())
        done = ping_as(agent, NOBODY)
        assert done.returncode == 0, done.stderr


def test_sigterm_answers_those_who_wait(start, world):
    world.fault(action="Query", latency=1.0)
    agent = start(small_object())
    with agent.connect() as connection:
        asked = connection.send("count", {"trigger": "small"})
        while not world.requests(service="dynamodb"):
            pass
        agent.child.terminate()
        assert connection.answer(asked)["count"] == 7
    assert agent.child.wait(30) == 0


def test_a_slow_reader_is_not_buffered_without_end(start):
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    request = msgpack.packb([0, 1, "list", []]) * 2000
    with agent.raw() as greedy:
        greedy.settimeout(0.5)
        try:
            for _ in range(200):
                greedy.sendall(request)
        except OSError:
            pass
        with Rpc(agent.socket, agent.seen) as other:
            assert other.call("count", trigger="small")["count"] == 7
    with open(f"/proc/{agent.child.pid}/status", encoding="ascii") as file:
        rss = next(int(line.split()[1]) for line in file if line.startswith("VmRSS:"))
    assert rss < 600_000  # kB; a sanitizer build needs most of it
