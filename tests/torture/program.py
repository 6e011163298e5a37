# SPDX-License-Identifier: Apache-2.0
"""A program with failing.c in it."""

import contextlib
import os
import signal
import subprocess
import time

from tests.integration.agent import BUILD

GIVE_UP_SECONDS = 20


def child_is_over(pid):
    """Whether the child has ended; its Program may wait for it later."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def end_child(pid):
    """Ends the child by SIGTERM. AssertionError: it had to be killed."""
    deadline = time.monotonic() + GIVE_UP_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    while not child_is_over(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            raise AssertionError("it does not end")
        time.sleep(0.002)


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
