# SPDX-License-Identifier: Apache-2.0
"""make bench: compares all contestants in one run; prints a table of ratios, and writes JSON.

    /usr/bin/python3 -m tests.bench [--quick] [--rounds N] [SUITE ...]
"""

import argparse
import importlib
import json
import os
import sys
import time

from . import machine, servers, table

SUITES = ("socket", "query", "start", "memory", "growth", "library", "fleet", "bridge", "before")


def main():
    parser = argparse.ArgumentParser(prog="tests.bench")
    parser.add_argument("--quick", action="store_true", help="short runs, to try the bench itself")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=", ".join(SUITES))
    options = parser.parse_args()
    unknown = set(options.suites) - set(SUITES)
    if unknown:
        parser.error(f"no suite is named {', '.join(unknown)}; there are: {', '.join(SUITES)}")

    facts = machine.describe()
    report = {"machine": facts, "rounds": options.rounds, "rows": [], "notes": []}
    print(f"{facts['cpu']}, {facts['cpus']} CPUs, Linux {facts['kernel']}, load "
          f"{facts['load_before']:.2f}; {facts['placement']}; {options.rounds} interleaved rounds.\n"
          "Each line: the median, the ratio to a peer, and the spread of that ratio.")
    start = time.monotonic()
    for suite in options.suites or [suite for suite in SUITES if suite != "before"]:
        module = importlib.import_module(f"tests.bench.suite_{suite}")
        title, rows, notes = module.run(options.rounds, options.quick)
        table.show(title, rows, notes)
        report["rows"] += [row.as_json() for row in rows]
        report["notes"] += notes
    facts["load_after"] = os.getloadavg()[0]
    report["seconds"] = round(time.monotonic() - start)
    path = os.path.join(servers.BUILD, "bench", "results.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(report, file, indent=1, ensure_ascii=False)
    print(f"\nAll of it, run by run: {os.path.relpath(path)}; {report['seconds']} s, load "
          f"{facts['load_after']:.2f} at the end")
    return 0


sys.exit(main())
