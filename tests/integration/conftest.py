# SPDX-License-Identifier: Apache-2.0
"""The agent under test."""

import os
import resource

import pytest

from .agent import TALLY, TALLYD, Agent
from .bridge import Bridge
from .bridge_certificates import Shop


@pytest.fixture(scope="session", autouse=True)
def programs():
    for path in (TALLYD, TALLY):
        if not os.path.exists(path):
            pytest.exit(f"{path} is not built; run make first, or set TALLY_BUILD", 2)


@pytest.fixture(scope="session", autouse=True)
def many_descriptors():
    """Many clients need more descriptors than the soft limit of an ordinary user."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))


@pytest.fixture
def pod(world):
    """Creates agents without starting them; all are stopped and checked at the end."""
    agents = []

    def make(*documents, **options):
        agents.append(Agent(world, *documents, **options))
        return agents[-1]

    yield make
    failures = []
    for agent in agents:
        try:
            agent.finish()
        except AssertionError as failure:
            failures.append(str(failure))
    assert not failures, "\n".join(failures)


@pytest.fixture
def start(pod):
    """Creates and starts an agent."""
    return lambda *documents, **options: pod(*documents, **options).start()


@pytest.fixture
def bridge():
    """Makes bridges in front of an agent, or a socket's path; all are stopped and checked."""
    made = []

    def make(agent, *options, **more):
        made.append(Bridge(getattr(agent, "socket", agent), *options, **more))
        return made[-1].start()

    yield make
    for one in made:
        one.finish()


@pytest.fixture
def shop(tmp_path):
    return Shop(tmp_path)
