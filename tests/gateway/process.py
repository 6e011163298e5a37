# SPDX-License-Identifier: Apache-2.0
"""Child processes that end with their parent, however the parent ends."""

import ctypes
import os
import signal
import subprocess

PR_SET_PDEATHSIG = 1


def start(command, **options):
    """subprocess.Popen for a child that is killed when this process dies."""
    parent = os.getpid()

    def tie():
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the line above
            os._exit(1)

    # In its own process group: Ctrl-C in the terminal goes to the parent, which stops it in order.
    return subprocess.Popen(command, preexec_fn=tie, process_group=0, **options)


def stop(child, seconds=10.0):
    """Sends SIGTERM, then SIGKILL after a while; returns the exit status."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return child.returncode
