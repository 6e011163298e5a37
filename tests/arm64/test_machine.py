# SPDX-License-Identifier: Apache-2.0
"""tallyd with its filter of system calls on a real arm64 kernel: its identity from STS and its counts
from DynamoDB over TLS, by AWS's own names, through a proxy to the gateway on this machine. tally-bridge
beside it, with its own filter.

One machine runs the agent as it is, then with an intruder in it, then with the intruder and without
the filter. TALLY_BUILD is a build with ARCH=arm64: build/arm64, or an image's."""

import json
import re
import subprocess
import time

import pytest

from tests.gateway.world import REGION, ROLE
from tests.integration import yaml_files
from tests.integration.agent import TALLY, TALLYD
from tests.integration.bridge import BRIDGE
from tests.integration.test_sandbox import ALLOWED, OTHERWISE
from tests.integration.test_sandbox import SOURCE as INTRUDER

from .machine import HOST, SYSROOT, TRIPLET, Machine, needed

SCRIPT = """
export AWS_REGION={region} AWS_ROLE_ARN={role} AWS_WEB_IDENTITY_TOKEN_FILE=/token
export HTTPS_PROXY={proxy} AWS_CA_BUNDLE=/ca.pem LD_LIBRARY_PATH=/lib
run() {{
  echo "== $1"; shift
  "$@" 2>&1
  echo "== exit $?"
}}
start() {{
  "$@" /tallyd --config /config.yaml --socket /run/t.sock --linger 0 $options 2>/tmp/log &
  pid=$!
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    /tally -s /run/t.sock ready 2>/dev/null && return
    sleep 0.5
  done
}}
ask() {{ run "$1" /tally -s /run/t.sock -o json count small --max-age 0 --timeout 60s; }}
stop() {{ kill $pid; run "$1 stopped" wait $pid; run "$1 log" cat /tmp/log; }}
intrude() {{
  kill -USR1 $pid
  for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    grep -q ^end /tmp/out && break
    sleep 0.5
  done
  run "$1 intruder" cat /tmp/out
}}
run machine uname -m
start
ask plain
run status cat /proc/$pid/status
run threads sh -c "cat /proc/$pid/task/*/status | grep Seccomp:"
/tally-bridge --socket /run/t.sock --listen 127.0.0.1:6000 2>/tmp/bridge.log &
bridge=$!
for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  wget -q -O /dev/null http://127.0.0.1:6000/readyz 2>/dev/null && break
  sleep 0.5
done
run bridge wget -q -O - http://127.0.0.1:6000/v1/count/shop/small
run "bridge status" cat /proc/$bridge/status
kill $bridge
run "bridge stopped" wait $bridge
run "bridge log" cat /tmp/bridge.log
stop plain
"""

INTRUDED = """
start env LD_PRELOAD=/intruder.so PROBE_OUT=/tmp/out
intrude filtered
ask filtered
stop filtered
rm /tmp/out
options=--no-seccomp
start env LD_PRELOAD=/intruder.so PROBE_OUT=/tmp/out PROBE_GENTLY=1
intrude open
stop open
"""


@pytest.fixture(scope="module", name="report")
def run_machine(gateway, tables, tmp_path_factory):  # pylint: disable=unused-argument
    """What each command in the machine printed, and its exit code: name → (text, code)."""
    folder = tmp_path_factory.mktemp("machine")
    world = gateway.world()
    machine = Machine(folder)
    machine.program("tallyd", TALLYD)
    machine.program("tally", TALLY)
    machine.program("tally-bridge", BRIDGE)
    machine.text("config.yaml", yaml_files.text(yaml_files.small_object()))
    machine.text("token", world.token())
    machine.text("ca.pem", world.ca())
    script = SCRIPT.format(region=REGION, role=ROLE,
                           proxy=world.proxy().replace("127.0.0.1", HOST))
    if needed(TALLYD):  # nothing can be preloaded into a static program
        intruder = str(folder / "intruder.so")
        subprocess.run([f"{TRIPLET}-gcc", f"--sysroot={SYSROOT}", "-D_GNU_SOURCE", "-shared", "-fPIC",
                        "-o", intruder, INTRUDER], check=True)
        machine.program("intruder.so", intruder)
        script += INTRUDED
    console = machine.run(script, time.time())
    world.close()
    return {name: (text, int(code)) for name, text, code in re.findall(
        r"^== ([a-z ]+)\n(.*?)^== exit ([0-9]+)$", console, re.MULTILINE | re.DOTALL)}


def intruder_got(report, name):
    *lines, last = report[f"{name} intruder"][0].splitlines()
    assert last == "end"
    return dict(line.split(" ") for line in lines)


def test_it_counts_on_an_arm64_kernel(report):
    assert report["machine"] == ("aarch64\n", 0)
    text, code = report["plain"]
    assert code == 0, text + report["plain log"][0]
    answer = json.loads(text)
    assert (answer["count"], answer["quality"]) == (7, "exact")
    assert report["plain stopped"][1] == 0
    log = report["plain log"][0]
    assert "syscall_denied" not in log and "no_seccomp" not in log


def test_the_kernel_has_its_filter_for_every_thread(report):
    status = dict(line.split(":\t", 1) for line in report["status"][0].splitlines() if ":\t" in line)
    assert (status["Seccomp"], status["NoNewPrivs"]) == ("2", "1")
    threads = report["threads"][0].splitlines()
    assert threads and set(threads) == {"Seccomp:\t2"}


def test_the_bridge_serves_it_with_a_filter_of_its_own(report):
    text, code = report["bridge"]
    assert code == 0, text + report["bridge log"][0]
    assert json.loads(text)["count"] == 7
    assert re.search(r"^Seccomp:\t2$", report["bridge status"][0], re.MULTILINE)
    assert report["bridge stopped"][1] == 0
    assert "syscall_denied" not in report["bridge log"][0] and "no_seccomp" not in report["bridge log"][0]


def test_an_intruder_gets_nowhere_on_arm64(report):
    if not needed(TALLYD):
        assert "filtered intruder" not in report
        return
    got = intruder_got(report, "filtered")
    assert got == {name: "ok" if name in ALLOWED else OTHERWISE.get(name, "EPERM") for name in got}
    assert len(got) > 35
    assert "event=syscall_denied call=execve " in report["filtered log"][0]
    assert report["filtered"][1] == 0 and report["filtered stopped"][1] == 0
    # Without the filter it gets somewhere: the test can fail.
    got = intruder_got(report, "open")
    assert got["open-write"] == got["memfd_create"] == got["map-written-and-run"] == "ok"


def test_the_programs_are_for_arm64():
    for path in (TALLYD, TALLY, BRIDGE):
        with open(path, "rb") as file:
            assert file.read(20)[18:20] == b"\xb7\x00", path  # EM_AARCH64
