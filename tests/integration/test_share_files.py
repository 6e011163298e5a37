# SPDX-License-Identifier: Apache-2.0
"""deploy/share-table.yaml and deploy/share-table-policy.json are what agents that share counts
need."""

import fnmatch
import json
import os
import uuid

import pytest
import yaml

from tests.gateway.local import ROOT

from .agent import wait_until
from .yaml_files import scaled_object


def read(name):
    with open(os.path.join(ROOT, "deploy", name), encoding="utf-8") as file:
        return yaml.safe_load(file)  # JSON is YAML


@pytest.fixture(name="properties")
def read_properties():
    resource, = read("share-table.yaml")["Resources"].values()
    assert resource["Type"] == "AWS::DynamoDB::Table"
    return resource["Properties"]


@pytest.fixture(name="table")
def create_table(tables, properties):
    name = f"share-{uuid.uuid4().hex[:12]}"
    tables.create({"TableName": name, **{key: properties[key] for key in (
        "BillingMode", "AttributeDefinitions", "KeySchema")}})
    yield name
    tables.delete(name)


def test_the_table_and_the_policy_are_what_an_agent_uses(pod, world, tables, table, properties):
    agent = pod(scaled_object("small", namespace="bank"), options=["--share-table", table]).start()
    assert agent.rpc("count", trigger="small")["count"] == 7
    wait_until(lambda: any("completed" in record for record in tables.items(table)))
    record, = tables.items(table)
    ttl = properties["TimeToLiveSpecification"]
    assert ttl["Enabled"] is True and set(record[ttl["AttributeName"]]) == {"N"}

    statement, = read("share-table-policy.json")["Statement"]
    (_, patterns), = statement["Condition"]["ForAllValues:StringLike"].items()
    pattern, = patterns
    assert fnmatch.fnmatchcase(record["k"]["S"], pattern.replace("NAMESPACE", "bank"))
    assert not fnmatch.fnmatchcase(record["k"]["S"], pattern.replace("NAMESPACE", "shop"))
    sent = {action for action in ("GetItem", "PutItem", "UpdateItem", "DeleteItem")
            if world.calls("dynamodb", action)}
    assert {f"dynamodb:{action}" for action in sent} == set(statement["Action"])


def test_the_policy_is_for_the_table_of_the_template():
    default = read("share-table.yaml")["Parameters"]["TableName"]["Default"]
    statement, = read("share-table-policy.json")["Statement"]
    assert statement["Resource"].endswith(f":table/{default}")
    assert json.dumps(statement).count("*") == 1  # that of the condition
