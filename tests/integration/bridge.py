# SPDX-License-Identifier: Apache-2.0
"""tally-bridge under test: the process, and the ways to it."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

import grpc

from tests.gateway import process

from .agent import (BUILD, SANITIZER_OPTIONS, START_SECONDS, STOP_SECONDS, WRAP, check_output,
                    stop_at_end)
from .external_scaler import Scaler

BRIDGE = os.path.join(BUILD, "tally-bridge")


class Bridge:
    """start() and finish() by the fixture. `tls`: a client's ssl.SSLContext, where it serves TLS."""

    def __init__(self, agent_socket, *options, env=None, listen="127.0.0.1:0", tls=None):
        self.folder = tempfile.mkdtemp(prefix="bridge-", dir="/tmp")
        self.socket = agent_socket
        self.options = list(options)
        self.listen = listen
        self.tls = tls
        self.env = {"PATH": "/usr/bin:/bin", **SANITIZER_OPTIONS, **(env or {})}
        if WRAP:
            self.env["TALLY_BRIDGE_NO_SECCOMP"] = "1"
        self.child = None
        self.address = None
        self.ended_by_test = False
        self._log_path = os.path.join(self.folder, "stderr")

    # ---- life ----

    def start(self):
        with open(self._log_path, "ab") as log:
            self.child = process.start(
                [*WRAP, BRIDGE, "--socket", self.socket, "--listen", self.listen, *self.options],
                env=self.env, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder)
        deadline = time.monotonic() + START_SECONDS
        while not (found := re.search(r"event=listening address=(\S+)", self.log())):
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"tally-bridge does not start:\n{self.log()}")
            time.sleep(0.005)
        self.address = found.group(1).strip('"')
        return self

    @property
    def host(self):
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self):
        return int(self.address.rpartition(":")[2])

    def run(self, *arguments):
        """Runs it to its end; exit code, stdout, stderr."""
        done = subprocess.run([BRIDGE, *arguments], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=START_SECONDS,
                              cwd=self.folder, check=False)
        return done.returncode, done.stdout, done.stderr

    def stop(self):
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(STOP_SECONDS)
        return self.child.returncode

    def finish(self):
        try:
            code = stop_at_end(self)
            log = self.log()
            check_output(log.encode(), log)
            assert code in (None, 0), f"tally-bridge ended with {code}:\n{log}"
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        try:
            with open(self._log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # ---- ways to it ----

    def scaler(self):
        """Calls over a plain channel of their own."""
        return Scaler(grpc.insecure_channel(
            self.address, options=[("grpc.use_local_subchannel_pool", 1)]))

    def raw(self, timeout=20):
        connection = socket.create_connection((self.host, self.port), timeout=timeout)
        if self.tls is not None:
            connection = self.tls.wrap_socket(connection, server_hostname="localhost")
        return connection

    def http(self):
        connection = http.client.HTTPConnection(self.host, self.port, timeout=20)
        connection.sock = self.raw()  # plain, or TLS by the name in the certificate
        return connection

    def get(self, path, method="GET", **headers):
        """(status, headers, body) of one request on a connection of its own."""
        connection = self.http()
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read().decode()
        finally:
            connection.close()

    def json(self, path, **headers):
        status, _, body = self.get(path, **headers)
        return status, json.loads(body)

    def metric(self, name):
        """The value of a sample by its name and labels, as a text; None where there is none."""
        _, _, body = self.get("/metrics")
        for line in body.splitlines():
            if line.startswith(name + " "):
                return line[len(name) + 1:]
        return None

    def exchange(self, data, timeout=20):
        """Sends bytes and reads until the other side ends."""
        with self.raw(timeout) as connection:
            connection.sendall(data)
            received = bytearray()
            try:
                while piece := connection.recv(65536):
                    received += piece
            except (ConnectionResetError, ssl.SSLError):
                pass
            return bytes(received)
