# SPDX-License-Identifier: Apache-2.0
"""Which clients are allowed, which error the others get, and what clients cannot write into the log."""

import json
import os
import re
import subprocess

import pytest

from .agent import TALLY
from .rpc import RpcError
from .yaml_files import small_object

NOBODY = 65534
GROUP = 4242  # without an account
FORGERY = 'x\nts=1 level=info event=forged\r\n"quoted"=\\ \x1b[31mred \x7f \u0085end'


def as_user(agent, *arguments, uid=NOBODY, gid=NOBODY):
    """Runs the command as another user; returns exit code, stdout and stderr."""
    done = subprocess.run(
        ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups", TALLY, "-s",
         agent.socket, *arguments], env=agent.env, capture_output=True, text=True, timeout=60,
        check=False)
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def open_to(start):
    """An agent whose socket all users can reach, with these options."""
    def make(*options):
        agent = start(small_object(), options=["--socket-mode", "0666", *options])
        os.chmod(agent.folder, 0o755)
        return agent
    return make


@pytest.mark.parametrize("options, uid, gid, served", [
    ([], NOBODY, NOBODY, True),
    (["--allow-uid", str(NOBODY)], NOBODY, GROUP, True),
    (["--allow-uid", str(NOBODY)], NOBODY - 1, GROUP, False),
    (["--allow-gid", str(GROUP)], NOBODY, GROUP, True),
    (["--allow-gid", str(GROUP)], NOBODY, NOBODY, False),
    (["--allow-uid", "7", "--allow-uid", "8", "--allow-gid", str(GROUP)], 8, 9, True),
    (["--allow-uid", "7", "--allow-gid", str(GROUP)], 8, GROUP, True),
    (["--allow-uid", "7", "--allow-gid", str(GROUP)], 0, 0, False),
], ids=str)
def test_the_list_decides(open_to, options, uid, gid, served):
    agent = open_to(*options)
    code, out, err = as_user(agent, "count", "small", uid=uid, gid=gid)
    if served:
        assert (code, out, err) == (0, "7\n", "")
        return
    assert (code, out) == (1, "")
    assert err.startswith("tally: NOT_ALLOWED: ")
    # The message says what is wrong, and how to correct it.
    assert f"uid {uid}, gid {gid}" in err
    assert f"--allow-uid {uid}" in err and f"--allow-gid {gid}" in err
    assert re.search(rf"event=refused reason=.* uid={uid} gid={gid} ", agent.log())


def test_the_socket_belongs_to_its_group_from_the_first_moment(start):
    agent = start(small_object(), options=["--socket-group", str(GROUP)])
    os.chmod(agent.folder, 0o755)
    info = os.stat(agent.socket)
    assert (info.st_gid, info.st_mode & 0o777) == (GROUP, 0o660)
    assert as_user(agent, "count", "small", gid=GROUP)[:2] == (0, "7\n")
    code, out, err = as_user(agent, "count", "small")
    assert code != 0 and out == ""
    assert f"supplementalGroups: [{GROUP}]" in err and f"uid {NOBODY}, gid {NOBODY}" in err


def events(log):
    """The lines of a logfmt log, each as its event; an invalid line is a failure."""
    form = re.compile(r'ts=\S+ level=\w+ event=([\w-]+)( [\w_]+=([^\s"=]+|"([^"\\]|\\.)*"))*')
    return [form.fullmatch(line).group(1) for line in log.splitlines()]


@pytest.mark.parametrize("format_", ["logfmt", "json"])
def test_nobody_forges_a_line_of_the_log(start, world, format_):
    """By a message of AWS or STS, or a name in a request."""
    agent = start(small_object(), options=["--log-level", "debug", "--log-format", format_])
    # XML has no escape character.
    world.fault(service="sts", code="AccessDenied", message=FORGERY.replace("\x1b", "?"), times=1)
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small")
    assert not set(caught.value.answer["message"]) & set("\n\r\x1b\x7f")
    for name in (FORGERY, "\0", "é" * 100):
        with pytest.raises(RpcError):
            agent.rpc("count", trigger=name)
    with agent.raw() as stranger:
        stranger.sendall(FORGERY.encode())
        assert stranger.recv(1) == b""
    agent.stop()
    log = agent.log()
    if format_ == "json":
        named = [json.loads(line)["event"] for line in log.splitlines()]
    else:
        named = events(log)
    assert {"listening", "stopped"} <= set(named) and "forged" not in named
    assert not set(log) & set("\r\x1b\x7f\u0085")
    assert "AccessDenied" in log
