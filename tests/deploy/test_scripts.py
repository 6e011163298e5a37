# SPDX-License-Identifier: Apache-2.0
"""The scripts of `make demo` and `make test`: they stop at once, do not disturb each other, and name
their requirements."""

import os
import signal
import subprocess
import time

import pytest

from tests.gateway.local import ROOT


def start(script, **environment):
    # A shell cannot trap an interrupt that is ignored at its start, as in a background job.
    def heed():
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(["bash", "-c", script], cwd=ROOT, preexec_fn=heed, text=True, start_new_session=True,
                            env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_an_interrupt_ends_the_step_that_runs_and_all_it_started(tmp_path):
    pid_file = tmp_path / "pid"
    child = start(f". tests/steps.sh; step 'a step' bash -c 'trap \"\" INT; sleep 300 & "
                  f"echo $! >{pid_file}; wait; wait'; step 'one more' true; steps_finish",
                  TALLY_LOGS=str(tmp_path), TALLY_RESULTS="")
    while not (pid_file.exists() and pid_file.read_text().strip()):
        time.sleep(0.05)
    begun = time.monotonic()
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 130 and "interrupted" in err and "one more" not in out
    assert time.monotonic() - begun < 10
    with pytest.raises(ProcessLookupError):
        for _ in range(100):
            os.kill(int(pid_file.read_text()), 0)
            time.sleep(0.05)


def test_a_long_step_shows_how_far_it_is(tmp_path):
    script = (". tests/steps.sh; TALLY_RESULTS=$logs/r; "
              "printf 'x [ 37%%]\\n' >$logs/log; steps_how_far $logs/log; echo; "
              "printf '..' >$logs/other.progress; : >$logs/other; steps_how_far $logs/other")
    out, _ = start(script, TALLY_LOGS=str(tmp_path)).communicate(timeout=20)
    assert out.split("\n") == ["37%", "2 done"]


def test_what_was_skipped_is_counted_and_shown(tmp_path):
    script = (". tests/steps.sh; id() { echo 1000; }; "
              "step pytest echo \"SKIPPED [2] x.py: needs root; 5 passed, 2 skipped\"; steps_finish")
    child = start(script, TALLY_LOGS=str(tmp_path), TALLY_RESULTS="")
    out, _ = child.communicate(timeout=20)
    assert child.returncode == 0
    assert "SKIPPED [2] x.py: needs root" in out and out.endswith("5 passed, 0 failed, 2 skipped\n")


def test_a_second_demonstration_leaves_the_first_alone(tmp_path):
    folder = tmp_path / "demo"
    folder.mkdir()
    with subprocess.Popen(["sh", "-c", f": {folder}; sleep 300; :"]) as first:
        try:
            (folder / "pids").write_text(f"{first.pid}\n")
            child = start("exec tests/demo.sh", DEMO=str(folder))
            _, err = child.communicate(timeout=20)
            assert child.returncode == 1 and "another demonstration uses" in err
            assert "tests/demo.sh stop" in err and "DEMO=" in err
            assert first.poll() is None and (folder / "pids").exists()
        finally:
            first.kill()


def test_who_can_become_root_by_nothing_is_reported_so(tmp_path):
    """No package seems to be installed, and there is no sudo."""
    (tmp_path / "dpkg-query").write_text("#!/bin/sh\n")
    (tmp_path / "dpkg-query").chmod(0o755)
    for name in ("bash", "env", "awk", "id", "dirname", "mktemp", "cmp", "sed", "java", "npm"):
        for folder in ("/usr/bin", "/bin"):
            if os.path.exists(os.path.join(folder, name)) and not (tmp_path / name).exists():
                (tmp_path / name).symlink_to(os.path.join(folder, name))
    tmp_path.chmod(0o755)
    (tmp_path / "id").unlink()
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    child = start("exec tests/setup.sh build", PATH=str(tmp_path))
    out, err = child.communicate(timeout=20)
    assert child.returncode == 1 and "needs root or sudo" in err, out + err


def test_nothing_asks_pkg_config_before_it_is_needed(tmp_path):
    """On a new machine pkg-config is not installed yet."""
    done = subprocess.run(["make", "-n", "help", "PKG_CONFIG=/no/pkg-config"], cwd=ROOT, text=True,
                          capture_output=True, check=True)
    assert done.stderr == ""
