# SPDX-License-Identifier: Apache-2.0
"""Debian's podman with its own storage and settings: it leaves no files on the machine, and works
where containers may not raise limits and with cgroups v1."""

import contextlib
import glob
import json
import os
import shutil
import subprocess
import tempfile

CONTAINERS_CONF = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "runc"
"""
STORAGE_CONF = """
[storage]
driver = "vfs"
graphroot = "{0}/root"
runroot = "{0}/run"
"""
POLICY = {"default": [{"type": "insecureAcceptAnything"}]}


class Podman:
    def __init__(self):
        # A short path, because it contains sockets.
        self.folder = tempfile.mkdtemp(prefix="tally-podman-", dir="/tmp")
        self._policy = self._write("policy.json", json.dumps(POLICY))
        self._env = {
            **os.environ,
            "CONTAINERS_CONF": self._write("containers.conf", CONTAINERS_CONF),
            "CONTAINERS_STORAGE_CONF": self._write("storage.conf",
                                                   STORAGE_CONF.format(self.folder)),
            "BUILDAH_ISOLATION": "chroot",
        }

    def _write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run(self, *command, check=True, timeout=120):
        """Its exit code and all its output."""
        done = subprocess.run(["podman", *command], env=self._env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=timeout, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"podman {' '.join(command)}: {done.stdout}")
        return done.returncode, done.stdout

    def load(self, archive):
        """Loads an image; returns its name."""
        _, said = self.run("load", "-q", "--signature-policy", self._policy, "-i", archive)
        return said.strip().rpartition("Loaded image: ")[2]

    def build(self, folder, name):
        self.run("build", "-q", "--signature-policy", self._policy, "-t", name, folder)

    def inspect(self, container):
        return json.loads(self.run("inspect", container)[1])[0]

    def close(self):
        self.run("pod", "rm", "--all", "--force", check=False)
        self.run("rm", "--all", "--force", check=False)
        self.run("rmi", "--all", "--force", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        for folder in glob.glob("/sys/fs/cgroup/*/libpod_parent"):
            with contextlib.suppress(OSError):  # another podman uses it
                os.rmdir(folder)
