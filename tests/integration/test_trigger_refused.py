# SPDX-License-Identifier: Apache-2.0
"""A Query that DynamoDB refuses is at most a warning: the agent starts, sends it, and returns
DynamoDB's error."""

import json

import pytest

from .agent import Agent
from .rpc import RpcError
from .yaml_files import scaled_object, trigger

NAMES = {"#k": "queue"}
VALUES = {":v": {"S": "small"}}


def changed(names=None, values=None, table="orders", **metadata):
    if names is not None:
        metadata["expressionAttributeNames"] = json.dumps({**NAMES, **names})
    if values is not None:
        metadata["expressionAttributeValues"] = json.dumps({**VALUES, **values})
    return trigger(table, **metadata)


# name: (the trigger, the linter's warning if there is one, DynamoDB's message)
CASES = {
    "an unused name": (
        changed(names={"#unused": "state"}), "#unused is not used", "unused in expressions"),
    "an unused value": (
        changed(values={":unused": {"S": "x"}}), ":unused is not used", "unused in expressions"),
    "an undefined name": (
        changed(filterExpression="#nowhere = :v"), "uses #nowhere", "#nowhere"),
    "an undefined value": (
        changed(filterExpression="id = :nowhere"), "uses :nowhere", ":nowhere"),
    "an undefined value of the key": (
        changed(keyConditionExpression="#k = :w"), "uses :w", ":w"),
    "no placeholder": (
        changed(values={"unused": {"S": "x"}}), '"unused" is not a placeholder', "unused"),
    "a number that is none": (
        changed(filterExpression="priority = :n", values={":n": {"N": "five"}}),
        '[":n"].N is not a number', "number"),
    "a number in a set that is none": (
        changed(filterExpression="priority = :n", values={":n": {"NS": ["1", "x"]}}),
        '[":n"].NS holds something that is not a number', "number"),
    "now with blanks": (
        changed(filterExpression="priority = :n", values={":n": {"N": "$now - 1"}}),
        "without blanks", "number"),
    "consistent reads of a global index": (
        trigger("jobs", "state", {"S": "waiting"}, indexName="by-state", consistentRead="true"),
        "a global secondary index refuses consistent reads", "Consistent read"),
    "a reserved word": (changed(filterExpression="status = :v"), None, "reserved keyword: status"),
    "no key": (changed(keyConditionExpression="priority = :v", names={}), "#k is not used", ""),
    "a key of another type": (trigger(value={"N": "5"}), None, "schema type"),
    "an expression that is none": (changed(filterExpression="#k === :v"), None, "Syntax error"),
    "a key in the filter": (changed(filterExpression="#k <> :v"), None, "primary key"),
    "the same value twice in a set": (
        changed(filterExpression="priority = :n", values={":n": {"SS": ["a", "a"]}}),
        None, "duplicates"),
    "a missing table": (trigger("nowhere"), None, "nowhere"),
    "a missing index": (
        trigger("jobs", "owner", {"S": "x"}, indexName="by-nothing"), None, "by-nothing"),
    "a table name that is none": (trigger("no/table"), None, "Invalid table"),
}


@pytest.fixture(scope="module")
def refusing(gateway, tables):
    """One agent that starts with all of them."""
    world = gateway.world()
    agent = Agent(world, *(scaled_object(f"case-{number}", asked)
                           for number, (asked, _, _) in enumerate(CASES.values())))
    try:
        yield agent.start()
    finally:
        try:
            agent.finish()
        finally:
            world.close()


@pytest.mark.parametrize("name", CASES)
def test_what_dynamodb_says_is_passed_on(refusing, tables, name):
    number = list(CASES).index(name)
    before = len(refusing.world.requests(action="Query"))
    with pytest.raises(RpcError) as caught:
        refusing.rpc("count", trigger=f"case-{number}")
    answer = caught.value.answer
    sent = json.loads(refusing.world.requests(action="Query")[before]["body"])
    refusal = tables.refusal(sent)
    code = refusal["__type"].rpartition("#")[2]
    assert answer["name"] == "AWS_REJECTED" and answer["aws"]["code"] == code
    assert answer["retryable"] is False
    said = refusal.get("message", refusal.get("Message"))
    if code == "ResourceNotFoundException":
        said = "Requested resource not found"  # AWS's message, which the gateway reproduces
    assert " ".join(said.split()) in answer["message"]
    assert CASES[name][2] in answer["message"]


def test_the_check_warns_of_them_and_passes(refusing):
    code, err = refusing.run("--check", "--config", refusing.config)
    assert code == 0
    for _, warned, _ in CASES.values():
        found = [line for line in err.splitlines() if warned is not None and warned in line]
        assert bool(found) == (warned is not None), warned
        assert all(": warning: " in line for line in found)


def test_the_log_warns_of_them_at_the_start(refusing):
    log = refusing.log()
    for _, warned, _ in CASES.values():
        if warned is not None:
            assert any(warned.replace('"', '\\"') in line and "level=warn" in line
                       for line in log.splitlines()), warned
