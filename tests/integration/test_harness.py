# SPDX-License-Identifier: Apache-2.0
"""The harness itself must be able to fail."""

import pytest

from .agent import Agent
from .yaml_files import small_object


@pytest.fixture
def agent(world):
    agent = Agent(world, small_object()).start()
    yield agent
    if agent.child.poll() is None:
        agent.kill()


def test_a_leaked_secret_is_found(agent, world):
    agent.rpc("count", trigger="small")
    assert len(world.secrets()) > 10
    agent.seen += b"... " + world.secrets()[-1].encode() + b" ..."
    with pytest.raises(AssertionError, match="1 pieces of secrets came out"):
        agent.finish()


def test_a_sanitizers_report_is_found(agent):
    with open(agent.folder + "/stderr", "a", encoding="utf-8") as log:
        log.write("a.c:1:2: runtime error: signed integer overflow\n")
    with pytest.raises(AssertionError, match="a sanitizer reports"):
        agent.finish()


def test_an_agent_that_does_not_end_well_is_found(agent):
    agent.stop = lambda: agent.kill() or agent.child.returncode
    with pytest.raises(AssertionError, match="tallyd ended with -9"):
        agent.finish()


def test_an_agent_that_does_not_start_is_found(world):
    agent = Agent(world, config="kind: [")
    with pytest.raises(AssertionError, match="tallyd does not start"):
        agent.start()
    agent.finish()
