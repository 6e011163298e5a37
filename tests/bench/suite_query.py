# SPDX-License-Identifier: Apache-2.0
"""One Query: the CPU time of a warm one in the sending process, signed, parsed and checked; and the
time of many pages compared with the service's own time."""

import os
import shutil
import subprocess
import time

from tests.gateway.local import ROOT

from . import machine
from .rounds import Row, interleave
from .servers import BUILD, Stage, count, program, request, stats

TITLE = "A Query (CPU of the process that sends it, the service on the same CPU)"
PAGES = 100
GOCODE = "/usr/share/gocode"
BOTO3 = os.path.join(ROOT, "tests/bench/peers/query_boto3.py")


def go_program():
    """Built once, from Debian's packages alone."""
    made = os.path.join(BUILD, "bench", "query_go")
    source = os.path.join(ROOT, "tests/bench/peers/query.go")
    if shutil.which("go") is None or not os.path.isdir(GOCODE + "/src/github.com/aws"):
        raise machine.Missing("golang-go and golang-github-aws-aws-sdk-go-v2-dev are not installed")
    if not os.path.exists(made) or os.path.getmtime(made) < os.path.getmtime(source):
        env = {**os.environ, "GO111MODULE": "off", "GOPATH": GOCODE, "GOFLAGS": "",
               "GOCACHE": os.path.join(BUILD, "bench", "go-cache")}
        subprocess.run(["go", "build", "-o", made, source], env=env, check=True,
                       capture_output=True)
    return made


def cpu_of_agent(stage, child, name, pages, counts):
    """Microseconds of CPU per page."""
    data = stage.write("fresh.request", request(max_age_ms=0, timeout_ms=60000))
    told = machine.run([program("load"), stage.path(name), data, "--requests", counts, "--pid",
                        child.pid])
    return told["server_cpu_us"] / pages


def peer(command, environment):
    return lambda: machine.run(command, env=environment)["cpu_us"]


def contestants(stage, queries):
    one, many = stage.canned(), stage.canned("--pages", PAGES)
    env = stage.environment(one, web_identity=False)
    single = stage.agent(one, name="single", web_identity=False)
    paged = stage.agent(many, name="paged", web_identity=False)
    for name in ("single", "paged"):
        count(stage.path(name))
    made = {"a page of many": lambda: cpu_of_agent(stage, paged, "paged", PAGES, queries // PAGES),
            "a count of one page": lambda: cpu_of_agent(stage, single, "single", 1, queries),
            "bare socket": peer([program("query_floor"), "bare", one, queries], env),
            "libcurl, unsigned": peer([program("query_floor"), "curl", one, queries], env)}
    notes = []
    try:
        made["Go SDK"] = peer([go_program(), one, queries], env)
    except (machine.Missing, subprocess.CalledProcessError) as missing:
        notes.append(f"without the Go SDK: {missing}")
    if subprocess.run(["/usr/bin/python3", "-c", "import boto3"], capture_output=True,
                      check=False).returncode == 0:
        made["boto3"] = peer(["/usr/bin/python3", BOTO3, one, max(queries // 10, 50)], env)
    else:
        notes.append("without boto3: python3-boto3 is not installed")
    return made, notes


def paged_count(rounds):
    """Time of a count of 25 pages, each 10 ms at the service, over the sum of the service's times."""
    with Stage() as stage:
        port = stage.canned("--pages", 25, "--delay-us", 10000)
        stage.agent(port)
        count(stage.path("tally.sock"))
        mine, theirs = [], []
        for _ in range(rounds):
            before = stats(port)["busy_us"]
            start = time.monotonic()
            count(stage.path("tally.sock"), max_age_ms=0, timeout_ms=60000)
            mine.append((time.monotonic() - start) * 1000)
            theirs.append((stats(port)["busy_us"] - before) / 1000)
        told = stats(port)
        assert told["connections"] - 2 * rounds - 1 <= 2, "more than one connection was opened"
    return Row("query", "25 pages of 10 ms", mine, "ms", "the service's own time", theirs,
               ("<=", 1.03))


def run(rounds, quick=False):
    with Stage() as stage:
        made, notes = contestants(stage, 500 if quick else 3000)
        results = interleave(made, rounds)
    rows = []
    for mine in ("a page of many", "a count of one page"):
        for name, wanted in (("bare socket", None), ("libcurl, unsigned", None),
                             ("Go SDK", ("<=", 0.5)), ("boto3", None)):
            if name in results:
                rows.append(Row("query", mine, results[mine], "µs", name, results[name],
                                wanted if mine == "a page of many" else None))
    rows.append(paged_count(rounds))
    return TITLE, rows, notes

