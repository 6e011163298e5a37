# SPDX-License-Identifier: Apache-2.0
"""This tallyd compared with an earlier one, both in one run: the cost or gain of a change.

    make bench SUITES=before BEFORE=/path/to/an/earlier/tallyd
"""

import os

from .rounds import Row, interleave
from .servers import BUILD, Stage, count, request
from .suite_memory import agent_phases
from .suite_query import PAGES, cpu_of_agent
from .suite_socket import MODES, capacity

TITLE = "tallyd beside an earlier tallyd"
SLOWER, LARGER = (">=", 0.97), ("<=", 1.03)
PHASES = ("idle", "after queries", "connections", "triggers", "after a million")


def cached(stage, agents, rounds, quick):
    """Answers per second from the cache."""
    paths = {}
    data = stage.write("count.request", request())
    for name, tallyd in agents.items():
        port = stage.canned()
        child = stage.agent(port, name=name, tallyd=tallyd)
        count(stage.path(name))
        paths[name] = (child.pid, stage.path(name), data)
    for mode, options in MODES.items():
        answer = interleave({name: lambda server=server, options=options:
                           capacity(server, options, quick)["capacity"]
                           for name, server in paths.items()}, rounds)
        yield Row("before", mode, answer["now"], "/s", "before", answer["before"], SLOWER)


def pages(stage, agents, rounds, quick):
    """CPU of a page of a Query."""
    queries = 500 if quick else 3000
    runs = {}
    for name, tallyd in agents.items():
        child = stage.agent(stage.canned("--pages", PAGES), name=name + "-pages", tallyd=tallyd,
                            web_identity=False)
        count(stage.path(name + "-pages"))
        runs[name] = lambda name=name, child=child: cpu_of_agent(stage, child, name + "-pages", PAGES,
                                                                 queries // PAGES)
    answer = interleave(runs, rounds)
    yield Row("before", "a page of many", answer["now"], "µs", "before", answer["before"], LARGER)


def memory(stage, agents):
    seen = {name: agent_phases(stage, tallyd) for name, tallyd in agents.items()}
    for phase in PHASES:
        yield Row("before", f"private memory, {phase}", [seen["now"][phase]["private_dirty"]], "kB",
                  "before", [seen["before"][phase]["private_dirty"]], LARGER)


def run(rounds, quick=False):
    before = os.environ.get("BEFORE")
    if not before or not os.access(before, os.X_OK):
        return TITLE, [], ["BEFORE=/path/to/an/earlier/tallyd names what to compare with"]
    agents = {"now": os.path.join(BUILD, "tallyd"), "before": before}
    with Stage() as stage:
        rows = [*cached(stage, agents, rounds, quick), *pages(stage, agents, rounds, quick),
                *memory(stage, agents)]
    return TITLE, rows, []
