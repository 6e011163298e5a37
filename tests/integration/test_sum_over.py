# SPDX-License-Identifier: Apache-2.0
"""sumOver: one count over the values of a placeholder."""

import json
import time

import pytest

from .rpc import RpcError
from .yaml_files import scaled_object, trigger

COUNTS = [3, 0, 5, 7, 1, 2]  # items in the queues sum#0 to sum#5


@pytest.fixture(scope="module")
def shards(tables):
    for place, count in enumerate(COUNTS):
        if count:
            tables.fill_orders(f"sum#{place}", count)
    return COUNTS


def summed(over=":v = sum#{0..5}", **metadata):
    return scaled_object("sum", trigger(value={"S": "sum#0"}, sumOver=over, **metadata))


def queues(world):
    return [json.loads(entry["body"])["ExpressionAttributeValues"][":v"]["S"]
            for entry in world.requests(action="Query")]


@pytest.mark.parametrize("over, wanted", [
    (":v = sum#{0..5}", [0, 1, 2, 3, 4, 5]),
    (":v=sum#{2..3}", [2, 3]),
    (":v = {0..0}", None),
    (":v in sum#5, sum#3 ,sum#0", [5, 3, 0]),
    (":v in sum#4", [4]),
    (":v = sum{0..1}#x", None),
    (":v = sum#{00..01}", None),
])
def test_the_values_are_counted_and_added(start, world, shards, over, wanted):
    answer = start(summed(over)).rpc("count", trigger="sum")
    assert answer["quality"] == "exact"
    if wanted is None:
        assert answer["count"] == 0
    else:
        assert answer["count"] == sum(COUNTS[place] for place in wanted)
        assert answer["pages"] == len(wanted)
        assert sorted(queues(world)) == sorted(f"sum#{place}" for place in wanted)


def test_a_width_is_kept(start, world, shards):
    start(summed(":v = q-{08..11}-x")).rpc("count", trigger="sum")
    assert sorted(queues(world)) == ["q-08-x", "q-09-x", "q-10-x", "q-11-x"]


def test_numbers_stay_numbers(start, world, tables):
    """The table "shards" has 20 items in each of the shards 0 to 2."""
    number = scaled_object("numbers", {"type": "aws-dynamodb", "metadata": {
        "awsRegion": "eu-west-1", "tableName": "shards", "keyConditionExpression": "#s = :s",
        "expressionAttributeNames": '{"#s": "shard"}',
        "expressionAttributeValues": '{":s": {"N": "0"}}', "targetValue": "5",
        "sumOver": ":s = {0..2}"}})
    assert start(number).rpc("count", trigger="numbers")["count"] == 60


@pytest.mark.timing
def test_four_are_asked_at_once(start, world, shards):
    world.fault(action="Query", latency=0.4)
    agent = start(summed())
    begun = time.monotonic()
    agent.rpc("count", trigger="sum")
    asked = [entry["time"] for entry in world.requests(action="Query")]
    assert len(asked) == 6
    assert asked[3] - asked[0] < 0.3 < asked[4] - asked[0]
    assert time.monotonic() - begun < 2


def test_pages_of_all_values_are_added(start, world, shards):
    world.fault(action="Query", limit=2)
    answer = start(summed()).rpc("count", trigger="sum")
    assert (answer["count"], answer["quality"]) == (sum(COUNTS), "exact")


def test_one_failure_fails_the_sum(start, world, shards):
    world.fault(action="Query", code="ValidationException", skip=2, times=1)
    with pytest.raises(RpcError) as failed:
        start(summed()).rpc("count", trigger="sum")
    assert failed.value.name == "AWS_REJECTED"


@pytest.mark.parametrize("metadata, params", [({"countLimit": "6"}, {}), ({}, {"enough": 6})])
def test_what_is_enough_ends_all(start, world, shards, metadata, params):
    answer = start(summed(**metadata)).rpc("count", trigger="sum", **params)
    assert answer["quality"] == "at_least" and 6 <= answer["count"] < sum(COUNTS)


def test_fewer_than_enough_are_exact(start, shards):
    answer = start(summed()).rpc("count", trigger="sum", enough=100)
    assert (answer["count"], answer["quality"]) == (sum(COUNTS), "exact")


def test_max_pages_hold_for_each_value(start, world, shards):
    world.fault(action="Query", limit=2)
    answer = start(summed(maxPages="1")).rpc("count", trigger="sum")
    assert (answer["count"], answer["quality"]) == (sum(min(count, 2) for count in COUNTS), "at_least")


def test_explain_shows_each_value(start, world, shards):
    answer = start(summed()).rpc("explain", trigger="sum")
    shown = {json.loads(page["shard"])[":v"]["S"]: page["count"] for page in answer["pages"]}
    assert shown == {f"sum#{place}": count for place, count in enumerate(COUNTS)}
    assert len(answer["config"]["query"]["sum_over"] if "query" in answer["config"]
               else answer["config"]["sum_over"]) == 6
    assert "sumOver" in answer["keda"]["note"]


def test_client_values_and_sum_over_go_together(start, world, shards):
    both = summed(keyConditionExpression="#k = :v AND begins_with(id, :p)", clientValues=":p",
                  expressionAttributeValues='{":v": {"S": "x"}}')
    answer = start(both).rpc("count", trigger="sum", values={":p": {"S": "00000000"}})
    assert answer["count"] == sum(1 for count in COUNTS if count)


def test_256_values_are_counted(start, world):
    answer = start(summed(":v = none#{0..255}")).rpc("count", trigger="sum", timeout_ms=60_000)
    assert (answer["count"], answer["quality"], answer["pages"]) == (0, "exact", 256)


@pytest.mark.parametrize("over", [
    "", ":v", ":v = sum", ":v = {}", ":v = {0..256}", ":v = {5..1}", ":v = {a..b}", ":v = {0..",
    ":v = {0..1}{0..1}", ":v = {0.1}", ":v in", ":v in ", ":v in a,,b", ":v in a,a", "v in a",
    ":w in a", ":v is a", ":v = {0..99999999999}", ":v in " + ",".join(map(str, range(257))),
])
def test_what_is_no_sum_is_refused(pod, over):
    agent = pod(summed(over))
    code, err = agent.run("--check", "--config", agent.config)
    if over == "":
        return  # blank: as absent
    assert code == 2 and "sumOver" in err, err


def test_check_says_what_keda_counts(pod):
    agent = pod(summed())
    code, err = agent.run("--check", "--config", agent.config)
    assert code == 0 and "KEDA ignores it" in err, err


def test_explain_says_what_keda_would_count(start, shards):
    """Its count is that of the placeholder's own value, sum#0."""
    answer = start(summed()).rpc("explain", trigger="sum")["keda"]
    assert (answer["count"], answer["undercount"]) == (COUNTS[0], sum(COUNTS) - COUNTS[0])
    other = start(summed(expressionAttributeValues='{":v": {"S": "none of them"}}'))
    assert "count" not in other.rpc("explain", trigger="sum")["keda"]
