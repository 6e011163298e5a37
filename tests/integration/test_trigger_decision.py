# SPDX-License-Identifier: Apache-2.0
"""From a count to replicas, in the answers."""

import time

import pytest

from .agent import Agent
from .rpc import RpcError
from .yaml_files import scaled_object, trigger

EMPTY = {"S": "no such queue"}


def case(count=7, kind="ScaledObject", metric=None, target="5", activation=None, **spec):
    """An object whose only trigger counts 7 items, or 0."""
    asked = trigger(value=None if count else EMPTY, targetValue=target)
    if metric is not None:
        asked["metricType"] = metric
    if activation is not None:
        asked["metadata"]["activationTargetValue"] = activation
    document = scaled_object("it", asked, **spec)
    if kind == "ScaledJob":
        document["kind"] = kind
        document["spec"]["jobTargetRef"] = document["spec"].pop("scaleTargetRef")
    return document


ABSENT = None
BOUNDS = {"minReplicaCount": 2, "maxReplicaCount": 4}

CASES = {
    # name: (the object, the params of the request, active, desired_replicas)
    "none": (case(count=0), {}, False, 0),
    "rounded up": (case(), {}, True, 2),
    "a whole multiple": (case(target="7"), {}, True, 1),
    "a target above the count": (case(target="1000"), {}, True, 1),
    "one for each": (case(target="1"), {}, True, 7),
    "at the activation value": (case(activation="7"), {}, False, 0),
    "above the activation value": (case(activation="6"), {}, True, 2),
    "a negative activation value": (case(count=0, activation="-1"), {}, True, 1),
    "at most the maximum": (case(target="1", maxReplicaCount=4), {}, True, 4),
    "at least the minimum": (case(target="7", **BOUNDS), {}, True, 2),
    "a minimum ignores activation": (case(target="2", activation="50", **BOUNDS), {}, False, 4),
    "a minimum where there is nothing": (case(count=0, **BOUNDS), {}, False, 2),
    "idle": (case(count=0, idleReplicaCount=1, **BOUNDS), {}, False, 1),
    "idle none": (case(count=0, idleReplicaCount=0, **BOUNDS), {}, False, 0),
    "idle heeds activation": (case(activation="7", idleReplicaCount=0, **BOUNDS), {}, False, 0),
    "idle no more": (case(target="7", idleReplicaCount=1, **BOUNDS), {}, True, 2),
    "the largest numbers": (
        case(target=str(2**63 - 1), activation=str(2**63 - 1), maxReplicaCount=2**31 - 1),
        {}, False, 0),
    "Value, replicas unknown": (case(metric="Value"), {}, True, ABSENT),
    "Value": (case(metric="Value"), {"replicas": 3}, True, 5),  # ceil(3 * 7 / 5)
    "Value, none runs": (case(metric="Value"), {"replicas": 0}, True, 1),
    "Value, bounded": (case(metric="Value", **BOUNDS), {"replicas": 100}, True, 4),
    "Value, the most replicas": (case(metric="Value"), {"replicas": 2**31 - 1}, True, 100),
    "Value, not active": (case(count=0, metric="Value"), {"replicas": 3}, False, 0),
    "AverageValue heeds no replicas": (case(metric="AverageValue"), {"replicas": 50}, True, 2),
    "jobs": (case(kind="ScaledJob"), {}, True, 2),
    "jobs, none": (case(kind="ScaledJob", count=0), {}, False, 0),
    "jobs, at most the maximum": (
        case(kind="ScaledJob", target="1", maxReplicaCount=3), {}, True, 3),
    "jobs, not active": (case(kind="ScaledJob", activation="7"), {}, False, 0),
    "jobs, at least the minimum": (
        case(kind="ScaledJob", count=0, minReplicaCount=2, maxReplicaCount=4), {}, False, 2),
    "jobs, active by a minimum": (
        case(kind="ScaledJob", target="1", activation="50", **BOUNDS), {}, False, 4),
    "jobs, Value": (case(kind="ScaledJob", metric="Value"), {}, True, 0),
    "jobs, Value, replicas given": (
        case(kind="ScaledJob", metric="Value"), {"replicas": 3}, True, 0),
    "a formula without a target": (
        case(target="0", advanced={"scalingModifiers": {"formula": "a / 2", "target": "3"}}),
        {"replicas": 3}, True, ABSENT),
}


@pytest.fixture(scope="module")
def deciding(gateway, tables):
    """One agent with every case."""
    world = gateway.world()
    documents = [document for document, _, _, _ in CASES.values()]
    for number, document in enumerate(documents):
        document["metadata"]["name"] = f"case-{number}"
    agent = Agent(world, *documents)
    try:
        yield agent.start()
    finally:
        try:
            agent.finish()
        finally:
            world.close()


@pytest.mark.parametrize("name", CASES)
def test_a_count_becomes_replicas(deciding, name):
    number = list(CASES).index(name)
    document, params, active, desired = CASES[name]
    answer = deciding.rpc("count", trigger=f"case-{number}", **params)
    metadata = document["spec"]["triggers"][0]["metadata"]
    assert (answer["active"], answer.get("desired_replicas")) == (active, desired)
    assert answer["target"] == int(metadata["targetValue"])
    assert answer["activation_target"] == int(metadata.get("activationTargetValue", 0))
    assert answer["fallback"] is False and "last_error" not in answer


def fail_again(connection, name, **params):
    """Requests a fresh count until one more flight has failed; returns the answer, or the error map."""
    try:
        return connection.call("count", trigger=name, max_age_ms=0, timeout_ms=10_000, **params)
    except RpcError as error:
        return error.answer


def test_the_fallback_follows_more_failures_than_the_threshold(start, world):
    """In a stale answer, and in the error if there is no earlier count."""
    fallback = {"failureThreshold": 1, "replicas": 6}
    dynamic = {**fallback, "behavior": "currentReplicas"}
    agent = start(scaled_object("stale", fallback=fallback), scaled_object("never", fallback=fallback),
                  scaled_object("dynamic", fallback=dynamic, maxReplicaCount=8),
                  scaled_object("without"),
                  scaled_object("at-once", fallback={"failureThreshold": 0, "replicas": 0}))
    with agent.connect() as connection:
        result = connection.call("count", trigger="stale")
        assert (result["fallback"], result["desired_replicas"]) == (False, 2)
        world.fault(action="Query", code="ValidationException", message="no good")

        result = fail_again(connection, "stale")
        assert (result["quality"], result["count"], result["fallback"]) == ("stale", 7, False)
        assert (result["desired_replicas"], result["active"]) == (2, True)
        first = fail_again(connection, "never")
        assert (first["name"], first["fallback"]) == ("AWS_REJECTED", False)
        assert "desired_replicas" not in first and "count" not in first
        assert fail_again(connection, "dynamic")["fallback"] is False
        assert "fallback" not in fail_again(connection, "without")
        at_once = fail_again(connection, "at-once")
        assert (at_once["fallback"], at_once["desired_replicas"]) == (True, 0)

        # Repeated answers meanwhile were the same cached failure.
        assert fail_again(connection, "never")["fallback"] is False
        failed = agent.rpc("status")["flights"]["failed"]
        assert failed == 5

        def second(name):
            while not (result := fail_again(connection, name))["fallback"]:
                assert agent.rpc("status")["flights"]["failed"] < 20
                time.sleep(0.05)
            return result

        result = second("stale")
        assert (result["quality"], result["count"]) == ("stale", 7)
        assert result["desired_replicas"] == 6 and result["last_error"]["aws"]["code"]
        result = second("never")
        assert (result["name"], result["desired_replicas"]) == ("AWS_REJECTED", 6)
        assert "desired_replicas" not in second("dynamic")
        for replicas, desired in ((3, 3), (30, 8), (0, 0)):
            result = fail_again(connection, "dynamic", replicas=replicas)
            assert (result["fallback"], result["desired_replicas"]) == (True, desired)
        world.heal()
        while (result := fail_again(connection, "stale"))["quality"] == "stale":
            time.sleep(0.05)
        assert (result["fallback"], result["desired_replicas"]) == (False, 2)


# behavior: (fallback.replicas, minReplicaCount, maxReplicaCount, replicas, desired_replicas)
FALLBACKS = {
    "beyond the maximum": ("static", 60, 0, 9, None, 9),
    "below the minimum": ("static", 1, 2, 9, None, 2),
    "kept": ("currentReplicas", 6, 2, 9, 3, 3),
    "kept, unknown": ("currentReplicas", 6, 2, 9, None, ABSENT),
    "kept within the bounds": ("currentReplicas", 6, 2, 9, 1, 2),
    "the higher one": ("currentReplicasIfHigher", 6, 0, 9, 7, 7),
    "the higher one is fixed": ("currentReplicasIfHigher", 6, 0, 9, 3, 6),
    "the lower one": ("currentReplicasIfLower", 6, 0, 9, 3, 3),
    "the lower one is fixed": ("currentReplicasIfLower", 6, 0, 9, 7, 6),
    "a formula": ("scalingModifiers", 6, 0, 9, 7, ABSENT),
}


def test_a_fallback_follows_its_behavior_within_the_bounds(start, world):
    """In the error, and in the stale answer with an earlier count; not in the other trigger's."""
    objects = [scaled_object(f"case-{number}", trigger(),
                             fallback={"failureThreshold": 0, "replicas": fixed,
                                       "behavior": behavior},
                             minReplicaCount=least, maxReplicaCount=most)
               for number, (behavior, fixed, least, most, _, _) in enumerate(FALLBACKS.values())]
    agent = start(*objects)
    with agent.connect() as connection:
        assert connection.call("count", trigger="case-0")["desired_replicas"] == 2
        world.fault(action="Query", code="ValidationException", message="no good")
        for number, (name, case_) in enumerate(FALLBACKS.items()):
            *_, replicas, desired = case_
            params = {} if replicas is None else {"replicas": replicas}
            result = fail_again(connection, f"case-{number}", **params)
            assert ("count" in result) == (number == 0)
            assert (result["fallback"], result.get("desired_replicas")) == (True, desired), name


@pytest.mark.parametrize("table, wanted", [
    ("orders", "s0-aws-dynamodb-orders"),
    ("a.b-c_d", "s0-aws-dynamodb-a-b-c_d"),
    ("arn:aws:dynamodb:eu-west-1:123456789012:table/orders",
     "s0-aws-dynamodb-arn-aws-dynamodb-eu-west-1-123456789012-table-orders"),
    ("%(odd)", "s0-aws-dynamodb---odd-"),
])
def test_the_metrics_name_is_keda_s(start, table, wanted):
    known, = start(scaled_object("it", trigger(table))).rpc("list")["triggers"]
    assert known["metric_name"] == wanted


def test_the_metrics_index_counts_every_trigger(start):
    cron = {"type": "cron", "metadata": {"timezone": "Etc/UTC", "start": "0 * * * *",
                                         "end": "30 * * * *", "desiredReplicas": "1"}}
    agent = start(scaled_object("it", cron, trigger(), {**trigger("jobs"), "name": "named"}))
    known = {entry["name"]: entry["metric_name"] for entry in agent.rpc("list")["triggers"]}
    assert known == {"shop/it/1": "s1-aws-dynamodb-orders", "shop/it/named": "s2-aws-dynamodb-jobs"}
    assert agent.rpc("count", trigger="it/1")["metric_name"] == "s1-aws-dynamodb-orders"
