# SPDX-License-Identifier: Apache-2.0
"""The units, and tallyd as systemd starts it: with an open socket, and an address for
notifications."""

import os
import re
import socket
import subprocess
import sys
import threading

import pytest

from tests.integration.rpc import Rpc
from tests.integration.yaml_files import small_object

AS_SYSTEMD = os.path.join(os.path.dirname(__file__), "as_systemd.py")
UNITS = ("tallyd.service", "tallyd.socket", "tally-bridge.service")
EXPOSURE = 2.0


@pytest.fixture(name="units")
def readable_units(installed, tmp_path):
    """The units as installed, except the program's path, which systemd-analyze checks."""
    for name in UNITS:
        with open(installed.path(f"usr/lib/systemd/system/{name}"), encoding="utf-8") as file:
            text = file.read()
        assert "/usr/sbin/tally" in text or name == "tallyd.socket"
        (tmp_path / name).write_text(text.replace("/usr/sbin/", installed.path("usr/sbin/")))
    return [str(tmp_path / name) for name in UNITS]


def analyze(*arguments):
    return subprocess.run(["systemd-analyze", *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def test_systemd_finds_no_fault_with_the_units(units):
    done = analyze("verify", "--man=no", *units)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_units_name_manuals_that_are_installed(units, installed):
    for path in units:
        with open(path, encoding="utf-8") as file:
            pages = re.findall(r"man:([a-z-]+)\((\d)\)", file.read())
        assert pages
        for name, section in pages:
            assert os.path.exists(installed.path(f"usr/share/man/man{section}/{name}.{section}"))


@pytest.mark.parametrize("unit", [0, 2])
def test_the_services_are_exposed_to_little(units, unit):
    done = analyze("security", "--offline=true", units[unit])
    level, = re.findall(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)
    assert float(level) <= EXPOSURE


def test_the_group_and_the_folder_are_made(installed, tmp_path):
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    for command, place in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        create = ["--create"] if command == "systemd-tmpfiles" else []
        done = subprocess.run([command, f"--root={root}", *create,
                               installed.path(f"usr/lib/{place}/tally.conf")],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert re.search(r"^tally:", (root / "etc/group").read_text(), re.MULTILINE)
    assert (root / "run/tally").stat().st_mode & 0o7777 == 0o755


class Systemd:
    """Acts as systemd: listens, starts the agent, and receives its notifications."""

    def __init__(self, agent):
        self.agent = agent
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(agent.socket)
        self.listener.listen(100)
        self.inode = os.stat(agent.socket).st_ino
        self._notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = os.path.join(agent.folder, "notify")
        self._notified.bind(path)
        self._notified.settimeout(30)
        agent.env["NOTIFY_SOCKET"] = path

    def start(self):
        number = self.listener.fileno()
        self.agent.start([sys.executable, AS_SYSTEMD, str(number)], pass_fds=(number,))

    def notified(self):
        return self._notified.recv(4096).decode()

    def close(self):
        self.listener.close()
        self._notified.close()


@pytest.fixture(name="systemd")
def play_systemd(pod):
    made = Systemd(pod(small_object()))
    yield made
    made.close()


def test_the_socket_that_was_passed_is_served(systemd):
    systemd.start()
    assert systemd.notified() == "READY=1"
    assert systemd.agent.rpc("count", trigger="small")["count"] == 7


def test_systemd_is_reported_what_happens(systemd):
    agent = systemd.agent
    systemd.start()
    assert systemd.notified() == "READY=1"
    agent.child.send_signal(subprocess.signal.SIGHUP)
    assert [systemd.notified(), systemd.notified()] == ["RELOADING=1", "READY=1"]
    assert agent.stop() == 0
    assert systemd.notified() == "STOPPING=1"


def test_it_is_reported_nothing_before_it_can_serve(systemd):
    systemd.agent.write_config(config="triggers: [")
    systemd.start()
    systemd.agent.child.wait(30)
    assert systemd.agent.child.returncode == 2
    systemd._notified.settimeout(0.2)
    with pytest.raises(TimeoutError):
        systemd.notified()


def test_the_socket_outlives_the_agent(systemd):
    """Requests during a restart are answered by the next agent."""
    agent = systemd.agent
    systemd.start()
    assert agent.rpc("ping") is not None
    assert agent.stop() == 0
    assert os.stat(agent.socket).st_ino == systemd.inode
    answers = []

    def ask():
        with Rpc(agent.socket) as connection:
            answers.append(connection.call("count", trigger="small")["count"])

    asking = threading.Thread(target=ask)
    asking.start()
    systemd.start()
    asking.join(30)
    assert answers == [7]


def test_a_socket_for_another_process_is_left_alone(systemd):
    """LISTEN_PID names the recipient: a child of that process must ignore the socket."""
    agent = systemd.agent
    agent.env.update(LISTEN_FDS="1", LISTEN_PID="1")
    systemd.listener.close()
    os.unlink(agent.socket)
    agent.start()
    assert systemd.notified() == "READY=1"
    assert agent.rpc("ping") is not None


def test_an_abstract_address_is_reported_too(systemd):
    name = f"tally-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified:
        notified.bind("\0" + name)
        notified.settimeout(30)
        systemd.agent.env["NOTIFY_SOCKET"] = "@" + name
        systemd.start()
        assert notified.recv(4096) == b"READY=1"
