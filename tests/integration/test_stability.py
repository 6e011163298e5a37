# SPDX-License-Identifier: Apache-2.0
"""Cached data stays in use while AWS is down: credentials until they expire, the last count until its
age limit, then an error, and never a zero."""

import itertools
import time
from datetime import datetime, timezone

from tests.gateway.world import SUBJECT

from .rpc import RpcError
from .yaml_files import small_object

POLL_SECONDS = 0.1
FALLBACK = {"failureThreshold": 2, "replicas": 4}


def watch(agent, seconds, until=lambda result: False, **params):
    """The answers to a client that sends requests all the time: (time, answer or error) of each."""
    result, begun = [], time.monotonic()
    with agent.connect() as connection:
        while time.monotonic() - begun < seconds and not (result and until(result[-1][1])):
            try:
                answer = connection.call("count", trigger="small", max_age_ms=0, timeout_ms=900,
                                         **params)
            except RpcError as error:
                answer = error
            result.append((time.monotonic() - begun, answer))
            time.sleep(POLL_SECONDS)
    return result


def kind(answer):
    return "error" if isinstance(answer, RpcError) else answer["quality"]


def phases(result):
    """The kinds of answers in their order, without repetitions."""
    return [name for name, _ in itertools.groupby(kind(answer) for _, answer in result)]


def counts(result):
    return {answer["count"] for _, answer in result if kind(answer) != "error"}


def is_error(answer):
    return kind(answer) == "error"


def is_exact(answer):
    return kind(answer) == "exact"


def end_of_credentials(agent):
    """On the wall clock. It is a whole second, so rounding gives the exact value."""
    while True:
        begun = time.time()
        left = agent.rpc("whoami")["identities"][0]["expires_in_ms"] / 1000
        if time.time() - begun < 0.5:
            return round(begun + 0.25 + left)


def signed_at(entry):
    moment = datetime.strptime(entry["headers"]["x-amz-date"], "%Y%m%dT%H%M%SZ")
    return moment.replace(tzinfo=timezone.utc).timestamp()


def is_of_a_busy_machine(answer):
    """DynamoDB's own answer was too late for this request; credentials are not the cause."""
    return kind(answer) == "stale" and "has not answered" in answer["last_error"]["message"]


def test_without_sts_valid_credentials_serve_to_their_end(start, world):
    world.role(web_identity=SUBJECT, lifetime=7)
    agent = start(small_object(), options=["--max-stale", "2s"])
    assert agent.rpc("count", trigger="small")["count"] == 7
    world.leave(service="sts")
    end, begun = end_of_credentials(agent), time.time()
    result = watch(agent, 25, until=is_error)
    assert counts(result) == {7}
    result = [each for each in result if not is_of_a_busy_machine(each[1])]
    assert phases(result) == ["exact", "stale", "error"], result
    last_exact = max(when for when, answer in result if kind(answer) == "exact")
    assert end - 2 < begun + last_exact < end + 1
    assert result[-1][1].name in ("AWS_UNAVAILABLE", "TIMEOUT"), result[-1][1]
    assert "AssumeRoleWithWebIdentity" in result[-1][1].answer["message"]
    # A request that was signed before they expired may have arrived later.
    assert max(map(signed_at, world.requests(service="dynamodb"))) < end
    world.come_back(service="sts")
    assert phases(watch(agent, 25, until=is_exact))[-1] == "exact"


def test_without_dynamodb_the_last_count_is_stale_up_to_its_limit(start, world):
    agent = start(small_object(fallback=FALLBACK), options=["--max-stale", "3s"])
    assert agent.rpc("count", trigger="small")["count"] == 7
    world.leave(service="dynamodb")
    result = watch(agent, 25, until=is_error, replicas=1)
    assert phases(result) == ["stale", "error"]
    assert counts(result) == {7}
    stale = [answer for _, answer in result[:-1]]
    ages = [answer["age_ms"] for answer in stale]
    assert ages == sorted(ages) and 2000 < ages[-1] <= 3000
    assert {answer["last_error"]["name"] for answer in stale} == {"AWS_UNAVAILABLE"}
    # As in KEDA: beyond the threshold of failures in a row, the fallback's replicas are desired.
    assert [answer["fallback"] for answer in stale] == sorted(answer["fallback"]
                                                              for answer in stale)
    assert stale[-1]["fallback"] and stale[-1]["desired_replicas"] == FALLBACK["replicas"]
    error = result[-1][1].answer
    assert (error["fallback"], error["desired_replicas"]) == (True, FALLBACK["replicas"])
    code, out, err = agent.cli("count", "small", "--max-age", "0", "--timeout", "1s")
    assert (code in (1, 4), out) == (True, "")
    assert err.startswith("tally: ")
    world.come_back(service="dynamodb")
    healed = watch(agent, 25, until=is_exact)[-1][1]
    assert (healed["count"], healed["quality"], healed["fallback"]) == (7, "exact", False)


def test_a_first_count_that_fails_is_an_error_with_the_fallback_replicas(start, world):
    world.fault(service="*", status=503)
    agent = start(small_object(fallback=FALLBACK))
    result = [answer.answer for _, answer in watch(  # every answer is an error
        agent, 25, until=lambda answer: answer.answer.get("fallback"))]
    decisions = [(error.get("fallback"), error.get("desired_replicas")) for error in result]
    assert set(decisions) <= {(False, None), (True, FALLBACK["replicas"])}
    assert decisions[0] == (False, None) and decisions[-1] == (True, FALLBACK["replicas"])


def test_credentials_that_aws_ends_early_are_no_zero_either(start, world):
    agent = start(small_object())
    assert agent.rpc("count", trigger="small")["count"] == 7
    world.expire()
    world.leave(service="sts")
    answer = watch(agent, 2)
    assert phases(answer) == ["stale"] and counts(answer) == {7}
    world.come_back(service="sts")
    assert phases(watch(agent, 25, until=is_exact))[-1] == "exact"
