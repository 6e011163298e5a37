# SPDX-License-Identifier: Apache-2.0
"""Cached answers on the Unix socket: tallyd, a floor that does no work, redis and memcached, all
with the same client program and the same size of the answer.

Client and server share one CPU, so their combined CPU time for one answer determines the answers
per second, and can be measured while other programs run.

A client that the kernel wakes may preempt the server that has just answered it, and does so as soon
as the server has used more CPU time than the client: then both pay for context switches unrelated
to their work, while the floor, which uses as much as the client, does not. A patient client
(SCHED_BATCH) waits until the server's time slice is over, for every server."""

import os
import shutil

from . import machine
from .rounds import Row, interleave
from .servers import Stage, count, exchange, listens, program, request

TITLE = "Cached answers on the socket (answers per second of the CPU that client and server share)"
PATIENT = ["chrt", "--batch", "0"]
MODES = {"one in flight": ([], []), "64 in flight": ([], ["--in-flight", 64]),
         "50 connections": ([], ["--connections", 50]),
         "one in flight, patient": (PATIENT, []),
         "50 connections, patient": (PATIENT, ["--connections", 50])}
WANTED = {("one in flight", "floor"): (">=", 0.93), ("50 connections", "floor"): (">=", 0.90),
          ("50 connections", "redis"): (">=", 1.0), ("64 in flight", "redis"): (">=", 1.3),
          ("one in flight, patient", "floor"): (">=", 0.93),
          ("50 connections, patient", "floor"): (">=", 0.90)}


def need(name):
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/usr/local/bin")
    if path is None:
        raise machine.Missing(f"{name} is not installed")
    return path


def start_floor(stage, question, answer_bytes):
    child = stage.start([program("floor"), stage.path("floor"), len(question), answer_bytes],
                        ready=lambda: listens(stage.path("floor")))
    return child, question


def fill(answer_bytes, around):
    """A value that gives an answer of this length; `around` returns the answer for a value."""
    for size in range(answer_bytes, 0, -1):
        if len(around(b"x" * size)) == answer_bytes:
            return b"x" * size
    raise machine.Missing("no value makes the answer as long")


def start_redis(stage, _, answer_bytes):
    path = stage.path("redis")
    child = stage.start([need("redis-server"), "--port", "0", "--unixsocket", path, "--save", "",
                         "--appendonly", "no", "--dir", stage.folder],
                        ready=lambda: listens(path))
    value = fill(answer_bytes, lambda value: b"$%d\r\n%s\r\n" % (len(value), value))
    exchange(path, b"*3\r\n$3\r\nSET\r\n$11\r\nshop/orders\r\n$%d\r\n%s\r\n" % (len(value), value))
    return child, b"*2\r\n$3\r\nGET\r\n$11\r\nshop/orders\r\n"


def start_memcached(stage, _, answer_bytes):
    path = stage.path("memcached")
    child = stage.start([need("memcached"), "-s", path, "-t", "1", "-u",
                         "root" if os.getuid() == 0 else "nobody", "-U", "0"],
                        ready=lambda: listens(path))
    value = fill(answer_bytes,
                 lambda value: b"VALUE shop/orders 0 %d\r\n%s\r\nEND\r\n" % (len(value), value))
    exchange(path, b"set shop/orders 0 0 %d\r\n%s\r\n" % (len(value), value))
    return child, b"get shop/orders\r\n"


PEERS = {"floor": start_floor, "redis": start_redis, "memcached": start_memcached}


def start_all(stage):
    """name → (process id, socket, file of the request), and the missing peers."""
    question = request()
    port = stage.canned()
    servers, notes = {}, []
    for name, options in (("tallyd", ()), ("tallyd, --no-seccomp", ("--no-seccomp",))):
        child = stage.agent(port, name=name, options=options)
        count(stage.path(name))
        servers[name] = (child.pid, stage.path(name), stage.write("count.request", question))
    answer_bytes = len(exchange(stage.path("tallyd"), question))
    for name, start in PEERS.items():
        try:
            child, data = start(stage, question, answer_bytes)
            servers[name] = (child.pid, stage.path(name), stage.write(name + ".request", data))
        except machine.Missing as missing:
            notes.append(f"without {name}: {missing}")
    return servers, notes


def capacity(server, mode, quick=False):
    """One run of the clients in this mode against (process id, socket, file of the request)."""
    pid, path, data = server
    policy, options = mode
    answer = machine.run([*policy, program("load"), path, data, "--milliseconds",
                        200 if quick else 700, "--pid", pid, *options])
    answer["capacity"] = 1e6 / (answer["server_cpu_us"] + answer["client_cpu_us"])
    return answer


def run(rounds, quick=False):
    rows, notes = [], []
    with Stage() as stage:
        servers, notes = start_all(stage)
        for mode, options in MODES.items():
            results = interleave({name: lambda server=server, options=options:
                                  capacity(server, options, quick)
                                  for name, server in servers.items()}, rounds)
            mine = [answer["capacity"] for answer in results["tallyd"]]
            for name in servers:
                if name != "tallyd":
                    theirs = [answer["capacity"] for answer in results[name]]
                    rows.append(Row("socket", mode, mine, "/s", name, theirs,
                                    WANTED.get((mode, name))))
            for what, key in (("CPU of the server", "server_cpu_us"), ("p50", "p50_us")):
                rows.append(Row("socket", f"{mode}: {what}",
                                [answer[key] for answer in results["tallyd"]], "µs", "floor",
                                [answer[key] for answer in results["floor"]]))
    return TITLE, rows, notes
