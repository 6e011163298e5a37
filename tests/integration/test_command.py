# SPDX-License-Identifier: Apache-2.0
"""The tally command, as users and probes run it."""

import json

import pytest

from .yaml_files import pending_object, scaled_object, small_object, trigger


def test_count_prints_the_number_and_nothing_else(start):
    assert start(small_object()).cli("count", "shop/small") == (0, "7\n", "")


def test_count_as_json(start):
    code, out, _ = start(small_object()).cli("-o", "json", "count", "small")
    answer = json.loads(out)
    assert (code, answer["count"], answer["quality"]) == (0, 7, "exact")


def test_options_may_follow_the_operands(start):
    agent = start(small_object())
    assert agent.cli("count", "small", "--max-age", "0", "--timeout", "9s")[:2] == (0, "7\n")


@pytest.mark.timing
def test_a_deadline_that_passed_exits_4(start, world):
    world.fault(action="Query", latency=2.0)
    code, out, err = start(small_object()).cli("count", "small", "--timeout", "300")
    assert (code, out) == (4, "")
    assert "TIMEOUT" in err


def test_a_deadline_passes_also_where_the_agent_is_stuck(start):
    import os
    import signal
    agent = start(small_object())
    os.kill(agent.child.pid, signal.SIGSTOP)
    try:
        code, out, err = agent.cli("ping", "--timeout", "300")
    finally:
        os.kill(agent.child.pid, signal.SIGCONT)
    assert (code, out) == (4, "")
    assert err


def test_list_shows_every_trigger(start):
    agent = start(small_object(), pending_object(),
                  scaled_object("two", trigger(), {**trigger(), "name": "second"}))
    agent.cli("count", "small")
    code, out, err = agent.cli("list")
    assert (code, err) == (0, "")
    rows = out.splitlines()
    assert len(rows) == 5
    assert any(row.startswith("shop/small ") and " 7 " in row for row in rows)
    for name in ("shop/pending", "shop/two/0", "shop/two/second"):
        assert any(row.startswith(name + " ") for row in rows)
    code, out, _ = agent.cli("-o", "json", "list")
    assert code == 0
    assert [entry["name"] for entry in json.loads(out)["triggers"]] == [
        "shop/pending", "shop/small", "shop/two/0", "shop/two/second"]


def test_ping_and_ready(start, world):
    agent = start(small_object())
    world.fault(service="*", status=503)
    code, out, _ = agent.cli("ping")
    assert code == 0 and out.endswith(" ms\n")
    assert agent.cli("ready") == (0, "ready\n", "")
    world.heal()
    code, out, _ = agent.cli("ready", "small")
    assert code == 0 and out.startswith("ready")


def test_ready_with_a_trigger_that_cannot_be_counted_is_not_ready(start, world):
    world.fault(action="Query", code="ValidationException")
    code, out, err = start(small_object()).cli("ready", "small")
    assert (code, out) == (1, "")
    assert "AWS_REJECTED" in err


def test_status_shows_what_it_did(start):
    agent = start(small_object())
    agent.cli("count", "small")
    code, out, err = agent.cli("status")
    assert (code, err) == (0, "")
    assert out
    code, out, _ = agent.cli("-o", "json", "status")
    assert code == 0 and isinstance(json.loads(out), dict)


def test_version_and_help(pod):
    agent = pod(small_object())
    code, out, _ = agent.cli("--version")
    assert code == 0 and out.startswith("tally ")
    code, out, _ = agent.cli("--help")
    assert code == 0 and "count" in out


def test_the_log_says_where_it_listens_and_how_it_ended(start):
    agent = start(small_object())
    agent.wait_for_log("event=listening")
    assert f"socket={agent.socket}" in agent.log()
    assert agent.stop() == 0
    for line in agent.log().splitlines():
        assert line.startswith("ts=") and " level=" in line and " event=" in line
