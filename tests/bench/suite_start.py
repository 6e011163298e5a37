# SPDX-License-Identifier: Apache-2.0
"""From the start of a process to its first count; tallyd uses web identity, the others static keys,
which need one call less. Most of the shared-library build's time is the loading of Debian's libcurl
and its thirty dependencies, hence the separate row."""

import os
import subprocess

from . import machine
from .rounds import Row, interleave
from .servers import BUILD, STATIC, Stage, program, request
from .suite_query import BOTO3, go_program

TITLE = "From the start of a process to its first count"
SHARED = "tallyd, shared libraries"
SMALL = "tallyd, static"


def agents(stage, env, config, data):
    def once(tallyd):
        path = stage.path("start.sock")
        if os.path.exists(path):
            os.unlink(path)
        return machine.run([program("start_time"), "ask", path, data,
                            *stage.agent_command("start.sock", config, tallyd)], env=env)["wall_ms"]

    made = {SHARED: lambda: once(os.path.join(BUILD, "tallyd"))}
    if os.path.exists(STATIC):
        made[SMALL] = lambda: once(STATIC)
    return made


def printers(env, port):
    def once(command, environment):
        return machine.run([program("start_time"), "print", *command], env=environment)["wall_ms"]

    made, notes = {}, []
    try:
        made["Go SDK"] = lambda command=(go_program(), port, 0): once(command, env)
    except (machine.Missing, subprocess.CalledProcessError) as missing:
        notes.append(f"without the Go SDK: {missing}")
    made["libcurl, unsigned"] = lambda: once([program("query_floor"), "curl", port, 0], env)
    made["boto3"] = lambda: once(["/usr/bin/python3", BOTO3, port, 0], env)
    if os.path.exists("/usr/bin/aws"):
        made["awscli"] = lambda: once(
            ["/usr/bin/aws", "dynamodb", "query", "--endpoint-url", f"http://127.0.0.1:{port}",
             "--table-name", "orders", "--select", "COUNT", "--key-condition-expression", "#k = :v",
             "--expression-attribute-names", '{"#k": "queue"}',
             "--expression-attribute-values", '{":v": {"S": "pending"}}'], env)
    else:
        notes.append("without awscli: it is not installed")
    return made, notes


def run(rounds, quick=False):
    with Stage() as stage:
        port = stage.canned("--count", 5)
        env = stage.environment(port)
        static_keys = stage.environment(port, web_identity=False)
        peers, notes = printers(static_keys, port)
        made = agents(stage, env, stage.triggers(["orders"]), stage.write("r", request()))
        results = interleave({**made, **peers}, rounds if quick else rounds * 2)
    if SMALL not in made:
        notes.append("without the static build: 'make image' makes it")
    rows = []
    for mine, bound in ((SHARED, 1.0), (SMALL, 0.4)):
        for name in results:
            if mine in results and name in peers:
                rows.append(Row("start", mine, results[mine], "ms", name, results[name],
                                ("<=", bound) if name == "Go SDK" else None))
    return TITLE, rows, notes
