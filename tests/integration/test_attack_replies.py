# SPDX-License-Identifier: Apache-2.0
"""Replies of a hostile DynamoDB, STS or credential endpoint: memory stays bounded and is freed, and a
count ends."""

import json
import os

import pytest

from .agent import wait_until
from .process_facts import anonymous_kb, is_sanitized
from .rpc import RpcError
from .yaml_files import small_object

LONG = bool(os.environ.get("TALLY_LONG"))
ROUNDS = 200 if LONG else 20

DEEP = 100_000
HOSTILE = {
    "objects": '{"Count":1,"x":[' + "{}," * 40_000 + "{}]}",
    "arrays": "[" + "[]," * 40_000 + "[]]",
    "numbers": '{"Count":1,"x":[' + "1," * 60_000 + "1]}",
    "members": "{" + ",".join(f'"{number}":0' for number in range(10_000)) + "}",
    "nested": "[" * DEEP,
    "megabyte": '{"Count":1,"x":[' + "{}," * 349_000 + "{}]}",
    "string": '{"Count":1,"x":"' + "a" * 1_000_000 + '"}',
    "key": json.dumps({"Count": 1, "LastEvaluatedKey": {"k": {"S": "a" * 900_000}}}),
    "escapes": '{"Count":1,"x":"' + "\\u0000" * 20_000 + '"}',
}


def failure_of(agent, timeout_ms=400):
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=timeout_ms)
    return caught.value.answer


def count(agent, timeout_ms):
    """None: the count failed."""
    try:
        return agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=timeout_ms)["count"]
    except RpcError:
        return None


def settle(agent, world):
    """Makes a good count; returns the agent's anonymous memory after it."""
    world.heal()
    wait_until(lambda: count(agent, 5000) == 7, 30)
    return anonymous_kb(agent.child.pid)


@pytest.mark.timing
@pytest.mark.parametrize("kind", HOSTILE)
def test_memory_comes_back_after_a_hostile_reply_of_dynamodb(start, world, kind):
    agent = start(small_object(), options=["--max-stale", "0"])
    before = settle(agent, world)
    most = before
    for _ in range(ROUNDS // 10):
        for status in (200, 400):
            world.fault(action="Query", body=HOSTILE[kind], status=status)
            count(agent, 150)
            most = max(most, anonymous_kb(agent.child.pid))
            after = settle(agent, world)
    if not is_sanitized(agent.child.pid):
            assert after < before + 1024 and most < before + 3 * 1024, (before, most, after)


@pytest.mark.timing
@pytest.mark.parametrize("body", [
    "<AssumeRoleWithWebIdentityResponse>" + "<a/>" * 15_000 + "</AssumeRoleWithWebIdentityResponse>",
    "<ErrorResponse>" + "".join(f"<a{n} b{n}='1'/>" for n in range(3_000)) + "</ErrorResponse>",
    "<a>" * 20_000,
], ids=["elements", "names", "nested"])
def test_memory_comes_back_after_a_hostile_reply_of_sts(start, world, body):
    agent = start(small_object())
    world.fault(service="sts", body=body, status=200, headers={"Content-Type": "text/xml"})
    failure_of(agent)
    first = anonymous_kb(agent.child.pid)
    for _ in range(2):
        failure_of(agent)
    if not is_sanitized(agent.child.pid):
        assert anonymous_kb(agent.child.pid) < first + 512
    settle(agent, world)


@pytest.mark.timing
def test_memory_comes_back_after_a_hostile_reply_of_the_container_endpoint(start, world):
    agent = start(small_object(), env={
        "AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None,
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": world.pod_token(),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials"})
    world.fault(service="container", body="[" + "{}," * 20_000 + "{}]", status=200)
    before = anonymous_kb(agent.child.pid)
    for _ in range(3):
        failure_of(agent)
    if not is_sanitized(agent.child.pid):
        assert anonymous_kb(agent.child.pid) < before + 1024
    settle(agent, world)


def page(key):
    return json.dumps({"Count": 1, "ScannedCount": 1, "LastEvaluatedKey": {"k": {"S": key}}})


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_keys_that_repeat_are_no_reply(start, world, length):
    agent = start(small_object())
    for number in range(length):
        calls = list(range(number + 1, 1000, length))
        world.fault(action="Query", body=page(f"key {number}"), status=200, on=calls)
    answer = failure_of(agent, 3000)
    assert "LastEvaluatedKey is that of an earlier page" in answer["message"], answer
    # Pages until the cycle is detected, in two or three flights: not thousands.
    assert world.calls("dynamodb", "Query") < 100
    agent.rpc("ping")


# Takes a minute, which cannot be shortened: only in the long attacks of make check-deep.
if LONG:
    def test_a_count_without_end_is_given_up_when_no_request_waits(start, world):
        agent = start(small_object())
        for number in range(3000):  # always a new key
            world.fault(action="Query", body=page(f"key {number}"), status=200, on=[number + 1],
                        latency=0.05)
        failure_of(agent, 1000)
        assert agent.rpc("status")["flights"]["active"] == 1
        wait_until(lambda: agent.rpc("status")["flights"]["active"] == 0, 90)
        assert "because no request waited" in agent.rpc("list")["triggers"][0]["last_error"]["message"]
