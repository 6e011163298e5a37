# SPDX-License-Identifier: Apache-2.0
"""Input on a connection with many earlier requests, in pieces and all at once."""

import contextlib
import select
import signal
import socket
import threading

import msgpack
import pytest

from .agent import wait_until
from .yaml_files import small_object

PING = msgpack.packb([0, 1, "ping", []])
ASKED_BEFORE = 5


@pytest.fixture(name="agent")
def agent_(start):
    return start(small_object())


@contextlib.contextmanager
def steady(agent):
    with agent.connect() as connection:
        for _ in range(ASKED_BEFORE):
            connection.call("ping")
        yield connection


@contextlib.contextmanager
def asleep(agent):
    """Bytes that are sent meanwhile are available all at once when it wakes."""
    agent.child.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        agent.child.send_signal(signal.SIGCONT)


def test_last_words_are_answered_and_the_end_is_seen(agent):
    with steady(agent) as connection:
        with asleep(agent):
            connection.socket.sendall(PING)
            connection.socket.shutdown(socket.SHUT_WR)
        assert connection.receive()[:3] == [1, 1, None]
        assert connection.receive() is None


def test_an_end_without_words_is_seen(agent):
    with steady(agent) as connection:
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.receive() is None


@pytest.mark.parametrize("asked_before", [0, 1, ASKED_BEFORE])
def test_who_leaves_an_answer_and_half_a_request_behind_is_forgotten(agent, asked_before):
    """Its end is then a socket error, reported together with the bytes."""
    with agent.connect() as connection:
        for _ in range(asked_before):
            connection.call("ping")
        connection.socket.sendall(PING)
        assert select.select([connection.socket], [], [], 10)[0]
        with asleep(agent):
            connection.socket.sendall(PING[:4])
            connection.close()
    wait_until(lambda: agent.rpc("status")["connections"]["open"] == 1)


def test_more_than_one_read_takes_is_all_answered(agent):
    many = 10_000  # requests of 9 bytes: more than 64 KiB
    with steady(agent) as connection:
        with asleep(agent):
            connection.socket.sendall(PING * many)
        for _ in range(many):
            assert connection.receive()[:3] == [1, 1, None]
        connection.call("ping")


def test_whoever_reads_late_gets_every_answer(agent):
    # Long answers that exceed the buffers of the agent and its socket, so that the agent must wait; and
    # no more requests than fit into the client's own socket meanwhile.
    many = 250
    with steady(agent) as connection:
        sender = threading.Thread(target=lambda: [connection.send("hello") for _ in range(many)])
        sender.start()
        asked = list(range(ASKED_BEFORE + 1, ASKED_BEFORE + many + 1))
        assert [connection.receive()[1] for _ in asked] == asked
        sender.join()
        for _ in range(ASKED_BEFORE):
            connection.call("ping")
        connection.socket.shutdown(socket.SHUT_WR)
        assert connection.receive() is None


def test_half_a_request_waits_for_the_other_half(agent):
    with steady(agent) as connection:
        for _ in range(3):
            connection.socket.sendall(PING + PING[:4])
            assert connection.receive()[:3] == [1, 1, None]
            connection.socket.sendall(PING[4:])
            assert connection.receive()[:3] == [1, 1, None]


@pytest.mark.parametrize("asked_before", [0, ASKED_BEFORE])
def test_a_request_behind_a_passed_descriptor_is_answered_at_once(agent, asked_before):
    """The kernel splits the stream after a descriptor: a read returns only the bytes before it."""
    with agent.connect() as connection:
        for _ in range(asked_before):
            connection.call("ping")
        for _ in range(3):
            with asleep(agent):
                socket.send_fds(connection.socket, [PING], [connection.socket.fileno()])
                connection.socket.sendall(PING)
            assert [connection.receive()[1] for _ in range(2)] == [1, 1]
    assert agent.rpc("status")["connections"]["malformed"] == 0
    # The agent closes each received descriptor: the test passes the socket itself, and sees its end.
    wait_until(lambda: agent.rpc("status")["connections"]["open"] == 1)


def test_out_of_band_data_delays_no_other_request(agent):
    """Its byte is not part of the stream, so the bytes around it are an invalid or another request."""
    with steady(agent) as other, steady(agent) as connection:
        with asleep(agent):
            connection.socket.sendall(PING)
            connection.socket.send(b"!", socket.MSG_OOB)
            connection.socket.sendall(PING)
        assert [connection.receive()[1] for _ in range(2)] == [1, 1]
        other.call("ping")
