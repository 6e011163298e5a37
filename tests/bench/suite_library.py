# SPDX-License-Identifier: Apache-2.0
"""The overhead of libtally over its socket calls, and its size."""

import os
import subprocess

from . import machine
from .rounds import Row
from .servers import BUILD, Stage, count, program

TITLE = "libtally"
LIBRARY = os.path.join(BUILD, "libtally.so.0")


def text_bytes():
    sizes = subprocess.run(["size", "-A", LIBRARY], capture_output=True, text=True, check=True)
    lines = [line.split() for line in sizes.stdout.splitlines()]
    return next(int(line[1]) for line in lines if line and line[0] == ".text")


def run(rounds, quick=False):
    raw, library = [], []
    with Stage() as stage:
        stage.agent(stage.canned())
        count(stage.path("tally.sock"))
        for _ in range(rounds):
            answer = machine.run([program("call_cost"), stage.path("tally.sock"), "shop/orders",
                                5000 if quick else 50000],
                               env={**os.environ, "LD_LIBRARY_PATH": BUILD})
            raw.append(answer["raw_us"])
            library.append(answer["library_us"])
    added = [mine - theirs for mine, theirs in zip(library, raw)]
    return TITLE, [
        Row("library", "tally_count, CPU of the client", library, "µs", "send and recv", raw),
        Row("library", "of which the library's own", added, "µs", wanted=("<=", 1.0)),
        Row("library", "text of libtally.so", [text_bytes() / 1024], "KiB", wanted=("<=", 32)),
    ], []
