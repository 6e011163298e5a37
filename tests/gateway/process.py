# SPDX-License-Identifier: Apache-2.0
"""Child processes that end with whoever started them, however that one ends."""

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

    # In a group of its own: a Ctrl-C in the terminal is for the parent, which stops it in order.
    return subprocess.Popen(command, preexec_fn=tie, process_group=0, **options)


def stop(child, seconds=10.0):
    """Asks a child to end, insists after a while; its exit status."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
    return child.returncode
