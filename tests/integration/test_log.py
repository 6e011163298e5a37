"""What the agent's log says of failures, and how often."""

import contextlib

import msgpack
import pytest

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import small_object


def test_a_failure_that_goes_on_is_logged_once(start, world):
    world.fault(service="sts", status=503)
    agent = start(small_object())

    def asks_sts_again():
        with pytest.raises(RpcError):
            agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=1500)
        return len(world.requests(service="sts")) >= 8

    wait_until(asks_sts_again, seconds=30)
    assert agent.log().count("event=credentials_failed") == 1


def test_no_client_floods_the_log(start):
    """Each of these came with a line of its own. What is not told is counted."""
    agent = start(small_object(), options=["--allow-uid", "0", "--max-buffer", "65536"])
    half = b"\x94\x00\x01\xda\xfd\xe8" + b"x" * 60_000
    for _ in range(50):
        with agent.raw() as bad, contextlib.suppress(OSError):
            bad.sendall(b"\xc1")
            bad.recv(1)
    with contextlib.ExitStack() as stack:
        for _ in range(50):
            with contextlib.suppress(OSError):
                stack.enter_context(agent.raw()).sendall(half)
        wait_until(lambda: agent.rpc("status")["connections"]["dropped"] > 20)
    assert agent.rpc("status")["connections"]["malformed"] == 50
    assert agent.log().count("event=malformed") == 1
    assert agent.log().count("event=dropped") == 1


def test_who_is_refused_does_not_flood_the_log(start):
    agent = start(small_object(), options=["--allow-uid", "1"])
    for number in range(50):
        with agent.raw() as stranger:
            stranger.sendall(msgpack.packb([0, number, "ping", []]))
            assert b"NOT_ALLOWED" in stranger.recv(4096)
    assert agent.log().count("event=refused") == 1
