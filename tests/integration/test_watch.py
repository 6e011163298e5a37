# SPDX-License-Identifier: Apache-2.0
"""watch, unwatch and the notifications in between."""

import signal
import socket
import time

import msgpack
import pytest

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import scaled_object, small_object, trigger


def queue(name, value=None, **metadata):
    return scaled_object(name, trigger(value={"S": value or name}, **metadata))


def changed(connection):
    """The content of the next notification."""
    message = connection.receive()
    assert message is not None and message[:2] == [2, "changed"], message
    (answer,) = message[2]
    return answer


def says_nothing(connection, seconds):
    connection.socket.settimeout(seconds)
    try:
        message = connection.receive()
    except TimeoutError:
        message = None
    connection.socket.settimeout(60)
    return message is None


def reload(agent, *documents):
    before = agent.rpc("status")["config"]["generation"]
    agent.write_config(*documents)
    agent.child.send_signal(signal.SIGHUP)
    wait_until(lambda: agent.rpc("status")["config"]["generation"] > before)


def test_the_first_count_is_reported_and_then_each_change(start, tables, world):
    tables.fill_orders("watched", 2)
    agent = start(queue("watched"))
    with agent.connect() as connection:
        assert connection.call("watch", trigger="watched", max_age_ms=0) == {
            "watching": True, "trigger": "shop/watched"}
        first = changed(connection)
        assert (first["trigger"], first["count"], first["quality"]) == ("shop/watched", 2, "exact")
        assert first == {**agent.rpc("count", trigger="watched"), "age_ms": first["age_ms"]}
        wait_until(lambda: world.calls("dynamodb", "Query") >= 3)
        tables.fill_orders("watched", 5)
        assert changed(connection)["count"] == 5  # no notification in between
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1


def test_what_is_known_is_reported_at_once(start, world):
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    with agent.connect() as connection:
        connection.call("watch", trigger="small")
        assert changed(connection)["count"] == 7
    assert world.calls("dynamodb", "Query") == 1


def test_it_is_counted_once_a_second_at_most(start, world):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="small", max_age_ms=1)
        changed(connection)
        assert says_nothing(connection, 2.5)
    assert 3 <= world.calls("dynamodb", "Query") <= 4


def test_min_age_is_a_floor(start, world):
    agent = start(small_object(), options=["--min-age", "60s"])
    with agent.connect() as connection:
        connection.call("watch", trigger="small", max_age_ms=1000)
        changed(connection)
        assert says_nothing(connection, 1.5)
    assert world.calls("dynamodb", "Query") == 1


def test_nobody_counts_any_more_after_unwatch(start, world):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="small", max_age_ms=1000)
        changed(connection)
        assert connection.call("unwatch", trigger="small") == {"watching": False}
        assert connection.call("unwatch", trigger="shop/small") == {"watching": False}
        before = world.calls("dynamodb", "Query")
        assert says_nothing(connection, 1.5)
        assert world.calls("dynamodb", "Query") == before


def test_a_watch_ends_with_its_connection(start, world):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="small", max_age_ms=1000)
        changed(connection)
    time.sleep(1.5)
    assert world.calls("dynamodb", "Query") == 1


def test_many_watchers_are_one_flight(start, world):
    agent = start(small_object())
    connections = [agent.connect() for _ in range(50)]
    try:
        for connection in connections:
            connection.call("watch", trigger="small")
        assert {changed(connection)["count"] for connection in connections} == {7}
    finally:
        for connection in connections:
            connection.close()
    assert world.calls("dynamodb", "Query") == 1


def test_watching_again_changes_the_pace(start, world):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="small")
        changed(connection)
        connection.call("watch", trigger="small", max_age_ms=1000)
        changed(connection)
        wait_until(lambda: world.calls("dynamodb", "Query") >= 3)
        # The smaller age applies while both exist; unwatch ends both.
        connection.call("unwatch", trigger="small")
        connection.call("watch", trigger="small")
        changed(connection)
        before = world.calls("dynamodb", "Query")
        assert says_nothing(connection, 1.5)
        assert world.calls("dynamodb", "Query") <= before + 1


def test_errors_are_reported_once_and_then_the_count(start, world):
    world.fault(action="Query", code="ValidationException", message="no", times=1)
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="small", max_age_ms=1000)
        answer = changed(connection)
        assert set(answer) == {"trigger", "error"} and answer["trigger"] == "shop/small"
        assert answer["error"]["name"] == "AWS_REJECTED"
        assert answer["error"]["aws"]["code"] == "ValidationException"
        assert changed(connection)["count"] == 7  # two seconds later


def test_a_failure_makes_the_count_stale_and_is_not_repeated(start, world):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="small", max_age_ms=1000)
        assert changed(connection)["quality"] == "exact"
        world.fault(action="Query", code="ValidationException", message="no good")
        answer = changed(connection)
        assert (answer["count"], answer["quality"]) == (7, "stale")
        assert answer["last_error"]["name"] == "AWS_REJECTED"
        before = world.calls("dynamodb", "Query")
        assert says_nothing(connection, 5)
        assert world.calls("dynamodb", "Query") >= before + 2
        world.heal()
        assert changed(connection)["quality"] == "exact"


def test_the_fallback_is_reported(start, world):
    world.fault(action="Query", code="ValidationException", message="no good")
    agent = start(small_object(fallback={"failureThreshold": 1, "replicas": 6}))
    with agent.connect() as connection:
        connection.call("watch", trigger="small", max_age_ms=1000)
        assert changed(connection)["error"]["fallback"] is False
        answer = changed(connection)["error"]
        assert (answer["fallback"], answer["desired_replicas"]) == (True, 6)


def test_a_changed_trigger_is_reported_anew(start):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="small")
        assert changed(connection)["target"] == 5
        reload(agent, scaled_object("small", trigger(targetValue="2")))  # the same query
        answer = changed(connection)
        assert (answer["count"], answer["target"], answer["desired_replicas"]) == (7, 2, 4)
        reload(agent, scaled_object("small", trigger(value={"S": "nothing here"})))
        assert changed(connection)["count"] == 0
        reload(agent, scaled_object("small", trigger(value={"S": "nothing here"})))
        assert says_nothing(connection, 0.5)


def test_a_removed_trigger_is_reported_once_and_its_watch_is_over(start):
    agent = start(small_object(), queue("other"))
    with agent.connect() as connection:
        connection.call("watch", trigger="small")
        changed(connection)
        reload(agent, queue("other"))
        answer = changed(connection)
        assert answer["trigger"] == "shop/small"
        assert answer["error"]["name"] == "UNKNOWN_TRIGGER"
        assert answer["error"]["retryable"] is False
        reload(agent, small_object(), queue("other"))
        assert says_nothing(connection, 0.5)
        connection.call("watch", trigger="small")
        assert changed(connection)["count"] == 7


def test_another_trigger_of_a_shorter_name_is_another_trigger(start):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="shop/small")
        changed(connection)
        reload(agent, scaled_object("small", trigger(), trigger(value={"S": "b"})))
        assert changed(connection)["error"]["name"] == "UNKNOWN_TRIGGER"


def test_a_trigger_that_needs_values_cannot_be_watched(start):
    agent = start(small_object())
    needs = trigger(clientValues=":v")
    del needs["metadata"]["expressionAttributeValues"]
    with agent.connect() as connection:
        connection.call("watch", trigger="small")
        changed(connection)
        reload(agent, scaled_object("small", needs))
        answer = changed(connection)["error"]
        assert answer["name"] == "INVALID_REQUEST" and ":v" in answer["message"]
        with pytest.raises(RpcError, match="INVALID_REQUEST.*:v"):
            connection.call("watch", trigger="small")


def test_the_65th_watch_of_a_connection_is_busy(start):
    agent = start(*(queue(f"q{number:02}", "small") for number in range(65)))
    with agent.connect() as connection:
        asked = [connection.send("watch", {"trigger": f"q{number:02}"}) for number in range(65)]
        answer = {}
        while len(answer) < 65:
            message = connection.receive()
            if message[0] == 1:
                answer[message[1]] = message[2]
        assert [answer[msgid] and answer[msgid]["name"] for msgid in asked] == [None] * 64 + ["BUSY"]
        connection.send("unwatch", {"trigger": "q00"})
        connection.send("watch", {"trigger": "q64"})
        answers = []
        while len(answers) < 2:
            message = connection.receive()
            if message[0] == 1:
                answers.append(message[2:])
        assert answers == [[None, {"watching": False}],
                           [None, {"watching": True, "trigger": "shop/q64"}]]


@pytest.mark.parametrize("method", ["watch", "unwatch"])
@pytest.mark.parametrize("params, name", [
    ({}, "INVALID_REQUEST"),
    ({"trigger": None}, "INVALID_REQUEST"),
    ({"trigger": 5}, "INVALID_REQUEST"),
    ({"trigger": "nope"}, "UNKNOWN_TRIGGER"),
    ("small", "INVALID_REQUEST"),
])
def test_wrong_params_are_reported(start, method, params, name):
    with start(small_object()).connect() as connection:
        with pytest.raises(RpcError) as caught:
            connection.answer(connection.send(method, params))
        assert caught.value.name == name


def test_a_wrong_age_is_reported_and_unknown_keys_are_not(start):
    with start(small_object()).connect() as connection:
        with pytest.raises(RpcError, match="max_age_ms"):
            connection.call("watch", trigger="small", max_age_ms=-1)
        connection.call("watch", trigger="small", timeout_ms="soon", colour="red")


def test_a_client_that_does_not_read_is_reported_the_newest(start, tables):
    tables.fill_orders("flood", 1)
    agent = start(queue("flood"))
    with agent.connect() as slow:
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.call("watch", trigger="flood", max_age_ms=1000)
        changed(slow)
        # Unread answers fill the socket, and then the agent's queue.
        lists = [msgpack.packb([0, number, "list", []]) for number in range(2000)]
        slow.socket.sendall(b"".join(lists))
        tables.fill_orders("flood", 2)
        time.sleep(1.5)
        tables.fill_orders("flood", 3)
        wait_until(lambda: agent.rpc("count", trigger="flood", max_age_ms=1000)["count"] == 3)
        time.sleep(1.2)
        counts, answers = [], 0
        while answers < len(lists) or 3 not in counts:
            message = slow.receive()
            if message[0] == 1:
                answers += 1
            else:
                counts.append(message[2][0]["count"])
    assert counts == [3]


def test_hello_names_the_methods_and_the_limit(start):
    answer = start(small_object()).rpc("hello")
    assert {"watch", "unwatch"} <= set(answer["methods"])
    assert answer["limits"]["watches"] == 64


def test_the_agent_ends_while_it_is_watched(start):
    agent = start(small_object(), options=["--grace", "300ms"])
    with agent.connect() as connection:
        connection.call("watch", trigger="small")
        changed(connection)
        assert agent.stop() == 0
        assert connection.receive() == [2, "draining", [{}]]
        assert connection.receive() is None
