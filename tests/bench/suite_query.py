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
from .servers import BUILD, SHORT_TOKEN_BYTES, STATIC, TOKEN_BYTES
from .servers import Stage, count, program, request, stats

TITLE = "A Query (CPU of the process that sends it, the service on the same CPU)"
PAGES = 100
PAGE, COUNT = "a page of many", "a count of one page"
PAGE_STATIC, COUNT_STATIC = PAGE + ", static", COUNT + ", static"
SHORT = ", short token"
WANTED = {(PAGE, "libcurl, unsigned"): ("<=", 1.5), (PAGE, "Go SDK"): ("<=", 0.33),
          (COUNT, "Go SDK"): ("<=", 0.45)}
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
    answer = machine.run([program("load"), stage.path(name), data, "--requests", counts, "--pid",
                        child.pid])
    return answer["server_cpu_us"] / pages


def peer(command, environment):
    return lambda: machine.run(command, env=environment)["cpu_us"]


def senders(stage, ports, queries, short=False):
    """name → function that runs it once; all with a session token of STS's length, or a short one."""
    one, many = ports
    bytes_ = SHORT_TOKEN_BYTES if short else TOKEN_BYTES
    env = stage.environment(one, web_identity=False, token_bytes=bytes_)
    behind = SHORT if short else ""

    def cost(name, port, pages, tallyd=None):
        child = stage.agent(port, name=name, tallyd=tallyd, web_identity=False, token_bytes=bytes_)
        count(stage.path(name))
        return lambda: cpu_of_agent(stage, child, name, pages, queries // pages)

    made = {PAGE: cost("paged" + behind, many, PAGES), COUNT: cost("single" + behind, one, 1),
            "bare socket": peer([program("query_floor"), "bare", one, queries], env),
            "libcurl, unsigned": peer([program("query_floor"), "curl", one, queries], env)}
    notes = []
    if os.path.exists(STATIC) and not short:
        made[PAGE_STATIC] = cost("paged-static", many, PAGES, STATIC)
        made[COUNT_STATIC] = cost("single-static", one, 1, STATIC)
    elif not short:
        notes.append("without the static build: 'make image' makes it")
    try:
        made["Go SDK"] = peer([go_program(), one, queries], env)
    except (machine.Missing, subprocess.CalledProcessError) as missing:
        notes.append(f"without the Go SDK: {missing}")
    if subprocess.run(["/usr/bin/python3", "-c", "import boto3"], capture_output=True,
                      check=False).returncode == 0:
        made["boto3"] = peer(["/usr/bin/python3", BOTO3, one, max(queries // 10, 50)], env)
    else:
        notes.append("without boto3: python3-boto3 is not installed")
    return {name + behind: once for name, once in made.items()}, notes


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
        answer = stats(port)
        assert answer["connections"] - 2 * rounds - 1 <= 2, "more than one connection was opened"
    return Row("query", "25 pages of 10 ms", mine, "ms", "the service's own time", theirs,
               ("<=", 1.03))


def rows_of(results, behind=""):
    for mine in (PAGE, COUNT, PAGE_STATIC, COUNT_STATIC):
        for name in ("bare socket", "libcurl, unsigned", "Go SDK", "boto3"):
            if mine + behind in results and name + behind in results:
                yield Row("query", mine + behind, results[mine + behind], "µs", name,
                          results[name + behind], None if behind else WANTED.get((mine, name)))


def run(rounds, quick=False):
    queries = 500 if quick else 3000
    with Stage() as stage:
        ports = stage.canned(), stage.canned("--pages", PAGES)
        made, notes = senders(stage, ports, queries)
        short, _ = senders(stage, ports, queries, short=True)
        results = interleave({**made, **short}, rounds)
    rows = [*rows_of(results), *rows_of(results, SHORT), paged_count(rounds)]
    notes.append(f"session tokens of {TOKEN_BYTES} bytes, short ones of {SHORT_TOKEN_BYTES}")
    return TITLE, rows, notes
