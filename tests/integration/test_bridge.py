# SPDX-License-Identifier: Apache-2.0
"""tally-bridge: KEDA's external scaler, JSON and metrics, in front of a real agent."""

import json
import os
import re
import resource
import subprocess
import time

import grpc
import pytest

from .agent import wait_until
from .external_scaler import SERVICE, Scaler, metrics_request, object_ref, read_metrics, refusal
from .fake_agent import FakeAgent
from .rpc import RpcError
from .yaml_files import pending_object, scaled_object, small_object, trigger


def patiently(ask, *arguments):
    """The answer, after errors of a first count that takes longer than 2 s on a busy machine."""
    deadline = time.monotonic() + 20
    while True:
        try:
            return ask(*arguments)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.DEADLINE_EXCEEDED or time.monotonic() > deadline:
                raise


def test_keda_asks_for_spec_metrics_and_activity(start, bridge, world):
    scaler = bridge(start(small_object())).scaler()
    ref = object_ref("small", scalerAddress="bridge.shop:6000")
    assert scaler.spec(ref) == [("aws-dynamodb-orders", 5, 5.0)]
    assert world.calls("dynamodb", "Query") == 0  # the configuration is enough
    assert patiently(scaler.metrics, ref, "aws-dynamodb-orders") == [("aws-dynamodb-orders", 7, 7.0)]
    assert scaler.is_active(ref) is True
    assert world.calls("dynamodb", "Query") == 1  # one cached count


def test_activity_is_above_the_activation(start, bridge):
    scaler = bridge(start(
        scaled_object("six", trigger(activationTargetValue="6"), namespace="shop"),
        scaled_object("seven", trigger(activationTargetValue="7"), namespace="shop"))).scaler()
    assert patiently(scaler.is_active, object_ref("six")) is True
    assert scaler.is_active(object_ref("seven")) is False


def test_the_trigger_is_named_by_metadata(start, bridge):
    scaler = bridge(start(small_object(), scaled_object(
        "other", trigger(value={"S": "nothing"})))).scaler()
    assert patiently(scaler.metrics, object_ref("other", trigger="shop/small"))[0][1] == 7
    assert scaler.metrics(object_ref("elsewhere", namespace="x", trigger="small"))[0][1] == 7
    assert scaler.metrics(object_ref("other"))[0][1:] == (0, 0.0)


def test_errors_have_the_code_and_the_sentence(start, bridge):
    double = scaled_object("double", trigger(), trigger(value={"S": "other"}))
    scaler = bridge(start(small_object(), double)).scaler()
    code, message = refusal(scaler.is_active, object_ref("smal"))
    assert code == grpc.StatusCode.NOT_FOUND and "shop/smal" in message
    code, message = refusal(scaler.spec, object_ref("smäl"))
    assert code == grpc.StatusCode.NOT_FOUND and "smäl" in message
    code, message = refusal(scaler.spec, object_ref("double"))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "shop/double/0" in message
    assert patiently(scaler.metrics, object_ref("double", trigger="shop/double/0"))[0][1] == 7


# ---- activity ----

OWNER = {"awsRegion": "eu-west-1", "tableName": "jobs", "keyConditionExpression": "#o = :o",
         "expressionAttributeNames": json.dumps({"#o": "owner"}),
         "expressionAttributeValues": json.dumps({":o": {"S": "owner-0"}}), "targetValue": "5"}


def jobs(**parameters):
    """A trigger that counts 100 items."""
    return scaled_object("jobs", {"type": "aws-dynamodb", "metadata": {**OWNER, **parameters}})


def limits(world):
    return [json.loads(entry["body"]).get("Limit") for entry in world.requests(action="Query")]


def test_activity_of_25_pages_costs_one_read_unit(start, bridge, world, pending):
    """The whole count costs 3,000."""
    scaler = bridge(start(pending_object())).scaler()
    for _ in range(3):
        assert scaler.is_active(object_ref("pending")) is True
    assert limits(world) == [1]
    assert 0 < world.usage(table="orders")["read_units"] <= 1


def test_activity_reads_one_item_above_the_activation(start, bridge, world):
    scaler = bridge(start(jobs(activationTargetValue="30"))).scaler()
    assert scaler.is_active(object_ref("jobs")) is True
    assert limits(world) == [31]


def test_activity_knows_a_new_activation(start, bridge, world):
    """Whether it was raised or lowered, and before what was known of the trigger is too old."""
    agent = start(jobs(activationTargetValue="30"))
    scaler = bridge(agent).scaler()
    assert scaler.is_active(object_ref("jobs")) is True
    for activation, active in (("100", False), ("99", True), ("100", False), ("50", True)):
        agent.write_config(jobs(activationTargetValue=activation))
        wait_until(lambda a=activation: agent.rpc("list")["triggers"][0]["activation_target"] == int(a))
        assert scaler.is_active(object_ref("jobs")) is active


def test_activity_follows_a_name_to_another_trigger(start, bridge):
    agent = start(jobs())
    one = bridge(agent)
    assert one.scaler().is_active(object_ref("x", trigger="jobs")) is True
    agent.write_config(scaled_object("jobs", trigger(value={"S": "none"}), namespace="other"))
    wait_until(lambda: agent.rpc("list")["triggers"][0]["name"] == "other/jobs")
    assert one.scaler().is_active(object_ref("x", trigger="jobs")) is False


def test_activity_is_what_the_stream_sent(bridge, tmp_path):
    """A count of its own would say the contrary, and KEDA would scale up and down."""
    row = {"name": "shop/small", "activation_target": 0, "metric_name": "s0-x", "target": 5}
    count = {"trigger": "shop/small", "count": 0, "active": False, "activation_target": 0}
    with FakeAgent(str(tmp_path / "s"), notifications=[{**count, "count": 7, "active": True}],
                   list=lambda _: {"triggers": [row]}, count=lambda _: count,
                   watch=lambda _: {"watching": True, "trigger": "shop/small"}) as agent:
        one = bridge(agent.path)
        scaler = one.scaler()
        assert scaler.is_active(object_ref("small")) is False
        stream = scaler.stream(object_ref("small"))
        wait_until(lambda: next(stream) is True)
        asked = sum(method == "count" for method, _ in agent.requests)
        for _ in range(3):
            assert scaler.is_active(object_ref("small")) is True
        assert sum(method == "count" for method, _ in agent.requests) == asked
        stream.cancel()


def test_a_stream_begins_with_the_state_before_all_is_counted(start, bridge, world, pending):
    world.fault(action="Query", latency=0.5)
    stream = bridge(start(pending_object())).scaler().stream(object_ref("pending"))
    started = world.calls("dynamodb", "Query")
    assert next(stream) is True
    assert world.calls("dynamodb", "Query") - started < 10  # of 25
    stream.cancel()


# ---- streams ----

def test_a_stream_has_the_state_at_once_and_then_each_change(start, bridge, tables, world):
    tables.fill_orders("pushed", 0)
    agent = start(scaled_object("pushed", trigger(value={"S": "pushed"}), pollingInterval=1))
    scaler = bridge(agent).scaler()
    stream = scaler.stream(object_ref("pushed"))
    assert next(stream) is False
    tables.fill_orders("pushed", 3)
    assert next(stream) is True
    assert scaler.is_active(object_ref("pushed")) is True  # the same count
    stream.cancel()


def test_streams_share_one_watch(start, bridge):
    agent = start(small_object())
    one = bridge(agent)
    streams = []
    for i in range(50):
        streams.append(one.scaler().stream(object_ref("small") if i % 2 else
                                           object_ref("x", trigger="small")))
        assert next(streams[-1]) is True  # also the later ones get the known state
    status = agent.rpc("status")
    assert status["requests"]["by_method"]["watch"] == 1
    assert one.metric("tally_bridge_watches") == "1"
    for stream in streams:
        stream.cancel()
    wait_until(lambda: one.metric("tally_bridge_watches") == "0")
    assert agent.rpc("status")["requests"]["by_method"]["unwatch"] == 1


def test_a_stream_survives_the_agent(start, bridge, tables):
    tables.fill_orders("survivor", 0)
    agent = start(scaled_object("survivor", trigger(value={"S": "survivor"}), pollingInterval=1))
    stream = bridge(agent).scaler().stream(object_ref("survivor"))
    assert next(stream) is False
    agent.stop()
    tables.fill_orders("survivor", 2)
    agent.start()
    assert next(stream) is True  # silence in between, and never a false one
    stream.cancel()


def test_a_stream_of_a_removed_trigger_ends(start, bridge):
    agent = start(small_object(), scaled_object("other"))
    stream = bridge(agent).scaler().stream(object_ref("small"))
    assert next(stream) is True
    agent.write_config(scaled_object("other"))
    code, message = refusal(next, stream)
    assert code == grpc.StatusCode.NOT_FOUND and "small" in message


def test_more_triggers_are_watched_than_one_connection_may(start, bridge):
    count = 150
    agent = start(*(scaled_object(f"object-{i}") for i in range(count)))
    scaler = bridge(agent).scaler()
    streams = [scaler.stream(object_ref(f"object-{i}")) for i in range(count)]
    assert [next(stream) for stream in streams] == [True] * count
    for stream in streams:
        stream.cancel()


def test_a_thousand_streams_on_one_connection(start, bridge):
    one = bridge(start(small_object()))
    scaler = one.scaler()
    streams = [scaler.stream(object_ref("small")) for _ in range(1000)]
    assert all(next(stream) is True for stream in streams)
    assert scaler.is_active(object_ref("small")) is True
    assert one.metric("tally_bridge_streams") == "1000"
    scaler.channel.close()
    wait_until(lambda: one.metric("tally_bridge_streams") == "0")


# ---- what is not served ----

def test_everything_else_is_unimplemented(start, bridge):
    scaler = bridge(start(small_object())).scaler()
    for method in ("StreamMetricSpec", "IsActive2", ""):
        code, _ = refusal(scaler.call, method, object_ref("small"))
        assert code == grpc.StatusCode.UNIMPLEMENTED, method
    other = scaler.channel.unary_unary("/grpc.health.v1.Health/Check")
    assert refusal(other, b"")[0] == grpc.StatusCode.UNIMPLEMENTED


def test_compressed_messages_are_refused(start, bridge):
    channel = grpc.insecure_channel(bridge(start(small_object())).address,
                                    compression=grpc.Compression.Gzip)
    ref = object_ref("small", padding="x" * 2000)  # long enough to be compressed
    code, message = refusal(Scaler(channel).is_active, ref)
    assert code == grpc.StatusCode.UNIMPLEMENTED and "compressed" in message


@pytest.mark.parametrize("message", [b"\xff", b"\x0a\x05abc", b"\x0b", b"\x1a\x02\x0a\x05", b"\x00\x01"])
def test_what_is_no_message_is_refused(start, bridge, message):
    scaler = bridge(start(small_object())).scaler()
    assert refusal(scaler.is_active, message)[0] == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("ref", [
    b"", object_ref(""), object_ref("x" * 400), object_ref("small", trigger="x" * 4000),
    object_ref(b"sm\0all"), object_ref(b"\xff\xfe")])
def test_names_that_name_nothing_are_refused(start, bridge, ref):
    scaler = bridge(start(small_object())).scaler()
    assert refusal(scaler.is_active, ref)[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_a_request_that_is_too_long_is_refused(start, bridge):
    scaler = bridge(start(small_object())).scaler()
    code, _ = refusal(scaler.is_active, object_ref("small", padding="x" * 100000))
    assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert patiently(scaler.is_active, object_ref("small")) is True


def test_objects_of_other_namespaces_are_refused(start, bridge):
    scaler = bridge(start(small_object()), "--namespace", "shop").scaler()
    assert scaler.is_active(object_ref("small")) is True
    code, message = refusal(scaler.is_active, object_ref("small", "prod", trigger="shop/small"))
    assert code == grpc.StatusCode.PERMISSION_DENIED
    assert '"prod"' in message and '"shop"' in message


# ---- the agent and AWS ----

def test_without_an_agent_there_is_an_error_and_then_the_number(pod, bridge):
    agent = pod(small_object())
    one = bridge(agent)
    scaler = one.scaler()
    for ask in (scaler.is_active, scaler.metrics, scaler.spec):
        code, message = refusal(ask, object_ref("small"))
        assert code == grpc.StatusCode.UNAVAILABLE and agent.socket in message
    assert one.get("/readyz")[0] == 503
    assert one.get("/healthz")[0] == 200
    agent.start()
    wait_until(lambda: one.get("/readyz")[0] == 200)
    assert scaler.metrics(object_ref("small"))[0][1] == 7
    assert "event=agent_found" in one.log()


@pytest.mark.timing
def test_a_call_outlives_a_restart_of_the_agent(start, bridge):
    agent = start(small_object())
    scaler = bridge(agent).scaler()
    assert scaler.is_active(object_ref("small")) is True
    agent.kill()
    call = scaler.channel.unary_unary(SERVICE + "IsActive").future(object_ref("small"))
    agent.start()
    assert call.result() == b"\x08\x01"


def test_an_agent_that_does_not_answer_is_an_error_in_time(bridge, tmp_path):
    with FakeAgent(str(tmp_path / "s"), count=lambda _: time.sleep(5),
                   list=lambda _: time.sleep(5)) as agent:
        scaler = bridge(agent.path).scaler()
        for ask in (scaler.is_active, scaler.spec):
            started = time.monotonic()
            code, _ = refusal(ask, object_ref("small"))
            assert code == grpc.StatusCode.DEADLINE_EXCEEDED
            assert 1 < time.monotonic() - started < 4


def test_calls_for_one_trigger_share_a_question(bridge, tmp_path):
    def slowly(_):
        time.sleep(0.5)
        return {"trigger": "shop/small", "count": 7, "active": True, "metric_name": "s0-x",
                "activation_target": 0}

    row = {"name": "shop/small", "activation_target": 0}
    with FakeAgent(str(tmp_path / "s"), count=slowly,
                   list=lambda _: {"triggers": [row]}) as agent:
        one = bridge(agent.path)
        call = one.scaler().channel.unary_unary(SERVICE + "IsActive")
        calls = [call.future(object_ref("small")) for _ in range(50)]
        assert {future.result() for future in calls} == {b"\x08\x01"}
        assert 1 <= sum("count" in str(request) for request in agent.requests) <= 3
        assert int(one.metric("tally_bridge_agent_joined_total")) >= 47


def test_an_answer_without_a_number_is_an_error(bridge, tmp_path):
    with FakeAgent(str(tmp_path / "s"), count=lambda _: {"trigger": "a"},
                   list=lambda _: {"triggers": []}) as agent:
        one = bridge(agent.path)
        for ask in (one.scaler().is_active, one.scaler().metrics, one.scaler().spec):
            assert refusal(ask, object_ref("small"))[0] == grpc.StatusCode.INTERNAL
        assert one.json("/v1/count/small")[0] == 503


def test_an_agent_that_lists_all_triggers_is_too_old(bridge, tmp_path):
    row = {"name": "shop/other", "target": 5, "metric_name": "s0-x"}
    with FakeAgent(str(tmp_path / "s"), list=lambda _: {"triggers": [row, row]}) as agent:
        scaler = bridge(agent.path).scaler()
        for ask in (scaler.spec, lambda ref: next(scaler.stream(ref))):
            code, message = refusal(ask, object_ref("small"))
            assert code == grpc.StatusCode.INTERNAL and "too old" in message


def test_what_aws_refuses_is_in_the_message(start, bridge):
    agent = start(scaled_object("gone", trigger(table="no-such-table")))
    one = bridge(agent)
    code, message = refusal(one.scaler().is_active, object_ref("gone"))
    assert code == grpc.StatusCode.FAILED_PRECONDITION and "no-such-table" in message
    status, answer = one.json("/v1/count/gone")
    assert (status, answer["error"]) == (503, "AWS_REJECTED")
    assert one.scaler().spec(object_ref("gone"))[0][1] == 5


# ---- pages ----

def test_counts_as_json(start, bridge):
    one = bridge(start(small_object(), scaled_object("double", trigger(), trigger())))
    status, headers, body = one.get("/v1/count/shop/small")
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert json.loads(body)["count"] == 7
    assert one.json("/v1/count/small")[1]["trigger"] == "shop/small"
    assert one.json("/v1/count/shop%2Fsmall?x=y")[1]["count"] == 7
    assert one.json("/v1/count/smal")[0] == 404
    assert one.json("/v1/count/double")[1]["error"] == "AMBIGUOUS_TRIGGER"
    assert one.json("/v1/count/double")[0] == 400
    assert one.json("/v1/count/%00")[0] == 400
    assert one.json("/v1/count/%zz")[0] == 400


def test_errors_have_retry_after(pod, bridge):
    status, headers, body = bridge(pod(small_object())).get("/v1/count/small")
    assert status == 503 and int(headers["Retry-After"]) > 0
    assert json.loads(body)["error"] == "NOAGENT" and "count" not in json.loads(body)


def test_triggers_as_json(start, bridge):
    one = bridge(start(*(scaled_object(f"object-{i:04}") for i in range(1000)),
                       options=["--max-buffer", "256K"]))  # so that the list has several parts
    status, answer = one.json("/v1/triggers")
    assert status == 200
    assert [row["name"] for row in answer["triggers"]] == [f"shop/object-{i:04}" for i in range(1000)]


def test_a_part_of_a_list_is_not_shown_as_the_list(bridge, tmp_path):
    row = {"name": "shop/small", "table": "orders", "count": 7}
    parts = iter([{"triggers": [row], "next": "shop/small"}, {}] * 2)
    with FakeAgent(str(tmp_path / "s"), list=lambda _: next(parts), status=lambda _: {},
                   whoami=lambda _: {"identities": []}) as agent:
        one = bridge(agent.path)
        status, answer = one.json("/v1/triggers")
        assert (status, answer["error"]) == (503, "PROTOCOL")
        assert "tally_trigger_items" not in one.get("/metrics")[2]


def test_metrics_please_promtool(start, bridge, tmp_path):
    one = bridge(start(small_object(), scaled_object("never")))
    one.scaler().metrics(object_ref("small"))
    one.scaler().is_active(object_ref("small"))
    status, headers, body = one.get("/metrics")
    assert status == 200 and headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert 'tally_trigger_items{trigger="shop/small",table="orders"} 7' in body
    assert 'tally_trigger_items{trigger="shop/never"' not in body  # no count: no sample
    for quality, flag in (("exact", 1), ("at_least", 0), ("stale", 0)):
        assert (f'tally_trigger_quality{{trigger="shop/small",table="orders",quality="{quality}"}} '
                f"{flag}\n") in body
    assert 'tally_trigger_quality{trigger="shop/never"' not in body
    assert re.search(r'tally_trigger_consumed_read_capacity_units_total\{trigger="shop/small",'
                     r'table="orders"\} 1\n', body)
    assert 'tally_bridge_calls_total{method="GetMetrics",code="0"} 1' in body
    assert "tally_bridge_agent_up 1" in body
    assert re.search(r'tally_credentials_expiry_seconds\{identity="0",kind="web-identity"', body)
    checked = subprocess.run(["promtool", "check", "metrics"], input=body, text=True,
                             capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")


def test_a_scrape_makes_no_call_to_aws(start, bridge, world):
    """Not for credentials that no count needed yet, nor for the name of an identity."""
    one = bridge(start(small_object()))
    assert "tally_credentials_expiry_seconds{" not in one.get("/metrics")[2]
    assert not any(call.startswith("sts:") for call in world.summary()["calls"])
    one.scaler().metrics(object_ref("small"))
    for _ in range(3):
        assert "tally_credentials_expiry_seconds{" in one.get("/metrics")[2]
    assert world.calls("sts", "GetCallerIdentity") == 0
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1


def test_metrics_without_an_agent(pod, bridge):
    status, _, body = bridge(pod(small_object())).get("/metrics")
    assert status == 200 and "tally_bridge_agent_up 0" in body
    assert "tally_trigger_items" not in body


def test_a_head_is_a_get_without_a_body(start, bridge):
    one = bridge(start(small_object()))
    for path in ("/v1/count/small", "/healthz", "/metrics", "/nothing"):
        _, whole, body = one.get(path)
        status, headers, empty = one.get(path, method="HEAD")
        assert empty == "" and status in (200, 404)
        assert whole["Content-Length"] == str(len(body))
        # An age has more digits after a while.
        assert headers["Content-Length"] == str(len(body)) or path in ("/v1/count/small", "/metrics")


def test_one_connection_serves_many_requests(start, bridge):
    connection = bridge(start(small_object())).http()
    for path in ("/healthz", "/v1/count/small", "/metrics", "/nothing", "/readyz"):
        connection.request("GET", path)
        assert connection.getresponse().read() != b""
    connection.request("GET", "/metrics")
    assert b"\ntally_bridge_pages_total 6\n" in connection.getresponse().read()
    connection.close()


def test_pipelined_requests_are_answered_in_order(start, bridge):
    one = bridge(start(small_object()))
    head = "GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n"
    received = one.exchange("".join([
        head.format("/v1/count/small", ""), head.format("/healthz", ""),
        head.format("/nothing", "Connection: close\r\n")]).encode())
    assert re.findall(rb"HTTP/1.1 (\d+)", received) == [b"200", b"200", b"404"]
    assert received.index(b'"count":7') < received.index(b"ok\n") < received.index(b"no such page")


@pytest.mark.parametrize("request_, status", [
    ("POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 405),
    ("BREW / HTTP/1.0\r\n\r\n", 405),
    ("GET /metrics HTTP/1.1\r\n\r\n", 400),
    ("GET /metrics HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    ("GET /metrics HTTP/1.1\nHost: x\n\n\r\n\r\n", 400),
    ("GET  /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET http://x/metrics HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET /a\tb HTTP/1.1\r\nHost: x\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n", 400),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400),
    ("GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505),
    ("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 413),
    ("GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 413),
    ("GET / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n", 417),
    ("GET /" + "a" * 2000 + " HTTP/1.1\r\nHost: x\r\n\r\n", 414),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: " + "b" * 9000 + "\r\n\r\n", 431),
    ("GET / HTTP/1.1\r\nHost: x\r\nA: " + "b" * 200000 + "\r\n\r\n", 431),
    ("\x16\x03\x01\x02\x00\x01", 400),
    ("\x93\x02\xa4ping\x90", 400)], ids=lambda value: repr(value)[:30])
def test_requests_that_are_refused(start, bridge, request_, status):
    one = bridge(start(small_object()))
    received = one.exchange(request_.encode("latin-1"))
    assert received.startswith(f"HTTP/1.1 {status} ".encode()), received[:200]
    assert one.get("/healthz")[0] == 200


def test_a_token_is_asked_for_and_can_change(start, bridge, tmp_path):
    token = tmp_path / "token"
    token.write_text("first\n")
    one = bridge(start(small_object()), "--token-file", str(token))
    assert one.get("/healthz")[0] == one.get("/readyz")[0] == 200
    for wrong in ({}, {"Authorization": "Bearer firs"}, {"Authorization": "Bearer fisrt"}, {"Authorization": "Bearer second"},
                  {"Authorization": "Basic first"}, {"Authorization": "first"}):
        for path in ("/metrics", "/v1/triggers", "/v1/count/small", "/nothing"):
            status, headers, _ = one.get(path, **wrong)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
    assert one.json("/v1/count/small", Authorization="Bearer first")[1]["count"] == 7
    token.write_text("second")
    assert one.get("/v1/count/small", Authorization="Bearer first")[0] == 401
    assert one.get("/v1/count/small", Authorization="bearer second")[0] == 200
    token.unlink()
    assert one.get("/v1/count/small", Authorization="Bearer second")[0] == 200
    assert "first" not in one.log() and "second" not in one.log()


def test_a_token_that_cannot_be_read_is_read_later(start, bridge, tmp_path):
    token = tmp_path / "token"
    token.write_text("first")
    one = bridge(start(small_object()), "--token-file", str(token))
    connection = one.http()

    def status(word):
        connection.request("GET", "/v1/triggers", headers={"Authorization": f"Bearer {word}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status

    assert status("first") == 200
    used = len(os.listdir(f"/proc/{one.child.pid}/fd"))
    resource.prlimit(one.child.pid, resource.RLIMIT_NOFILE, (used, 4096))
    token.write_text("second")
    assert (status("first"), status("second")) == (200, 401)
    assert "event=token_unreadable" in one.log()
    resource.prlimit(one.child.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    assert (status("first"), status("second")) == (401, 200)
    connection.close()


# ---- life ----

def test_calls_under_way_are_answered_at_the_end(bridge, tmp_path):
    def slowly(_):
        time.sleep(1)
        return {"trigger": "shop/small", "count": 7, "active": True, "metric_name": "s0-x"}

    with FakeAgent(str(tmp_path / "s"), count=slowly) as agent:
        one = bridge(agent.path)
        scaler = one.scaler()
        call = scaler.channel.unary_unary(SERVICE + "GetMetrics").future(
            metrics_request(object_ref("small")))
        wait_until(lambda: any("count" in str(request) for request in agent.requests))
        assert one.stop() == 0
        assert read_metrics(call.result())[0][1] == 7


def test_streams_end_when_the_bridge_ends(start, bridge):
    one = bridge(start(small_object()))
    stream = one.scaler().stream(object_ref("small"))
    assert next(stream) is True
    idle = one.raw()
    idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"ok" in idle.recv(1000)
    started = time.monotonic()
    assert one.stop() == 0
    assert time.monotonic() - started < 4
    assert refusal(next, stream)[0] == grpc.StatusCode.UNAVAILABLE
    assert idle.recv(1000) == b""
    idle.close()


def test_ipv6(start, bridge):
    one = bridge(start(small_object()), listen="[::1]:0")
    assert one.address.startswith("[::1]:")
    assert one.scaler().is_active(object_ref("small")) is True


def test_options_from_the_environment(start, bridge):
    agent = start(small_object())
    one = bridge(agent, env={"TALLY_BRIDGE_NAMESPACE": "prod", "TALLY_BRIDGE_SOCKET": "/nowhere",
                             "TALLY_BRIDGE_LOG_FORMAT": "logfmt"})
    assert refusal(one.scaler().is_active, object_ref("small"))[0] == \
        grpc.StatusCode.PERMISSION_DENIED
    assert one.get("/readyz")[0] == 200  # --socket wins


@pytest.mark.parametrize("arguments, word", [
    (["--nonsense"], "--nonsense"), (["--listen", "nowhere"], "--listen"),
    (["--listen", "1.2.3.4:99999"], "--listen"), (["--listen", "::1:5"], "--listen"),
    (["file"], "file"), (["--tls-cert", "x"], "--tls-key"), (["--client-ca", "x"], "--tls-cert"),
    (["--token-file", "/nowhere"], "/nowhere"), (["--log-level", "loud"], "--log-level"),
    (["--tls-cert", "/nowhere", "--tls-key", "/nowhere"], "/nowhere"), (["--socket"], "--socket")])
def test_bad_usage_ends_with_2(start, bridge, arguments, word):
    code, out, error = bridge(start(small_object())).run(*arguments)
    assert (code, out) == (2, "") and error.startswith("tally-bridge: ") and word in error
    assert error.count("\n") == 1


def test_an_address_in_use_ends_with_1(start, bridge):
    one = bridge(start(small_object()))
    code, _, error = one.run("--listen", one.address)
    assert code == 1 and one.address in error


def test_help_version_and_check(start, pod, bridge):
    agent = start(small_object())
    one = bridge(agent)
    assert re.fullmatch(r"tally-bridge \d+\.\d+\.\d+\n", one.run("--version")[1])
    code, out, _ = one.run("--help")
    assert code == 0 and "--listen ADDRESS:PORT" in out
    assert one.run("--check", "--socket", agent.socket) == (
        0, "shop/small  metric aws-dynamodb-orders  target 5\n", "")
    code, _, error = one.run("--check", "--socket", agent.socket + "x")
    assert code == 1 and "NOAGENT" in error


# ---- list, for one trigger ----

def test_list_answers_one_trigger(start, world):
    agent = start(small_object(), scaled_object("double", trigger(), trigger()))
    whole = agent.rpc("list")["triggers"]
    assert len(whole) == 3
    assert agent.rpc("list", trigger="small") == {"triggers": [whole[-1]]}
    assert agent.rpc("list", trigger="double/1")["triggers"][0]["name"] == "shop/double/1"
    for name, error in (("nothing", "UNKNOWN_TRIGGER"), ("double", "AMBIGUOUS_TRIGGER")):
        with pytest.raises(RpcError) as failure:
            agent.rpc("list", trigger=name)
        assert failure.value.name == error
    assert agent.rpc("list", trigger="") == agent.rpc("list")
    assert world.calls("dynamodb", "Query") == 0


def test_activity_reads_no_more_than_it_needs(start, bridge, world):
    """`owner-0` has 100 jobs."""
    metadata = {"awsRegion": "eu-west-1", "tableName": "jobs", "keyConditionExpression": "#o = :o",
                "expressionAttributeNames": json.dumps({"#o": "owner"}),
                "expressionAttributeValues": json.dumps({":o": {"S": "owner-0"}}),
                "targetValue": "5"}
    agent = start(*(scaled_object(name, {"type": "aws-dynamodb", "metadata": {
        **metadata, "activationTargetValue": activation}})
        for name, activation in (("any", "0"), ("many", "30"), ("more", "500"))))
    scaler = bridge(agent).scaler()
    for name, active, limits in (("any", True, [1]), ("many", True, [31]),
                                 ("more", False, [501])):
        before = len(world.requests(action="Query"))
        assert scaler.is_active(object_ref(name)) is active
        asked = [json.loads(entry["body"]).get("Limit")
                 for entry in world.requests(action="Query")[before:]]
        assert asked == limits
