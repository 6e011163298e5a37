# SPDX-License-Identifier: Apache-2.0
"""The agent's log of failures, and its rate limit."""

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
    """Before, each of these wrote its own line. Suppressed lines are counted."""
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


def test_hello_names_the_client_in_log_and_status(start):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("hello", client="orders/1.0")
        connection.call("hello", client="x" * 1000)
        connection.call("hello", client="evil\x1b[2J\n" + "y" * 80)
        peer, = connection.call("status")["connections"]["peers"]
        assert peer["client"] == "evil\x1b[2J\n" + "y" * 55  # 64 bytes
        with pytest.raises(RpcError) as caught:
            connection.call("hello", client=7)
        assert caught.value.name == "INVALID_REQUEST"
    line, = failing_lines(agent, "client")  # one a minute for each uid, whatever the names
    assert "client=orders/1.0 " in line and "uid=" in line


# ---- failing counts -------------------------------------------------------------------------------

# Ways to make a count fail: (the gateway's fault, its text in the log line).
FAILING = {
    "missing table": ({"action": "Query", "code": "ResourceNotFoundException"},
                      ["error=AWS_REJECTED", "aws_code=ResourceNotFoundException",
                       "aws_request_id="]),
    "denied": ({"action": "Query", "code": "AccessDeniedException"},
               ["error=ACCESS_DENIED", "aws_code=AccessDeniedException"]),
    "throttled": ({"action": "Query", "code": "ProvisionedThroughputExceededException"},
                  ["error=THROTTLED", "aws_code=ProvisionedThroughputExceededException"]),
    "broken": ({"action": "Query", "status": 500}, ["error=AWS_UNAVAILABLE"]),
}


def failing_lines(agent, event="count_failed"):
    return [line for line in agent.log().splitlines() if f"event={event}" in line]


@pytest.mark.parametrize("fault", FAILING)
def test_a_failing_count_is_logged_when_it_begins_and_when_it_is_over(start, world, fault):
    answer, said = FAILING[fault]
    world.fault(**answer)
    agent = start(small_object())
    for _ in range(3):
        with pytest.raises(RpcError):
            agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=800)
    wait_until(lambda: failing_lines(agent))
    line, = failing_lines(agent)  # the later ones are in the same minute
    assert "level=warn" in line and "trigger=shop/small " in line
    for words in [*said, "failures=", "next_attempt_ms=", "next_attempt=on_request", "message="]:
        assert words in line, line
    world.heal()

    def counts_again():
        with contextlib.suppress(RpcError):
            return agent.rpc("count", trigger="small", max_age_ms=0)["count"] == 7

    wait_until(counts_again, 30)
    over, = failing_lines(agent, "count_recovered")
    assert "trigger=shop/small " in over and "failed_for_ms=" in over


def test_a_dead_endpoint_is_logged_while_a_patient_client_still_waits(start):
    agent = start(small_object(), env={"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:9"})
    with agent.connect() as patient:
        patient.send("count", {"trigger": "small", "timeout_ms": 60_000})
        wait_until(lambda: failing_lines(agent), 20)
    assert "error=AWS_UNAVAILABLE" in failing_lines(agent)[0]


def test_a_pod_without_identity_is_logged(start):
    agent = start(small_object(), env={"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None,
                                       "HOME": "/nonexistent"})
    with pytest.raises(RpcError):
        agent.rpc("count", trigger="small", timeout_ms=800)
    wait_until(lambda: failing_lines(agent), 20)
    assert "error=CREDENTIALS" in failing_lines(agent)[0]


def test_each_attempt_is_logged_at_debug(start, world):
    world.fault(action="Query", status=500, times=1)
    agent = start(small_object(), options=["--log-level", "debug"])
    assert agent.rpc("count", trigger="small")["count"] == 7
    attempts = failing_lines(agent, "aws_attempt")
    queries = [line for line in attempts if "service=dynamodb" in line]
    assert [("status=500" in line, "status=200" in line) for line in queries] == [
        (True, False), (False, True)]
    assert "attempt=1 " in queries[0] and "attempt=2 " in queries[1]
    assert all(" ms=" in line and "outcome=" in line for line in attempts)
    assert any("service=sts" in line for line in attempts)
