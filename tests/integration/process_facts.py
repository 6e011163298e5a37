# SPDX-License-Identifier: Apache-2.0
"""Facts about a running process from the kernel."""

import os
import re


def anonymous_kb(pid):
    """Anonymous memory: heap, stacks, written data."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return int(re.search(r"^Anonymous: *(\d+) kB", file.read(), re.MULTILINE).group(1))


def is_sanitized(pid):
    """Whether freed memory is kept on purpose, so that the size has no meaning."""
    with open(f"/proc/{pid}/maps", encoding="ascii") as file:
        return "libasan" in file.read()


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def status(pid, name):
    """A line of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return re.search(rf"^{name}:\t(.*)$", file.read(), re.MULTILINE).group(1)
