# SPDX-License-Identifier: Apache-2.0
"""Answers per second by triggers and by connections, and the cost of warm triggers; as a plot."""

import os
import time

from . import machine, plot
from .rounds import Row, Spread
from .servers import BUILD, Stage, count, exchange, program, request, stats
from .suite_socket import start_floor

TITLE = "Growth (answers per second of the CPU that client and server share)"
TRIGGERS = (1, 10, 100, 1_000, 10_000)
CONNECTIONS = (1, 10, 50, 100, 300, 1_000)
WARM = 1_000
WARM_SECONDS = 10


def capacity(path, data, rounds, milliseconds, *options, pid):
    answer = [machine.run([program("load"), path, data, "--milliseconds", milliseconds, "--pid", pid,
                         *options]) for _ in range(rounds)]
    return [1e6 / (each["server_cpu_us"] + each["client_cpu_us"]) for each in answer]


def by_triggers(rounds, milliseconds):
    """Each request is for a different trigger than the previous one."""
    found = {}
    for number in TRIGGERS:
        with Stage() as stage:
            names = [f"t{each:05}" for each in range(number)]
            child = stage.agent(stage.canned(), stage.triggers(names))
            asked = [request(f"shop/{name}") for name in names]
            data = stage.write("r", b"".join(asked))
            path = stage.path("tally.sock")
            machine.run([program("load"), path, data, "--requests", number, "--bytes",
                         len(asked[0])])
            found[number] = capacity(path, data, rounds, milliseconds, "--bytes", len(asked[0]),
                                     pid=child.pid)
    return found


def by_connections(rounds, milliseconds):
    """tallyd's, and the floor's: more connections cost the kernel more, too."""
    with Stage() as stage:
        child = stage.agent(stage.canned())
        count(stage.path("tally.sock"))
        question = request()
        data = stage.write("r", question)
        answer_bytes = len(exchange(stage.path("tally.sock"), question))
        floor, _ = start_floor(stage, question, answer_bytes)
        found = {"tallyd": {}, "floor": {}}
        for number in CONNECTIONS:
            for name, path, server in (("tallyd", "tally.sock", child), ("floor", "floor", floor)):
                found[name][number] = capacity(stage.path(path), data, rounds, milliseconds,
                                               "--connections", number, pid=server.pid)
        return found


def warm_refreshes(rounds):
    """CPU per refresh of warm triggers without requests, each once a second."""
    with Stage() as stage:
        port = stage.canned(cpu=os.cpu_count() - 1)
        names = [f"t{each:05}" for each in range(WARM)]
        child = stage.agent(port, stage.triggers(names, polling=1, extra='\n        warm: "true"'))
        time.sleep(3)
        costs = []
        for _ in range(min(rounds, 2)):
            before, cpu = stats(port)["queries"], machine.cpu_seconds(child.pid)
            time.sleep(WARM_SECONDS)
            queries = stats(port)["queries"] - before
            costs.append((machine.cpu_seconds(child.pid) - cpu) * 1e6 / max(queries, 1))
        return costs, queries / WARM_SECONDS


def spreads(runs):
    return {number: Spread(values) for number, values in runs.items()}


def run(rounds, quick=False):
    rounds, milliseconds = (2, 150) if quick else (max(rounds // 2, 3), 400)
    triggers, connections = by_triggers(rounds, milliseconds), by_connections(rounds, milliseconds)
    rows = [Row("growth", f"{number} triggers", values, "/s", "one trigger", triggers[1])
            for number, values in triggers.items() if number > 1]
    rows += [Row("growth", f"{number} connections", values, "/s", f"floor with {number}",
                 connections["floor"][number]) for number, values in connections["tallyd"].items()]
    costs, rate = warm_refreshes(1 if quick else 2)
    rows.append(Row("growth", f"CPU per refresh, {WARM} warm triggers, {rate:.0f}/s", costs, "µs"))
    path = os.path.join(BUILD, "bench", "growth.svg")
    with open(path, "w", encoding="utf-8") as file:
        file.write(plot.draw("Cached answers per second of one CPU, client's part included", [
            ("triggers, each asked for in turn, one in flight", {"tallyd": spreads(triggers)}),
            ("connections, one in flight on each",
             {name: spreads(values) for name, values in connections.items()})]))
    return TITLE, rows, [f"plot: {os.path.relpath(path)}"]
