# SPDX-License-Identifier: Apache-2.0
"""A Prometheus server that really scrapes tally-bridge."""

import functools

import pytest

from .agent import wait_until
from .prometheus import Prometheus
from .yaml_files import scaled_object, small_object, trigger

until = functools.partial(wait_until, seconds=60)  # a server has much to do at its start
ITEMS = 'tally_trigger_items{trigger="shop/small"}'


@pytest.fixture(name="prometheus")
def make_prometheus(tmp_path):
    """Makes servers with a folder each; all are stopped at the end."""
    made = []

    def make(target, **job):
        folder = tmp_path / f"prometheus-{len(made)}"
        folder.mkdir()
        made.append(Prometheus(folder, target, **job))
        return made[-1]

    yield make
    for one in made:
        one.finish()


@pytest.fixture(name="token")
def make_token(tmp_path):
    path = tmp_path / "token"
    path.write_text("secret-of-the-test\n")
    return str(path)


def counted(start):
    """An agent with a count, which a scrape does not ask for."""
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    return agent


def test_prometheus_scrapes(start, bridge, prometheus, tables, tmp_path):
    queue = tmp_path.name
    tables.fill_orders(queue, 4)
    agent = start(scaled_object("queue", trigger(value={"S": queue}), pollingInterval=1), small_object(),
                  scaled_object("never"))
    one = bridge(agent)
    server = prometheus(one.address)
    items = 'tally_trigger_items{trigger="shop/queue"}'
    agent.rpc("count", trigger="queue")
    until(lambda: server.value(items) == "4")
    tables.fill_orders(queue, 9)
    until(lambda: agent.rpc("count", trigger="queue")["count"] == 9)
    until(lambda: server.value(items) == "9")
    assert server.value('tally_trigger_items{trigger="shop/never"}') is None  # no count: no sample
    assert server.value("up") == server.value("tally_bridge_agent_up") == "1"
    assert server.target() == ("up", "")
    agent.stop()
    until(lambda: server.value("tally_bridge_agent_up") == "0")
    until(lambda: server.value(items) is None)  # gone, not 0
    assert server.value("up") == "1"


def test_prometheus_sees_that_counts_fail(start, bridge, prometheus, world):
    """Also where there is an older count, whose age goes on."""
    agent = counted(start)
    server = prometheus(bridge(agent).address)
    failed = 'tally_trigger_failed{trigger="shop/small"}'
    until(lambda: server.value(failed) == "0")
    world.fault(action="Query", code="AccessDeniedException", message="no")
    assert agent.rpc("count", trigger="small", max_age_ms=0)["quality"] == "stale"
    until(lambda: server.value(failed) == "1")
    assert server.value(ITEMS) == "7"
    world.heal()
    until(lambda: agent.rpc("count", trigger="small", max_age_ms=0)["quality"] == "exact")
    until(lambda: server.value(failed) == "0")


def test_prometheus_sends_a_token(start, bridge, prometheus, token):
    one = bridge(counted(start), "--token-file", token)
    without = prometheus(one.address)
    until(lambda: without.target()[0] == "down")
    assert "401" in without.target()[1] and without.value(ITEMS) is None
    server = prometheus(one.address, authorization={"credentials_file": token})
    until(lambda: server.value(ITEMS) == "7")


@pytest.mark.parametrize("http2", [True, False])
def test_prometheus_over_mutual_tls(start, bridge, prometheus, shop, token, tmp_path, http2):
    authority, client = tmp_path / "ca.pem", tmp_path / "prometheus.pem"
    authority.write_text(shop.authority.pem())
    client.write_bytes(b"".join(shop.client()))
    one = bridge(counted(start), "--token-file", token, *shop.options("--client-ca", shop.client_ca))
    trust = {"ca_file": str(authority), "server_name": "localhost"}
    job = {"scheme": "https", "enable_http2": http2, "authorization": {"credentials_file": token}}
    server = prometheus(one.address, tls_config={
        **trust, "cert_file": str(client), "key_file": str(client)}, **job)
    until(lambda: server.value(ITEMS) == "7")
    without = prometheus(one.address, tls_config=trust, **job)
    until(lambda: without.target()[0] == "down")
    assert without.value(ITEMS) is None
