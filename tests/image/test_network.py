# SPDX-License-Identifier: Apache-2.0
"""Every flavour on a network that is slow or drops everything."""

import os
import sys
import time

import pytest

from tests.integration.agent import wait_until
from tests.integration.rpc import RpcError

from .certificates import Certificate
from .conftest import recount
from .servers import COUNT

BLACK_HOLE = os.path.join(os.path.dirname(__file__), "black_hole.py")


def test_a_full_handshake_behind_a_delay_takes_round_trips_not_seconds(root, serve, slow, start):
    """TCP, two round trips of TLS, one of HTTP: 4 × 40 ms. The unpatched BearSSL backend of libcurl
    waited 1.2 s for a timer instead of for the socket."""
    network = slow(serve(Certificate("localhost", root), kept=False), seconds=0.02)
    taken = []
    for _ in range(3):  # a busy machine delays one of them, not all
        agent = start(network.url, root.pem())
        begun = time.monotonic()
        assert recount(agent) == COUNT
        taken.append(time.monotonic() - begun)
    assert min(taken) < 0.8, taken


def test_the_bundle_is_read_once(root, serve, start, tmp_path):
    """Once, not for each connection, which would cost 44 ms with Debian's bundle."""
    server = serve(Certificate("localhost", root), kept=False)
    opened = tmp_path / "opened"
    agent = start(server.url, root.pem(), wrapper=["strace", "-f", "-D", "-e", "trace=open,openat",
                                                   "-o", str(opened)])
    assert [recount(agent) for _ in range(6)] == [COUNT] * 6
    assert len(server.sessions) >= 6
    os.unlink(agent.env["AWS_CA_BUNDLE"])  # and it is not needed any longer
    assert recount(agent) == COUNT
    agent.stop()
    wait_until(lambda: "+++ exited with 0 +++" in opened.read_text())
    # At start, to check that it is readable, and again for the first connection.
    assert len([line for line in opened.read_text().splitlines()
                if agent.env["AWS_CA_BUNDLE"] in line and " = -1 " not in line]) == 2


def test_a_name_server_that_is_silent_does_not_stop_the_agent(start):
    """Neither during the look-up, nor when the look-up is given up, nor at exit."""
    agent = start("https://dynamodb.silent.test", wrapper=[sys.executable, BLACK_HOLE])
    with agent.connect() as connection, agent.connect() as other:
        waiting = connection.send("count", {"trigger": "small", "timeout_ms": 8000})
        longest, until = 0, time.monotonic() + 7
        while time.monotonic() < until:
            begun = time.monotonic()
            other.call("ping")
            longest = max(longest, time.monotonic() - begun)
            time.sleep(0.02)
        assert longest < 1.5, f"a ping took {longest:.1f} s"
        with pytest.raises(RpcError):
            connection.answer(waiting)
    begun = time.monotonic()
    assert agent.stop() == 0
    assert time.monotonic() - begun < 3
