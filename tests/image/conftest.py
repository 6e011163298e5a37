# SPDX-License-Identifier: Apache-2.0
"""An agent of the flavour under test (TALLY_BUILD), and TLS servers for it."""

import contextlib

import pytest

from tests.integration.agent import Agent
from tests.integration.conftest import programs  # noqa: F401: it checks that the programs are built
from tests.integration.yaml_files import small_object

from .certificates import Certificate
from .servers import Server, SlowNetwork


class NoWorld:
    """In place of an AWS account for Agent: static keys, and no STS."""

    urls = {"sts": "http://127.0.0.1:9", "dynamodb": "http://127.0.0.1:9"}

    @staticmethod
    def token():
        return "no token"

    @staticmethod
    def secrets():
        return []


STATIC_KEYS = {"AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None,
               "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "secret"}


@pytest.fixture
def start(tmp_path):
    """Starts an agent with DynamoDB at `url` that trusts the CAs in the text `bundle`."""
    with contextlib.ExitStack() as agents:
        def make(url, bundle="", documents=(), wrapper=(), **env):
            path = tmp_path / "bundle.pem"
            path.write_text(bundle)
            agent = Agent(NoWorld, *(documents or [small_object()]), env={
                **STATIC_KEYS, "AWS_ENDPOINT_URL_DYNAMODB": url, "AWS_CA_BUNDLE": str(path), **env})
            agents.callback(agent.finish)
            return agent.start(wrapper)

        yield make


@pytest.fixture(scope="session")
def root():
    return Certificate("tally test root", ca=True)


@pytest.fixture
def serve(tmp_path):
    """Starts a TLS server with a certificate; the options are Certificate.context's."""
    with contextlib.ExitStack() as servers:
        def make(certificate, kept=True, **options):
            server = Server(certificate.context(str(tmp_path), **options), kept)
            servers.callback(server.close)
            return server

        yield make


@pytest.fixture
def slow():
    """Emulates a slow network in front of a server."""
    with contextlib.ExitStack() as networks:
        def make(server, seconds):
            network = SlowNetwork(server.port, seconds)
            networks.callback(network.close)
            return network

        yield make


def recount(agent, timeout_ms=20_000):
    answer = agent.rpc("count", trigger="small", max_age_ms=0, timeout_ms=timeout_ms)
    assert answer["quality"] == "exact", answer.get("last_error")
    return answer["count"]
