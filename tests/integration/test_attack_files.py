# SPDX-License-Identifier: Apache-2.0
"""Another user with write access to the socket's folder, as in an emptyDir volume, which is 0777; and
truncated configuration files."""

import os
import signal
import socket
import subprocess
import time

import pytest

from tests.gateway.mount import ProjectedVolume

from .agent import TALLY, TALLYD, wait_until
from .yaml_files import scaled_object, small_object, text, trigger

NOBODY = 65534
AS_NOBODY = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
RACER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "racer.c")
STARTS = 300 if os.environ.get("TALLY_LONG") else 15


@pytest.fixture(scope="session")
def racer(tmp_path_factory):
    """The attacker's program, in a folder that another user can read."""
    path = tmp_path_factory.mktemp("racer") / "racer"
    subprocess.run(["gcc", "-O1", "-Wall", "-Wextra", "-Werror", "-o", path, RACER], check=True)
    return path.read_bytes()


class Prey:
    """Files of root: a file, and a folder with a file."""

    def __init__(self, folder):
        self.file = os.path.join(folder, "secret")
        self.folder = os.path.join(folder, "victim")
        with open(self.file, "w", encoding="ascii") as file:
            file.write("secret")
        os.chmod(self.file, 0o600)
        os.mkdir(self.folder, 0o755)
        self.before = self.now()

    def now(self):
        status = os.lstat(self.file)
        with open(self.file, encoding="ascii") as file:
            content = file.read()
        folder = os.lstat(self.folder)
        return (status[:6], content, folder[:6], os.listdir(self.folder))


def shared_folder(agent):
    os.chmod(agent.folder, 0o755)
    folder = os.path.join(agent.folder, "shared")
    os.mkdir(folder)
    os.chmod(folder, 0o777)
    return folder


def start_and_kill(agent, path):
    """If the attacker is fast enough, tallyd may also refuse to start."""
    child = subprocess.Popen(
        [TALLYD, "--config", agent.config, "--socket", path, "--socket-mode", "0666",
         "--socket-group", str(NOBODY)], env=agent.env, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while child.poll() is None and not os.path.lexists(path) and time.monotonic() < deadline:
            time.sleep(0.002)
        return child.poll() is None
    finally:
        child.kill()
        child.wait()


@pytest.mark.parametrize("short", [True, False], ids=["short path", "long path"])
def test_another_user_cannot_redirect_what_is_done_to_the_socket(pod, racer, short):
    agent = pod(small_object())
    folder = shared_folder(agent)
    prey = Prey(agent.folder)
    program = os.path.join(agent.folder, "racer")
    with open(program, "wb") as file:
        file.write(racer)
    os.chmod(program, 0o755)
    name = "t.sock" if short else "t.sock".ljust(107 - len(folder) - 1, "x")
    path = os.path.join(folder, name)
    starts = served = taken = 0
    with subprocess.Popen([*AS_NOBODY, program, folder, prey.file, prey.folder, name],
                          stdin=subprocess.PIPE) as attacker:
        try:
            while starts < STARTS or (taken == 0 and starts < 20 * STARTS):
                starts += 1
                served += start_and_kill(agent, path)
                if os.path.lexists(path):
                    os.unlink(path)
                assert prey.now() == prey.before
                taken = sum(entry.startswith("aside.") for entry in os.listdir(folder))
        finally:
            attacker.stdin.close()
            attacker.wait(30)
    assert taken > 0, "the attacker never got there, so nothing was tried"
    print(f"{taken} of {starts} starts were attacked, {served} served all the same")


def test_a_folder_of_another_user_is_served_and_left_clean(pod):
    agent = pod(small_object(), options=["--socket-mode", "0666"])
    folder = shared_folder(agent)
    agent.socket = os.path.join(folder, "t.sock")
    agent.start()
    assert os.listdir(folder) == ["t.sock"]
    assert subprocess.run([*AS_NOBODY, TALLY, "-s", agent.socket, "ping"],
                          check=False, capture_output=True).returncode == 0
    # By then the file at the path belongs to another user.
    os.rename(agent.socket, agent.socket + ".old")
    os.symlink(agent.config, agent.socket)
    assert agent.stop() == 0
    assert sorted(os.listdir(folder)) == ["t.sock", "t.sock.old"] and os.path.exists(agent.config)


def test_a_link_at_the_path_is_not_followed_to_see_who_listens(pod):
    """Not even to find out whether an agent answers there."""
    agent = pod(small_object())
    agent.socket = os.path.join(shared_folder(agent), "t.sock")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(os.path.join(agent.folder, "other.sock"))
        other.listen(1)
        other.setblocking(False)
        os.symlink(os.path.join(agent.folder, "other.sock"), agent.socket)
        code, err = agent.run("--config", agent.config, "--socket", agent.socket)
        assert code == 2 and "is not a socket" in err
        with pytest.raises(BlockingIOError):
            other.accept()


def test_install_replaces_a_link_and_not_what_it_leads_to(pod):
    agent = pod(small_object())
    folder = shared_folder(agent)
    prey = Prey(agent.folder)
    os.symlink(prey.file, os.path.join(folder, "tally"))
    done = subprocess.run([TALLY, "install", folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert prey.now() == prey.before
    assert not os.path.islink(os.path.join(folder, "tally"))
    assert os.listdir(folder) == ["tally"]


# ---- truncated configuration files -------------------------------------------------------------------

SMALL = text(small_object())
OTHER = text(scaled_object("other", trigger(value={"S": "no such queue"})))


class Files:
    """A folder of two files, each with one trigger."""

    def __init__(self, pod):
        self.agent = pod()
        self.folder = os.path.join(self.agent.folder, "conf")
        os.mkdir(self.folder)
        self.write("small.yaml", SMALL)
        self.write("other.yaml", OTHER)
        self.agent.config = self.folder
        self.agent.start()

    def write(self, name, content):
        """In place, as editors and shells do."""
        with open(os.path.join(self.folder, name), "w", encoding="utf-8") as file:
            file.write(content)

    def remove(self, name):
        os.unlink(os.path.join(self.folder, name))

    def names(self):
        return [entry["name"] for entry in self.agent.rpc("list")["triggers"]]

    def config(self):
        return self.agent.rpc("status")["config"]


@pytest.fixture
def files(pod):
    return Files(pod)


BOTH = ["shop/other", "shop/small"]


@pytest.mark.parametrize("content", [
    "", "\n", "---\n", "# Counts the queue.\n", "apiVersion: v1\nkind: List\nitems: []\n"])
def test_a_file_that_lost_its_triggers_takes_none_away(files, content):
    agent = files.agent
    with agent.connect() as watcher:
        watcher.call("watch", trigger="small")
        files.write("small.yaml", content)
        wait_until(lambda: files.config()["reload_failures"] == 1)
        assert files.names() == BOTH
        assert agent.rpc("count", trigger="small")["count"] == 7
    path = os.path.join(files.folder, "small.yaml")
    assert path in files.config()["reload_error"] and files.config()["generation"] == 1
    assert path in agent.cli("status")[1]
    assert "level=error event=reload_failed" in agent.log()
    assert "tally_config_reload_failures 1" in agent.cli("-o", "prometheus", "status")[1]
    files.write("small.yaml", SMALL.replace("'5'", "'6'"))
    wait_until(lambda: files.config()["generation"] == 2)
    assert files.config()["reload_failures"] == 0 and "reload_error" not in files.config()


def test_all_files_cut_off_at_once_take_none_away(files):
    files.write("small.yaml", "")
    files.write("other.yaml", "")
    wait_until(lambda: files.config()["reload_failures"] == 1)
    assert files.names() == BOTH


def test_every_place_where_a_file_may_be_cut_off_leaves_its_trigger(files):
    """As with a full disk: the rest is refused, or still has the trigger."""
    size = len(SMALL)
    step = 7 if os.environ.get("TALLY_LONG") else size // 6
    for end in range(0, size, step):
        before = files.agent.log().count("event=reload")
        files.write("small.yaml", SMALL[:end])
        wait_until(lambda: files.agent.log().count("event=reload") > before)  # pylint: disable=cell-var-from-loop
        assert files.names() == BOTH, end


def test_removed_files_take_their_triggers_along(files):
    files.remove("small.yaml")
    wait_until(lambda: files.names() == ["shop/other"])
    assert "event=reloaded triggers=1 removed=1" in files.agent.log()
    files.remove("other.yaml")
    wait_until(lambda: files.names() == [])
    assert files.config()["reload_failures"] == 0


def test_sighup_takes_an_empty_file_as_it_is(files):
    files.write("small.yaml", "")
    wait_until(lambda: files.config()["reload_failures"] == 1)
    files.agent.child.send_signal(signal.SIGHUP)
    wait_until(lambda: files.names() == ["shop/other"])
    # This applied once.
    files.write("other.yaml", "")
    wait_until(lambda: files.config()["reload_failures"] == 1)
    assert files.names() == ["shop/other"]


def test_a_trigger_may_move_to_another_file(files):
    files.write("other.yaml", OTHER + "---\n" + SMALL.replace("'5'", "'6'"))
    files.write("small.yaml", "# moved\n")
    wait_until(lambda: files.config()["generation"] == 2)
    assert files.names() == BOTH
    assert files.agent.rpc("count", trigger="small")["target"] == 6


def test_a_folder_that_is_away_for_a_moment_takes_none_away(files):
    os.rename(files.folder, files.folder + ".old")
    wait_until(lambda: files.config()["reload_failures"] == 1, 20)
    assert files.names() == BOTH
    os.rename(files.folder + ".old", files.folder)
    wait_until(lambda: files.config()["reload_failures"] == 0, 20)
    assert files.names() == BOTH


def test_a_config_map_that_is_emptied_takes_none_away(pod):
    """The key still exists, with an empty value."""
    agent = pod()
    volume = ProjectedVolume(os.path.join(agent.folder, "conf"))
    volume.write(**{"small.yaml": SMALL})
    agent.config = volume.folder
    agent.start()
    volume.write(**{"small.yaml": ""})
    wait_until(lambda: agent.rpc("status")["config"]["reload_failures"] == 1, 20)
    assert agent.rpc("count", trigger="small")["count"] == 7
