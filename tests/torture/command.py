# SPDX-License-Identifier: Apache-2.0
"""The command with a failing allocator: each verb with each of its allocations failing. It answers as
if nothing had failed, or reports that it is out of memory and exits 1; it never shows a partial
answer as a complete one."""

import os
import re

from tests.integration.agent import Agent
from tests.integration.yaml_files import scaled_object, trigger

from .program import Program

# `call`, the values of `count` and all JSON output use msgpack-c and jansson.
VERBS = [
    ["count", "small"],
    ["count", "small", "--replicas", "3", "-o", "json"],
    ["count", "small", "--value", ':v={"S":"small"}'],
    ["call", "count", '{"trigger": "small", "max_age_ms": 60000}'],
    ["list", "-o", "json"],
    ["status", "-o", "json"],
    ["status", "-o", "prometheus"],
    ["whoami"],
    ["explain", "small"],
]
STDOUT_BYTES = 4096
NO_MEMORY = r'(?:tally: NOMEM: |\{"error":\{"name":"NOMEM",)[^\n]+\n'


def comparable(text):
    """Removes the parts that differ between runs."""
    return re.sub(r"[0-9][0-9.:TZ-]*( ms| s)?", "N", text)


class TorturedCommand:
    def __init__(self, agent, verb):
        self._output = os.path.join(agent.folder, "command")
        self._program = Program("tally", ["-s", agent.socket, *verb], agent.env, agent.folder,
                                self._output)
        self._whole = None  # the output without a failure

    def close(self):
        self._program.close()

    def run(self, number):
        self._program.start(number)
        code, allocations = self._program.ended()
        with open(self._output, encoding="utf-8", errors="replace") as file:
            return code, file.read(), allocations

    def learn(self):
        """The output without a failure, and the number of allocations."""
        code, self._whole, allocations = self.run(0)
        assert code == 0, self._whole
        return allocations

    def torture(self, number):
        code, result, _ = self.run(number)
        if code == 0:
            assert comparable(result) == comparable(self._whole), result
            return "as if nothing had failed"
        before, error = re.fullmatch(rf"(?s)(.*?)({NO_MEMORY})?", result).groups()
        assert code == 1 and error, f"ended with {code}: {result[-500:]}"
        # Output longer than stdout's buffer may have been written in part.
        assert not before or len(self._whole) > STDOUT_BYTES, f"half an answer: {result[-500:]}"
        return "NOMEM, exit 1"


def torture_command(world, note, fail):
    """Runs each verb; calls note(outcome) for each correct run, and fail(report) for each other one.
    Returns the total number of allocations."""
    agent = Agent(world, scaled_object("small", trigger(clientValues=":v")))
    total = 0
    try:
        agent.start()
        for verb in VERBS:
            command = TorturedCommand(agent, verb)
            try:
                command.learn()  # the first answer takes another path
                allocations = command.learn()
                total += allocations
                for number in range(1, allocations + 1):
                    try:
                        note(command.torture(number))
                    except AssertionError as error:
                        fail(f"{' '.join(verb)}: allocation {number}: {error}")
            finally:
                command.close()
    finally:
        agent.finish()
    return total
