# SPDX-License-Identifier: Apache-2.0
"""tally-bridge used by the clients of others: gRPC for Python, Node and Go with KEDA's sequence of
calls, and curl. test_bridge_prometheus.py has a Prometheus server."""

import functools
import json
import os
import subprocess
import time

import pytest

from .fake_agent import FakeAgent
from .keda_clients import compile_go, go_client, node_client, python_client
from .yaml_files import scaled_object, small_object, trigger

UNAVAILABLE, FAILED_PRECONDITION, NOT_FOUND = 14, 9, 5


@pytest.fixture(name="shared_folder", scope="session")
def make_shared_folder(tmp_path_factory):
    """One for all processes of a test run."""
    folder = tmp_path_factory.getbasetemp()
    return folder.parent if os.environ.get("PYTEST_XDIST_WORKER") else folder


@pytest.fixture(params=["python", "node", "go"])
def keda(request):
    """Makes clients of a bridge; all are stopped at the end."""
    make = {"python": python_client, "node": node_client}.get(request.param)
    if make is None:
        make = functools.partial(go_client, compile_go(request.getfixturevalue("shared_folder")))
    made = []

    def client(*arguments, **options):
        made.append(make(*arguments, **options))
        return made[-1]

    yield client
    for one in made:
        one.finish()


def test_keda_polls(start, bridge, keda, world):
    client = keda(bridge(start(small_object())))
    for _ in range(3):
        assert client.poll("small", scalerAddress="tally-bridge.shop:6000") == {
            "spec": [["aws-dynamodb-orders", 5, 5]], "metrics": [["aws-dynamodb-orders", 7, 7]],
            "active": True, "clients": 1}
    assert world.calls("dynamodb", "Query") == 1


def test_a_count_above_32_bits(bridge, keda, tmp_path):
    """No real table has so many items."""
    big = 2**53 - 1
    row = {"name": "shop/small", "target": 2**40, "metric_name": "s0-aws-dynamodb-x",
           "activation_target": 0}
    answer = {"trigger": "shop/small", "count": big, "active": True, "activation_target": 0,
              "metric_name": "s0-aws-dynamodb-x"}
    with FakeAgent(str(tmp_path / "s"), count=lambda _: answer,
                   list=lambda _: {"triggers": [row]}) as agent:
        answer = keda(bridge(agent.path)).poll("small")
        assert answer["spec"] == [["aws-dynamodb-x", 2**40, 2**40]]
        assert answer["metrics"] == [["aws-dynamodb-x", big, big]]


def test_keda_asks_again_after_an_error(start, bridge, keda):
    one = bridge(start(scaled_object("gone", trigger(table="no-such-table")), small_object()))
    client = keda(one)
    answer = client.poll("gone")
    assert answer["code"] == FAILED_PRECONDITION and "no-such-table" in answer["message"]
    assert answer["clients"] == 2
    for method, code in (("GetMetricSpec", 0), ("GetMetrics", FAILED_PRECONDITION)):
        sample = f'tally_bridge_calls_total{{method="{method}",code="{code}"}}'
        assert one.metric(sample) == ("1" if code == 0 else "2")
    answer = client.poll("smäl")
    assert answer["code"] == NOT_FOUND and "smäl" in answer["message"]
    assert client.poll("small")["metrics"][0][1] == 7


def test_without_an_agent_keda_gets_the_reason_and_then_the_number(pod, bridge, keda):
    agent = pod(small_object())
    one = bridge(agent)
    client = keda(one)
    answer = client.poll("small")
    assert (answer["code"], answer["clients"]) == (UNAVAILABLE, 2)
    assert agent.socket in answer["message"] and "metrics" not in answer
    agent.start()
    assert client.poll("small")["metrics"][0][1] == 7


def test_keda_finds_the_bridge_again(start, bridge, keda):
    """A pod of the bridge that is replaced by another at the same address."""
    agent = start(small_object())
    first = bridge(agent)
    client = keda(first)
    assert client.poll("small")["clients"] == 1
    assert first.stop() == 0
    answer = client.poll("small")
    assert answer["code"] == UNAVAILABLE
    bridge(agent, listen=first.address)
    assert client.poll("small")["metrics"][0][1] == 7


def test_a_stream_sends_keda_each_change(start, bridge, keda, tables, tmp_path):
    queue = tmp_path.name  # its own, since the tables are shared
    tables.fill_orders(queue, 0)
    agent = start(scaled_object("pushed", trigger(value={"S": queue}), pollingInterval=1))
    one = bridge(agent)
    client = keda(one)
    client.stream("elsewhere", trigger="shop/pushed")
    assert client.next() == {"active": False}
    tables.fill_orders(queue, 3)
    assert client.next() == {"active": True}
    one.stop()
    assert client.next()["code"] == UNAVAILABLE


def test_keda_has_a_certificate(start, bridge, keda, shop):
    key, chain = shop.client()
    files = {"ca": shop.authority.pem().encode(), "chain": chain, "key": key}
    paths = {}
    for name, data in files.items():
        paths[name] = os.path.join(shop.folder, name)
        with open(paths[name], "wb") as file:
            file.write(data)
    one = bridge(start(small_object()), *shop.options("--client-ca", shop.client_ca))
    client = keda(one, ca=paths["ca"], client=(paths["chain"], paths["key"]))
    assert client.poll("small")["metrics"][0][1] == 7
    assert keda(one, ca=paths["ca"]).poll("small")["code"] == UNAVAILABLE


# ---- curl ----

def curl(url, *options):
    """(status, version of HTTP, body as text)"""
    done = subprocess.run(
        ["curl", "-sS", "--max-time", "20", "--noproxy", "*", "-w", "\n%{http_code} %{http_version}",
         *options, url], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    body, _, answer = done.stdout.rpartition("\n")
    status, version = answer.split()
    return int(status), version, body


@pytest.mark.parametrize("option, version", [("--http2-prior-knowledge", "2"), ("--http1.1", "1.1"),
                                             ("--http1.0", "1.1"), ("--http2", "1.1")])
def test_curl_gets_pages(start, bridge, option, version):
    """--http2 asks for an upgrade, which the bridge may ignore."""
    one = bridge(start(small_object()))
    url = f"http://{one.address}"
    status, used, body = curl(f"{url}/v1/count/shop/small", option)
    assert (status, used, json.loads(body)["count"]) == (200, version, 7)
    status, _, body = curl(f"{url}/metrics", option)
    assert status == 200 and 'tally_trigger_items{trigger="shop/small",table="orders"} 7' in body
    assert curl(f"{url}/v1/count/smal", option)[0] == 404
    assert curl(f"{url}/healthz", option, "-I")[0] == 200


@pytest.mark.parametrize("option", ["--http2-prior-knowledge", "--http1.1"])
def test_a_long_list_may_take_its_time(bridge, tmp_path, option):
    """Each part comes in time, and all of them later than an answer to a call may."""
    names = ["shop/a", "shop/b", "shop/c"]

    def part(params):
        time.sleep(0.9)
        at = names.index(params["after"]) + 1 if "after" in params else 0
        more = {"next": names[at]} if at + 1 < len(names) else {}
        return {"triggers": [{"name": names[at]}], **more}

    with FakeAgent(str(tmp_path / "s"), list=part) as agent:
        status, _, body = curl(f"http://{bridge(agent.path).address}/v1/triggers", option)
    assert status == 200
    assert [row["name"] for row in json.loads(body)["triggers"]] == names


def test_curl_over_tls(start, bridge, shop, tmp_path):
    authority = tmp_path / "ca.pem"
    authority.write_text(shop.authority.pem())
    token = tmp_path / "token"
    token.write_text("secret-of-the-test")
    one = bridge(start(small_object()), *shop.options("--token-file", str(token)))
    url = f"https://localhost:{one.port}/v1/count/small"
    trust = ["--cacert", str(authority), "--resolve", f"localhost:{one.port}:{one.host}"]
    for option, version in (("--http2", "2"), ("--http1.1", "1.1")):
        assert curl(url, option, *trust)[:2] == (401, version)
        status, used, body = curl(url, option, *trust, "-H", "Authorization: Bearer secret-of-the-test")
        assert (status, used, json.loads(body)["count"]) == (200, version, 7)
    assert "secret-of-the-test" not in one.log()


def test_curl_calls_by_grpc(start, bridge, tmp_path):
    """The bytes of a call, without a library of gRPC."""
    message = b"\x0a\x05small\x12\x04shop"
    (tmp_path / "call").write_bytes(b"\0" + len(message).to_bytes(4, "big") + message)
    one = bridge(start(small_object()))
    done = subprocess.run(
        ["curl", "-sS", "-i", "--max-time", "20", "--noproxy", "*", "--http2-prior-knowledge",
         "-H", "Content-Type: application/grpc", "-H", "TE: trailers",
         "--data-binary", f"@{tmp_path / 'call'}",
         f"http://{one.address}/externalscaler.ExternalScaler/IsActive"],
        capture_output=True, timeout=30, check=True)
    head, _, body = done.stdout.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/2 200") and b"content-type: application/grpc" in head
    assert body.startswith(b"\0\0\0\0\x02\x08\x01") and b"grpc-status: 0" in body
