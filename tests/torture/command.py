# SPDX-License-Identifier: Apache-2.0
"""The command under torture: each verb with each of its allocations failing. It answers as if
nothing had failed, or says that there is no memory and exits 1; it never shows half an answer as
a whole one."""

import os
import re

from tests.integration.agent import Agent
from tests.integration.yaml_files import scaled_object, trigger

from .program import Program

# Over msgpack-c and jansson go `call`, the values of `count` and all that is shown as JSON.
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
    """Without what differs from one run to the next."""
    return re.sub(r"[0-9][0-9.:TZ-]*( ms| s)?", "N", text)


class TorturedCommand:
    def __init__(self, agent, verb):
        self._output = os.path.join(agent.folder, "command")
        self._program = Program("tally", ["-s", agent.socket, *verb], agent.env, agent.folder,
                                self._output)
        self._whole = None  # what it says when nothing fails

    def close(self):
        self._program.close()

    def run(self, number):
        self._program.start(number)
        code, allocations = self._program.ended()
        with open(self._output, encoding="utf-8", errors="replace") as file:
            return code, file.read(), allocations

    def learn(self):
        """What it says when nothing fails; how many allocations that takes."""
        code, self._whole, allocations = self.run(0)
        assert code == 0, self._whole
        return allocations

    def torture(self, number):
        code, told, _ = self.run(number)
        if code == 0:
            assert comparable(told) == comparable(self._whole), told
            return "as if nothing had failed"
        before, error = re.fullmatch(rf"(?s)(.*?)({NO_MEMORY})?", told).groups()
        assert code == 1 and error, f"ended with {code}: {told[-500:]}"
        # What is longer than stdout's buffer may have begun.
        assert not before or len(self._whole) > STDOUT_BYTES, f"half an answer: {told[-500:]}"
        return "NOMEM, exit 1"


def torture_command(world, note, fail):
    """Each verb; note(outcome) for each run that was right, fail(report) for each other one. How
    many allocations there were in all."""
    agent = Agent(world, scaled_object("small", trigger(clientValues=":v")))
    total = 0
    try:
        agent.start()
        for verb in VERBS:
            command = TorturedCommand(agent, verb)
            try:
                command.learn()  # the first answer takes other ways
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
