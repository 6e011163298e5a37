# SPDX-License-Identifier: Apache-2.0
"""The result of counts, and their cost."""

import json
import threading

import pytest

from .rpc import Rpc, RpcError
from .yaml_files import pending_object, scaled_object, small_object, trigger

MINUTE = 60_000


def test_all_pages_are_counted_at_the_least_cost(start, world, pending):
    agent = start(pending_object())
    code, out, err = agent.cli("count", "pending", "--timeout", "60s")
    assert (code, out, err) == (0, f"{pending}\n", "")
    assert world.summary()["calls"] == {"sts:AssumeRoleWithWebIdentity": 1, "dynamodb:Query": 25}
    assert world.connections("dynamodb") == 1
    assert world.connections("sts") == 1


def test_the_answer_says_how_it_came_about(start, pending):
    answer = start(pending_object(maxReplicaCount=50)).rpc("count", trigger="pending",
                                                         timeout_ms=MINUTE)
    assert answer["trigger"] == "shop/pending"
    assert (answer["count"], answer["quality"]) == (pending, "exact")
    assert (answer["pages"], answer["scanned"]) == (25, pending)
    assert answer["consumed_rcu"] > 3000
    assert (answer["active"], answer["target"], answer["desired_replicas"]) == (True, 5, 50)
    assert answer["metric_name"] == "s0-aws-dynamodb-orders"


def test_the_query_is_a_count_signed_with_what_sts_gave(start, world):
    start(small_object()).rpc("count", trigger="small")
    query = world.requests(service="dynamodb")[0]
    assert query["method"] == "POST" and query["target"] == "/"
    asked = json.loads(query["body"])
    assert asked["Select"] == "COUNT"
    assert asked["TableName"] == "orders"
    assert asked["ReturnConsumedCapacity"] == "TOTAL"
    sts = world.requests(service="sts")[0]
    assert sts["access_key"] == query["access_key"]
    assert query["headers"]["x-amz-target"] == "DynamoDB_20120810.Query"
    assert "gzip" not in query["headers"].get("accept-encoding", "")


def test_a_second_question_is_answered_from_the_cache(start, world):
    agent = start(small_object())
    first = agent.rpc("count", trigger="small")
    second = agent.rpc("count", trigger="small")
    assert first["count"] == second["count"] == 7
    assert second["age_ms"] >= first["age_ms"]
    assert world.calls("dynamodb", "Query") == 1


def test_a_fresh_count_is_made_on_request(start, world, tables):
    agent = start(scaled_object("moving", trigger(value={"S": "moving"})))
    assert agent.rpc("count", trigger="moving")["count"] == 0
    tables.fill_orders("moving", 3)
    assert agent.rpc("count", trigger="moving")["count"] == 0
    assert agent.rpc("count", trigger="moving", max_age_ms=0)["count"] == 3
    assert world.calls("dynamodb", "Query") == 2
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1


def test_200_clients_at_once_are_one_flight(start, world):
    world.fault(action="Query", latency=0.5)
    agent = start(small_object())
    connections = [Rpc(agent.socket, agent.seen) for _ in range(200)]
    try:
        asked = [connection.send("count", {"trigger": "small"}) for connection in connections]
        result = [connection.answer(msgid) for connection, msgid in zip(connections, asked)]
    finally:
        for connection in connections:
            connection.close()
    assert {answer["count"] for answer in result} == {7}
    assert world.summary()["calls"] == {"sts:AssumeRoleWithWebIdentity": 1, "dynamodb:Query": 1}
    assert world.connections("dynamodb") == 1


def test_200_commands_at_once_are_one_flight(start, world):
    world.fault(action="Query", latency=2.0, times=1)
    agent = start(small_object())
    results = []
    threads = [threading.Thread(target=lambda: results.append(
        agent.cli("count", "small", "--timeout", "60s"))) for _ in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [(0, "7\n", "")] * 200
    assert world.calls("dynamodb", "Query") == 1


def test_triggers_of_one_identity_share_one_sts_call(start, world):
    agent = start(small_object(), scaled_object("other", trigger(value={"S": "none"})))
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert agent.rpc("count", trigger="other")["count"] == 0
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1
    assert world.connections("dynamodb") == 1


def test_each_of_some_endpoints_keeps_its_connection(start, world):
    names = [f"region-{number}" for number in range(7)]
    port = world.urls["dynamodb"].rpartition(":")[2]
    agent = start(*(scaled_object(name, trigger(awsEndpoint=f"http://{name}.localhost:{port}"))
                    for name in names), options=["--allow-http"])
    for _ in range(3):
        for name in names:
            assert agent.rpc("count", trigger=name, max_age_ms=0)["count"] == 7
    assert world.connections("dynamodb") == len(names)


def test_empty_pages_before_the_last_are_not_the_end(start, world):
    world.fault(action="Query", limit=2)
    agent = start(scaled_object("five", trigger(
        filterExpression="priority = :p",
        expressionAttributeValues='{":v": {"S": "small"}, ":p": {"N": "5"}}')))
    answer = agent.rpc("count", trigger="five")
    assert (answer["count"], answer["scanned"], answer["pages"]) == (1, 7, 4)


@pytest.mark.parametrize("shape", ["{}", "null"])
def test_an_empty_last_key_is_the_end(start, world, shape):
    world.fault(action="Query", final_key=shape, times=3)
    answer = start(small_object()).rpc("count", trigger="small")
    assert (answer["count"], answer["pages"]) == (7, 1)


@pytest.mark.parametrize("asked, wanted", [
    (trigger("jobs", "state", {"S": "waiting"}, indexName="by-state"), 30),
    (trigger("jobs", "owner", {"S": "owner-1"}, indexName="by-due"), 100),
    (trigger("jobs", "owner", {"S": "owner-1"}), 100),
    (trigger("shards", "shard", {"N": "1"}), 20),
    (trigger("orders", "queue", {"S": "no such queue"}), 0),
], ids=["gsi", "lsi", "table", "number-and-binary-key", "empty"])
def test_keys_of_all_kinds_are_paged_through(start, world, asked, wanted):
    world.fault(action="Query", limit=7)
    answer = start(scaled_object("it", asked)).rpc("count", trigger="it")
    assert (answer["count"], answer["quality"]) == (wanted, "exact")
    assert answer["pages"] == wanted // 7 + 1


def test_a_flight_outlives_the_client_that_asked(start, world):
    world.fault(action="Query", latency=0.5)
    agent = start(small_object())
    with agent.connect() as connection:
        connection.send("count", {"trigger": "small"})
        while not world.requests(service="dynamodb"):
            pass
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert world.calls("dynamodb", "Query") == 1


def test_a_deadline_is_kept_and_the_flight_goes_on(start, world):
    world.fault(action="Query", latency=1.5, times=1)
    agent = start(small_object())
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", timeout_ms=400)
    assert caught.value.name == "TIMEOUT"
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert world.calls("dynamodb", "Query") == 1


def test_an_error_is_never_a_zero(start, world):
    world.fault(action="Query", code="ValidationException", message="no good")
    agent = start(small_object())
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "")
    assert "AWS_REJECTED" in err and "ValidationException" in err and "no good" in err


def test_a_missing_table_is_named(start):
    code, out, err = start(scaled_object("it", trigger("nope"))).cli("count", "it")
    assert (code, out) == (1, "")
    assert "AWS_REJECTED" in err and "ResourceNotFoundException" in err and "nope" in err
