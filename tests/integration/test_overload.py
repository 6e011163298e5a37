# SPDX-License-Identifier: Apache-2.0
"""Too many connections, too much data, too slow clients: memory stays bounded, and well-behaved clients
are served."""

import contextlib
import os
import re
import select
import selectors
import signal
import socket
import statistics
import subprocess
import threading
import time

import msgpack
import pytest

from . import process_facts
from .agent import wait_until
from .rpc import Rpc, RpcError
from .yaml_files import scaled_object, small_object, trigger

CONNECTIONS = 1024
IN_FLIGHT = 64
COUNT = ["count", [{"trigger": "small", "timeout_ms": 60_000}]]


@pytest.fixture
def crowd():
    """crowd(agent, n): n connections, closed at the end."""
    with contextlib.ExitStack() as stack:
        yield lambda agent, number: [stack.enter_context(agent.raw()) for _ in range(number)]


def requests(first, number, request=COUNT):
    return b"".join(msgpack.packb([0, msgid, *request]) for msgid in range(first, first + number))


def answers(connections, wanted, seconds=60):
    """Reads all messages of each connection, until each has its number."""
    selector, answer = selectors.DefaultSelector(), {}
    for connection in connections:
        answer[connection] = []
        selector.register(connection, selectors.EVENT_READ, msgpack.Unpacker())
    deadline = time.monotonic() + seconds
    while selector.get_map():
        assert time.monotonic() < deadline, f"{len(selector.get_map())} still wait"
        for key, _ in selector.select(1):
            data = key.fileobj.recv(1 << 18)
            assert data, "the connection was closed"
            key.data.feed(data)
            answer[key.fileobj] += list(key.data)
            if len(answer[key.fileobj]) >= wanted:
                selector.unregister(key.fileobj)
    return answer


class Bystander:
    """A well-behaved client that sends requests all the time, and records the time of each answer."""

    def __init__(self, agent):
        self._agent, self._over = agent, threading.Event()
        self.seconds, self.wrong = [], []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()

    def _run(self):
        with self._agent.connect() as connection:
            while not self._over.is_set():
                begun = time.monotonic()
                try:
                    if connection.call("count", trigger="small")["count"] != 7:
                        self.wrong.append("count")
                except (OSError, RpcError, TypeError) as error:
                    self.wrong.append(error)
                    return
                self.seconds.append(time.monotonic() - begun)
                time.sleep(0.005)

    def was_served(self):
        assert not self.wrong, self.wrong
        assert len(self.seconds) >= 3
        # A busy machine delays all clients, a sanitizer more; the median shows delays by the agent.
        middle, longest = statistics.median(self.seconds), max(self.seconds)
        print(f"{len(self.seconds)} answers, median {middle:.4f} s, longest {longest:.4f} s")
        assert middle < 0.6 and longest < 5, (middle, longest)


def warm(agent):
    assert agent.rpc("count", trigger="small")["count"] == 7


def grew_kb(agent, before, most):
    """Checks the growth of the agent's memory."""
    grown = process_facts.anonymous_kb(agent.child.pid) - before
    assert process_facts.is_sanitized(agent.child.pid) or grown < most, f"{grown} kB more"
    return grown


# ---- many clients ---------------------------------------------------------------------------------


def test_1024_connections_with_64_requests_each_on_one_flight(start, world, crowd):
    # The kernel charges the agent for answers until they are read, about 800 bytes for each of these.
    agent = start(small_object(), options=["--max-buffer", "64M"])
    warm(agent)
    world.forget()
    before = process_facts.anonymous_kb(agent.child.pid)
    world.fault(action="Query", latency=2.0)
    connections = crowd(agent, CONNECTIONS)
    batch = b"".join(msgpack.packb([0, msgid, "count", [
        {"trigger": "small", "max_age_ms": 0, "timeout_ms": 60_000}]]) for msgid in range(IN_FLIGHT))
    for connection in connections:
        connection.sendall(batch)
    answer = answers(connections, IN_FLIGHT)
    grew_kb(agent, before, 40_000)
    for messages in answer.values():
        assert sorted(message[1] for message in messages) == list(range(IN_FLIGHT))
        assert {message[3]["count"] for message in messages} == {7}
    assert world.calls("dynamodb", "Query") <= 2  # those that arrived after the first flight
    for connection in connections:
        connection.close()
    wait_until(lambda: agent.rpc("status")["connections"]["open"] == 1)


def test_one_connection_too_many_is_reported_so_and_later_served(start, crowd):
    agent = start(small_object())
    connections = crowd(agent, CONNECTIONS)
    for connection in connections:  # an idle one would be closed
        connection.sendall(msgpack.packb([0, 1, "watch", [{"trigger": "small"}]]))
    assert answers(connections, 1)
    with agent.connect() as one_more:
        with pytest.raises(RpcError) as caught:
            one_more.call("ping")
        assert caught.value.name == "BUSY" and "1024" in caught.value.answer["message"]
        assert one_more.receive() is None
    code, out, err = agent.cli("count", "small")
    assert (code, out) == (1, "") and "BUSY" in err
    for connection in connections[:10]:
        connection.close()
    wait_until(lambda: agent.cli("count", "small")[0] == 0)


def test_connections_that_never_speak_cost_little(start, crowd):
    agent = start(small_object())
    warm(agent)
    before = process_facts.anonymous_kb(agent.child.pid)
    crowd(agent, CONNECTIONS - 2)
    with Bystander(agent) as bystander:
        time.sleep(1)
    bystander.was_served()
    grew_kb(agent, before, 2_000)


def test_half_sent_frames_do_not_fill_the_memory(start, crowd):
    agent = start(small_object())
    warm(agent)
    before = process_facts.anonymous_kb(agent.child.pid)
    # 60,000 bytes of a request of 65,000: a long method name.
    half = b"\x94\x00\x01\xda\xfd\xe8" + b"x" * 60_000
    with Bystander(agent) as bystander:
        for connection in crowd(agent, 700):
            with contextlib.suppress(OSError):  # this one may be closed
                connection.sendall(half)
        time.sleep(0.5)
    bystander.was_served()
    grew_kb(agent, before, 8_000)  # --max-buffer is 2 MiB
    assert agent.rpc("status")["connections"]["dropped"] > 0


def test_long_headers_of_replies_leave_nothing_behind(start, world):
    names = [f"t{number}" for number in range(8)]
    agent = start(*(scaled_object(name, trigger(value={"S": name})) for name in names))

    def ask_for_all():
        with contextlib.ExitStack() as stack:
            asked = [(connection, connection.send("count", {
                "trigger": name, "max_age_ms": 0, "timeout_ms": 1500}))
                     for name in names for connection in [stack.enter_context(agent.connect())]]
            for connection, msgid in asked:
                with contextlib.suppress(RpcError):
                    connection.answer(msgid)

    world.fault(action="Query", status=503)
    ask_for_all()
    before = process_facts.anonymous_kb(agent.child.pid)
    world.heal()
    world.fault(action="Query", headers={"X-Long": "x" * 70_000})
    for _ in range(3):
        ask_for_all()
    agent.child.send_signal(signal.SIGHUP)  # it returns free memory to the kernel
    wait_until(lambda: agent.rpc("status")["config"]["generation"] == 2)
    grew_kb(agent, before, 400)


# ---- greedy clients -------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["ping", "count", "list", "nonsense"])
def test_a_flood_of_requests_does_not_starve_others(start, method):
    agent = start(small_object())
    warm(agent)
    before = process_facts.anonymous_kb(agent.child.pid)
    params = [{"trigger": "small"}] if method == "count" else []
    flood = requests(0, 2000, [method, params])
    over, answered = threading.Event(), []

    def pour():
        with agent.raw() as connection:
            reader = threading.Thread(target=drain, args=[connection])
            reader.start()
            while not over.is_set():
                connection.sendall(flood)
            connection.shutdown(socket.SHUT_WR)
            reader.join()

    def drain(connection):
        while data := connection.recv(1 << 18):
            answered.append(len(data))

    threads = [threading.Thread(target=pour) for _ in range(2)]
    for thread in threads:
        thread.start()
    with Bystander(agent) as bystander:
        time.sleep(1.5)
    over.set()
    for thread in threads:
        thread.join()
    assert sum(answered) > 100_000
    bystander.was_served()
    grew_kb(agent, before, 4_000)


def test_those_who_read_nothing_are_dropped_before_memory_ends(start, crowd):
    names = [f"trigger-with-a-rather-long-name-{number}" for number in range(200)]
    agent = start(small_object(), *(scaled_object(name, trigger(value={"S": name}))
                                    for name in names), options=["--max-buffer", "262144"])
    warm(agent)
    before = process_facts.anonymous_kb(agent.child.pid)
    with Bystander(agent) as bystander:
        for connection in crowd(agent, 100):
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                for _ in range(50):
                    connection.send(requests(0, 20, ["list", []]))
        time.sleep(0.5)
    bystander.was_served()
    grew_kb(agent, before, 6_000)
    status = agent.rpc("status")
    assert status["connections"]["dropped"] > 0
    assert "it does not read its answers" in agent.log()


def test_a_slow_reader_gets_every_answer(start):
    agent = start(small_object())
    warm(agent)
    with agent.raw() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sender = threading.Thread(target=connection.sendall, args=[requests(0, 6000)])
        sender.start()
        unpacker, got = msgpack.Unpacker(), []
        while len(got) < 6000:
            unpacker.feed(connection.recv(8192))
            got += [message[1] for message in unpacker]
            time.sleep(0.0005)
        sender.join()
    assert sorted(got) == list(range(6000))


# ---- the machine ------------------------------------------------------------------------------------


def limit_descriptors(agent, number):
    subprocess.run(["prlimit", "--pid", str(agent.child.pid), f"--nofile={number}:"],
                   check=True)


def test_a_count_without_descriptors_names_them(start, world):
    agent = start(small_object())
    warm(agent)
    world.close_idle()
    with agent.connect() as inside:
        inside.call("ping")
        limit_descriptors(agent, 5)
        answer = inside.call("count", trigger="small", max_age_ms=0, timeout_ms=1000)
        assert answer["quality"] == "stale"
        assert "no file descriptor left" in answer["last_error"]["message"]
        agent.wait_for_log("no file descriptor left")
        limit_descriptors(agent, 1024)
        wait_until(lambda: inside.call("count", trigger="small", max_age_ms=0)["quality"] == "exact")


def test_without_descriptors_those_inside_are_served_and_nothing_spins(start, world, crowd):
    agent = start(small_object())
    warm(agent)
    with agent.connect() as inside:
        inside.call("ping")
        crowd(agent, 20)
        wait_until(lambda: inside.call("status")["connections"]["open"] == 21)
        limit_descriptors(agent, 5)  # open connections stay
        late = crowd(agent, 20)  # the kernel queues connections that cannot be accepted
        cpu = process_facts.cpu_seconds(agent.child.pid)
        lines = agent.log().count("\n")
        end = time.monotonic() + 2
        while time.monotonic() < end:
            assert inside.call("count", trigger="small")["count"] == 7
            time.sleep(0.05)
        assert process_facts.cpu_seconds(agent.child.pid) - cpu < 1.0
        assert "accept_failed" in agent.log()
        assert agent.log().count("\n") - lines < 30, "the log is flooded"
        # The agent cannot open a connection to AWS now: an error or the last count, and no crash.
        world.close_idle()
        answer = inside.call("count", trigger="small", max_age_ms=0, timeout_ms=800)
        assert (answer["count"], answer["quality"]) == (7, "stale")
        limit_descriptors(agent, 60)
        for connection in late:
            connection.sendall(requests(1, 1))
        assert {message[3]["count"] for messages in answers(late, 1).values()
                for message in messages} == {7}
    wait_until(lambda: agent.rpc("count", trigger="small", max_age_ms=0)["quality"] == "exact", 25)


def full_disk(stack):
    return {"stderr": stack.enter_context(open("/dev/full", "wb"))}


def closed(_stack):
    return {"wrapper": ["sh", "-c", 'exec "$@" 2>&-', "sh"]}


def full_pipe(stack):
    """Like a container's stderr when its runtime hangs; returns both ends."""
    read, write = os.pipe()
    for end in (read, write):
        stack.callback(os.close, end)
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(write, b"x" * 4096)
    os.set_blocking(write, True)
    return read, write


def nobody_reads(stack):
    return {"stderr": full_pipe(stack)[1]}


@pytest.mark.parametrize("where", [full_disk, closed, nobody_reads])
def test_a_log_that_takes_nothing_stops_nothing(pod, where):
    agent = pod(small_object())
    with contextlib.ExitStack() as stack:
        agent.start(**where(stack))
        connection = stack.enter_context(agent.connect())
        connection.socket.settimeout(5)
        assert connection.call("count", trigger="small")["count"] == 7
        for _ in range(20):
            with agent.raw() as bad:
                bad.sendall(b"\xc1")
        assert connection.call("count", trigger="small")["count"] == 7
        connection.close()
        assert agent.stop() == 0


def test_lines_that_were_lost_are_counted(pod):
    agent = pod(small_object())
    with contextlib.ExitStack() as stack:
        read, write = full_pipe(stack)
        agent.start(stderr=write)
        agent.rpc("ping")  # its log line that it listens was lost
        while os.read(read, 65536).endswith(b"x"):
            if not select.select([read], [], [], 0)[0]:
                break
        with agent.raw() as bad:
            bad.sendall(b"\xc1")
            assert bad.recv(1) == b""
        answer = os.read(read, 65536).decode()
        # The line that reports the loss may have been lost, too; then there are two.
        assert re.search(r"event=log_lost lines=[12]\n", answer) and "event=malformed" in answer
