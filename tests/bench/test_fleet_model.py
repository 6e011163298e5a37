# SPDX-License-Identifier: Apache-2.0
"""The model of a fleet: its rules hold at 10,000 pods, and each rule that is left out is missed."""

import functools
import subprocess
import sys

import pytest

from tests.gateway.local import ROOT

from .fleet_model import ASKS, READ_LIMIT, RULES, WRITE_LIMIT, Fleet, Meter

MANY = 10_000


@functools.cache
def figures(pods, asks, without=(), seconds=60, since=30, **options):
    rules = [rule for rule in RULES if rule not in without]
    return Fleet(pods, asks, rules, **options).run(seconds).figures(since)


@pytest.mark.parametrize("asks", ASKS)
def test_ten_thousand_pods_stay_below_the_limits_of_a_key(asks):
    found = figures(MANY, asks, seconds=105)
    assert 0 < found["reads, busiest"] <= READ_LIMIT
    assert 0 < found["writes, busiest"] <= WRITE_LIMIT / 10
    assert found["counts"] <= 1.2 and found["alone"] == 0 and found["throttled, busiest"] == 0


def test_a_start_at_one_moment_is_throttled_and_settles():
    found = figures(MANY, "step", seconds=30, since=0)
    assert found["throttled, busiest"] > 0 and found["first writes"] <= WRITE_LIMIT / 10
    assert found["alone"] == 0
    assert figures(MANY, "step", seconds=30, since=10)["throttled, busiest"] == 0


def test_an_owner_that_ends_costs_one_lease():
    fleet = Fleet(1_000, "spread", deaths=0.2, seed=2).run(300)
    assert fleet.died > 0
    in_a_row = 3
    assert 14 < fleet.longest_without(30) < in_a_row * (15 + 2)
    assert Fleet(1_000, "spread").run(300).longest_without(30) < 1


def test_a_hundred_agents_count_as_often_as_one():
    one, hundred = (figures(pods, "warm", seconds=1800) for pods in (1, 100))
    assert hundred["counts"] <= 1.05
    assert one["counts"] <= 1.05


def test_one_seed_is_one_result():
    assert figures(100, "spread", deaths=0.1) == figures(100, "spread", deaths=0.1)
    assert figures(100, "spread", seed=1) != figures(100, "spread", seed=2)


def test_a_meter_refuses_what_exceeds_the_second():
    meter = Meter(2)
    assert [meter.take(0.1, 1), meter.take(0.2, 1), meter.take(0.9, 1), meter.take(1.0, 1)] == [
        True, True, False, True]
    assert (meter.busiest(0), meter.busiest(1)) == (3, 1)


# ---- without a rule ----

def test_without_a_respected_lease_those_who_wait_write():
    found = figures(MANY, "spread", ("lease",), seconds=40, since=15, count=10)
    assert found["writes, busiest"] > WRITE_LIMIT
    assert figures(MANY, "spread", seconds=40, since=15, count=10)["writes, busiest"] < 10


def test_without_the_condition_on_what_was_seen_late_writes_count_again():
    def counts(without):
        rules = [rule for rule in RULES if rule not in without]
        return len(Fleet(1_000, "step", rules, count=0.002).run(2).counts)

    assert counts(["timer"]) == 1
    assert counts(["timer", "seen"]) > 1


def test_without_early_counts_clients_wait():
    assert figures(MANY, "spread")["p99 wait"] < 0.1
    assert figures(MANY, "spread", ("early",))["p99 wait"] > 0.3


def test_without_the_timer_all_take_the_lease_at_once():
    assert figures(MANY, "step", ("timer",))["first writes"] > WRITE_LIMIT


def test_without_doubling_those_who_wait_read_too_much():
    found = figures(MANY, "spread", ("doubling",), seconds=40, since=15, count=10)
    assert found["reads, busiest"] > READ_LIMIT
    found = figures(MANY, "spread", seconds=40, since=15, count=10)
    assert found["reads, busiest"] <= READ_LIMIT


def test_without_jitter_refreshes_come_in_step():
    found = figures(MANY, "warm", ("jitter",), since=10, clock_error=0.05)
    assert found["reads, busiest"] > READ_LIMIT
    found = figures(MANY, "warm", since=10, clock_error=0.05)
    assert found["reads, busiest"] < READ_LIMIT


def test_without_windows_throttled_pods_count_alone():
    assert figures(MANY, "step", ("throttled",))["alone"] > 1_000


def test_without_a_bound_on_the_future_a_wrong_clock_ends_all_counts():
    options = {"wrong_clocks": 0.02, "seconds": 240, "since": 90}
    assert figures(100, "warm", ("future",), **options)["without"] > 100
    assert figures(100, "warm", **options)["without"] < 1


# ---- the script ----

def test_the_script_prints_a_table_and_its_assumptions():
    def run(*arguments):
        return subprocess.run([sys.executable, "-m", "tests.bench.fleet_model", *arguments],
                              cwd=ROOT, capture_output=True, text=True, check=True).stdout

    answer = run("--help")
    assert "Assumptions" in answer and all(f"  {rule} " in answer for rule in RULES)
    answer = run("--pods", "1", "10", "--seconds", "60", "--warm-up", "20")
    assert answer.count("10 pods") == 6 and "read units/s, mean" in answer
