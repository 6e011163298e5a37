# SPDX-License-Identifier: Apache-2.0
"""Credentials of an ECS task, from the fixed address of Amazon ECS."""

from urllib.parse import urlsplit

import pytest

from .namespace import Namespace
from .yaml_files import small_object

ECS = "169.254.170.2"


def port(url):
    return urlsplit(url).port


@pytest.fixture
def enter():
    """Starts an agent in its own namespace."""
    namespaces = []

    def make(agent, forwards):
        namespaces.append(Namespace(forwards))
        return namespaces[-1].start(agent)

    yield make
    for namespace in namespaces:
        namespace.stop()


def test_a_relative_uri_is_asked_at_the_address_of_ecs_and_through_no_proxy(pod, enter, world):
    proxy = world.proxy()
    agent = pod(small_object(), env={
        "AWS_ROLE_ARN": None, "AWS_WEB_IDENTITY_TOKEN_FILE": None,
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": world.task(),
        "http_proxy": proxy, "all_proxy": proxy, "ALL_PROXY": proxy,
        "no_proxy": "127.0.0.1"})  # only DynamoDB's; the others would go to the proxy
    enter(agent, {
        (ECS, 80): port(world.urls["container"]),
        **{("127.0.0.1", port(url)): port(url) for url in (world.urls["dynamodb"], proxy)}})
    assert agent.rpc("count", trigger="small", timeout_ms=20_000)["count"] == 7
    asked, = world.requests(service="container")
    assert (asked["action"], asked["status"], asked["headers"]["host"]) == ("Task", 200, ECS)
    assert "authorization" not in asked["headers"]
    query, = world.requests(service="dynamodb")
    assert (query["access_key"], query["status"]) == (asked["access_key"], 200)
    assert world.requests(service="proxy") == []
    identity, = agent.rpc("whoami")["identities"]
    assert (identity["kind"], identity["state"]) == ("container", "valid")
