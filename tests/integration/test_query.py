# SPDX-License-Identifier: Apache-2.0
"""Ad-hoc counts: when they are allowed, their parameters, and their identity."""

import contextlib
import json
import signal

import pytest

from tests.gateway.world import REGION

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import scaled_object, small_object, trigger

ALLOWED = ["--allow-query"]
SMALL = {"table": "orders", "key_condition": "#q = :q", "names": {"#q": "queue"},
         "values": {":q": {"S": "small"}}}


def refusal(agent, **params):
    with pytest.raises(RpcError) as caught:
        agent.rpc("query", **params)
    return caught.value.answer


def test_a_query_is_counted_over_all_pages(start, world, pending):
    agent = start(small_object(), options=ALLOWED)
    answer = agent.rpc("query", **{**SMALL, "values": {":q": {"S": "pending"}}, "timeout_ms": 60_000})
    assert set(answer) == {"count", "quality", "age_ms", "pages", "scanned", "consumed_rcu"}
    assert (answer["count"], answer["pages"], answer["scanned"]) == (pending, 25, pending)
    assert (answer["quality"], answer["age_ms"]) == ("exact", 0)
    assert answer["consumed_rcu"] > 3000
    assert agent.rpc("status")["consumed_rcu"] == answer["consumed_rcu"]


def test_where_it_is_not_allowed_the_option_is_named(start, world):
    agent = start(small_object())
    answer = refusal(agent, **SMALL)
    assert answer["name"] == "NOT_ALLOWED" and "--allow-query" in answer["message"]
    assert answer["retryable"] is False
    assert not world.calls("dynamodb", "Query")
    assert "query" not in agent.rpc("hello")["methods"]
    code, out, err = agent.cli("query", "orders", "#q = :q")
    assert (code, out) == (1, "") and "NOT_ALLOWED" in err


def test_hello_names_it_where_it_is_allowed(start):
    assert "query" in start(small_object(), options=ALLOWED).rpc("hello")["methods"]


def test_the_command_queries(start):
    agent = start(small_object(), options=ALLOWED)
    assert agent.cli("query", "orders", "#q = :q", "--name", "#q=queue",
                     "--value", ':q={"S":"small"}') == (0, "7\n", "")


def test_everything_that_is_asked_reaches_dynamodb(start, world):
    agent = start(small_object(), options=ALLOWED)
    answer = agent.rpc("query", table="jobs", index="by-due", key_condition="#o = :o and due > :d",
                     filter="begins_with(#i, :i)", names={"#o": "owner", "#i": "id"},
                     consistent_read=True,
                     values={":o": {"S": "owner-0"}, ":d": {"N": "5"}, ":i": {"S": "0000"}})
    assert (answer["count"], answer["scanned"]) == (2, 98)
    sent = json.loads(world.requests(service="dynamodb")[0]["body"])
    assert sent == {
        "TableName": "jobs", "IndexName": "by-due", "KeyConditionExpression": "#o = :o and due > :d",
        "FilterExpression": "begins_with(#i, :i)",
        "ExpressionAttributeNames": {"#o": "owner", "#i": "id"},
        "ExpressionAttributeValues": {":o": {"S": "owner-0"}, ":d": {"N": "5"},
                                      ":i": {"S": "0000"}},
        "ConsistentRead": True, "Select": "COUNT", "ReturnConsumedCapacity": "TOTAL"}


def test_it_stops_after_max_pages(start, world):
    world.fault(action="Query", limit=2)
    answer = start(small_object(), options=ALLOWED).rpc("query", **SMALL, max_pages=2)
    assert (answer["count"], answer["quality"], answer["pages"]) == (4, "at_least", 2)


def test_it_is_never_cached(start, world):
    agent = start(small_object(), options=ALLOWED)
    for _ in range(3):
        assert agent.rpc("query", **SMALL)["count"] == 7
    assert world.calls("dynamodb", "Query") == 3
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1  # but the credentials are


def test_the_identity_of_a_trigger_is_used(start, world):
    key = world.user(name="other")
    asked = trigger(awsAccessKeyID=key["access_key"], awsSecretAccessKeyFromEnv="OTHER_SECRET")
    agent = start(scaled_object("own", asked), options=ALLOWED,
                  env={"OTHER_SECRET": key["secret_key"]})
    assert agent.rpc("query", **SMALL, identity_of="own")["count"] == 7
    assert world.requests(service="dynamodb")[-1]["access_key"] == key["access_key"]
    assert agent.rpc("query", **SMALL)["count"] == 7
    assert world.requests(service="dynamodb")[-1]["access_key"] != key["access_key"]


def test_the_region_is_given_or_the_triggers_or_the_environments(start, world):
    key = world.user(name="other")
    url = world.listen(service="dynamodb", region="eu-central-1")
    asked = trigger(awsRegion="eu-central-1", awsAccessKeyID=key["access_key"],
                    awsSecretAccessKeyFromEnv="OTHER_SECRET", awsEndpoint=url)
    chain = trigger(awsRegion="eu-central-1", awsEndpoint=url)
    agent = start(scaled_object("own", asked), scaled_object("chain", chain), options=ALLOWED,
                  env={"OTHER_SECRET": key["secret_key"]})
    assert agent.rpc("query", **SMALL)["count"] == 7
    assert agent.rpc("query", **SMALL, region=REGION)["count"] == 7
    assert agent.rpc("query", **SMALL, identity_of="own", endpoint=url)["count"] == 7
    assert agent.rpc("query", **SMALL, identity_of="own")["count"] == 7
    assert agent.rpc("query", **SMALL, region="eu-central-1", endpoint=url)["count"] == 7
    assert refusal(agent, **SMALL, region="eu-central-1")["name"] in ("ACCESS_DENIED", "CREDENTIALS",
                                                                      "AWS_REJECTED")


def test_the_endpoint_is_one_of_the_configuration(start, world):
    """Otherwise a client could make the agent send credentials to it, or call other services of the
    pod."""
    key = world.user(name="other")
    elsewhere = world.listen(service="dynamodb")
    mine = world.listen(service="dynamodb")
    asked = trigger(awsAccessKeyID=key["access_key"], awsSecretAccessKeyFromEnv="OTHER_SECRET",
                    awsEndpoint=elsewhere)
    agent = start(scaled_object("own", asked), small_object(), options=ALLOWED,
                  env={"OTHER_SECRET": key["secret_key"]})
    world.forget()
    for params in ({"endpoint": mine}, {"endpoint": mine, "identity_of": "own"},
                   {"endpoint": mine, "identity_of": "small"}, {"endpoint": elsewhere},
                   {"endpoint": elsewhere + "/x", "identity_of": "own"},
                   {"endpoint": elsewhere, "identity_of": "small"},
                   {"endpoint": "https://dynamodb.eu-west-1.amazonaws.com"}):
        assert refusal(agent, **SMALL, **params)["name"] == "NOT_ALLOWED", params
    assert not world.requests()
    usual = world.urls["dynamodb"]
    assert agent.rpc("query", **SMALL, endpoint=usual)["count"] == 7
    assert agent.rpc("query", **SMALL, endpoint=usual, identity_of="small")["count"] == 7
    assert agent.rpc("query", **SMALL, endpoint=elsewhere, identity_of="own")["count"] == 7


def test_without_any_region_it_says_so(start):
    agent = start(small_object(), options=ALLOWED, env={"AWS_REGION": None})
    answer = refusal(agent, **SMALL)
    assert answer["name"] == "INVALID_REQUEST" and "region" in answer["message"]


@pytest.mark.parametrize("changes, words", [
    ({"table": None}, ["table is missing"]),
    ({"table": 5}, ["table", "string"]),
    ({"table": ""}, ["table"]),
    ({"table": "a\0b"}, ["table"]),
    ({"key_condition": None}, ["key_condition is missing"]),
    ({"names": ["#q"]}, ["names must be a map"]),
    ({"names": {"q": "queue"}}, ["names", "#key"]),
    ({"names": {"#q": 5}}, ['names["#q"]', "string"]),
    ({"values": {":q": {"S": 5}}}, ['values[":q"].S', "string"]),
    ({"values": {":q": {"N": "$now"}}}, ['values[":q"].N', "number"]),
    ({"values": {"q": {"S": "x"}}}, ["values", ":key"]),
    ({"values": "x"}, ["values must be a map"]),
    ({"consistent_read": "yes"}, ["consistent_read", "true or false"]),
    ({"max_pages": 0}, ["max_pages", "from 1"]),
    ({"max_pages": 2**32}, ["max_pages"]),
    ({"max_pages": 1.0}, ["max_pages"]),
    ({"timeout_ms": 0}, ["timeout_ms", "from 1 to 300000"]),
    ({"timeout_ms": 300_001}, ["timeout_ms"]),
    ({"endpoint": "http://example.com"}, ["--allow-http"]),
    ({"endpoint": "nonsense"}, ["http"]),
    ({"region": "eu west"}, ["region"]),
])
def test_what_is_wrong_is_named(start, world, changes, words):
    answer = refusal(start(small_object(), options=ALLOWED), **{**SMALL, **changes})
    assert answer["name"] == "INVALID_REQUEST"
    assert all(word in answer["message"] for word in words), answer["message"]
    assert not world.calls("dynamodb", "Query")


def test_params_that_are_no_map_are_refused(start):
    agent = start(small_object(), options=ALLOWED)
    with agent.connect() as connection:
        with pytest.raises(RpcError, match="INVALID_REQUEST.*map"):
            connection.answer(connection.send("query", "orders"))
        with pytest.raises(RpcError, match="INVALID_REQUEST.*table is missing"):
            connection.answer(connection.send("query"))


def test_an_unknown_trigger_is_reported(start):
    answer = refusal(start(small_object(), options=ALLOWED), **SMALL, identity_of="nope")
    assert answer["name"] == "UNKNOWN_TRIGGER" and "shop/small" in answer["message"]


def test_unknown_keys_and_nil_are_passed_over(start):
    agent = start(small_object(), options=ALLOWED)
    assert agent.rpc("query", **SMALL, colour="red", index=None, max_pages=None)["count"] == 7


@pytest.mark.parametrize("changes, code", [
    ({"table": "nope"}, "ResourceNotFoundException"),
    ({"key_condition": "nonsense"}, "ValidationException"),
    ({"index": "nope"}, "ValidationException"),
    ({"values": {}}, "ValidationException"),
])
def test_what_dynamodb_refuses_is_reported(start, changes, code):
    answer = refusal(start(small_object(), options=ALLOWED), **{**SMALL, **changes})
    assert (answer["name"], answer["aws"]["code"]) == ("AWS_REJECTED", code)
    assert "fallback" not in answer


def test_the_deadline_is_kept(start, world):
    world.fault(action="Query", latency=2.0, times=1)
    agent = start(small_object(), options=ALLOWED)
    agent.rpc("whoami")
    answer = refusal(agent, **SMALL, timeout_ms=300)
    assert answer["name"] == "TIMEOUT" and answer["retryable"] is True
    assert agent.rpc("status")["flights"]["active"] == 0
    assert agent.rpc("query", **SMALL)["count"] == 7


def test_a_throttled_query_is_tried_again_within_its_deadline(start, world):
    world.fault(action="Query", code="ThrottlingException", times=2)
    answer = start(small_object(), options=ALLOWED).rpc("query", **SMALL, timeout_ms=20_000)
    assert answer["count"] == 7
    assert world.calls("dynamodb", "Query") == 3


def test_a_client_that_leaves_takes_its_query_along(start, world):
    world.fault(action="Query", latency=1.0, limit=2)
    agent = start(small_object(), options=ALLOWED)
    with agent.connect() as connection:
        connection.send("query", SMALL)
        while not world.requests(service="dynamodb"):
            pass
    with agent.connect() as connection:
        while connection.call("status")["flights"]["active"] > 0:
            pass
        assert connection.call("ping")
    assert world.calls("dynamodb", "Query") == 1


def test_the_65th_in_flight_is_busy(start, world):
    world.fault(action="Query", latency=1.0)
    with start(small_object(), options=ALLOWED).connect() as connection:
        for _ in range(65):
            connection.send("query", {**SMALL, "timeout_ms": 60_000})
        answer = [connection.receive()[2] for _ in range(65)]
    names = [error["name"] if error else "ok" for error in answer]
    assert sorted(names) == ["BUSY"] + ["ok"] * 64


def test_all_clients_together_have_64(start, world):
    """Many connections together cannot cause more concurrent calls to AWS."""
    world.fault(action="Query", latency=1.0)
    agent = start(small_object(), options=ALLOWED)
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(agent.connect()) for _ in range(10)]
        for client in clients:
            for _ in range(10):
                client.send("query", {**SMALL, "timeout_ms": 60_000})
        answer = [client.receive()[2] for client in clients for _ in range(10)]
        busy = [error for error in answer if error is not None]
        assert len(busy) == 36 and {error["name"] for error in busy} == {"BUSY"}
        assert all(error["retryable"] and "64" in error["message"] for error in busy)
        assert agent.rpc("status")["flights"]["started"] == 64
        assert clients[0].call("query", **SMALL, timeout_ms=60_000)["count"] == 7


def test_what_is_asked_counts_for_the_buffer(start, world):
    """25,000 bytes, twice: in the params and in the request to DynamoDB; 5 of them fit into half of
    the limit."""
    world.fault(action="Query", latency=1.0)
    agent = start(small_object(), options=[*ALLOWED, "--max-buffer", "560K"])
    long = {**SMALL, "filter": "priority <> :w", "timeout_ms": 60_000,
            "values": {**SMALL["values"], ":w": {"S": "w" * 25_000}}}
    with agent.connect() as connection:
        for _ in range(8):
            connection.send("query", long)
        answer = [connection.receive()[2] for _ in range(8)]
        busy = [error for error in answer if error is not None]
        assert [error["name"] for error in busy] == ["BUSY"] * 3
        assert all(error["retryable"] and "--max-buffer" in error["message"] for error in busy)
        assert connection.call("query", **long)["count"] == 7
        for _ in range(3):  # the others end with their client
            connection.send("query", long)
        connection.call("ping")
    with agent.connect() as connection:
        wait_until(lambda: connection.call("status")["flights"]["active"] == 0)
        asked = [connection.send("query", long) for _ in range(5)]
        assert {connection.receive()[2] for _ in asked} == {None}


def test_a_denial_is_remembered(start, world):
    world.fault(action="Query", code="AccessDeniedException", times=1)
    agent = start(small_object(), options=ALLOWED)
    assert refusal(agent, **SMALL)["aws"]["code"] == "AccessDeniedException"
    answer = refusal(agent, **{**SMALL, "filter": "#q = :q"})
    assert answer["name"] == "ACCESS_DENIED" and 0 < answer["retry_after_ms"] <= 10_000
    assert world.calls("dynamodb", "Query") == 1
    # A refusal is not cached for another table or identity, nor under a new configuration.
    assert agent.rpc("query", **SMALL, identity_of="small")["count"] == 7
    agent.child.send_signal(signal.SIGHUP)
    agent.wait_for_log("event=reloaded")
    assert agent.rpc("query", **SMALL)["count"] == 7


def test_the_agent_ends_in_the_middle(start, world):
    world.fault(action="Query", latency=5.0)
    agent = start(small_object(), options=[*ALLOWED, "--grace", "300ms"])
    with agent.connect() as connection:
        connection.send("query", SMALL)
        while not world.requests(service="dynamodb"):
            pass
        assert agent.stop() == 0
        message = connection.receive()
        assert message is None or message[2]["name"] == "SHUTTING_DOWN"
