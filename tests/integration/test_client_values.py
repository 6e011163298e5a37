# SPDX-License-Identifier: Apache-2.0
"""Values that a request supplies for the placeholders in the trigger's clientValues."""

import base64
import hashlib
import json
import re

import msgpack
import pytest

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import scaled_object, trigger


def queues(name="queue", default=None, **metadata):
    """A trigger whose partition the client may select."""
    metadata.setdefault("clientValues", ":v")
    asked = trigger(value=default or {"S": "small"}, **metadata)
    if default is None:
        del asked["metadata"]["expressionAttributeValues"]
    return scaled_object(name, asked)


def refusal(agent, values, name="queue"):
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger=name, values=values)
    assert caught.value.name == "INVALID_REQUEST"
    return caught.value.answer["message"]


def test_a_client_chooses_the_partition(start, world):
    agent = start(queues())
    assert agent.rpc("count", trigger="queue", values={":v": {"S": "small"}})["count"] == 7
    assert agent.rpc("count", trigger="queue", values={":v": {"S": "none"}})["count"] == 0
    assert agent.rpc("count", trigger="queue", values={":v": {"S": "small"}})["count"] == 7
    assert world.calls("dynamodb", "Query") == 2


def test_the_command_supplies_values(start):
    agent = start(queues())
    assert agent.cli("count", "queue", "--value", ':v={"S":"small"}') == (0, "7\n", "")
    code, out, err = agent.cli("count", "queue", "--value", ':v={"N":"x"}')
    assert (code, out) == (1, "") and "INVALID_REQUEST" in err and ":v" in err


def test_the_triggers_own_value_is_the_default_and_shares_its_cache(start, world):
    agent = start(queues(default={"S": "small"}))
    assert agent.rpc("count", trigger="queue")["count"] == 7
    assert agent.rpc("count", trigger="queue", values={})["count"] == 7
    assert agent.rpc("count", trigger="queue", values=None)["count"] == 7
    assert agent.rpc("count", trigger="queue", values={":v": {"S": "small"}})["count"] == 7
    assert world.calls("dynamodb", "Query") == 1
    assert agent.rpc("count", trigger="queue", values={":v": {"S": "other"}})["count"] == 0
    assert agent.rpc("count", trigger="queue")["count"] == 7
    assert world.calls("dynamodb", "Query") == 2


DIGEST = hashlib.sha256(b"4").digest()


@pytest.mark.parametrize("key, names, values, wanted", [
    ("#k = :v", {"#k": "shard"}, {":v": {"N": "1"}}, 20),
    ("#k = :v and #d = :w", {"#k": "shard", "#d": "digest"},
     {":v": {"N": "1"}, ":w": {"B": DIGEST}}, 1),
    ("#k = :v and #d = :w", {"#k": "shard", "#d": "digest"},
     {":v": {"N": "1"}, ":w": {"B": base64.b64encode(DIGEST).decode()}}, 1),
], ids=["number", "bin", "base64"])
def test_keys_of_every_type(start, key, names, values, wanted):
    asked = trigger("shards", keyConditionExpression=key, clientValues=", ".join(values),
                    expressionAttributeNames=json.dumps(names))
    del asked["metadata"]["expressionAttributeValues"]
    agent = start(scaled_object("it", asked))
    assert agent.rpc("count", trigger="it", values=values)["count"] == wanted


@pytest.mark.parametrize("condition, value, wanted", [
    ("priority = :f", {"N": "3"}, 1),
    ("priority <> :f", {"NULL": True}, 7),
    ("priority <> :f", {"BOOL": False}, 7),
    ("priority <> :f", {"L": [{"S": "a"}]}, 7),
    ("priority <> :f", {"M": {"k": {"N": "1"}}}, 7),
    ("priority <> :f", {"SS": ["a", "b"]}, 7),
    ("priority <> :f", {"NS": ["1", "2"]}, 7),
    ("priority <> :f", {"BS": [b"\x00\xff"]}, 7),
    ("contains(payload, :f)", {"S": 'a "quoted" \\ \n \u20ac'}, 0),
])
def test_values_of_every_type_reach_dynamodb(start, world, condition, value, wanted):
    agent = start(scaled_object("it", trigger(filterExpression=condition, clientValues=":f")))
    answer = agent.rpc("count", trigger="it", values={":f": value})
    assert (answer["count"], answer["scanned"]) == (wanted, 7)
    sent = json.loads(world.requests(service="dynamodb")[0]["body"])["ExpressionAttributeValues"]
    (kind, inner), = value.items()
    if kind == "BS":
        inner = [base64.b64encode(member).decode() for member in inner]
    assert sent == {":v": {"S": "small"}, ":f": {kind: inner}}


@pytest.mark.parametrize("values, words", [
    ({":v": {"S": 5}}, ['values[":v"].S', "string"]),
    ({":v": {"N": 5}}, ['values[":v"].N', "quotes"]),
    ({":v": {"N": "five"}}, ['values[":v"].N', "number"]),
    ({":v": {"N": "$now"}}, ['values[":v"].N', "number"]),
    ({":v": {"M": {"a": {"B": "%"}}}}, ['values[":v"].M["a"].B', "base64"]),
    ({":v": {"L": [{"S": "a"}, {"BOOL": 1}]}}, ['values[":v"].L[1].BOOL', "true"]),
    ({":v": {}}, ['values[":v"]', "no type"]),
    ({":v": {"S": "a", "N": "1"}}, ['values[":v"]', "more than one type"]),
    ({":v": "a"}, ['values[":v"]', "object"]),
    ({":v": None}, ['values[":v"]', "object"]),
    ({":v": {"S": "x" * 1017}}, ['values[":v"]', "1025", "1024"]),
    ({":v": {"S": "a"}, ":w": {"S": "b"}}, ['":w"', ":v"]),
    ({"v": {"S": "a"}}, ['"v"', ":v"]),
    ({5: {"S": "a"}}, ["keys"]),
    ([{"S": "a"}], ["values must be a map"]),
    ("S", ["values must be a map"]),
    ({}, [":v"]),
    (None, [":v"]),
])
def test_what_is_wrong_is_named(start, world, values, words):
    message = refusal(start(queues()), values)
    assert all(word in message for word in words), message
    assert world.calls("dynamodb", "Query") == 0


def test_the_type_is_that_of_the_triggers_own_value(start):
    message = refusal(start(queues(default={"S": "small"})), {":v": {"N": "1"}})
    assert 'values[":v"]' in message and "type S" in message and "not N" in message


def test_a_trigger_that_lists_none_takes_none(start):
    agent = start(scaled_object("queue", trigger()))
    assert "clientValues" in refusal(agent, {":v": {"S": "small"}})
    assert agent.rpc("count", trigger="queue", values={})["count"] == 7


def test_text_that_is_not_utf8_is_refused(start):
    with start(queues()).connect() as connection:
        value = msgpack.packb([0, 1, "count", [{"trigger": "queue", "values": {":v": {"S": b"??"}}}]],
                              use_bin_type=False).replace(b"??", b"\xff\xfe")
        connection.socket.sendall(value)
        _, _, error, _ = connection.receive()
        assert error["name"] == "INVALID_REQUEST" and "UTF-8" in error["message"]


def test_values_cannot_change_an_expression(start, world):
    agent = start(queues())
    evil = 'small" OR queue = "pending'
    assert agent.rpc("count", trigger="queue", values={":v": {"S": evil}})["count"] == 0
    sent = json.loads(world.requests(service="dynamodb")[0]["body"])
    assert sent["KeyConditionExpression"] == "#k = :v"
    assert sent["ExpressionAttributeValues"] == {":v": {"S": evil}}


def test_the_same_values_in_another_order_are_the_same_question(start, world):
    asked = trigger(keyConditionExpression="#k = :v and id > :w", clientValues=":v,:w")
    del asked["metadata"]["expressionAttributeValues"]
    agent = start(scaled_object("it", asked))
    one = {":v": {"S": "small"}, ":w": {"S": "0"}}
    assert agent.rpc("count", trigger="it", values=one)["count"] == 7
    other = dict(reversed(one.items()))
    assert agent.rpc("count", trigger="it", values=other)["count"] == 7
    assert world.calls("dynamodb", "Query") == 1


def test_64_sets_are_kept_and_the_least_recently_used_one_goes(start, world):
    agent = start(queues())
    with agent.connect() as connection:
        def count(number):
            connection.call("count", trigger="queue", values={":v": {"S": f"q{number}"}})

        for number in range(64):
            count(number)
        count(0)
        assert world.calls("dynamodb", "Query") == 64
        count(64)  # in place of 1
        assert world.calls("dynamodb", "Query") == 65
        count(0)
        count(2)
        assert world.calls("dynamodb", "Query") == 65
        count(1)
        assert world.calls("dynamodb", "Query") == 66


def test_now_in_the_triggers_other_values_stays_now(start, world):
    agent = start(scaled_object("it", trigger(
        filterExpression="priority < :now", clientValues=":v",
        expressionAttributeValues='{":v": {"S": "small"}, ":now": {"N": "$now"}}')))
    assert agent.rpc("count", trigger="it", values={":v": {"S": "other"}})["count"] == 0
    sent = json.loads(world.requests(service="dynamodb")[0]["body"])["ExpressionAttributeValues"]
    assert sent[":v"] == {"S": "other"} and int(sent[":now"]["N"]) > 1_700_000_000


def test_every_set_has_a_flight_of_its_own(start, world):
    world.fault(action="Query", latency=0.3)
    agent = start(queues())
    with agent.connect() as connection:
        asked = [connection.send("count", {"trigger": "queue", "values": {":v": {"S": name}}})
                 for name in ("small", "none", "small")]
        answer = {}
        for _ in asked:
            _, msgid, error, result = connection.receive()
            assert error is None
            answer[msgid] = result["count"]
    assert [answer[msgid] for msgid in asked] == [7, 0, 7]
    assert world.calls("dynamodb", "Query") == 2


def test_list_names_the_placeholders(start):
    agent = start(queues(clientValues=":v"))
    assert agent.rpc("list")["triggers"][0]["client_values"] == [":v"]


def test_where_all_64_are_being_counted_one_more_is_busy(start, world):
    """Requests with values cannot cause more concurrent calls to AWS, or more kept counts, than this."""
    world.fault(action="Query", latency=1.0)
    agent = start(queues())
    with agent.connect() as one, agent.connect() as other:
        asked = {one.send("count", {"trigger": "queue", "timeout_ms": 60_000,
                                    "values": {":v": {"S": f"q{number}"}}})
                 for number in range(64)}
        wait_until(lambda: agent.rpc("status")["flights"]["active"] == 64)
        with pytest.raises(RpcError, match="BUSY.*64 sets") as caught:
            other.call("count", trigger="queue", values={":v": {"S": "small"}})
        assert caught.value.answer["retryable"]
        joined = other.send("count", {"trigger": "queue", "timeout_ms": 60_000,
                                      "values": {":v": {"S": "q7"}}})
        assert {one.receive()[1] for _ in range(64)} == asked
        assert other.answer(joined)["count"] == 0
        assert other.call("count", trigger="queue", values={":v": {"S": "small"}})["count"] == 7


def test_what_nobody_supplies_is_not_kept_warm(pod, world):
    """DynamoDB would refuse each of those queries."""
    agent = pod(queues(warm="true"))
    code, err = agent.run("--check", "--config", agent.config)
    assert code == 2
    assert re.search(r"config.yaml:\d+:\d+: error: warm: .* :v, which only clients supply", err)
    assert agent.run("--config", agent.config, "--socket", agent.socket)[0] == 2
    assert not world.requests()
    agent.write_config(queues(warm="true", default={"S": "small"}))
    agent.start()
    wait_until(lambda: agent.rpc("list")["triggers"][0].get("count") == 7)
