# SPDX-License-Identifier: Apache-2.0
"""A cached answer: the cost of one read of the socket, in reproducible numbers; and a repeated
request, which must not be answered from the previous one after its meaning has changed."""

import os
import re
import subprocess
import time

import msgpack
import pytest

from . import process_facts
from .agent import START_SECONDS, TALLYD, wait_until
from .rpc import RpcError
from .yaml_files import scaled_object, small_object, trigger

LATER = 3_600_000  # ms: from the cache, at any age


def packed(msgid, **params):
    return msgpack.packb([0, msgid, "count", [params]])


def receive(connection, number):
    """Reads this number of answers; msgid → result."""
    unpacker, answer = msgpack.Unpacker(), {}
    while len(answer) < number:
        data = connection.recv(65536)
        assert data, "the agent hung up"
        unpacker.feed(data)
        for _, msgid, error, result in unpacker:
            assert error is None, error
            answer[msgid] = result
    return answer


def ask(connection, msgid, **params):
    connection.sendall(packed(msgid, **params))
    return receive(connection, 1)[msgid]


# ---- one read, one write ----


def test_all_answers_of_one_read_are_one_write(start, tmp_path):
    agent = start(small_object())
    if process_facts.is_sanitized(agent.child.pid):
        return
    out = tmp_path / "strace"
    with agent.raw() as connection, subprocess.Popen(
            ["strace", "-f", "-e", "trace=recvfrom,sendto,write,sendmsg,writev", "-o", out, "-p",
             str(agent.child.pid)], stderr=subprocess.PIPE, text=True) as tracer:
        assert "attached" in tracer.stderr.readline()
        ask(connection, 0, trigger="small")
        before = len(out.read_text().splitlines())
        connection.sendall(b"".join(packed(msgid, trigger="small") for msgid in range(1, 65)))
        result = receive(connection, 64)
        tracer.terminate()
    calls = [line.split(None, 1)[1].split("(")[0] for line in out.read_text().splitlines()[before:]]
    assert {answer["count"] for answer in result.values()} == {7}
    assert [call for call in calls if call in ("recvfrom", "sendto")] == ["recvfrom", "sendto"]


# ---- the same request again ----


@pytest.mark.parametrize("msgid", [0, 127, 128, 255, 256, 65535, 65536, 2**32 - 1])
def test_each_repetition_gets_its_own_msgid(start, msgid):
    with start(small_object()).raw() as connection:
        ask(connection, 1, trigger="small")
        assert ask(connection, msgid, trigger="small")["count"] == 7


def test_a_repetition_may_come_in_pieces(start):
    whole = packed(70000, trigger="small")
    with start(small_object()).raw() as connection:
        ask(connection, 1, trigger="small")
        for cut in range(1, len(whole)):
            connection.sendall(whole[:cut])
            time.sleep(0.002)
            connection.sendall(whole[cut:] + whole)  # and the complete next one after it
            unpacker, answers = msgpack.Unpacker(), 0
            while answers < 2:
                unpacker.feed(connection.recv(65536))
                answers += sum(message[1] == 70000 and message[3]["count"] == 7
                               for message in unpacker)


def test_what_differs_at_all_is_no_repetition(start):
    agent = start(small_object(), scaled_object("smalm", trigger(value={"S": "nothing"})))
    with agent.raw() as connection:
        for _ in range(3):
            assert ask(connection, 1, trigger="small")["trigger"] == "shop/small"
            assert ask(connection, 1, trigger="smalm")["trigger"] == "shop/smalm"
            assert ask(connection, 1, trigger="smalm", replicas=3)["trigger"] == "shop/smalm"


def test_a_repetition_is_counted_as_a_request(start):
    agent = start(small_object())
    with agent.connect() as connection:
        for _ in range(10):
            connection.call("count", trigger="small")
        status = connection.call("status")
    assert status["requests"]["by_method"]["count"] == 10
    assert status["cache"]["hits"] == 9


def test_a_repetition_is_counted_anew_when_the_count_is_too_old(start, world):
    with start(small_object(pollingInterval=1)).raw() as connection:
        ask(connection, 1, trigger="small")
        assert ask(connection, 2, trigger="small")["age_ms"] < 1000
        assert world.calls("dynamodb", "Query") == 1
        time.sleep(1.1)
        assert ask(connection, 3, trigger="small")["age_ms"] < 1000
        assert world.calls("dynamodb", "Query") == 2


def test_a_repetition_that_wants_it_fresh_gets_it_fresh(start, world):
    with start(small_object()).raw() as connection:
        for msgid in range(3):
            ask(connection, msgid, trigger="small", max_age_ms=0)
    assert world.calls("dynamodb", "Query") == 3


def test_a_repetition_means_what_the_configuration_in_force_says(start):
    agent = start(small_object())
    with agent.connect() as connection:
        for _ in range(3):
            assert connection.call("count", trigger="small")["target"] == 5
        agent.write_config(scaled_object("small", trigger(targetValue="9", value={"S": "small"})))
        wait_until(lambda: connection.call("count", trigger="small")["target"] == 9)
        agent.write_config(scaled_object("other"))
        wait_until(lambda: connection.call("list")["triggers"][0]["name"] == "shop/other")
        with pytest.raises(RpcError, match="UNKNOWN_TRIGGER"):
            connection.call("count", trigger="small")


def test_the_age_goes_on_in_an_answer_that_was_packed_once(start):
    with start(small_object()).raw() as connection:
        first = ask(connection, 1, trigger="small")
        time.sleep(0.3)
        later = ask(connection, 2, trigger="small")
        assert later["age_ms"] >= first["age_ms"] + 300
        assert {**later, "age_ms": 0} == {**first, "age_ms": 0}


# ---- instructions ----

ROUNDS = 2000
REPEATED, DIFFERENT = 2_200, 4_500  # including libuv's; 1,400 and 2,700 were measured


def instructions(pod, tmp_path, requests):
    """Instructions of one cached answer: `requests` in turn, one in flight."""
    out = tmp_path / "callgrind"
    agent = pod(small_object(), scaled_object("other"), options=["--no-seccomp"])
    command = ["valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
               f"--callgrind-out-file={out}", TALLYD]
    with open(tmp_path / "stderr", "wb") as log:
        child = subprocess.Popen([*command, "--config", agent.config, "--socket", agent.socket,
                                  "--linger", "0", "--no-seccomp"], env=agent.env, stderr=log)
    try:
        wait_until(lambda: os.path.exists(agent.socket), START_SECONDS, lambda: (tmp_path / "stderr").read_text())
        with agent.raw() as connection:
            for data in requests:
                connection.sendall(data)
                receive(connection, 1)
            control(child.pid, "on")
            for number in range(ROUNDS):
                connection.sendall(requests[number % len(requests)])
                connection.recv(65536)
            control(child.pid, "off")
        child.terminate()
        assert child.wait(30) == 0
    finally:
        child.kill()
        child.wait()
    return int(re.search(r"^totals: (\d+)", out.read_text(), re.MULTILINE)[1]) / ROUNDS


def control(pid, switch):
    subprocess.run(["callgrind_control", "-i", switch, str(pid)], check=True, capture_output=True)


@pytest.mark.parametrize("requests, bound", [
    ([packed(70000, trigger="small", max_age_ms=LATER)], REPEATED),
    ([packed(70000, trigger="shop/small", max_age_ms=LATER),
      packed(70000, trigger="shop/other", max_age_ms=LATER)], DIFFERENT)],
    ids=["repeated", "another each time"])
def test_a_cached_answer_takes_few_instructions(pod, tmp_path, requests, bound):
    if "sanitized" in os.environ.get("TALLY_BUILD", ""):
        return  # valgrind cannot run it, and its instructions are mostly the sanitizer's
    taken = instructions(pod, tmp_path, requests)
    print(f"  instructions for a cached answer {taken:27.0f}")
    assert taken < bound
