# SPDX-License-Identifier: Apache-2.0
"""A count that is enough for those who ask: what is read, what is answered, what is kept."""

import json
import signal
import threading
import time

import pytest

from .rpc import Rpc, RpcError
from .yaml_files import pending_object, scaled_object, small_object, trigger

OWNER = {"awsRegion": "eu-west-1", "tableName": "jobs", "keyConditionExpression": "#o = :o",
         "expressionAttributeNames": json.dumps({"#o": "owner"}),
         "expressionAttributeValues": json.dumps({":o": {"S": "owner-0"}}), "targetValue": "5"}
FILTERED = {**OWNER, "filterExpression": "#i <> :i",
            "expressionAttributeNames": json.dumps({"#o": "owner", "#i": "started"}),
            "expressionAttributeValues": json.dumps({":o": {"S": "owner-0"}, ":i": {"N": "-1"}})}


def jobs(**parameters):
    """A trigger that counts 100 items."""
    return scaled_object("jobs", {"type": "aws-dynamodb", "metadata": {**OWNER, **parameters}})


def queries(world):
    return [json.loads(entry["body"]) for entry in world.requests(action="Query")]


def limits(world):
    return [query.get("Limit") for query in queries(world)]


def test_one_item_is_read_to_say_that_there_is_work(start, world, pending):
    """The partition has 25 pages: a whole count costs 3,000 read units."""
    answer = start(pending_object()).rpc("count", trigger="pending", enough=1)
    assert (answer["count"], answer["quality"], answer["pages"], answer["scanned"]) == (1, "at_least", 1, 1)
    assert answer["active"] is True
    assert 0 < answer["consumed_rcu"] <= 1
    assert limits(world) == [1]


def test_a_count_limit_reads_no_more_than_it_needs(start, world, pending):
    limited = scaled_object("pending", trigger(value={"S": "pending"}, countLimit="1"))
    answer = start(limited).rpc("count", trigger="pending")
    assert (answer["count"], answer["quality"]) == (1, "at_least")
    assert 0 < answer["consumed_rcu"] <= 1


def test_fewer_items_than_enough_are_the_exact_count_and_fill_the_cache(start, world):
    agent = start(small_object())
    answer = agent.rpc("count", trigger="small", enough=8)
    assert (answer["count"], answer["quality"]) == (7, "exact")
    assert agent.rpc("count", trigger="small")["quality"] == "exact"
    assert agent.rpc("list")["triggers"][0]["count"] == 7
    assert limits(world) == [8]


def test_as_many_items_as_enough_are_a_lower_bound(start, world):
    """DynamoDB returns a LastEvaluatedKey whenever Limit ends the page, also at the last item."""
    answer = start(small_object()).rpc("count", trigger="small", enough=7)
    assert (answer["count"], answer["quality"]) == (7, "at_least")
    assert limits(world) == [7]


def test_a_bound_answers_smaller_questions_and_no_others(start, world):
    agent = start(jobs())
    assert agent.rpc("count", trigger="jobs", enough=20)["count"] == 20
    for enough in (1, 19, 20):
        answer = agent.rpc("count", trigger="jobs", enough=enough)
        assert (answer["count"], answer["quality"]) == (20, "at_least")
    assert world.calls("dynamodb", "Query") == 1
    assert "count" not in agent.rpc("list")["triggers"][0]
    assert agent.rpc("count", trigger="jobs", enough=21)["count"] == 21
    assert limits(world) == [20, 21]
    whole = agent.rpc("count", trigger="jobs")
    assert (whole["count"], whole["quality"]) == (100, "exact")
    answer = agent.rpc("count", trigger="jobs", enough=1)
    assert (answer["count"], answer["quality"]) == (100, "exact")
    assert limits(world) == [20, 21, None]


def test_a_bound_grows_old(start, world):
    agent = start(jobs())
    agent.rpc("count", trigger="jobs", enough=5)
    time.sleep(0.2)
    agent.rpc("count", trigger="jobs", enough=5, max_age_ms=100)
    agent.rpc("count", trigger="jobs", enough=5, max_age_ms=0)
    assert limits(world) == [5, 5, 5]


def test_pages_of_a_bound_are_added_up(start, world):
    world.fault(action="Query", limit=7)
    answer = start(jobs()).rpc("count", trigger="jobs", enough=20)
    assert (answer["count"], answer["quality"], answer["pages"]) == (20, "at_least", 3)
    assert limits(world) == [20, 13, 6]


def test_behind_a_filter_the_pages_double_and_then_are_whole(start, world):
    world.fault(action="Query", limit=2)
    answer = start(jobs(**FILTERED)).rpc("count", trigger="jobs", enough=60)
    assert (answer["count"], answer["quality"]) == (60, "at_least")
    assert limits(world)[:10] == [4 * (60 - 2 * page) << page if page < 8 and
                                  4 * (60 - 2 * page) > 100 else 100 << page if page < 8 else None
                                  for page in range(10)]


def test_with_max_pages_a_filtered_page_is_whole(start, world):
    answer = start(jobs(**FILTERED, maxPages="1")).rpc("count", trigger="jobs", enough=3)
    assert (answer["count"], answer["quality"]) == (100, "exact")
    assert limits(world) == [None]


def test_max_pages_end_a_bound_too(start, world):
    world.fault(action="Query", limit=7)
    agent = start(jobs(maxPages="2"))
    answer = agent.rpc("count", trigger="jobs", enough=50)
    assert (answer["count"], answer["quality"]) == (14, "at_least")
    assert agent.rpc("count", trigger="jobs")["count"] == 14  # as a count of the trigger has it
    assert world.calls("dynamodb", "Query") == 2


def test_the_smaller_of_count_limit_and_enough_ends_the_count(start, world):
    agent = start(jobs(countLimit="30"))
    assert agent.rpc("count", trigger="jobs", enough=10)["count"] == 10
    assert agent.rpc("count", trigger="jobs", enough=50)["count"] == 30
    assert agent.rpc("count", trigger="jobs")["count"] == 30
    assert limits(world) == [10, 30]


def test_thresholds_at_once_are_one_flight_for_the_largest(start, world):
    world.fault(action="Query", latency=0.3)
    agent = start(jobs())
    connections = [Rpc(agent.socket, agent.seen) for _ in range(3)]
    try:
        for connection in connections:
            connection.answer(connection.send("ping", {}))
        agent.child.send_signal(signal.SIGSTOP)  # so that all three are there at once
        asked = [connection.send("count", {"trigger": "jobs", "enough": enough})
                 for connection, enough in zip(connections, (3, 40, 10))]
        agent.child.send_signal(signal.SIGCONT)
        result = [connection.answer(msgid) for connection, msgid in zip(connections, asked)]
    finally:
        for connection in connections:
            connection.close()
    assert [answer["count"] for answer in result] == [40, 40, 40]
    assert sum(limits(world)) == 40


def test_a_threshold_joins_a_count_and_is_answered_as_soon_as_it_is_enough(start, world, pending):
    world.fault(action="Query", latency=0.1)
    agent = start(pending_object())
    whole = {}
    thread = threading.Thread(target=lambda: whole.update(
        agent.rpc("count", trigger="pending", timeout_ms=60_000)))
    thread.start()
    while world.calls("dynamodb", "Query") == 0:
        time.sleep(0.01)
    begun = time.monotonic()
    answer = agent.rpc("count", trigger="pending", enough=500)
    early = time.monotonic() - begun
    thread.join()
    assert answer["quality"] == "at_least" and 500 <= answer["count"] < pending
    assert early < (time.monotonic() - begun) / 2
    assert (whole["count"], whole["quality"]) == (pending, "exact")
    assert limits(world) == [None] * 25


def test_a_count_that_joins_a_threshold_makes_it_whole(start, world):
    world.fault(action="Query", latency=0.3, limit=7)
    agent = start(jobs())
    answer = []
    thread = threading.Thread(
        target=lambda: answer.append(agent.rpc("count", trigger="jobs", enough=20)))
    thread.start()
    while world.calls("dynamodb", "Query") == 0:
        time.sleep(0.01)
    whole = agent.rpc("count", trigger="jobs", timeout_ms=60_000)
    thread.join()
    assert (whole["count"], whole["quality"]) == (100, "exact")
    assert answer[0]["quality"] == "at_least" and answer[0]["count"] >= 20
    assert world.calls("dynamodb", "Query") == 15


def test_a_failed_threshold_is_an_error_and_a_good_one_ends_the_outage(start, world):
    agent = start(jobs())
    world.fault(action="Query", code="AccessDeniedException", times=1)
    with pytest.raises(RpcError) as failed:
        agent.rpc("count", trigger="jobs", enough=1)
    assert failed.value.name == "ACCESS_DENIED"
    agent.child.send_signal(signal.SIGHUP)
    agent.wait_for_log("event=reloaded")
    assert agent.rpc("count", trigger="jobs", enough=1)["count"] == 1
    agent.wait_for_log("count_recovered")


@pytest.mark.parametrize("enough", [0, -1, 1.5, "2", 2 ** 63, [1]])
def test_what_is_no_threshold_is_refused(start, enough):
    agent = start(jobs())
    with pytest.raises(RpcError) as refused:
        agent.rpc("count", trigger="jobs", enough=enough)
    assert refused.value.name == "INVALID_REQUEST" and "enough" in str(refused.value)


def test_the_largest_threshold_is_a_count(start):
    answer = start(jobs()).rpc("count", trigger="jobs", enough=2 ** 63 - 1)
    assert (answer["count"], answer["quality"]) == (100, "exact")


@pytest.mark.parametrize("condition, code, wanted", [
    ("count <= 0", 4, [1]),
    ("count >= 40", 0, [40]),
    ("count > 40", 0, [41]),
    ("count == 40", 4, [41]),
    ("active", 0, [1]),
    ("count > 4 or active", 0, [5]),
    ("count > 4 and age_ms < 100000", 0, [5]),
    ("scanned > 4", 0, [None]),
    ("desired_replicas > 4", 0, [None]),
])
def test_wait_asks_for_no_more_than_its_condition_needs(start, world, condition, code, wanted):
    agent = start(jobs())
    assert agent.cli("wait", "jobs", "--until", condition, "--timeout", "2s",
                     "--interval", "200ms")[0] == code
    assert limits(world) == wanted


def test_wait_learns_the_activation_from_the_first_answer(start, world):
    agent = start(jobs(activationTargetValue="30"))
    assert agent.cli("wait", "jobs", "--until", "active", "--timeout", "5s",
                     "--interval", "10ms")[0] == 0
    assert limits(world) == [1, 31]


def test_ready_reads_one_item(start, world):
    agent = start(jobs())
    assert agent.cli("ready", "jobs") == (0, "ready: 1 (at_least)\n", "")
    assert limits(world) == [1]


def test_the_command_says_that_it_was_enough(start):
    code, out, err = start(jobs()).cli("count", "jobs", "--enough", "3")
    assert (code, out) == (0, "3\n") and "enough" in err


def test_explain_shows_the_limit_that_was_sent(start, world):
    answer = start(jobs(countLimit="30")).rpc("explain", trigger="jobs")
    assert '"Limit":30' in answer["request"]["body"]
