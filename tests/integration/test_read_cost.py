# SPDX-License-Identifier: Apache-2.0
"""What counting costs: seen, bounded, and never thrown away."""

import time

import pytest

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import pending_object, scaled_object, small_object, trigger


def pending(**metadata):
    """A trigger whose count costs more than 3,000 units."""
    return scaled_object("pending", trigger(value={"S": "pending"}, **metadata))


def test_units_are_added_up_for_each_trigger(start, pending):
    agent = start(pending_object(), small_object(), options=["--price-per-million-rru", "0.125"])
    cost = agent.rpc("count", trigger="pending", timeout_ms=60_000)["consumed_rcu"]
    agent.rpc("count", trigger="small")
    listed = {one["name"]: one for one in agent.rpc("list")["triggers"]}
    assert listed["shop/pending"]["consumed_rcu"] == cost > 3000
    assert 0 < listed["shop/small"]["consumed_rcu"] <= 2
    answer = agent.rpc("status")
    total = sum(one["consumed_rcu"] for one in listed.values())
    assert answer["cost"]["rcu_last_hour"] == pytest.approx(total)
    assert answer["consumed_rcu"] == pytest.approx(total)
    assert answer["cost"]["cost_per_month"] == 0  # a rate is known after a minute
    assert "budget_rcu_per_hour" not in answer["cost"]
    explained = agent.rpc("explain", trigger="pending", timeout_ms=60_000)["cost"]
    per_month = explained["rcu_per_poll"] * 730 * 120 * 0.125 / 1e6  # a poll every 30 s
    assert explained["cost_per_month"] == pytest.approx(per_month)
    assert f"{per_month:.2f} a month" in agent.cli("explain", "pending", "--timeout", "60s")[1]


def test_without_a_price_no_cost_is_reported(start):
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    assert "cost_per_month" not in agent.rpc("status")["cost"]
    assert "cost_per_month" not in agent.rpc("list")["triggers"][0]


@pytest.mark.parametrize("document, options, which", [
    ({}, ["--budget", "3900"], "--budget"), ({"budget": "3900"}, [], "trigger's budget")])
def test_a_budget_ends_counting(start, world, pending, document, options, which):
    agent = start(scaled_object("pending", trigger(value={"S": "pending"}, **document)),
                  options=options)
    first = agent.rpc("count", trigger="pending", timeout_ms=60_000)
    agent.wait_for_log("event=budget_low")
    before = world.calls("dynamodb", "Query")
    answer = agent.rpc("count", trigger="pending", max_age_ms=0)
    assert (answer["count"], answer["quality"]) == (first["count"], "stale")
    assert answer["last_error"]["name"] == "BUSY" and which in answer["last_error"]["message"]
    assert 60_000 < answer["last_error"]["retry_after_ms"] <= 3_600_000
    assert world.calls("dynamodb", "Query") == before
    # A threshold is cheap enough.
    assert agent.rpc("count", trigger="pending", max_age_ms=0, enough=1)["quality"] == "at_least"
    assert agent.rpc("status")["cost"]["over_budget"] == 1


def test_an_overdrawn_budget_refuses_what_was_never_counted(start, pending):
    agent = start(pending_object(), small_object(), options=["--budget", "100"])
    agent.rpc("count", trigger="pending", timeout_ms=60_000)
    with pytest.raises(RpcError) as refused:
        agent.rpc("count", trigger="small")
    assert refused.value.name == "BUSY" and refused.value.answer["retryable"] is True
    assert refused.value.answer["retry_after_ms"] > 3_600_000
    answer = agent.rpc("status")["cost"]
    assert answer["budget_rcu_per_hour"] == 100 and answer["budget_rcu_left"] < -3000


def test_a_warm_trigger_over_its_budget_does_not_spin(start, pending):
    agent = start(scaled_object("pending", trigger(value={"S": "pending"}, warm="true",
                                                   budget="100"), pollingInterval=1))
    wait_until(lambda: agent.rpc("status")["flights"]["failed"] >= 2, 30)
    before = agent.rpc("status")["flights"]["started"]
    time.sleep(3)
    assert agent.rpc("status")["flights"]["started"] - before <= 4


@pytest.mark.parametrize("option, value", [
    ("--budget", "0"), ("--budget", "-5"), ("--budget", "many"), ("--budget", "1e3"),
    ("--budget", "nan"), ("--price-per-million-rru", "0x10"), ("--price-per-million-rru", ""),
    ("--budget", "9" * 30)])
def test_what_is_no_number_is_refused(pod, option, value):
    agent = pod(small_object())
    code, err = agent.run("--config", agent.config, option, value)
    assert code == 2 and option in err
    if option == "--budget":
        agent = pod(scaled_object("small", trigger(budget=value)))
        code, err = agent.run("--check", "--config", agent.config)
        assert code == 2 and "budget" in err


def test_the_pages_before_the_flight_timeout_are_a_lower_bound(start, world):
    world.fault(action="Query", latency=1, limit=1)
    agent = start(small_object(), options=["--flight-timeout", "4s"])
    answer = agent.rpc("count", trigger="small", timeout_ms=30_000)
    assert answer["quality"] == "at_least" and 1 <= answer["count"] < 7
    assert answer["last_error"]["name"] == "TIMEOUT"
    for word in ("countLimit", "maxPages", "--flight-timeout"):
        assert word in answer["last_error"]["message"]
    # It is cached as any other count is, and says why it is not the whole.
    again = agent.rpc("count", trigger="small")
    assert (again["count"], again["last_error"]) == (answer["count"], answer["last_error"])


def test_a_count_that_never_ends_is_not_begun_for_ever(start, world):
    world.fault(action="Query", latency=1, limit=1)
    agent = start(small_object(), options=["--flight-timeout", "4s"])
    for _ in range(2):
        answer = agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=30_000)
        assert answer["quality"] == "at_least"
    before = world.calls("dynamodb", "Query")
    answer = agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=30_000)
    assert answer["quality"] == "stale" and answer["last_error"]["name"] == "TIMEOUT"
    assert 0 < answer["last_error"]["retry_after_ms"] <= 60_000
    assert world.calls("dynamodb", "Query") == before
    # A threshold is short enough, and does not begin the whole again.
    assert agent.rpc("count", trigger="small", max_age_ms=0, enough=1)["quality"] == "at_least"
    assert agent.rpc("count", trigger="small", max_age_ms=0)["quality"] == "stale"
    assert world.calls("dynamodb", "Query") == before + 1
    world.heal()


def test_the_metrics_show_the_cost(start, pending):
    agent = start(pending_object(), options=["--budget", "100000"])
    agent.rpc("count", trigger="pending", timeout_ms=60_000)
    code, out, err = agent.cli("-o", "prometheus", "status")
    assert (code, err) == (0, "")
    assert 'tally_trigger_consumed_read_capacity_units_total{trigger="shop/pending"' in out
    for name in ("tally_budget_read_capacity_units_left", "tally_share_counts_total"):
        assert name in out


def test_values_of_clients_share_the_triggers_budget(start, pending):
    document = scaled_object("pending", trigger(value={"S": "pending"}, clientValues=":v",
                                                budget="100"))
    agent = start(document)
    agent.rpc("count", trigger="pending", timeout_ms=60_000)
    with pytest.raises(RpcError) as refused:
        agent.rpc("count", trigger="pending", values={":v": {"S": "small"}})
    assert refused.value.name == "BUSY"
