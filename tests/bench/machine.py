# SPDX-License-Identifier: Apache-2.0
"""This machine: its description, the CPUs for programs, and the resources that they use."""

import json
import os
import platform
import subprocess

CPU = 0  # all contestants run here: a round trip between CPUs costs five times as much


class Missing(Exception):
    """A peer that is not available, and why."""


def describe():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    return {"cpu": models[0] if models else platform.machine(), "cpus": os.cpu_count(),
            "kernel": platform.release(), "load_before": os.getloadavg()[0],
            "placement": f"clients and servers all on CPU {CPU} (taskset), but where it is said"}


def pinned(command, cpu=CPU):
    return ["taskset", "-c", str(cpu), *map(str, command)]


def run(command, cpu=CPU, timeout=600, **options):
    """Runs a program that prints one line of JSON; returns the decoded value."""
    done = subprocess.run(pinned(command, cpu), capture_output=True, text=True, timeout=timeout,
                          check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr.strip()[-400:]}")
    return json.loads(done.stdout)


def memory(pid):
    """Kilobytes, from smaps_rollup."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        fields = dict(line.split(":", 1) for line in file if ":" in line and "-" not in line[:12])
    return {name: int(fields[key].split()[0])
            for name, key in (("rss", "Rss"), ("pss", "Pss"), ("private_dirty", "Private_Dirty"))}


def cpu_seconds(pid):
    """CPU time of all its threads, including those that have exited."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
