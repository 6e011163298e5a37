# SPDX-License-Identifier: Apache-2.0
"""tally-bridge: calls of KEDA's external scaler over HTTP/2, beside the same count on the Unix socket;
a pushed change; memory.

Calls are made by h2load. Client, bridge and agent share one CPU; the CPU time of the bridge and of
the agent for one call is measured beside, since h2load's own is not the subject."""

import os
import re
import shutil
import socket
import statistics
import subprocess
import threading
import time

from tests.integration.fake_agent import FakeAgent
from tests.integration.http2_frames import PREFACE, SETTINGS, frame, grpc_call, grpc_message

from . import machine
from .rounds import Row, interleave
from .servers import BUILD, Stage, count, program, request, wait_until

TITLE = "tally-bridge: calls over HTTP/2 (h2load), a pushed change, memory"
STATIC = os.path.join(BUILD, "image", "bearssl", "tally-bridge")
SERVICE = "/externalscaler.ExternalScaler/"
CONNECTIONS = 100
WANTED = {("GetMetrics, 64 streams", "bridge"): (">=", 10_000)}


# ---- the programs ----

def start_bridge(stage, agent_socket, bridge=None):
    """Its process and its port."""
    child = stage.start([bridge or os.path.join(BUILD, "tally-bridge"), "--socket", agent_socket,
                         "--listen", "127.0.0.1:0"], stderr=subprocess.PIPE, text=True)
    while not (found := re.search(r"event=listening address=\"?\S+:(\d+)", child.stderr.readline())):
        if child.poll() is not None:
            raise machine.Missing("tally-bridge does not start")
    threading.Thread(target=child.stderr.read, daemon=True).start()
    return child, int(found.group(1))


def field(number, data):
    return bytes([number << 3 | 2, len(data)]) + data


REF = field(1, b"orders") + field(2, b"shop")
ACTIVE = grpc_message(b"\x08\x01")
BODIES = {"GetMetrics": grpc_message(field(1, REF)), "IsActive": grpc_message(REF)}


# ---- calls ----

def h2load(stage, port, method, requests, streams):
    """Microseconds of each call, and calls per second."""
    if shutil.which("h2load") is None:
        raise machine.Missing("h2load (nghttp2-client) is not installed")
    log = stage.path("h2load.log")
    if os.path.exists(log):
        os.unlink(log)
    done = subprocess.run(machine.pinned([
        "h2load", "-n", requests, "-c", 1, "-m", streams, "-d", stage.write(method, BODIES[method]),
        "-H", "content-type: application/grpc", "-H", "te: trailers", f"--log-file={log}",
        f"http://127.0.0.1:{port}{SERVICE}{method}"]),
        capture_output=True, text=True, timeout=600, check=True)
    if f"{requests} succeeded" not in done.stdout:
        raise RuntimeError(done.stdout[-400:])
    with open(log, encoding="ascii") as file:
        return ([int(line.split()[2]) for line in file],
                float(re.search(r"([\d.]+) req/s", done.stdout).group(1)))


def busy(stage, port, pids, method, requests, streams):
    before = sum(map(machine.cpu_seconds, pids))
    times, rate = h2load(stage, port, method, requests, streams)
    return {"rate": rate, "median_us": statistics.median(times),
            "cpu_us": (sum(map(machine.cpu_seconds, pids)) - before) * 1e6 / requests}


def direct(path, data):
    """A cached count on the Unix socket, which is tally_count without the library."""
    return machine.run([program("load"), path, data, "--milliseconds", 500])["p50_us"]


def call_rows(stage, rounds, quick):
    port = stage.canned()
    agent = stage.agent(port, name="agent")
    count(stage.path("agent"))
    child, bridge_port = start_bridge(stage, stage.path("agent"))
    pids, number = (child.pid, agent.pid), 2000 if quick else 20_000
    data = stage.write("count.request", request())
    runs = {f"{method}, {streams} stream{'s' * (streams > 1)}":
            lambda method=method, streams=streams: busy(stage, bridge_port, pids, method, number,
                                                        streams)
            for method in BODIES for streams in (1, 64)}
    results = interleave({**runs, "direct": lambda: direct(stage.path("agent"), data)}, rounds)
    rows = []
    for name in runs:
        measured = results[name]
        rows.append(Row("bridge", f"{name}: calls", [run["rate"] for run in measured], "/s",
                        wanted=WANTED.get((name, "bridge"))))
        rows.append(Row("bridge", f"{name}: CPU of bridge and agent",
                        [run["cpu_us"] for run in measured], "µs"))
        if name.endswith("1 stream"):
            rows.append(Row("bridge", f"{name}: added to a count on the socket",
                            [run["median_us"] - alone
                             for run, alone in zip(measured, results["direct"])], "µs",
                            wanted=("<=", 50)))
    return rows


# ---- pushes ----

def fake_count(active):
    return {"trigger": "shop/orders", "count": int(active), "active": active,
            "activation_target": 0, "metric_name": "s0-x"}


FAKE_LIST = {"triggers": [{"name": "shop/orders", "activation_target": 0, "target": 5,
                           "metric_name": "s0-x"}]}


def open_stream(port):
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(PREFACE + frame(SETTINGS, 0, 0) + grpc_call(1, SERVICE + "StreamIsActive", REF))
    return connection


def read_until(connection, wanted):
    """Until these bytes have come."""
    data = b""
    while wanted not in data:
        piece = connection.recv(65536)
        if not piece:
            raise RuntimeError("the bridge closed the connection")
        data += piece


def push_rows(stage, rounds):
    """From the agent's `changed` to the stream's `true`."""
    with FakeAgent(stage.path("pusher"), list=lambda _: FAKE_LIST, count=lambda _: fake_count(False),
                   watch=lambda _: {"watching": True}) as agent:
        child, port = start_bridge(stage, stage.path("pusher"))
        connection = open_stream(port)
        wait_until(lambda: agent.watchers, child, "a watch of the bridge")
        times = []
        for _ in range(rounds):
            waits = []
            for _ in range(50):
                begun = time.perf_counter()
                agent.notify(fake_count(True))
                read_until(connection, ACTIVE)
                waits.append((time.perf_counter() - begun) * 1e3)
                agent.notify(fake_count(False))
                time.sleep(0.005)
            times.append(statistics.median(waits))
        connection.close()
    return [Row("bridge", "a change, from the agent to the stream", times, "ms",
                wanted=("<=", 50))]


# ---- memory ----

def memory_rows(stage, name, bridge, wanted):
    """Resident: with the pages of the program's file. Private: what no other process shares."""
    child, port = start_bridge(stage, stage.path("agent"), bridge)
    connections = [open_stream(port)]
    read_until(connections[0], ACTIVE)
    before = machine.memory(child.pid)
    while len(connections) < CONNECTIONS:
        connections.append(open_stream(port))
        read_until(connections[-1], ACTIVE)
    after = machine.memory(child.pid)
    for connection in connections:
        connection.close()
    stage.stop(child)
    return [Row("bridge", f"{name}: resident, {CONNECTIONS} connections", [after["rss"]], "kB",
                wanted=wanted),
            Row("bridge", f"{name}: private, {CONNECTIONS} connections", [after["private_dirty"]],
                "kB"),
            Row("bridge", f"{name}: a connection with a stream",
                [(after["private_dirty"] - before["private_dirty"]) / (CONNECTIONS - 1)], "kB",
                wanted=("<=", 30))]


def run(rounds, quick=False):
    notes = []
    with Stage() as stage:
        rows = call_rows(stage, rounds, quick)
        rows += push_rows(stage, rounds)
        rows += memory_rows(stage, "shared libraries", None, None)
        if os.path.exists(STATIC):
            rows += memory_rows(stage, "static", STATIC, ("<=", 1536))
        else:
            notes.append("without the static build: 'make image' makes it")
    return TITLE, rows, notes
