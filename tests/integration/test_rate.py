# SPDX-License-Identifier: Apache-2.0
"""How fast a count changes, and when it will be 0: from exact counts alone."""

import time

import pytest

from .agent import wait_until
from .fake_agent import result
from .test_cli import count_of, fake, folder, in_terminal, seen_lines, tally  # pylint: disable=unused-import
from .yaml_files import scaled_object, small_object, trigger


def queue(name, **metadata):
    return scaled_object("queue", trigger(value={"S": name}, **metadata))


def recount(agent, **params):
    return agent.rpc("count", trigger="queue", max_age_ms=0, **params)


def test_one_count_has_no_rate(start):
    assert "rate_per_s" not in start(small_object()).rpc("count", trigger="small")


def test_a_growing_queue_has_a_rate_and_no_end(start, tables):
    agent = start(queue("growing"))
    recount(agent)
    begun = time.monotonic()
    tables.fill_orders("growing", 40)
    time.sleep(1.5)
    answer = recount(agent)
    passed = time.monotonic() - begun
    assert answer["count"] == 40 and 1400 < answer["rate_over_ms"] < passed * 1000 + 500
    assert answer["rate_per_s"] == pytest.approx(40_000 / answer["rate_over_ms"])
    assert "empty_in_ms" not in answer
    listed, = agent.rpc("list")["triggers"]
    assert listed["rate_per_s"] == answer["rate_per_s"]
    assert "tally_trigger_items_change_per_second" in agent.cli("-o", "prometheus", "list")[1]


def test_a_shrinking_queue_says_when_it_will_be_empty(start, tables):
    tables.fill_orders("shrinking", 30)
    agent = start(queue("shrinking"))
    recount(agent)
    for number in range(10):
        tables.remove("orders", {"queue": {"S": "shrinking"}, "id": {"S": f"{number:08}"}})
    time.sleep(1)
    answer = recount(agent)
    assert answer["count"] == 20 and answer["rate_per_s"] < 0
    assert answer["empty_in_ms"] == pytest.approx(20_000 / -answer["rate_per_s"], abs=2)


def test_an_empty_queue_is_empty_now(start):
    agent = start(queue("never"))
    recount(agent)
    time.sleep(0.7)
    answer = recount(agent)
    assert (answer["rate_per_s"], answer["empty_in_ms"]) == (0, 0)


@pytest.mark.parametrize("metadata, params", [({"countLimit": "3"}, {}), ({}, {"enough": 3})])
def test_a_lower_bound_has_no_rate(start, tables, metadata, params):
    tables.fill_orders("bounded", 9)
    agent = start(queue("bounded", **metadata))
    for _ in range(2):
        answer = recount(agent, **params)
        assert answer["quality"] == "at_least" and "rate_per_s" not in answer
        time.sleep(0.7)


def test_a_stale_count_has_no_rate(start, world):
    agent = start(queue("small"))
    recount(agent)
    time.sleep(0.7)
    assert "rate_per_s" in recount(agent)
    world.fault(action="Query", code="AccessDeniedException")
    answer = recount(agent)
    assert answer["quality"] == "stale" and "rate_per_s" not in answer


# ---- in the command ----

FALLING = {"rate_per_s": -3.25, "rate_over_ms": 60_000, "empty_in_ms": 2_400_000}


def listed(**fields):
    triggers = result("list-answer")["triggers"]
    triggers[0].update(fields)
    return {"triggers": triggers}


def test_list_shows_the_rate_where_there_is_one(fake):
    agent = fake(list=lambda _: listed())
    assert "RATE" not in tally("list", path=agent.path)[1]
    agent.replies["list"] = lambda _: listed(**FALLING)
    out = tally("list", path=agent.path)[1]
    assert " RATE " in out.splitlines()[0] and "-3.2/s, empty in 40 m" in out


@pytest.mark.parametrize("rate, shown", [
    (0.0, "0/s"), (0.031, "+0.031/s"), (-0.5, "-0.5/s"), (12.34, "+12/s"), (99.6, "+100/s"),
    (-1234567.8, "-1234568/s")])
def test_a_rate_in_few_digits(fake, rate, shown):
    agent = fake(list=lambda _: listed(rate_per_s=rate, rate_over_ms=1000))
    assert shown in tally("list", path=agent.path)[1].splitlines()[1].split()


@pytest.mark.parametrize("columns, has_bar", [(200, True), (80, False)])
def test_watch_has_a_column_for_the_rate(fake, columns, has_bar):
    agent = fake(watch=lambda _: result("watch-answer"), notifications=[count_of(500, **FALLING)])
    _, shown = in_terminal(["-s", agent.path, "watch", "x"], b"\x03", b"empty in 40 m",
                           columns=columns)
    line, = [line for line in seen_lines(shown) if "500" in line]
    assert "-3.2/s, empty in 40 m" in line and len(line) <= columns
    assert ("█" in line) is has_bar


def test_top_has_a_column_for_the_rate(fake):
    agent = fake(status=lambda _: result("status-answer"), list=lambda _: listed(**FALLING))
    _, shown = in_terminal(["-s", agent.path, "top"], b"q", b"q ends", columns=120)
    assert "RATE" in shown and "-3.2/s, empty in 40 m" in shown


def test_a_watch_of_a_falling_queue_shows_the_rate(start, tables):
    tables.fill_orders("emptying", 30)
    agent = start(queue("emptying"))
    recount(agent)
    time.sleep(0.7)
    for number in range(5):
        tables.remove("orders", {"queue": {"S": "emptying"}, "id": {"S": f"{number:08}"}})
    with agent.connect() as connection:
        connection.call("watch", trigger="queue", max_age_ms=0)
        wait_until(lambda: "empty in" in agent.cli("list")[1])
