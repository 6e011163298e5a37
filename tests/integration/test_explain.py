# SPDX-License-Identifier: Apache-2.0
"""explain: one count with all its details, and no secret."""

import contextlib
import json
import signal
import time

import pytest

from tests.gateway.world import ROLE

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import pending_object, scaled_object, small_object, trigger


def error_of(agent, **params):
    with pytest.raises(RpcError) as caught:
        agent.rpc("explain", **params)
    return caught.value.answer


def test_its_numbers_are_those_of_count(start, world, pending):
    agent = start(pending_object(maxReplicaCount=50))
    answer = agent.rpc("explain", trigger="pending", timeout_ms=60_000)
    assert answer["trigger"] == "shop/pending"
    assert len(answer["pages"]) == 25
    assert sum(page["count"] for page in answer["pages"]) == pending
    assert sum(page["scanned"] for page in answer["pages"]) == pending
    assert sum(page["rcu"] for page in answer["pages"]) == answer["total"]["consumed_rcu"]
    assert all(page["elapsed_ms"] > 0 and page["attempts"] == 1 for page in answer["pages"])
    counted = agent.rpc("count", trigger="pending", timeout_ms=60_000)
    assert {**answer["total"], "age_ms": 0} == {**counted, "age_ms": 0}
    assert world.calls("dynamodb", "Query") == 25  # count was answered from explain's count
    assert answer["decision"] == {"active": True, "desired_replicas": 50,
                                "why": "ceil(25000 / 5) within 0 to 50"}
    first = answer["pages"][0]["count"]
    assert answer["keda"]["count"] == first < pending
    assert answer["keda"]["pages_ignored"] == 24
    assert answer["keda"]["undercount"] == pending - first
    assert answer["keda"]["note"] == (f"KEDA reads the first page only; through tally-bridge it would read "
                                    f"{pending}")
    rcu = answer["total"]["consumed_rcu"]
    assert answer["cost"] == {"rcu_per_poll": rcu, "polls_per_day": 2880, "rcu_per_day": rcu * 2880}


def test_it_counts_anew_whatever_is_cached(start, world):
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    for _ in range(2):
        assert agent.rpc("explain", trigger="small")["total"]["count"] == 7
    assert world.calls("dynamodb", "Query") == 3


def test_where_it_is_configured_and_how_it_is_understood(start):
    agent = start(small_object(), scaled_object("other", trigger(
        "jobs", "owner", {"S": "owner-1"}, indexName="by-due", filterExpression="id <> :w",
        expressionAttributeValues='{":v": {"S": "owner-1"}, ":w": {"S": ""}}',
        activationTargetValue="3", consistentRead="true", countLimit="50", maxPages="9",
        clientValues=":w"),
        pollingInterval=7, minReplicaCount=1, maxReplicaCount=20,
        fallback={"failureThreshold": 3, "replicas": 4}))
    answer = agent.rpc("explain", trigger="other")
    assert answer["source"]["file"] == agent.config
    with open(agent.config, encoding="utf-8") as file:
        lines = file.read().splitlines()
    assert "type: aws-dynamodb" in lines[answer["source"]["line"] - 1] + lines[answer["source"]["line"]]
    assert answer["config"] == {
        "kind": "ScaledObject", "table": "jobs", "index": "by-due", "key_condition": "#k = :v",
        "filter": "id <> :w", "names": '{"#k":"owner"}',
        "values": '{":v":{"S":"owner-1"},":w":{"S":""}}', "consistent_read": True,
        "count_limit": 50, "max_pages": 9, "client_values": [":w"], "metric_type": "AverageValue",
        "target": 5, "activation_target": 3, "min_replicas": 1, "max_replicas": 20,
        "fallback_threshold": 3, "fallback_replicas": 4, "polling_interval_ms": 7000, "warm": False}
    assert answer["cost"]["polls_per_day"] == pytest.approx(86400 / 7)


@pytest.mark.parametrize("behavior, shown", [
    ("static", None), ("currentReplicasIfLower", "currentReplicasIfLower"),
    ("scalingModifiers", None)])
def test_the_behavior_of_a_fallback_is_explained(start, behavior, shown):
    fallback = {"failureThreshold": 3, "replicas": 4, "behavior": behavior}
    answer = start(scaled_object("it", fallback=fallback)).rpc("explain", trigger="it")["config"]
    assert (answer["fallback_replicas"], answer.get("fallback_behavior")) == (4, shown)


def test_a_trigger_of_a_formula_has_no_decision(start):
    asked = trigger()
    del asked["metadata"]["targetValue"]
    advanced = {"scalingModifiers": {"formula": "a", "target": "2"}}
    decision = start(scaled_object("it", asked, advanced=advanced)).rpc(
        "explain", trigger="it")["decision"]
    assert decision["active"] is True and "desired_replicas" not in decision
    assert "advanced.scalingModifiers" in decision["why"]


def test_the_request_is_shown_as_it_was_sent_without_its_secrets(start, world):
    agent = start(small_object())
    answer = agent.rpc("explain", trigger="small")
    (sent,) = world.requests(service="dynamodb")
    shown = answer["request"]
    assert shown["target"] == sent["headers"]["x-amz-target"] == "DynamoDB_20120810.Query"
    assert shown["body"] == sent["body"]
    for name in ("host", "content-type", "x-amz-target"):
        assert shown["headers"][name] == sent["headers"][name]
    key = sent["access_key"]
    authorization = shown["headers"]["authorization"]
    assert authorization.startswith(f"AWS4-HMAC-SHA256 Credential={key[:4]}…{key[-4:]}/")
    assert authorization.endswith("Signature=(masked)")
    assert "/eu-west-1/dynamodb/aws4_request, SignedHeaders=content-type;host;" in authorization
    assert key not in json.dumps(answer)
    assert shown["headers"]["x-amz-security-token"] == "(masked)"
    assert answer["endpoint"]["url"].startswith(world.urls["dynamodb"])
    assert answer["endpoint"]["host"] == sent["headers"]["host"]
    assert answer["endpoint"]["region"] == "eu-west-1"


def test_the_identity_is_as_in_whoami(start):
    agent = start(small_object())
    answer = agent.rpc("explain", trigger="small")["identity"]
    (known,) = agent.rpc("whoami")["identities"]
    assert answer["role"] == known["role"] == ROLE
    assert answer["state"] == "valid" and answer["triggers"] == ["shop/small"]
    assert answer["access_key_id"] == known["access_key_id"]


def test_long_term_keys_send_no_token(start, world):
    key = world.user()
    asked = trigger(awsAccessKeyID=key["access_key"], awsSecretAccessKeyFromEnv="MY_SECRET")
    agent = start(scaled_object("own", asked), env={"MY_SECRET": key["secret_key"]})
    answer = agent.rpc("explain", trigger="own")
    assert "x-amz-security-token" not in answer["request"]["headers"]
    assert key["access_key"] not in json.dumps(answer)


@pytest.mark.parametrize("spec, params, desired, why", [
    ({}, {}, 2, "ceil(7 / 5) within 0 to 100"),
    ({"minReplicaCount": 1, "idleReplicaCount": 0}, {}, 2, "ceil(7 / 5) within 1 to 100"),
    ({"activation": "7"}, {}, 0,
     "the count 7 is not above activationTargetValue 7, so minReplicaCount"),
    ({"metricType": "Value"}, {"replicas": 3}, 5, "ceil(3 replicas * 7 / 5) within 0 to 100"),
    ({"metricType": "Value"}, {}, None,
     "metricType Value: ceil(replicas * 7 / 5) within 0 to 100, and the present replicas were not "
     "given"),
])
def test_the_decision_says_why(start, spec, params, desired, why):
    asked = trigger(activationTargetValue=spec.pop("activation", "0"))
    if "metricType" in spec:
        asked["metricType"] = spec.pop("metricType")
    answer = start(scaled_object("it", asked, **spec)).rpc("explain", trigger="it", **params)
    assert answer["decision"]["why"] == why
    assert answer["decision"].get("desired_replicas") == desired
    assert answer["total"].get("desired_replicas") == desired


def test_one_page_is_what_keda_sees_too(start):
    keda = start(small_object()).rpc("explain", trigger="small")["keda"]
    assert (keda["count"], keda["pages_ignored"], keda["undercount"]) == (7, 0, 0)
    assert "one page" in keda["note"]


def test_what_keda_would_refuse_is_noted_for_the_trigger_alone(start):
    refused = trigger(filterExpression="priority <> :s",
                      expressionAttributeValues='{":v": {"S": "small"}, ":s": {"SS": ["a"]}}')
    agent = start(scaled_object("a", trigger()), scaled_object("b", refused),
                  scaled_object("c", trigger()))
    assert "is a set, which KEDA refuses" in agent.rpc("explain", trigger="b")["keda"]["note"]
    assert "set" not in agent.rpc("explain", trigger="a")["keda"]["note"]
    assert "set" not in agent.rpc("explain", trigger="c")["keda"]["note"]


def test_values_of_clients_are_counted_and_shown(start):
    asked = trigger(clientValues=":v")
    del asked["metadata"]["expressionAttributeValues"]
    agent = start(scaled_object("queue", asked))
    answer = agent.rpc("explain", trigger="queue", values={":v": {"S": "small"}})
    assert answer["total"]["count"] == 7
    sent = json.loads(answer["request"]["body"])["ExpressionAttributeValues"]
    assert sent == {":v": {"S": "small"}}
    assert "values" not in answer["config"]
    assert error_of(agent, trigger="queue")["name"] == "INVALID_REQUEST"


def test_a_limit_makes_it_a_lower_bound(start, world):
    world.fault(action="Query", limit=2)
    answer = start(scaled_object("it", trigger(maxPages="2"))).rpc("explain", trigger="it")
    assert (answer["total"]["count"], answer["total"]["quality"]) == (4, "at_least")
    assert (answer["keda"]["count"], answer["keda"]["undercount"]) == (2, 2)


def test_attempts_are_reported(start, world):
    world.fault(action="Query", code="InternalServerError", status=500, times=2)
    answer = start(small_object()).rpc("explain", trigger="small", timeout_ms=20_000)
    assert [page["attempts"] for page in answer["pages"]] == [3]


@pytest.mark.parametrize("params, name, word", [
    ({}, "INVALID_REQUEST", "trigger is missing"),
    ({"trigger": 5}, "INVALID_REQUEST", "trigger must be a string"),
    ({"trigger": "nope"}, "UNKNOWN_TRIGGER", "shop/small"),
    ({"trigger": "small", "timeout_ms": 0}, "INVALID_REQUEST", "timeout_ms"),
    ({"trigger": "small", "timeout_ms": "1s"}, "INVALID_REQUEST", "timeout_ms"),
    ({"trigger": "small", "replicas": -1}, "INVALID_REQUEST", "replicas"),
    ({"trigger": "small", "values": {":v": {"S": "x"}}}, "INVALID_REQUEST", "clientValues"),
])
def test_wrong_params_are_reported(start, world, params, name, word):
    answer = error_of(start(small_object()), **params)
    assert answer["name"] == name and word in answer["message"]
    assert not world.calls("dynamodb", "Query")


def test_the_name_alone_is_no_params(start):
    with start(small_object()).connect() as connection:
        with pytest.raises(RpcError, match="INVALID_REQUEST"):
            connection.answer(connection.send("explain", "small"))


def test_a_denial_is_remembered_for_everyone(start, world):
    world.fault(action="Query", code="AccessDeniedException", message="no", times=1)
    agent = start(small_object())
    assert error_of(agent, trigger="small")["name"] == "ACCESS_DENIED"
    answer = error_of(agent, trigger="small")
    assert answer["name"] == "ACCESS_DENIED" and 0 < answer["retry_after_ms"] <= 10_000
    with pytest.raises(RpcError, match="ACCESS_DENIED"):
        agent.rpc("count", trigger="small", max_age_ms=0)
    assert world.calls("dynamodb", "Query") == 1


def test_what_is_known_is_no_explanation(start, world):
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    world.fault(action="Query", code="ResourceNotFoundException")
    assert error_of(agent, trigger="small")["name"] == "AWS_REJECTED"
    assert agent.rpc("count", trigger="small", max_age_ms=0)["quality"] == "stale"


def test_many_who_ask_at_once_share_the_pages_of_one_count(start, world):
    world.fault(action="Query", latency=0.3, limit=3)
    agent = start(small_object())
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(agent.connect()) for _ in range(20)]
        asked = [(client, client.send("explain", {"trigger": "small"})) for client in clients]
        counter = stack.enter_context(agent.connect())
        assert counter.call("count", trigger="small", max_age_ms=0)["count"] == 7
        result = [client.answer(msgid) for client, msgid in asked]
    assert [[page["count"] for page in each["pages"]] for each in result] == [[3, 3, 1]] * 20
    assert {each["keda"]["undercount"] for each in result} == {4}
    assert world.calls("dynamodb", "Query") == 3


def test_it_is_not_asked_more_often_than_min_age_allows(start, world):
    agent = start(small_object(), options=["--min-age", "1h"])
    first = agent.rpc("explain", trigger="small")
    time.sleep(0.2)
    again = agent.rpc("explain", trigger="small")
    assert world.calls("dynamodb", "Query") == 1
    assert again["total"]["age_ms"] >= 200 > first["total"]["age_ms"]
    assert again["pages"] == first["pages"] and len(first["pages"]) == 1
    assert again["request"]["body"] == first["request"]["body"]


def test_credentials_that_cannot_be_had_are_reported(start):
    agent = start(small_object(), env={"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere"})
    answer = error_of(agent, trigger="small", timeout_ms=3000)
    assert "/nowhere" in answer["message"]


def test_the_deadline_is_kept(start, world):
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    world.fault(action="Query", latency=2.0)
    answer = error_of(agent, trigger="small", timeout_ms=300)
    assert answer["name"] == "TIMEOUT" and answer["retryable"] is True


def test_a_client_that_leaves_leaves_the_count_to_others(start, world):
    world.fault(action="Query", latency=0.2, limit=3)
    agent = start(small_object())
    with agent.connect() as connection:
        connection.send("explain", {"trigger": "small"})
        wait_until(lambda: world.calls("dynamodb", "Query") > 0)
    wait_until(lambda: agent.rpc("status")["flights"]["active"] == 0)
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert world.calls("dynamodb", "Query") == 3


def test_it_goes_on_under_its_own_configuration_over_a_reload(start, world):
    world.fault(action="Query", latency=0.5, limit=2)
    agent = start(small_object())
    with agent.connect() as connection:
        asked = connection.send("explain", {"trigger": "small"})
        while not world.requests(service="dynamodb"):
            pass
        agent.write_config(scaled_object("other", trigger(value={"S": "x"})))
        agent.child.send_signal(signal.SIGHUP)
        wait_until(lambda: agent.rpc("status")["config"]["generation"] == 2)
        result = connection.answer(asked)
    assert (result["trigger"], result["total"]["count"]) == ("shop/small", 7)
    assert result["source"]["file"] == agent.config


def test_watchers_hear_of_what_it_counted(start, tables, world):
    tables.fill_orders("explained", 1)
    agent = start(scaled_object("explained", trigger(value={"S": "explained"})))
    with agent.connect() as connection:
        connection.call("watch", trigger="explained")
        assert connection.receive()[2][0]["count"] == 1
        tables.fill_orders("explained", 2)
        assert agent.rpc("explain", trigger="explained")["total"]["count"] == 2
        assert connection.receive()[2][0]["count"] == 2
    assert world.calls("dynamodb", "Query") == 2


def test_the_command_explains(start):
    agent = start(small_object())
    code, out, err = agent.cli("explain", "small")
    assert (code, err) == (0, "")
    assert "shop/small" in out and "ceil(7 / 5)" in out and "(masked)" in out


def test_the_65th_in_flight_is_busy(start, world):
    world.fault(action="Query", latency=1.0)
    with start(small_object()).connect() as connection:
        for _ in range(65):
            connection.send("explain", {"trigger": "small", "timeout_ms": 60_000})
        answer = [connection.receive()[2] for _ in range(65)]
    names = [error["name"] if error else "ok" for error in answer]
    assert sorted(names) == ["BUSY"] + ["ok"] * 64


def test_the_agent_ends_in_the_middle(start, world):
    world.fault(action="Query", latency=5.0)
    agent = start(small_object(), options=["--grace", "300ms"])
    with agent.connect() as connection:
        connection.send("explain", {"trigger": "small"})
        while not world.requests(service="dynamodb"):
            pass
        assert agent.stop() == 0
