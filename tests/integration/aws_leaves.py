# SPDX-License-Identifier: Apache-2.0
"""Calls pure functions of agent/aws through tests/helpers/aws_leaves.c."""

import os
import subprocess

from .agent import BUILD, SANITIZER_OPTIONS

PROGRAM = os.path.join(BUILD, "helpers", "aws_leaves")
SECONDS = 60


def ask(questions):
    """The answers to a list of requests; each is a list of fields (text, bytes, or None for a
    missing field). The first field of an answer is "ok" or "refused"."""
    lines = "".join("\t".join(_field(field) for field in question) + "\n"
                    for question in questions)
    done = subprocess.run([PROGRAM], input=lines.encode(), capture_output=True, timeout=SECONDS,
                          env={**os.environ, **SANITIZER_OPTIONS}, check=False)
    assert done.returncode == 0, done.stderr.decode()
    answers = [line.split("\t") for line in done.stdout.decode().splitlines()]
    assert len(answers) == len(questions)
    return answers


def _field(field):
    if field is None:
        return "-"
    return (field.encode() if isinstance(field, str) else field).hex()
