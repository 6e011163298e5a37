# SPDX-License-Identifier: Apache-2.0
"""Agents that share one count through a table: who counts, who is answered by whom, and what
happens when the table, its record or another agent is not as it should be."""

import json
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gateway.world import ROLE, SUBJECT

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import pending_object, scaled_object, small_object, trigger

LEASE_SECONDS = 15


class Shared:
    """Agents that share their counts through a table of the test's own."""

    def __init__(self, table, tables, pod):
        self.table, self.tables, self.pod = table, tables, pod
        self.agents = 0

    @property
    def name(self):
        return self.table.name

    def agent(self, *documents, options=(), env=None, start=True):
        """One more agent, named after its number."""
        name = f"pod-{self.agents}"
        self.agents += 1
        agent = self.pod(*(documents or (small_object(),)),
                         options=["--share-table", self.name, *options],
                         env={"HOSTNAME": name, **(env or {})})
        return agent.start() if start else agent

    def records(self):
        """As maps of AttributeValues."""
        return self.tables.items(self.name)

    def record(self):
        record, = self.records()
        return record


@pytest.fixture(name="shared")
def make_shared(make_share, tables, pod):
    return lambda **schema: Shared(make_share(**schema), tables, pod)


@pytest.fixture(name="share")
def shared_table(shared):
    return shared()


def now_ms():
    return int(time.time() * 1000)


def number(value):
    return {"N": str(value)}


def queries(world):
    return world.calls("dynamodb", "Query")


# ---- one count ----

def test_the_second_agent_is_answered_by_the_first(share, world):
    first, second = share.agent(), share.agent()
    own = first.rpc("count", trigger="small")
    assert (own["count"], own["quality"], own["source"]) == (7, "exact", "own")
    assert "counted_by" not in own
    wait_until(lambda: "completed" in share.record())
    answer = second.rpc("count", trigger="small")
    assert (answer["count"], answer["quality"], answer["source"]) == (7, "exact", "shared")
    assert answer["counted_by"] == "tally-pod-0"
    assert (answer["pages"], answer["scanned"]) == (own["pages"], own["scanned"])
    assert 0 <= answer["age_ms"] < 5000
    listed = second.rpc("list")["triggers"][0]
    assert (listed["source"], listed["counted_by"]) == ("shared", "tally-pod-0")
    assert "COUNTED BY" in second.cli("list")[1] and "tally-pod-0" in second.cli("list")[1]
    assert "COUNTED BY" not in first.cli("list")[1]
    assert queries(world) == 1
    assert first.rpc("status")["share"]["won"] == 1
    assert second.rpc("status")["share"]["hits"] == 1


def test_the_record_says_no_value_of_the_query(share):
    agent = share.agent(scaled_object("hidden", trigger(value={"S": "very-secret-queue"})))
    agent.rpc("count", trigger="hidden")
    wait_until(lambda: "completed" in share.record())
    record = share.record()
    assert "very-secret-queue" not in json.dumps(record)
    assert record["k"]["S"].startswith("v1#shop#") and len(record["k"]["S"]) == len("v1#shop#") + 64
    assert record["counted_by"] == {"S": "tally-pod-0"} and "lease" not in record
    assert int(record["ttl"]["N"]) > time.time() + 3600


def test_agents_that_ask_in_the_same_instant_count_once(share, world):
    world.fault(action="Query", latency=0.5)
    agents = [share.agent() for _ in range(12)]
    result = [None] * len(agents)

    def ask(place):
        result[place] = agents[place].rpc("count", trigger="small", max_age_ms=0, timeout_ms=20_000)

    threads = [threading.Thread(target=ask, args=(place,)) for place in range(len(agents))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer["count"] for answer in result] == [7] * len(agents)
    assert queries(world) == 1, "\n".join(agent.log() for agent in agents)
    assert sorted(answer["source"] for answer in result) == ["own"] + ["shared"] * 11


def test_other_questions_have_other_records(share, world):
    agent = share.agent(small_object(), scaled_object("big", trigger(value={"S": "other"})),
                        scaled_object("small", namespace="bank"))
    for name in ("shop/small", "big", "bank/small"):
        agent.rpc("count", trigger=name)
    wait_until(lambda: len([record for record in share.records() if "completed" in record]) == 3)
    assert sorted(record["k"]["S"].split("#")[1] for record in share.records()) == \
        ["bank", "shop", "shop"]
    assert queries(world) == 3


def test_an_old_number_is_counted_again_by_whoever_needs_it(share, world):
    first, second = share.agent(), share.agent()
    first.rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    time.sleep(1.2)
    assert second.rpc("count", trigger="small", max_age_ms=1000)["source"] == "own"
    assert queries(world) == 2
    wait_until(lambda: share.record()["counted_by"] == {"S": "tally-pod-1"})


def test_warm_triggers_are_counted_once_for_all(share, world):
    warm = scaled_object("small", trigger(warm="true"), pollingInterval=2)
    agents = [share.agent(warm) for _ in range(5)]
    time.sleep(8)
    counted = queries(world)
    assert 3 <= counted <= 8  # one agent alone: 4 or 5; five alone: 20 to 25
    for agent in agents:
        answer = agent.rpc("count", trigger="small")
        assert answer["count"] == 7 and answer["age_ms"] <= 4000


@pytest.mark.parametrize("setting, shares", [("off", False), (None, True)])
def test_a_trigger_may_stay_out(share, world, setting, shares):
    metadata = {"shareTable": setting} if setting else {}
    agent = share.agent(scaled_object("small", trigger(**metadata)))
    agent.rpc("count", trigger="small")
    wait_until(lambda: queries(world) == 1)
    assert (world.calls("dynamodb", "GetItem") > 0) is shares


def test_a_trigger_may_name_its_table(share, world, pod):
    agent = pod(scaled_object("small", trigger(shareTable=share.name))).start()
    agent.rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())


def test_the_environment_names_the_table(share, pod):
    agent = pod(small_object(), env={"TALLY_SHARE_TABLE": share.name}).start()
    agent.rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())


@pytest.mark.parametrize("name", ["a b", "x" * 256, "ab"])
def test_what_is_no_table_is_refused(start, pod, name):
    code, err = pod().run("--share-table", name, "--config", pod().config)
    assert code == 2 and "share-table" in err
    agent = pod(scaled_object("small", trigger(shareTable=name)))
    code, err = agent.run("--check", "--config", agent.config)
    assert code != 0 and "shareTable" in err


def test_thresholds_take_the_fleets_number_and_do_not_share_their_own(share, world):
    first, second = share.agent(), share.agent()
    assert first.rpc("count", trigger="small", enough=1)["quality"] == "at_least"
    assert not share.records()
    first.rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    answer = second.rpc("count", trigger="small", enough=1)
    assert (answer["count"], answer["quality"], answer["source"]) == (7, "exact", "shared")


def test_explain_counts_itself_and_says_where_the_record_is(share, world):
    first, second = share.agent(), share.agent()
    first.rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    answer = second.rpc("explain", trigger="small")
    assert answer["share"] == {"table": share.name, "key": share.record()["k"]["S"]}
    assert answer["total"]["source"] == "own" and len(answer["pages"]) == 1


# ---- the agent that counts ----

def test_the_deadline_says_who_counts(share, world):
    world.fault(action="Query", latency=3)
    first, second = share.agent(), share.agent()
    first.connect().send("count", {"trigger": "small"})
    wait_until(lambda: share.records() and "lease" in share.record())
    with pytest.raises(RpcError) as late:
        second.rpc("count", trigger="small", timeout_ms=1500)
    assert late.value.name == "TIMEOUT" and "tally-pod-0" in str(late.value)


def test_an_agent_that_ends_gives_its_lease_back(share, world):
    world.fault(action="Query", latency=30, times=1)
    first, second = share.agent(options=["--grace", "200ms"]), share.agent()
    first.connect().send("count", {"trigger": "small"})
    wait_until(lambda: share.records() and "lease" in share.record())
    first.child.send_signal(signal.SIGTERM)
    first.child.wait(10)
    assert "lease" not in share.record()
    begun = time.monotonic()
    assert second.rpc("count", trigger="small")["source"] == "own"
    assert time.monotonic() - begun < LEASE_SECONDS / 2


def test_a_killed_agent_costs_one_lease(share, world):
    world.fault(action="Query", latency=60, times=1)
    first, second = share.agent(), share.agent()
    first.connect().send("count", {"trigger": "small"})
    wait_until(lambda: share.records() and "lease" in share.record())
    begun = time.monotonic()
    first.kill()
    answer = second.rpc("count", trigger="small", timeout_ms=40_000)
    assert (answer["count"], answer["source"]) == (7, "own")
    assert time.monotonic() - begun < LEASE_SECONDS + 5


def test_a_stopped_agent_does_not_overwrite_a_newer_number(share, world):
    world.fault(action="Query", latency=2, times=1)
    first, second = share.agent(), share.agent()
    connection = first.connect()
    asked = connection.send("count", {"trigger": "small", "timeout_ms": 60_000})
    wait_until(lambda: share.records() and "lease" in share.record())
    first.child.send_signal(signal.SIGSTOP)
    result = second.rpc("count", trigger="small", timeout_ms=40_000)
    assert (result["count"], result["source"]) == (7, "own")
    wait_until(lambda: share.record().get("counted_by") == {"S": "tally-pod-1"})
    before = share.record()
    first.child.send_signal(signal.SIGCONT)
    assert connection.answer(asked)["count"] == 7
    time.sleep(0.5)
    assert share.record() == before


def test_a_long_count_renews_its_lease(share, world):
    world.fault(action="Query", latency=2.5, limit=1)
    first, second = share.agent(), share.agent()
    first.connect().send("count", {"trigger": "small", "timeout_ms": 60_000})
    wait_until(lambda: share.records() and "lease" in share.record())
    answer = second.rpc("count", trigger="small", timeout_ms=60_000)
    assert (answer["count"], answer["source"]) == (7, "shared")
    assert queries(world) in (7, 8)  # pages of one count


def test_two_owners_are_both_right_and_one_of_them_writes(share, world):
    world.fault(action="Query", latency=2)
    first, second = share.agent(), share.agent()
    connection = first.connect()
    asked = connection.send("count", {"trigger": "small"})
    wait_until(lambda: share.records() and "lease" in share.record())
    share.table.delete()
    assert second.rpc("count", trigger="small")["count"] == 7
    assert connection.answer(asked)["count"] == 7
    assert queries(world) == 2
    wait_until(lambda: "completed" in share.record())
    assert share.record()["counted_by"] == {"S": "tally-pod-1"}
    assert "share_failed" not in first.log()


def test_a_failure_that_all_meet_is_the_fleets_backoff(share, world):
    first, second = share.agent(), share.agent()
    world.fault(action="Query", code="ProvisionedThroughputExceededException")
    with pytest.raises(RpcError) as throttled:
        first.rpc("count", trigger="small", timeout_ms=1500)
    assert throttled.value.name in ("THROTTLED", "TIMEOUT")
    wait_until(lambda: "reason" in share.record())
    before, begun = queries(world), time.monotonic()
    with pytest.raises(RpcError) as answer:
        second.rpc("count", trigger="small", timeout_ms=30_000)
    assert answer.value.name == "AWS_UNAVAILABLE" and "tally-pod-0" in str(answer.value)
    assert 0 < answer.value.answer["retry_after_ms"] <= LEASE_SECONDS * 1000
    assert time.monotonic() - begun < 2 and queries(world) == before


def test_a_failure_of_one_agent_alone_is_not_the_fleets(share, world):
    denied_role = ROLE + "-denied"
    world.role(arn=denied_role, web_identity=SUBJECT, deny=["dynamodb:Query"])
    first = share.agent(env={"AWS_ROLE_ARN": denied_role})
    second = share.agent()
    with pytest.raises(RpcError) as denied:
        first.rpc("count", trigger="small")
    assert denied.value.name == "ACCESS_DENIED"
    wait_until(lambda: "lease" not in share.record())
    assert second.rpc("count", trigger="small")["source"] == "own"
    first.child.send_signal(signal.SIGHUP)  # forgets the refusal
    first.wait_for_log("event=reloaded")
    assert first.rpc("count", trigger="small", max_age_ms=60_000)["source"] == "shared"


def test_a_clock_that_is_wrong_is_not_believed(share, gateway, world, pod):
    """The second agent lives in a world whose AWS is ten minutes ahead of this machine."""
    share.agent().rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    completed = int(share.record()["completed"]["N"])
    assert abs(completed - now_ms()) < 5000
    other = gateway.world()
    try:
        other.clock_offset(seconds=600)
        agent = type(pod())(other, small_object(), options=["--share-table", share.name])
        try:
            answer = agent.start().rpc("count", trigger="small")
            assert (answer["count"], answer["source"]) == (7, "own")  # the record is ten minutes old
            wait_until(lambda: int(share.record()["completed"]["N"]) > completed + 500_000)
        finally:
            agent.finish()
    finally:
        other.close()
    third = share.agent()
    answer = third.rpc("count", trigger="small")
    assert (answer["count"], answer["source"]) == (7, "own")  # a number from the future


# ---- the table ----

def test_a_missing_table_costs_a_warning(shared, world):
    share = shared()
    share.table.drop()
    agent = share.agent()
    for _ in range(3):
        answer = agent.rpc("count", trigger="small", max_age_ms=0)
        assert (answer["count"], answer["source"]) == (7, "own")
    assert agent.log().count("event=share_failed") == 1
    assert "ResourceNotFoundException" in agent.log()
    assert agent.rpc("status")["share"]["failed"] == 1
    assert world.calls("dynamodb", "GetItem") == 1


def test_a_table_of_another_schema_costs_a_warning(shared):
    agent = shared(key="other").agent()
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert agent.log().count("event=share_failed") == 1


@pytest.mark.parametrize("action", ["GetItem", "UpdateItem"])
@pytest.mark.parametrize("fault", [
    {"code": "ThrottlingException"}, {"code": "AccessDeniedException"}, {"status": 500},
    {"latency": 20}, {"reset": "before"}, {"body": "{", "status": 200},
    {"body": "[]", "status": 200}, {"endless": True},
], ids=lambda fault: "-".join(map(str, fault.values())) if isinstance(fault, dict) else fault)
def test_a_table_that_fails_never_fails_a_count(share, world, action, fault):
    world.fault(action=action, **fault)
    agent = share.agent()
    begun = time.monotonic()
    answer = agent.rpc("count", trigger="small", timeout_ms=5000)
    assert (answer["count"], answer["quality"], answer["source"]) == (7, "exact", "own")
    assert time.monotonic() - begun < 4
    if fault != {"body": "[]", "status": 200} or action == "GetItem":
        agent.wait_for_log("share_failed")


@pytest.mark.parametrize("forged", [
    {"count": number(-1)}, {"count": number(10 ** 30)}, {"count": {"S": "7"}},
    {"count": number("7.5")}, {"count": None}, {"count": {"L": []}}, {"quality": {"S": "sure"}},
    {"quality": None}, {"pages": number(0)}, {"scanned": number(-5)}, {"rcu": {"S": "cheap"}},
    {"completed": number(10 ** 15)}, {"completed": number(-1)}, {"completed": {"S": "now"}},
    {"counted_by": None}, {"v": number(2)}, {"v": None}, {"lease": number(10 ** 15)},
    {"lease": {"S": "x"}}, {"lease": number(-1)}, {"owner": {"N": "1"}, "lease": number(1)},
], ids=lambda forged: json.dumps(forged).replace('"', ""))
def test_a_forged_record_is_no_answer(share, world, forged):
    share.agent().rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    share.table.change(**{**{"count": number(999)}, **forged})
    agent = share.agent()
    begun = time.monotonic()
    answer = agent.rpc("count", trigger="small", timeout_ms=5000)
    assert (answer["count"], answer["source"]) == (7, "own")
    assert time.monotonic() - begun < 4


def test_a_forged_lease_does_not_stop_the_fleet(share, world):
    share.agent().rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    share.table.change(lease=number(10 ** 15), owner="evil", token="x", since=0)
    agent = share.agent()
    answer = agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=5000)
    assert (answer["count"], answer["source"]) == (7, "own")
    wait_until(lambda: "lease" not in share.record())


def test_a_forged_text_is_cleaned(share):
    share.agent().rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    share.table.change(counted_by={"S": "a\x1b[2Jb\nc" + "x" * 500})
    agent = share.agent()
    answer = agent.rpc("count", trigger="small")
    assert answer["source"] == "shared" and len(answer["counted_by"]) < 80
    assert "\x1b" not in agent.cli("list")[1]


def test_a_record_that_was_to_be_deleted_is_judged_by_its_age(share, world):
    share.agent().rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    share.table.change(ttl=number(1))
    assert share.agent().rpc("count", trigger="small")["source"] == "shared"


def test_the_documented_policy_is_enough(share, world):
    share.table.restrict(world)
    first, second = share.agent(), share.agent()
    first.rpc("count", trigger="small")
    wait_until(lambda: "completed" in share.record())
    assert second.rpc("count", trigger="small")["source"] == "shared"
    assert first.rpc("status")["share"]["failed"] == 0


def test_a_policy_for_another_namespace_is_not_enough(share, world):
    share.table.restrict(world, prefix="v1#bank#")
    agent = share.agent()
    assert agent.rpc("count", trigger="small")["source"] == "own"
    agent.wait_for_log("event=share_failed")


def test_200_agents_that_start_in_the_same_second_count_once(share, world):
    """Each has a client that asks at once."""
    agents = [share.agent(start=False) for _ in range(200)]
    result = [None] * len(agents)

    def live(place):
        agents[place].start()
        result[place] = agents[place].rpc("count", trigger="small", timeout_ms=60_000)

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(live, range(len(agents))))
    assert [answer["count"] for answer in result] == [7] * len(agents)
    assert queries(world) == 1
    assert world.usage(table=share.name)["refused"] < 50


def test_a_reload_that_changes_the_question_has_a_record_of_its_own(share, world):
    world.fault(action="Query", latency=3, times=1)
    agent, other = share.agent(), share.agent()
    connection = agent.connect()
    asked = connection.send("count", {"trigger": "small", "timeout_ms": 20_000})
    wait_until(lambda: share.records() and "lease" in share.record())
    agent.write_config(scaled_object("small", trigger(value={"S": "none"})))
    agent.child.send_signal(signal.SIGHUP)
    agent.wait_for_log("event=reloaded")
    assert agent.rpc("count", trigger="small")["count"] == 0
    assert connection.answer(asked)["count"] == 7  # of the question that it asked
    assert other.rpc("count", trigger="small", timeout_ms=20_000)["count"] == 7
    assert len(share.records()) == 2


def test_a_watch_is_reported_of_another_count_not_of_another_agent(share, world):
    watching = share.agent(scaled_object("small", pollingInterval=2))
    connection = watching.connect()
    connection.call("watch", trigger="small")
    deadline = time.monotonic() + 8
    changes = 0
    other = share.agent(scaled_object("small", pollingInterval=2))
    connection.socket.settimeout(1)
    while time.monotonic() < deadline:
        other.rpc("count", trigger="small", max_age_ms=0)
        try:
            assert connection.receive()[1] == "changed"
            changes += 1
        except TimeoutError:
            pass
    assert changes == 1


def test_a_count_that_took_too_long_is_shared_as_a_lower_bound(share, world):
    world.fault(action="Query", latency=1, limit=1)
    first, second = share.agent(options=["--flight-timeout", "4s"]), share.agent()
    answer = first.rpc("count", trigger="small", timeout_ms=30_000)
    assert answer["quality"] == "at_least" and answer["last_error"]["name"] == "TIMEOUT"
    wait_until(lambda: "completed" in share.record())
    again = second.rpc("count", trigger="small")
    assert (again["count"], again["quality"], again["source"]) == \
        (answer["count"], "at_least", "shared")
