# SPDX-License-Identifier: Apache-2.0
"""Network failures and invalid replies: the page is retried, the sum is kept, and invalid data is
refused."""

import json
import socket

import pytest

from .rpc import RpcError
from .yaml_files import small_object

THROTTLE = {"action": "Query", "code": "ProvisionedThroughputExceededException"}


def slow_count(agent, timeout_ms=20_000):
    return agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=timeout_ms)


@pytest.mark.parametrize("fault", [
    {"code": "InternalServerError"},
    {"status": 503},
    {"status": 502, "body": "<html>", "headers": {"Content-Type": "text/html"}},
    {"reset": "before"},
    {"reset": "within"},
    {"close": "before"},
    {"close": "within"},
    {"wrong_crc": True},
    {"body": "{not json"},
    {"body": '{"Count": "7"}'},
    {"body": "[]"},
    {"content_length": 100_000, "close": "after"},
], ids=lambda fault: "-".join(str(value) for value in fault.values())[:40])
def test_a_page_that_fails_once_is_asked_for_again(start, world, fault):
    world.fault(action="Query", limit=3)
    agent = start(small_object())
    assert slow_count(agent)["count"] == 7
    world.heal()
    world.forget()
    # The second of three pages fails; `limit` keeps the pages small.
    world.fault(action="Query", on=[2], limit=3, **fault)
    world.fault(action="Query", limit=3)
    answer = slow_count(agent)
    assert (answer["count"], answer["pages"]) == (7, 3)
    assert world.calls("dynamodb", "Query") == 4
    asked = [json.loads(entry["body"]) for entry in world.requests(service="dynamodb")]
    keys = [entry.get("ExclusiveStartKey") for entry in asked]
    assert keys[0] is None and keys[1] == keys[2] and keys[2] != keys[3]


def test_throttles_are_waited_out(start, world):
    world.fault(**THROTTLE, times=1, retry_after_ms=100)
    agent = start(small_object())
    assert slow_count(agent)["count"] == 7
    assert world.calls("dynamodb", "Query") == 2


def test_an_endless_throttle_is_reported_with_its_reason(start, world):
    world.fault(**THROTTLE, reasons=[{"reason": "TableReadKeyRangeThroughputExceeded",
                                      "resource": "arn:aws:dynamodb:eu-west-1:1:table/orders"}])
    agent = start(small_object())
    with pytest.raises(RpcError) as caught:
        slow_count(agent, timeout_ms=3000)
    assert caught.value.name in ("THROTTLED", "TIMEOUT")
    answer = caught.value.answer["aws"]
    assert answer["code"] == "ProvisionedThroughputExceededException"
    assert "TableReadKeyRangeThroughputExceeded" in json.dumps(answer)


def test_a_redirect_is_an_error_and_not_followed(start, world):
    agent = start(small_object())
    world.fault(action="Query", location=world.urls["sts"])
    with pytest.raises(RpcError):
        slow_count(agent, timeout_ms=3000)
    assert world.summary()["calls"].get("sts:-", 0) == 0


@pytest.mark.parametrize("fault", [
    {"endless": True}, {"body": " " * (2 << 20)}, {"headers": {"X-Long": "x" * 70_000}},
    {"drip": 10.0}], ids=["endless", "2 MiB", "long header", "stalled"])
def test_a_reply_without_bounds_is_given_up(start, world, fault):
    world.fault(action="Query", times=1, **fault)
    agent = start(small_object())
    assert slow_count(agent)["count"] == 7
    assert world.calls("dynamodb", "Query") == 2


def test_a_kept_connection_that_died_is_replaced_at_once(start, world):
    agent = start(small_object())
    assert slow_count(agent)["count"] == 7
    assert world.close_idle() >= 1
    assert slow_count(agent)["count"] == 7
    assert world.calls("dynamodb", "Query") == 2
    world.fault(action="Query", on=[1], reset="before")
    assert slow_count(agent)["count"] == 7


def test_a_failure_shows_the_last_good_count_as_stale(start, world):
    agent = start(small_object())
    assert slow_count(agent)["count"] == 7
    world.fault(action="Query", code="ValidationException")
    code, out, err = agent.cli("count", "small", "--max-age", "0")
    assert (code, out) == (0, "7\n")
    assert "stale" in err


def test_a_connection_that_never_comes_about_is_an_error(start):
    """The listener's queue is full: the kernel drops new connections."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        agent = start(small_object(), env={"AWS_ENDPOINT_URL_DYNAMODB": url})
        for _ in range(2):  # the second one may get the same descriptor
            with pytest.raises(RpcError) as caught:
                slow_count(agent, timeout_ms=4000)
            assert caught.value.name in ("AWS_UNAVAILABLE", "TIMEOUT")
        for one in waiting:
            one.close()
