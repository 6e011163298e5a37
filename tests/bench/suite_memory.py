# SPDX-License-Identifier: Apache-2.0
"""Memory, from smaps_rollup: PSS divides a shared page among the processes that share it, private
dirty counts only unshared pages, RSS counts all pages in full. Other programs that use the same
libraries reduce the PSS of the shared-library build."""

import os
import socket
import subprocess
import time

from . import machine
from .rounds import Row
from .servers import BUILD, STATIC, Stage, count, program, request
from .suite_query import BOTO3, go_program

TITLE = "Memory"
QUERIES = 10_000
MANY = 1_000


def load(stage, name, data, *options):
    machine.run([program("load"), stage.path(name), stage.write("m.request", data), *options])


def agent_phases(stage, tallyd):
    """phase → memory, of one agent for idle and queries, and of others for the rest."""
    seen = {}
    port = stage.canned()
    child = stage.agent(port, name="m", tallyd=tallyd)
    time.sleep(0.3)
    seen["idle"] = machine.memory(child.pid)
    count(stage.path("m"))
    load(stage, "m", request(max_age_ms=0), "--requests", QUERIES)
    seen["after queries"] = machine.memory(child.pid)
    connections = []
    for _ in range(MANY):
        connections.append(socket.socket(socket.AF_UNIX))
        connections[-1].connect(stage.path("m"))
        connections[-1].sendall(request())
    for connection in connections:
        connection.recv(65536)
    seen["connections"] = machine.memory(child.pid)
    for connection in connections:
        connection.close()
    load(stage, "m", request(), "--requests", 100_000, "--in-flight", 64)
    seen["before a million"] = machine.memory(child.pid)
    load(stage, "m", request(), "--requests", 1_000_000, "--in-flight", 64)
    seen["after a million"] = machine.memory(child.pid)
    stage.stop(child)

    names = [f"t{number:05}" for number in range(MANY)]
    child = stage.agent(port, stage.triggers(names), name="t", tallyd=tallyd)
    for name in names:
        count(stage.path("t"), f"shop/{name}")
    seen["triggers"] = machine.memory(child.pid)
    stage.stop(child)
    return seen


def peer_memory(stage, command, port):
    """After the queries; the program then waits."""
    child = stage.start([*command, port, QUERIES, 60], stdout=subprocess.PIPE,
                        env=stage.environment(port, web_identity=False))
    child.stdout.readline()
    seen = machine.memory(child.pid)
    stage.stop(child)
    return seen


def agent_rows(name, seen, go, bounds):
    rows = []
    for phase in ("idle", "after queries"):
        for kind in ("pss", "private_dirty", "rss"):
            beside = [go[kind]] if go else None
            rows.append(Row("memory", f"{name}: {kind} {phase}", [seen[phase][kind]], "kB",
                            "Go SDK" if go else None, beside,
                            bounds.get(kind) if go or bounds.get(kind, ("", 0))[1] > 10 else None))
    each = {"a trigger": ("triggers", "idle", MANY, 2.0),
            "an idle connection": ("connections", "after queries", MANY, 4.0)}
    for what, (after, before, number, bound) in each.items():
        grown = (seen[after]["pss"] - seen[before]["pss"]) / number
        rows.append(Row("memory", f"{name}: {what}", [grown], "kB", wanted=("<=", bound)))
    grown = seen["after a million"]["pss"] - seen["before a million"]["pss"]
    rows.append(Row("memory", f"{name}: growth over a million requests", [grown], "kB",
                    wanted=("<=", 64)))
    return rows


def run(rounds, quick=False):
    del rounds, quick  # memory is the same in each round
    notes, go = [], None
    with Stage() as stage:
        port = stage.canned()
        try:
            go = peer_memory(stage, [go_program()], port)
        except (machine.Missing, subprocess.CalledProcessError) as missing:
            notes.append(f"without the Go SDK: {missing}")
        boto3 = peer_memory(stage, ["/usr/bin/python3", BOTO3], port)
        shared = agent_phases(stage, os.path.join(BUILD, "tallyd"))
        small = agent_phases(stage, STATIC) if os.path.exists(STATIC) else None
    rows = agent_rows("shared libraries", shared, go,
                      {"pss": ("<=", 1.0), "private_dirty": ("<=", 1.0)})
    if small:
        rows += agent_rows("static", small, None, {"pss": ("<=", 1536)})
    else:
        notes.append("without the static build: 'make image' makes it")
    if go:
        rows.append(Row("memory", "Go SDK: pss after queries", [go["pss"]], "kB"))
    rows.append(Row("memory", "boto3: pss after queries", [boto3["pss"]], "kB"))
    return TITLE, rows, notes
