# SPDX-License-Identifier: Apache-2.0
"""A program with failing.c in it."""

import os
import subprocess

from tests.integration.agent import BUILD


class Program:
    """Children of `name`, one at a time, each with these arguments. Their output goes to `output`."""

    def __init__(self, name, arguments, env, folder, output):
        self._output = open(output, "ab")
        self._server = subprocess.Popen(
            [os.path.join(BUILD, "torture", name), *arguments], env=env, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=self._output, text=True, cwd=folder)

    def start(self, number):
        """Starts a child whose allocation of this number fails (0: none); returns its pid."""
        self._output.truncate(0)
        self._server.stdin.write(f"{number}\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline().split()[1])

    def ended(self):
        """Waits for the child; returns its exit code (negative: a signal), and its number of
        allocations."""
        _, status, allocations = self._server.stdout.readline().split()
        return os.waitstatus_to_exitcode(int(status)), int(allocations)

    def close(self):
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait()
        self._output.close()
