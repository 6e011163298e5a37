# SPDX-License-Identifier: Apache-2.0
"""The restrictions of the process once it serves. All other tests show that everything works with the
filter: no log may contain a denied call."""

import os
import resource
import signal
import subprocess

import pytest

from . import process_facts
from .agent import wait_until
from .yaml_files import small_object

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "syscalls.c")
ALLOWED = {"open-read", "map", "socket-tcp", "eventfd", "thread"}
# A filter cannot see clone3's flags; ENOSYS makes the C library use clone instead.
OTHERWISE = {"clone3": "ENOSYS"}


@pytest.fixture(scope="session")
def intruder(tmp_path_factory):
    path = str(tmp_path_factory.mktemp("intruder") / "syscalls.so")
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-o", path, SOURCE], check=True)
    return path


def break_in(agent, intruder, tmp_path):
    """The attempts of the intruder: name → "ok" or the error."""
    out = tmp_path / "out"
    agent.env.update(LD_PRELOAD=intruder, PROBE_OUT=str(out))
    agent.start()
    assert agent.rpc("count", trigger="small")["count"] == 7
    agent.child.send_signal(signal.SIGUSR1)
    wait_until(lambda: out.read_text().endswith("end\n"))
    return dict(line.split(" ") for line in out.read_text().splitlines()[:-1])


def test_an_intruder_gets_nowhere(pod, intruder, tmp_path):
    agent = pod(small_object())
    agent.intruded = True
    agent.start()
    if process_facts.is_sanitized(agent.child.pid):
        agent.wait_for_log("event=no_seccomp")
        return
    agent.stop()
    answer = break_in(agent, intruder, tmp_path)
    wanted = {name: "ok" if name in ALLOWED else OTHERWISE.get(name, "EPERM") for name in answer}
    assert answer == wanted
    assert len(answer) > 35
    agent.wait_for_log("event=syscall_denied call=execve ")
    assert "event=syscall_denied call=ptrace " in agent.log()
    # It continues to serve, and reloads its configuration.
    assert agent.rpc("count", trigger="small", max_age_ms=0)["count"] == 7
    agent.child.send_signal(signal.SIGHUP)
    agent.wait_for_log("event=reloaded")


def test_without_the_filter_an_intruder_gets_somewhere(pod, intruder, tmp_path):
    """The test above can fail."""
    agent = pod(small_object(), options=["--no-seccomp"], env={"PROBE_GENTLY": "1"})
    agent.start()
    if process_facts.is_sanitized(agent.child.pid):
        return
    assert process_facts.status(agent.child.pid, "Seccomp") == "0"
    agent.wait_for_log("event=no_seccomp reason=--no-seccomp")
    agent.stop()
    answer = break_in(agent, intruder, tmp_path)
    for name in ("open-write", "open-create", "memfd_create", "run-what-was-written",
                 "map-written-and-run"):
        assert answer[name] == "ok"


def test_the_kernel_knows_what_the_process_gave_up(start):
    agent = start(small_object())
    pid = agent.child.pid
    assert process_facts.status(pid, "NoNewPrivs") == "1"
    assert resource.prlimit(pid, resource.RLIMIT_CORE) == (0, 0)
    if process_facts.is_sanitized(pid):
        return
    assert agent.rpc("count", trigger="small")["count"] == 7
    for task in os.listdir(f"/proc/{pid}/task"):
        assert process_facts.status(f"{pid}/task/{task}", "Seccomp") == "2"


def test_the_same_user_can_neither_trace_nor_read_it(pod):
    """The process is not dumpable: not even the same uid may read it."""
    agent = pod(small_object())
    os.chmod(agent.folder, 0o777)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    agent.start(wrapper=nobody)
    if process_facts.is_sanitized(agent.child.pid):
        return
    for name in ("mem", "environ", "maps"):
        done = subprocess.run([*nobody, "cat", f"/proc/{agent.child.pid}/{name}"],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "Permission denied" in done.stderr, name


def test_names_are_looked_up_within_the_filter(start):
    """By a thread of libcurl, with all modules that the C library loads for it."""
    agent = start(small_object(), env={
        "AWS_ENDPOINT_URL_STS": "https://sts.tally-has-no-such-name.invalid"})
    code, out, err = agent.cli("count", "small", "--timeout", "2s")
    assert code in (1, 4) and out == ""
    assert "tally-has-no-such-name" in err


# ---- false alarms ------------------------------------------------------------------------------------

NSS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nss_noisy.c")


def test_what_a_resolver_module_does_without_is_no_alarm(pod, tmp_path):
    subprocess.run(["gcc", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC",
                    "-o", tmp_path / "libnss_noisy.so.2", NSS], check=True)
    (tmp_path / "nsswitch.conf").write_text("hosts: noisy files\n")
    agent = pod(small_object(), options=["--log-level", "debug"], env={
        "LD_LIBRARY_PATH": str(tmp_path),
        "AWS_ENDPOINT_URL_STS": "https://sts.tally-has-no-such-name.invalid"})
    agent.intruded = True
    agent.start(wrapper=["unshare", "--mount", "sh", "-c",
                         f"mount --bind {tmp_path}/nsswitch.conf /etc/nsswitch.conf; exec \"$@\"",
                         "sh"])
    agent.cli("count", "small", "--timeout", "2s")
    with open(f"/proc/{agent.child.pid}/maps", encoding="ascii") as maps:
        if "libnss_noisy" not in maps.read() or process_facts.is_sanitized(agent.child.pid):
            return  # a static program loads no modules; a sanitized one has no filter
    for call in ("prctl", "sched_getparam", "getpriority", "mlock", "getppid"):
        agent.wait_for_log(f"level=debug event=syscall_denied call={call} ")
    assert "level=error event=syscall_denied" not in agent.log()


USE_ALL_INOTIFY = """
import ctypes, time
while ctypes.CDLL(None).inotify_init1(0) >= 0:
    pass
print("used up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def without_inotify():
    """A command that runs a program as a user without a free inotify instance."""
    uid = str(61000 + os.getpid() % 4000)
    user = ["setpriv", f"--reuid={uid}", "--regid=65534", "--clear-groups"]
    child = subprocess.Popen([*user, "/usr/bin/python3", "-c", USE_ALL_INOTIFY], stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"used up\n"
    yield user
    child.kill()
    child.wait()
    child.stdout.close()


def test_without_inotify_changes_are_noticed_later_and_no_alarm_is_raised(pod, without_inotify):
    agent = pod(small_object())
    agent.intruded = True
    os.chmod(agent.folder, 0o777)
    agent.start(wrapper=without_inotify)
    agent.wait_for_log("level=warn event=no_config_watch")
    assert "noticed every 10 s" in agent.log() and "max_user_instances" in agent.log()
    for number in (2, 3):
        agent.write_config(small_object(pollingInterval=10 * number))
        wait_until(lambda: agent.rpc("status")["config"]["generation"] == number, 40)  # pylint: disable=cell-var-from-loop
    agent.child.send_signal(signal.SIGHUP)
    wait_until(lambda: agent.rpc("status")["config"]["generation"] == 4)
    assert agent.log().count("event=no_config_watch") == 1
    assert "event=syscall_denied" not in agent.log()


def test_no_alarm_advises_to_do_without_the_filter(pod, intruder, tmp_path):
    agent = pod(small_object())
    agent.intruded = True
    agent.start()
    if process_facts.is_sanitized(agent.child.pid):
        return
    agent.stop()
    break_in(agent, intruder, tmp_path)
    agent.wait_for_log("level=error event=syscall_denied call=execve ")
    assert "--no-seccomp" not in agent.log()
