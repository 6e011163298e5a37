# SPDX-License-Identifier: Apache-2.0
"""tallyd in an emulated pod: its folder, its mounted token, its environment, and its output."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from tests.gateway import process
from tests.gateway.local import ROOT
from tests.gateway.mount import ProjectedVolume
from tests.gateway.world import REGION, ROLE

from . import yaml_files
from .rpc import Rpc

BUILD = os.path.join(ROOT, os.environ.get("TALLY_BUILD", "build"))
TALLYD = os.path.join(BUILD, "tallyd")
TALLY = os.path.join(BUILD, "tally")

# The maximum of every wait; a sanitizer build, valgrind and a busy machine are slow.
START_SECONDS = 30
STOP_SECONDS = 30

# A command that runs every tallyd, such as valgrind (tests/deep.sh).
WRAP = os.environ.get("TALLY_WRAP", "").split()

SANITIZER_REPORTS = ("AddressSanitizer", "LeakSanitizer", "UndefinedBehaviorSanitizer",
                     "runtime error:", "ThreadSanitizer")
SANITIZER_OPTIONS = {"ASAN_OPTIONS": "exitcode=86:detect_stack_use_after_return=1",
                     "UBSAN_OPTIONS": "print_stacktrace=1"}


class Agent:
    """A test or the fixture calls start(); the fixture also stops and checks the agent."""

    def __init__(self, world, *documents, config=None, env=None, options=()):
        """`documents`: the configuration as YAML documents, or `config`: its text.
        `env`: changes to the pod's environment (None removes). `options`: of tallyd."""
        self.world = world
        # A short path: a socket path has at most 107 bytes.
        self.folder = tempfile.mkdtemp(prefix="tally-", dir="/tmp")
        self.socket = os.path.join(self.folder, "t.sock")
        self.config = os.path.join(self.folder, "config.yaml")
        self.write_config(*documents, config=config)
        self.mount = ProjectedVolume(os.path.join(self.folder, "serviceaccount"))
        self.mount.write(token=world.token())
        self.env = {
            "PATH": "/usr/bin:/bin",
            "AWS_REGION": REGION,
            "AWS_ROLE_ARN": ROLE,
            "AWS_WEB_IDENTITY_TOKEN_FILE": self.mount.path("token"),
            "AWS_ENDPOINT_URL_STS": world.urls["sts"],
            "AWS_ENDPOINT_URL_DYNAMODB": world.urls["dynamodb"],
            **SANITIZER_OPTIONS,
            **(env or {}),
        }
        if WRAP:
            self.env["TALLY_NO_SECCOMP"] = "1"  # the filter allows only tallyd's own calls
        self.env = {name: value for name, value in self.env.items() if value is not None}
        self.options = list(options)
        self.child = None
        self.intruded = False  # a test makes it call other system calls
        self.seen = bytearray()  # all output of the agent and the command
        self._log_path = os.path.join(self.folder, "stderr")

    # ---- start and stop ----

    def start(self, wrapper=(), **child):
        """Starts tallyd and waits until it listens. `wrapper`: a command that runs it, `child`:
        further arguments of Popen."""
        with open(self._log_path, "ab") as log:
            self.child = process.start(
                [*wrapper, *WRAP, TALLYD, "--config", self.config, "--socket", self.socket,
                 "--linger", "0", *self.options],
                **{"env": self.env, "stdin": subprocess.DEVNULL, "stdout": log, "stderr": log,
                   "cwd": self.folder, **child})
        deadline = time.monotonic() + START_SECONDS
        while not self._listens():
            if self.child.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"tallyd does not start:\n{self.log()}")
            time.sleep(0.005)
        return self

    def _listens(self):
        """Whether a connection succeeds: the path may be left by a killed agent."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(self.socket) == 0

    def run(self, *arguments, timeout=START_SECONDS):
        """Runs tallyd to its exit, with only these arguments; returns exit code and stderr."""
        done = subprocess.run([TALLYD, *arguments], env=self.env, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=timeout, cwd=self.folder, check=False)
        self.seen += done.stdout + done.stderr
        return done.returncode, done.stderr.decode()

    def stop(self):
        """Sends SIGTERM; returns the exit code."""
        self.child.send_signal(signal.SIGTERM)
        self.child.wait(STOP_SECONDS)
        return self.child.returncode

    def kill(self):
        self.child.kill()
        self.child.wait()

    def finish(self):
        """Checks what must hold for every agent at its end; frees everything."""
        try:
            code = stop_at_end(self)
            log = self.log()
            self.seen += log.encode()
            self._check_output(log)
            assert code in (None, 0), f"tallyd ended with {code} after SIGTERM:\n{log}"
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _check_output(self, log):
        check_output(self.seen, log, self.intruded)
        leaks = [piece for piece in self.world.secrets() if piece.encode() in self.seen]
        # The piece itself is not shown, because test reports are stored.
        assert not leaks, f"{len(leaks)} pieces of secrets came out"

    # ---- input ----

    def write_config(self, *documents, config=None):
        """Atomically: the agent watches the file, and would read it half written."""
        new = self.config + ".new"
        with open(new, "w", encoding="utf-8") as file:
            file.write(config if config is not None else yaml_files.text(*documents))
        os.replace(new, self.config)

    # ---- output ----

    def log(self):
        """The output of tallyd so far."""
        try:
            with open(self._log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def wait_for_log(self, word, seconds=10.0):
        return wait_until(lambda: word in self.log(), seconds, lambda: f"no {word!r}:\n{self.log()}")

    def cli(self, *arguments, timeout=90):
        """Runs the tally command; returns exit code, stdout and stderr."""
        done = subprocess.run([TALLY, "-s", self.socket, *arguments], env=self.env, timeout=timeout,
                              stdin=subprocess.DEVNULL, capture_output=True, check=False)
        self.seen += done.stdout + done.stderr
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def connect(self):
        """A connection with the protocol."""
        return Rpc(self.socket, self.seen)

    def rpc(self, method, **params):
        """One call on a new connection."""
        with self.connect() as connection:
            return connection.call(method, **params)

    def raw(self):
        """A connection for raw bytes."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(self.socket)
        return connection


def stop_at_end(program):
    """Stops an Agent or a Bridge that still runs; its exit code, or None."""
    if program.child is None or program.child.poll() is not None:
        return None
    try:
        return program.stop()
    finally:
        process.stop(program.child, 0)


def check_output(seen, log, intruded=False):
    """What must hold for the output of every program, and for its log."""
    assert not any(word.encode() in seen for word in SANITIZER_REPORTS), \
        f"a sanitizer reports:\n{log}"
    assert intruded or "event=syscall_denied" not in log, log


def wait_until(condition, seconds=10.0, why=lambda: "it did not come true"):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, why()
        time.sleep(0.02)
    return True
