# SPDX-License-Identifier: Apache-2.0
"""Clients that flood, wait in large numbers, send nothing or read nothing: other clients are served,
and memory and descriptors stay bounded."""

import contextlib
import os
import re
import signal
import statistics
import subprocess
import sys
import time

import msgpack
import pytest

from . import process_facts
from .agent import TALLYD, wait_until
from .yaml_files import scaled_object, small_object, trigger

LONG = bool(os.environ.get("TALLY_LONG"))
SECONDS = 5 if LONG else 1.5
TRIGGERS = 300
STRANGER, OTHER = 54321, 54322  # users other than root and the agent's

# Separate programs: a thread of the test would delay the measured client.
FLOOD = """
import socket, sys, threading
connection = socket.socket(socket.AF_UNIX)
connection.connect(sys.argv[1])
data = bytes.fromhex(sys.argv[2]) * 2000
def read():
    room = bytearray(1 << 18)
    while connection.recv_into(room):
        pass
threading.Thread(target=read, daemon=True).start()
while True:
    connection.sendall(data)
"""
CROWD = """
import os, socket, sys, resource
path, uid, number, data = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), bytes.fromhex(sys.argv[4])
resource.setrlimit(resource.RLIMIT_NOFILE, (20000, 20000))
if uid:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)
kept = []
for i in range(number):
    one = socket.socket(socket.AF_UNIX)
    one.connect(path)
    one.setblocking(False)
    if data:
        try:
            one.send(data)
        except OSError:
            pass
    kept.append(one)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def programs(pod):  # so that the agents are stopped after them
    """programs(code, *arguments): a client process, killed at the end."""
    with contextlib.ExitStack() as stack:
        def run(code, *arguments):
            child = subprocess.Popen([sys.executable, "-c", code, *map(str, arguments)],
                                     stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.DEVNULL)
            stack.callback(child.wait)
            stack.callback(child.kill)
            return child
        yield run


@pytest.fixture
def crowd(programs):
    """crowd(agent, number, uid, data): `number` connections that send `data` and read nothing."""
    def gather(agent, number, uid=0, data=b""):
        child = programs(CROWD, agent.socket, uid, number, data.hex())
        assert child.stdout.readline() == b"ready\n"
        return child
    return gather


def request(method, *params, msgid=1):
    return msgpack.packb([0, msgid, method, list(params)])


def many_triggers(many=TRIGGERS):
    return [small_object(), *(scaled_object(f"trigger-{number:04}", trigger(value={"S": "x"}))
                              for number in range(many))]


def slowness(agent):
    return 8 if process_facts.is_sanitized(agent.child.pid) else 1


# ---- floods -----------------------------------------------------------------------------------------


def round_trips(agent, seconds):
    """How long `ping` takes, in ms."""
    answer = []
    with agent.connect() as connection:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            begun = time.monotonic()
            connection.call("ping")
            answer.append((time.monotonic() - begun) * 1000)
            time.sleep(0.002)
    return answer


@pytest.mark.timing
@pytest.mark.parametrize("number", [1, 16])
@pytest.mark.parametrize("method", ["list", "status", "whoami", "hello", "count"])
def test_a_flood_delays_others_by_its_share_only(start, programs, method, number):
    agent = start(*many_triggers())
    assert agent.rpc("count", trigger="small")["count"] == 7
    params = [{"trigger": "small"}] if method in ("count", "whoami") else []
    for _ in range(number):
        programs(FLOOD, agent.socket, request(method, *params).hex())
    wait_until(lambda: agent.rpc("status")["requests"]["total"] > 500, 30)
    answer = round_trips(agent, SECONDS)
    middle = statistics.median(answer)
    print(f"{len(answer)} round trips, median {middle:.2f} ms, longest {max(answer):.2f} ms")
    # The goal is 2 ms beside one and 10 ms beside sixteen; the machine may be busy.
    assert middle < (15 if number == 1 else 60) * slowness(agent)


def test_counts_that_wait_cost_nothing_while_they_wait(start, world):
    agent = start(small_object())
    world.fault(action="Query", latency=60)
    with contextlib.ExitStack() as stack:
        for number in range(300):
            connection = stack.enter_context(agent.raw())
            # A deadline in each millisecond: earlier, each of them scanned all waiting requests.
            connection.sendall(b"".join(request("count", {
                "trigger": "small", "timeout_ms": 4000 + (number * 64 + i) % 60000}, msgid=i)
                for i in range(64)))
        wait_until(lambda: agent.rpc("status")["requests"]["in_flight"] >= 300 * 64)
        time.sleep(4)  # some deadlines pass by now
        before, begun = process_facts.cpu_seconds(agent.child.pid), time.monotonic()
        time.sleep(SECONDS)
        share = (process_facts.cpu_seconds(agent.child.pid) - before) / (time.monotonic() - begun)
        print(f"{share:.3f} of a CPU")
        assert share < 0.08 * slowness(agent)
    agent.kill()  # its flight would delay the exit


# ---- crowds -----------------------------------------------------------------------------------------


def test_idle_connections_make_room_and_those_in_use_stay(start, world, crowd):
    agent = start(small_object())
    with agent.connect() as watcher, agent.connect() as waiter:
        watcher.call("watch", trigger="small")
        world.fault(action="Query", latency=2)
        pending = waiter.send("count", {"trigger": "small", "max_age_ms": 0, "timeout_ms": 20000})
        crowd(agent, 1100)
        assert agent.cli("ping")[0] == 0
        connections = agent.rpc("status")["connections"]
        assert connections["open"] <= connections["limit"] == 1024
        assert connections["evicted"] >= 78
        assert waiter.answer(pending)["count"] == 7
        ping = watcher.send("ping")
        while (result := watcher.receive())[:2] != [1, ping]:
            assert result[:2] == [2, "changed"]
    assert 1 <= agent.log().count("event=evicted") <= 2


def uid_socket(agent):
    os.chmod(agent.folder, 0o755)
    os.chmod(agent.socket, 0o666)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: clients of several users")
def test_one_user_does_not_take_the_room_of_others(start, crowd):
    agent = start(small_object())
    uid_socket(agent)
    watch = request("watch", {"trigger": "small"})
    crowd(agent, 1100, STRANGER, watch)  # none of them is idle
    def turned_away():
        answer = agent.rpc("status")["connections"]
        assert answer["limit_of_user"] == 768
        # A connection whose request has not arrived yet counts as idle.
        return answer["refused"] + answer["evicted"] >= 1100 - 768
    wait_until(turned_away)
    crowd(agent, 1100, OTHER, watch)
    assert agent.cli("ping")[0] == 0  # room is left for root
    assert agent.rpc("count", trigger="small")["count"] == 7


def test_with_few_descriptors_counts_and_reloads_go_on(pod, world, crowd):
    agent = pod(small_object())
    agent.start(wrapper=["prlimit", "--nofile=1000:1000"])
    agent.wait_for_log("event=few_descriptors")
    crowd(agent, 1000)
    world.close_idle()
    assert agent.rpc("count", trigger="small", max_age_ms=0)["count"] == 7
    agent.write_config(small_object(), scaled_object("more", trigger(value={"S": "more"})))
    agent.child.send_signal(signal.SIGHUP)
    wait_until(lambda: agent.rpc("status")["config"]["generation"] == 2)
    assert agent.rpc("status")["config"]["triggers"] == 2


@pytest.mark.timing
def test_a_small_soft_limit_is_raised(pod):
    agent = pod(small_object())
    agent.start(wrapper=["prlimit", "--nofile=64:4096"])
    with open(f"/proc/{agent.child.pid}/limits", encoding="ascii") as file:
        assert re.search(r"Max open files +4096 ", file.read())
    assert agent.rpc("hello")["limits"]["connections"] == 1024


# ---- unread answers ---------------------------------------------------------------------------------


class MemoryGroup:
    """A memory cgroup of one test, if one can be created."""

    ROOT = "/sys/fs/cgroup/memory"

    def __init__(self, limit):
        self.path = os.path.join(self.ROOT, f"tally-test-{os.getpid()}-{limit}")
        try:
            os.mkdir(self.path)
            self.write("memory.limit_in_bytes", limit)
        except OSError as error:
            self.close()
            pytest.skip(f"no memory cgroup can be made: {error}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        with contextlib.suppress(OSError):
            os.rmdir(self.path)

    def write(self, name, value):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as file:
            file.write(str(value))

    def read(self, name):
        with open(os.path.join(self.path, name), encoding="ascii") as file:
            return int(file.read())

    def wrapper(self):
        return ["sh", "-c", f'echo $$ > {self.path}/cgroup.procs && exec "$@"', "sh"]


def unread_pages(connections):
    return b"".join(request("list", msgid=i) for i in range(connections))


# A sanitizer needs more memory than the groups allow.
if "sanitized" not in TALLYD:
    @pytest.mark.timing
    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root: a memory cgroup, a client of another user")
    @pytest.mark.parametrize("mebibytes, clients, buffer", [
        (8, 150, "1M"), (16, 800, "2M"), (32, 1000, "2M")])
    def test_unread_answers_do_not_take_the_memory_of_the_pod(pod, crowd, mebibytes, clients, buffer):
        agent = pod(*many_triggers(), options=["--max-buffer", buffer])
        with MemoryGroup(mebibytes << 20) as group, contextlib.ExitStack() as stack:
            stack.callback(lambda: agent.child.poll() is None and agent.kill())
            agent.start(wrapper=group.wrapper())
            uid_socket(agent)
            hostile = [crowd(agent, clients, STRANGER, unread_pages(100))
                       for _ in range(3 if LONG else 2)]
            served, end = 0, time.monotonic() + SECONDS
            while time.monotonic() < end:
                assert agent.child.poll() is None, "the agent was killed"
                with contextlib.suppress(BlockingIOError):  # the kernel's queue is full of other connections
                    assert agent.rpc("ping")
                    served += 1
                time.sleep(0.01)
            assert served > 3
            most = group.read("memory.max_usage_in_bytes")
            print(f"{most >> 10} KiB at most, {group.read('memory.kmem.usage_in_bytes') >> 10} KiB of "
                  f"the kernel's, {group.read('memory.failcnt')} times at the limit")
            print({key: value for key, value in agent.rpc("status")["connections"].items()
                   if key != "peers"})
            assert "event=dropped" in agent.log()
            for child in hostile:
                child.kill()
                child.wait()
            # Unread answers are freed when their connections are closed.
            wait_until(lambda: agent.rpc("status")["connections"]["lingering"] == 0)
            assert agent.stop() == 0


def test_a_reader_in_time_is_not_dropped_for_a_small_buffer(start):
    # So many that an answer with all of them exceeds the kernel's socket buffer.
    agent = start(*many_triggers(1500), options=["--max-buffer", "64K"])
    with agent.connect() as connection:
        for _ in range(5):
            names, after = [], {}
            while after is not None:
                result = connection.call("list", **after)
                names += [one["name"] for one in result["triggers"]]
                after = {"after": result["next"]} if "next" in result else None
            assert len(names) == 1501
    assert agent.rpc("status")["connections"]["dropped"] == 0
