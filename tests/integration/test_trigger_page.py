# SPDX-License-Identifier: Apache-2.0
"""Every example of KEDA's page as a configuration, with its tables on the real engine."""

import base64

import pytest

from tests.gateway.world import ACCOUNT
from tests.gateway.world import ROLE as POD_ROLE

from . import keda_page
from .agent import Agent
from .rpc import RpcError

COUNTER = f"arn:aws:iam::{ACCOUNT}:role/counter"
EVENTS = 11


def table(name, key):
    return {"TableName": name,
            "AttributeDefinitions": [{"AttributeName": key, "AttributeType": "S"},
                                     {"AttributeName": "id", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": key, "KeyType": "HASH"},
                          {"AttributeName": "id", "KeyType": "RANGE"}],
            "BillingMode": "PAY_PER_REQUEST"}


@pytest.fixture(scope="module", autouse=True)
def page_tables(tables):
    keys = {"keda-events": ("event_type", "scaling_event"),
            "myTableName": ("partition_key_name", "partition_key_target_value")}
    for name, (key, value) in keys.items():
        tables.create(table(name, key))
        tables.put(name, ({key: {"S": value}, "id": {"S": f"{number}"}}
                          for number in range(EVENTS)))
    yield
    for name in keys:
        tables.delete(name)


@pytest.fixture
def london(gateway, tables):
    """The examples' tables are in eu-west-2, and a signature for another region is refused."""
    world = gateway.world(region="eu-west-2")
    agents = []

    def start(config):
        agents.append(Agent(world, config=config, env={"AWS_REGION": "eu-west-2"}))
        return agents[-1].start()

    start.world = world
    yield start
    try:
        for agent in agents:
            agent.finish()
    finally:
        world.close()


def encoded(text):
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize("owner", ["pod", "operator"])
def test_the_snippet(start, world, owner):
    agent = start(config=keda_page.SNIPPET.replace("pod | operator", owner))
    assert agent.cli("count", "config") == (0, f"{EVENTS}\n", "")  # named after its file
    assert agent.rpc("count", trigger="config")["desired_replicas"] == EVENTS
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1


def test_the_snippet_as_printed_leaves_a_choice(pod):
    agent = pod(config=keda_page.SNIPPET)
    code, err = agent.run("--config", agent.config, "--socket", agent.socket)
    assert code == 2
    assert f'{agent.config}:17:20: error: identityOwner: must be pod or operator; ' \
        '"pod | operator" is the notation of KEDA\'s manual, choose one' in err


NAME = "aws-dynamodb-table-scaledobject"


def test_the_role(london):
    london.world.role(arn=COUNTER, assume_role=[POD_ROLE])
    agent = london(keda_page.ROLE.replace("<encoded-iam-role-arn>", encoded(COUNTER)))
    answer = agent.rpc("count", trigger=NAME)
    assert (answer["trigger"], answer["count"], answer["desired_replicas"]) == (
        f"keda-test/{NAME}", EVENTS, 3)
    assert answer["metric_name"] == "s0-aws-dynamodb-keda-events"
    assert london.world.summary()["calls"] == {
        "sts:AssumeRoleWithWebIdentity": 1, "sts:AssumeRole": 1, "dynamodb:Query": 1}


def test_the_users_with_temporary_credentials(london):
    key = london.world.session()
    agent = london(keda_page.USERS
                   .replace("<encoded-user-id>", encoded(key["access_key"]))
                   .replace("<encoded-key>", encoded(key["secret_key"]))
                   .replace("<encoded-session-token>", encoded(key["token"])))
    assert agent.rpc("count", trigger=NAME)["count"] == EVENTS
    assert london.world.summary()["calls"] == {"dynamodb:Query": 1}
    query, = london.world.requests(action="Query")
    assert query["access_key"] == key["access_key"]


def test_the_users_without_a_token(london):
    key = london.world.user()
    config = (keda_page.USERS
              .replace("<encoded-user-id>", encoded(key["access_key"] + "\n"))
              .replace("<encoded-key>", encoded(key["secret_key"] + "\n"))
              .replace("<encoded-session-token>", '""'))
    assert london(config).rpc("count", trigger=NAME)["count"] == EVENTS


@pytest.mark.parametrize("config", [keda_page.ROLE, keda_page.USERS], ids=["role", "users"])
def test_placeholders_that_were_not_replaced_are_reported_where_they_are_used(london, config):
    agent = london(config)
    assert "was a placeholder not replaced?" in agent.log()
    code, out, err = agent.cli("count", NAME)
    assert (code, out) == (1, "")
    assert "CREDENTIALS" in err and "is not base64; was a placeholder not replaced?" in err
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger=NAME)
    assert caught.value.answer["retryable"] is False
    assert london.world.calls("dynamodb", "Query") == 0
