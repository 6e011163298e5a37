# SPDX-License-Identifier: Apache-2.0
"""Start of the agent before everything else; its exit while clients still use it; and the file at
the path of its socket."""

import contextlib
import os
import signal
import socket
import subprocess
import threading
import time

import msgpack
import pytest

from . import process_facts
from .agent import TALLY, TALLYD, wait_until
from .rpc import RpcError
from .test_library import CLIENT, STATIC, run, sanitizer
from .yaml_files import small_object

NOBODY = 65534
CONTAINER = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None}

# ---- start before everything else -------------------------------------------------------------------


def ask_early(agent, timeout_ms=20_000):
    """Sends a request, and returns a function that gets the answer."""
    connection = agent.connect()
    asked = connection.send("count", {"trigger": "small", "timeout_ms": timeout_ms})

    def answer():
        with connection:
            return connection.answer(asked)["count"]

    return answer


@pytest.mark.parametrize("service", ["sts", "dynamodb"])
def test_a_request_waits_for_an_endpoint_that_is_not_up(start, world, service):
    world.leave(service=service)
    answer = ask_early(start(small_object()))
    time.sleep(2)
    world.come_back(service=service)
    assert answer() == 7


def test_a_request_waits_for_the_pod_identity_agent(start, world, tmp_path):
    token = tmp_path / "token"
    token.write_text(world.pod_token())
    world.leave(service="container")
    answer = ask_early(start(small_object(), env={
        **CONTAINER, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(token),
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": world.urls["container"] + "/v1/credentials"}))
    time.sleep(2)
    world.come_back(service="container")
    assert answer() == 7


@pytest.mark.parametrize("how", ["missing", "empty", "folder missing"])
def test_a_request_waits_for_the_token(pod, world, how):
    agent = pod(small_object())
    token = world.token()
    if how == "folder missing":
        agent.mount.clear()
        os.rename(agent.mount.folder, agent.mount.folder + ".later")
    elif how == "missing":
        agent.mount.clear()
    else:
        agent.mount.write(token="")
    agent.start()
    answer = ask_early(agent)
    time.sleep(2.5)
    if how == "folder missing":
        os.rename(agent.mount.folder + ".later", agent.mount.folder)
    agent.mount.write(token=token)
    assert answer() == 7


def test_a_deadline_that_comes_first_is_reported_what_is_missing(start, world):
    agent = start(small_object())
    agent.mount.clear()
    begun = time.monotonic()
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", timeout_ms=2500)
    assert time.monotonic() - begun < 5
    assert caught.value.name in ("CREDENTIALS", "TIMEOUT")
    assert "token" in caught.value.answer["message"]


def test_ready_does_not_depend_on_aws(start, world):
    world.fault(service="*", status=503)
    assert start(small_object()).cli("ready")[0] == 0


# ---- the path of the socket -------------------------------------------------------------------------


def test_a_second_agent_names_the_first(start, pod):
    agent = start(small_object())
    code, err = pod(small_object()).run("--config", agent.config, "--socket", agent.socket)
    assert code == 1
    assert f"process {agent.child.pid}" in err and agent.socket in err
    assert agent.rpc("count", trigger="small")["count"] == 7


def test_of_agents_that_start_at_once_one_serves(pod):
    agent = pod(small_object())
    command = [TALLYD, "--config", agent.config, "--socket", agent.socket, "--linger", "0"]
    children = [subprocess.Popen(command, env=agent.env, stderr=subprocess.PIPE, text=True)
                for _ in range(8)]
    try:
        wait_until(lambda: sum(child.poll() is None for child in children) == 1, 30)
        alive, = [child for child in children if child.poll() is None]
        losers = [child for child in children if child is not alive]
        assert [child.returncode for child in losers] == [1] * 7
        assert all("is already served by process" in child.stderr.read() for child in losers)
        wait_until(lambda: agent.cli("ping")[0] == 0)
        assert sorted(os.listdir(agent.folder)) == ["config.yaml", "serviceaccount", "t.sock"]
    finally:
        for child in children:
            child.terminate()
            child.communicate(timeout=30)
    assert alive.returncode == 0


def test_a_left_over_is_replaced_without_a_moment_without_a_socket(start):
    agent = start(small_object())
    agent.kill()
    missed, over = [], threading.Event()

    def look():
        while not over.is_set():
            if not os.path.exists(agent.socket):
                missed.append(time.monotonic())

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(5):
        agent.start()
        agent.kill()
    over.set()
    thread.join()
    assert not missed
    agent.start()
    assert agent.rpc("count", trigger="small")["count"] == 7


def test_only_the_agents_own_socket_goes_with_it(start, pod):
    """If pods overlap, the file at the path may already be the next agent's."""
    first = start(small_object())
    second = pod(small_object())
    second.socket += "2"
    second.start()
    os.rename(second.socket, first.socket)
    inode = os.stat(first.socket).st_ino
    assert first.stop() == 0
    assert os.stat(first.socket).st_ino == inode
    second.socket = first.socket
    assert second.rpc("count", trigger="small")["count"] == 7


def test_a_left_over_of_another_owner_is_explained(pod):
    agent = pod(small_object())
    os.chmod(agent.folder, 0o1777)  # like /tmp: only the owner may replace a file
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(agent.socket)
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", TALLYD,
         "--config", agent.config, "--socket", agent.socket],
        env=agent.env, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert agent.socket in done.stderr and f"uid {NOBODY}" in done.stderr
    assert os.path.exists(agent.socket)


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo, lambda path: os.symlink("/dev/null", path)],
                         ids=["folder", "pipe", "symlink"])
def test_what_is_no_socket_is_never_replaced(pod, make):
    agent = pod(small_object())
    make(agent.socket)
    before = os.lstat(agent.socket)
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code == 2 and "is not a socket" in err
    assert os.lstat(agent.socket)[:3] == before[:3]


def test_the_socket_is_never_wider_than_asked(pod):
    """Also between the creation of the socket and the change of its mode."""
    agent = pod(small_object(), options=["--socket-mode", "0600"])
    seen, over = set(), threading.Event()

    def look():
        while not over.is_set():
            for name in os.listdir(agent.folder):
                if name.startswith("t.sock"):
                    with contextlib.suppress(FileNotFoundError):
                        seen.add(os.stat(os.path.join(agent.folder, name)).st_mode & 0o777)

    thread = threading.Thread(target=look)
    thread.start()
    for _ in range(10):
        agent.start()
        agent.kill()
    over.set()
    thread.join()
    assert seen == {0o600}


# ---- exit -------------------------------------------------------------------------------------------


def ends(child, seconds=20.0):
    begun = time.monotonic()
    assert child.wait(seconds) == 0
    return time.monotonic() - begun


def test_without_clients_it_lingers_and_goes(start):
    agent = start(small_object(), options=["--linger", "1s", "--grace", "20s"])
    agent.child.terminate()
    assert 0.8 < ends(agent.child) < 5


def test_while_it_drains_old_and_new_connections_are_served(start):
    agent = start(small_object(), options=["--linger", "1s", "--grace", "30s"])
    with agent.connect() as old:
        old.call("ping")
        agent.child.terminate()
        agent.wait_for_log("event=stopping")
        for _ in range(5):  # each new request extends it
            time.sleep(0.5)
            assert agent.rpc("count", trigger="small")["count"] == 7
            assert old.call("count", trigger="small")["count"] == 7
        assert agent.child.poll() is None
        # It may send requests for one linger, then it is disconnected, and new connections have another.
        assert old.receive() == [2, "draining", [{}]]
        assert old.receive() is None
        assert agent.child.poll() is None
    assert ends(agent.child) < 5
    assert not os.path.exists(agent.socket)


def test_the_grace_ends_also_with_clients(start):
    agent = start(small_object(), options=["--linger", "5s", "--grace", "1s"])
    with agent.connect() as connection:
        connection.call("ping")
        agent.child.terminate()
        assert 0.8 < ends(agent.child) < 5
        assert connection.receive() is None
    assert "event=grace_over connections=1" in agent.log()


def test_a_request_that_waits_when_the_grace_ends_is_answered(start, world):
    world.fault(action="Query", latency=20)
    agent = start(small_object(), options=["--grace", "500ms"])
    with agent.connect() as connection:
        asked = connection.send("count", {"trigger": "small", "timeout_ms": 20_000})
        wait_until(lambda: world.requests(service="dynamodb"))
        agent.child.terminate()
        with pytest.raises(RpcError) as caught:
            connection.answer(asked)
        assert caught.value.name == "SHUTTING_DOWN" and caught.value.answer["retryable"]
    assert ends(agent.child) < 5


@pytest.mark.parametrize("what", ["idle", "watching", "new", "half a request"])
def test_a_client_that_only_waits_is_disconnected_and_delays_nothing(start, what):
    agent = start(small_object(), options=["--linger", "1s", "--grace", "60s"])
    with agent.connect() as connection:
        if what != "new":
            connection.call("ping")
        if what == "watching":
            connection.call("watch", trigger="small")
            assert connection.receive()[1] == "changed"
        if what == "half a request":
            connection.socket.sendall(msgpack.packb([0, 9, "ping", []])[:-1])
        time.sleep(1.2)  # longer than --linger
        agent.child.terminate()
        assert connection.receive() == [2, "draining", [{}]]
        assert connection.receive() is None
        assert ends(agent.child) < 10


def test_watchers_that_connect_again_do_not_keep_it(start):
    """As libtally's event interface does, here in tally watch."""
    agent = start(small_object(), options=["--linger", "1s", "--grace", "60s"])
    with subprocess.Popen([TALLY, "-s", agent.socket, "watch", "small"], env=agent.env,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watcher:
        try:
            assert "7" in watcher.stdout.readline()
            agent.child.terminate()
            assert ends(agent.child, 40) < 15
            assert "waiting for it" in watcher.stderr.readline()
            agent.start()
            wait_until(lambda: agent.rpc("status")["connections"]["open"] == 2)
        finally:
            watcher.terminate()


@pytest.mark.parametrize("linger", ["0", "500ms"])
def test_a_request_under_way_is_answered_before_the_end(start, world, linger):
    """A request in flight delays the exit, and its client is disconnected after the answer."""
    world.fault(action="Query", latency=2)
    agent = start(small_object(), options=["--linger", linger, "--grace", "60s"])
    with agent.connect() as connection:
        asked = connection.send("count", {"trigger": "small", "timeout_ms": 20_000})
        wait_until(lambda: world.requests(service="dynamodb"))
        agent.child.terminate()
        assert connection.answer(asked)["count"] == 7
        assert connection.receive() == [2, "draining", [{}]]
        assert connection.receive() is None
    assert ends(agent.child) < 10


@pytest.mark.parametrize("first, second", [(signal.SIGTERM, signal.SIGTERM),
                                           (signal.SIGINT, signal.SIGTERM)])
def test_a_second_signal_ends_it_at_once(start, first, second):
    agent = start(small_object(), options=["--linger", "20s", "--grace", "20s"])
    agent.child.send_signal(first)
    agent.wait_for_log("event=stopping")
    agent.child.send_signal(second)
    assert ends(agent.child) < 5


def test_it_ends_well_as_process_1(start):
    agent = start(small_object(), options=["--linger", "2s"])
    agent.stop()
    agent.start(wrapper=["unshare", "--pid", "--fork", "--kill-child"])
    with open(f"/proc/{agent.child.pid}/task/{agent.child.pid}/children", encoding="ascii") as file:
        inner = int(file.read())
    assert process_facts.status(inner, "NSpid").split()[-1] == "1"
    with agent.connect() as connection:
        connection.call("ping")
        os.kill(inner, signal.SIGTERM)
        agent.wait_for_log("event=stopping")
        assert connection.call("count", trigger="small")["count"] == 7
        assert agent.rpc("count", trigger="small")["count"] == 7
    assert ends(agent.child) < 5


def test_a_process_1_that_nobody_leaves_ends_with_its_grace(start):
    agent = start(small_object(), options=["--grace", "500ms"])
    agent.stop()
    agent.start(wrapper=["unshare", "--pid", "--fork", "--kill-child"])
    with open(f"/proc/{agent.child.pid}/task/{agent.child.pid}/children", encoding="ascii") as file:
        inner = int(file.read())
    with agent.connect() as connection:
        connection.call("ping")
        os.kill(inner, signal.SIGTERM)
        assert ends(agent.child) < 5
        while connection.receive() is not None:
            pass


# ---- restarts under load ----------------------------------------------------------------------------

LOAD = r"""
#include <tally.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Asks all the time on one handle; prints how often, and every answer that is not 7. */
int main(int argc, char **argv)
{
    struct tally *tally = NULL;
    time_t end = time(NULL) + atoi(argv[argc - 1]);
    int answers = 0;

    if (tally_open(&tally, argv[1]) < 0 || tally_set_timeout(tally, 10000) < 0)
        return 1;
    while (time(NULL) < end) {
        int64_t count = -1;
        int r = tally_count(tally, "small", &count);
        if (r < 0 || count != 7)
            printf("%s: %s\n", tally_error_name(r), tally_error_message(tally));
        answers++;
    }
    tally_close(tally);
    printf("%d\n", answers);
    return 0;
}
"""


@pytest.fixture(scope="session")
def load(tmp_path_factory):
    folder = tmp_path_factory.mktemp("load")
    source, program = folder / "load.c", folder / "load"
    source.write_text(LOAD)
    run("gcc", "-O1", "-I", CLIENT, *sanitizer(), str(source), "-x", "none", STATIC, "-o",
        str(program))
    return str(program)


@pytest.mark.parametrize("how", ["stopped", "killed"])
def test_clients_notice_no_restart(start, load, how):
    agent = start(small_object(), options=["--linger", "0", "--grace", "300ms"])
    agent.rpc("count", trigger="small")
    clients = [subprocess.Popen([load, agent.socket, "5"], stdout=subprocess.PIPE, text=True,
                                env=agent.env) for _ in range(6)]
    for _ in range(6):
        time.sleep(0.5)
        if how == "killed":
            agent.kill()
        else:
            assert agent.stop() == 0
        time.sleep(0.1)
        agent.start()
    answer = [client.communicate(timeout=60)[0].splitlines() for client in clients]
    assert [client.returncode for client in clients] == [0] * len(clients)
    assert [lines[:-1] for lines in answer] == [[]] * len(clients), "answers were lost"
    assert all(int(lines[-1]) > 50 for lines in answer)


# ---- systemd ------------------------------------------------------------------------------------------


@pytest.fixture
def notified(tmp_path):
    """A socket for NOTIFY_SOCKET: (its path, a function that gets the next notification)."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as answer:
        answer.settimeout(20)
        answer.bind(str(tmp_path / "notify"))
        yield str(tmp_path / "notify"), lambda: answer.recv(4096).decode()


def test_systemd_is_reported_of_start_reload_and_end(pod, notified):
    path, word = notified
    agent = pod(small_object(), env={"NOTIFY_SOCKET": path})
    agent.start()
    assert "READY=1" in word()
    agent.child.send_signal(signal.SIGHUP)
    assert "RELOADING=1" in word()
    assert "READY=1" in word()
    agent.child.terminate()
    assert "STOPPING=1" in word()
    assert ends(agent.child) < 5


def test_an_abstract_notify_socket_is_reported(pod):
    name = f"tally-test-{os.getpid()}-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as answer:
        answer.settimeout(20)
        answer.bind("\0" + name)
        pod(small_object(), env={"NOTIFY_SOCKET": "@" + name}).start()
        assert b"READY=1" in answer.recv(4096)


def start_activated(agent, listener, pid="$$"):
    """Starts the agent with a listening socket, as systemd passes it."""
    os.set_inheritable(listener.fileno(), True)
    script = (f"export LISTEN_PID={pid} LISTEN_FDS=1; exec 3<&{listener.fileno()} "
              f"{listener.fileno()}<&-; exec \"$@\"")
    agent.start(wrapper=["bash", "-c", script, "bash"], pass_fds=[listener.fileno()])


def test_a_socket_of_systemds_is_served_and_left_alone(pod):
    agent = pod(small_object())
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(agent.socket)
        listener.listen(64)
        with agent.connect() as early:  # before the agent runs
            asked = early.send("count", {"trigger": "small"})
            start_activated(agent, listener)
            assert early.answer(asked)["count"] == 7
        assert agent.rpc("count", trigger="small")["count"] == 7
        assert agent.stop() == 0
        assert os.path.exists(agent.socket)
        # Connections between two agents are served by the next one.
        with agent.connect() as between:
            between.socket.sendall(msgpack.packb([0, 1, "ping", []]))
            start_activated(agent, listener)
            assert between.receive()[:3] == [1, 1, None]


def test_a_socket_for_another_process_is_not_taken(pod):
    agent = pod(small_object())
    path = agent.socket + ".systemd"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        start_activated(agent, listener, pid="1")
        assert agent.rpc("count", trigger="small")["count"] == 7
