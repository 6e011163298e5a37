# SPDX-License-Identifier: Apache-2.0
"""Descriptors that systemd passes, and that tallyd must not serve as its socket."""

import os
import socket
import subprocess
import sys

import pytest

from .agent import TALLYD, wait_until
from .rpc import Rpc, RpcError
from .yaml_files import small_object

UNIT = "ListenStream="


class Passed:
    """Starts tallyd with descriptors as sd_listen_fds(3) has them, from 3 on."""

    SCRIPT = """
import os, sys
fds = [int(text) for text in sys.argv[1].split(",") if text]
kept = [os.dup(fd) for fd in fds]
kept = [os.dup2(fd, 100 + i, inheritable=True) for i, fd in enumerate(kept)]
for i, fd in enumerate(kept):
    os.dup2(fd, 3 + i, inheritable=True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(fds)))
os.execv(sys.argv[2], sys.argv[2:])
"""

    def __init__(self, agent, *fds, options=()):
        self.agent = agent
        fds = [fd if isinstance(fd, int) else fd.fileno() for fd in fds]
        self.wrapper = [sys.executable, "-c", self.SCRIPT, ",".join(map(str, fds))]
        self.options = list(options)
        self.fds = fds

    def refused(self):
        """The error message; checks the exit status 2, with which systemd does not restart it."""
        with self.open() as child:
            try:
                _, err = child.communicate(timeout=30)
            finally:
                child.kill()
        assert child.returncode == 2, err
        assert not os.path.exists(self.agent.socket)
        return err

    def open(self):
        agent = self.agent
        return subprocess.Popen(
            [*self.wrapper, TALLYD, "--config", agent.config, "--socket", agent.socket,
             "--linger", "0", *self.options], env=agent.env, pass_fds=self.fds,
            stderr=subprocess.PIPE, text=True)


def listening(child):
    """The log line with the socket's address."""
    return next(line for line in child.stderr if " event=listening " in line)


@pytest.fixture
def sockets():
    made = []

    def make(*kind, address=None, listens=True):
        made.append(socket.socket(*kind))
        if address is not None:
            made[-1].bind(address)
        if listens:
            made[-1].listen(16)
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("kind", ["tcp", "tcp6", "datagram", "seqpacket", "file", "pipe"])
def test_what_is_no_unix_stream_socket_is_not_served(pod, sockets, tmp_path, kind):
    agent = pod(small_object())
    if kind == "tcp":
        fd = sockets(socket.AF_INET, socket.SOCK_STREAM, address=("127.0.0.1", 0))
    elif kind == "tcp6":
        fd = sockets(socket.AF_INET6, socket.SOCK_STREAM, address=("::1", 0))
    elif kind == "datagram":
        fd = sockets(socket.AF_UNIX, socket.SOCK_DGRAM, address=str(tmp_path / "d"), listens=False)
    elif kind == "seqpacket":
        fd = sockets(socket.AF_UNIX, socket.SOCK_SEQPACKET, address=str(tmp_path / "s"))
    elif kind == "file":
        with open(agent.config, encoding="ascii") as file:
            assert "is not a Unix stream socket" in Passed(agent, file).refused()
        return
    else:
        ends = os.pipe()
        assert "is not a Unix stream socket" in Passed(agent, ends[0]).refused()
        for end in ends:
            os.close(end)
        return
    assert "is not a Unix stream socket" in Passed(agent, fd).refused()


def test_a_connection_needs_accept_no(pod):
    """A unit with Accept=yes passes one connection to each instance."""
    ours, its = socket.socketpair()
    with ours, its:
        err = Passed(pod(small_object()), its).refused()
    assert "Accept=yes" in err and "needs Accept=no" in err


def test_a_socket_that_does_not_listen_is_not_served(pod, sockets, tmp_path):
    fd = sockets(socket.AF_UNIX, socket.SOCK_STREAM, address=str(tmp_path / "s"), listens=False)
    assert "does not listen" in Passed(pod(small_object()), fd).refused()


def test_several_sockets_are_refused_and_not_one_of_them_served(pod, sockets, tmp_path):
    made = [sockets(socket.AF_UNIX, socket.SOCK_STREAM, address=str(tmp_path / name))
            for name in ("a", "b")]
    err = Passed(pod(small_object()), *made).refused()
    assert "passed 2 sockets" in err and UNIT in err


def test_an_abstract_socket_needs_a_list_of_users(pod, sockets):
    """An abstract socket has no mode, so every user in the network namespace could connect."""
    name = f"tally-test-{os.getpid()}"
    fd = sockets(socket.AF_UNIX, socket.SOCK_STREAM, address="\0" + name)
    agent = pod(small_object())
    assert "--allow-uid" in Passed(agent, fd).refused()
    with Passed(agent, fd, options=["--allow-uid", "65534"]).open() as child:
        try:
            assert f" socket=@{name} " in listening(child)
            with Rpc("\0" + name) as connection, pytest.raises(RpcError) as caught:
                connection.call("ping")
            assert caught.value.name == "NOT_ALLOWED"
        finally:
            child.terminate()


def test_the_log_names_the_socket_that_was_passed(pod, sockets, tmp_path):
    path = str(tmp_path / "act.sock")
    fd = sockets(socket.AF_UNIX, socket.SOCK_STREAM, address=path)
    with Passed(pod(small_object()), fd).open() as child:
        try:
            assert f" socket={path} " in listening(child)
        finally:
            child.terminate()


@pytest.mark.parametrize("accept", [False, True], ids=["Accept=no", "Accept=yes"])
def test_systemd_socket_activate(pod, accept):
    """As systemd itself passes them."""
    agent = pod(small_object())
    log = os.path.join(agent.folder, "activate.log")
    environment = [f"--setenv={name}={value}" for name, value in agent.env.items()]
    with open(log, "wb") as file, subprocess.Popen(
            ["systemd-socket-activate", *(["--accept"] if accept else []), *environment,
             "-l", agent.socket, TALLYD, "--config", agent.config, "--linger", "0"],
            env=agent.env, stderr=file, stdout=file, cwd=agent.folder) as child:
        try:
            wait_until(lambda: os.path.exists(agent.socket))
            if accept:
                with agent.raw() as connection:
                    assert connection.recv(100) == b""
            else:
                with Rpc(agent.socket) as connection:
                    assert connection.call("count", trigger="small")["count"] == 7
        finally:
            child.terminate()
    with open(log, encoding="utf-8", errors="replace") as file:
        text = file.read()
    assert ("needs Accept=no" if accept else f"event=listening socket={agent.socket} ") in text, text
