# SPDX-License-Identifier: Apache-2.0
"""GetItem and conditional UpdateItem, what they cost, and who may do them; asked by AWS's own
client where it knows the parameter."""

import json
import threading
from urllib.parse import urlsplit

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError

from tests.gateway.test_signatures import client, count, refusal, send
from tests.gateway.world import ACCOUNT, ROLE

KEY = "v1#shop#0123"
OTHER_KEY = "v1#other#0123"


def read(world, share, identity, key=KEY, **options):
    return client(world, "dynamodb", identity).get_item(
        TableName=share.name, Key={"k": {"S": key}}, ReturnConsumedCapacity="TOTAL", **options)


def update(share, owner="pod-1", key=KEY, **options):
    """The parameters of an UpdateItem that takes a free lease."""
    return {"TableName": share.name, "Key": {"k": {"S": key}},
            "UpdateExpression": "SET #o = :o", "ConditionExpression": "attribute_not_exists(#o)",
            "ExpressionAttributeNames": {"#o": "owner"},
            "ExpressionAttributeValues": {":o": {"S": owner}}, **options}


def take(world, share, identity, **options):
    return client(world, "dynamodb", identity).update_item(**update(share, **options))


def raw(world, action, question, identity):
    """An operation with parameters that Debian's botocore does not know yet; signed by it."""
    url = world.urls["dynamodb"]
    body = json.dumps(question).encode()
    request = AWSRequest("POST", url + "/", data=body, headers={
        "Host": urlsplit(url).netloc, "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": f"DynamoDB_20120810.{action}"})
    credentials = Credentials(identity["access_key"], identity["secret_key"], identity["token"])
    SigV4Auth(credentials, "dynamodb", "eu-west-1").add_auth(request)
    status, _, answer = send(world, dict(request.headers.items()), body)
    return status, answer


def test_a_record_is_written_and_read(world, share):
    identity = world.session()
    assert "Item" not in read(world, share, identity)
    answer = take(world, share, identity, ReturnConsumedCapacity="TOTAL", ReturnValues="ALL_NEW")
    assert answer["Attributes"] == {"k": {"S": KEY}, "owner": {"S": "pod-1"}}
    assert answer["ConsumedCapacity"] == {"TableName": share.name, "CapacityUnits": 1.0}
    assert read(world, share, identity)["Item"]["owner"] == {"S": "pod-1"}
    assert share.record() == {"k": KEY, "owner": "pod-1"}


def test_a_condition_that_does_not_hold_is_refused(world, share):
    identity = world.session()
    take(world, share, identity)
    assert refusal(take, world, share, identity, owner="pod-2") == (
        400, "ConditionalCheckFailedException", "The conditional request failed")
    assert share.record()["owner"] == "pod-1"


@pytest.mark.parametrize("option, item", [
    ({}, None),
    ({"ReturnValuesOnConditionCheckFailure": "NONE"}, None),
    ({"ReturnValuesOnConditionCheckFailure": "ALL_OLD"},
     {"k": {"S": KEY}, "owner": {"S": "pod-1"}, "count": {"N": "7"}}),
])
def test_a_refusal_has_the_item_where_it_is_asked_for(world, share, option, item):
    share.put({"k": KEY, "owner": "pod-1", "count": 7})
    wanted = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
              "message": "The conditional request failed"}
    if item:
        wanted["Item"] = item
    assert raw(world, "UpdateItem", update(share, **option), world.session()) == (400, wanted)


def test_a_refusal_without_an_item_has_none(world, share):
    question = update(share, ConditionExpression="attribute_exists(#o)",
                      ReturnValuesOnConditionCheckFailure="ALL_OLD")
    status, answer = raw(world, "UpdateItem", question, world.session())
    assert (status, "Item" in answer) == (400, False)


def test_a_value_that_aws_does_not_know_is_invalid(world, share):
    question = update(share, ReturnValuesOnConditionCheckFailure="ALL_NEW")
    status, answer = raw(world, "UpdateItem", question, world.session())
    assert (status, answer["__type"].rpartition("#")[2]) == (400, "ValidationException")


def test_one_of_many_at_once_wins(world, share):
    identity, won = world.session(), []

    def try_it(number):
        status, _ = raw(world, "UpdateItem", update(share, owner=f"pod-{number}"), identity)
        won.append(status)

    threads = [threading.Thread(target=try_it, args=(number,)) for number in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(won) == [200] + [400] * 29
    used = world.usage(table=share.name)
    assert (used["updates"], used["refused"], used["write_units"]) == (1, 29, 30)


def test_a_schema_that_differs_is_invalid(world, make_share):
    other = make_share(key="id")
    identity = world.session()
    assert refusal(read, world, other, identity)[:2] == (400, "ValidationException")
    assert refusal(take, world, other, identity)[:2] == (400, "ValidationException")
    assert refusal(take, world, make_share(key_type="N"), identity)[1] == "ValidationException"


def test_a_table_that_is_gone_is_not_found(world, share):
    share.drop()
    wanted = (400, "ResourceNotFoundException", "Requested resource not found")
    assert refusal(read, world, share, world.session()) == wanted
    assert refusal(take, world, share, world.session()) == wanted
    assert world.usage(table=share.name)["failed"] == 2


# ---- what it costs ----

@pytest.mark.parametrize("size, consistent, units", [
    (100, False, 0.5), (100, True, 1), (5000, False, 1), (5000, True, 2)])
def test_a_read_costs_by_size_and_consistency(world, share, size, consistent, units):
    share.put({"k": KEY, "reason": "x" * size})
    answer = read(world, share, world.session(), ConsistentRead=consistent)
    assert answer["ConsumedCapacity"]["CapacityUnits"] == units
    used = world.usage(table=share.name)
    assert (used["gets"], used["read_units"], used["write_units"]) == (1, units, 0)


def test_a_record_that_is_missing_costs_a_look(world, share):
    read(world, share, world.session())
    assert world.usage(table=share.name)["read_units"] == 0.5


@pytest.mark.parametrize("size, units", [(100, 1), (1500, 2), (5000, 5)])
def test_a_write_costs_the_larger_item_also_where_it_is_refused(world, share, size, units):
    share.put({"k": KEY, "reason": "x" * size})
    identity = world.session()
    take(world, share, identity)
    assert world.usage(table=share.name)["write_units"] == units
    refusal(take, world, share, identity)
    used = world.usage(table=share.name)
    assert (used["updates"], used["refused"], used["write_units"]) == (1, 1, 2 * units)


def test_the_size_of_a_refused_item_is_that_of_all_its_attributes(world, share):
    """At the edge of a unit, against DynamoDB Local's own measure of the same item."""
    item = {"k": KEY, "n": {"N": "-123456.789"}, "b": True, "list": {"L": [{"S": "ab"}]},
            "map": {"M": {"x": {"N": "12"}}}, "set": {"SS": ["a", "bc"]}, "none": {"NULL": True},
            "bytes": {"B": "AAEC"}, "big": {"L": [{"N": str(number)} for number in range(500)]}}
    share.put(item)
    identity = world.session()
    raw(world, "UpdateItem", update(share, ConditionExpression="attribute_not_exists(k)"),
        identity)
    refused = world.usage(table=share.name)["write_units"]
    answer = take(world, share, identity, ReturnConsumedCapacity="TOTAL")
    assert refused == answer["ConsumedCapacity"]["CapacityUnits"] > 1


def test_what_is_not_asked_for_is_not_answered_and_still_counted(world, share):
    identity = world.session()
    question = {"TableName": share.name, "Key": {"k": {"S": KEY}}}
    assert raw(world, "GetItem", question, identity) == (200, {})
    assert raw(world, "UpdateItem", update(share), identity) == (200, {})
    assert "ConsumedCapacity" not in client(world, "dynamodb", identity).query(
        TableName="orders", KeyConditionExpression="queue = :q",
        ExpressionAttributeValues={":q": {"S": "small"}})
    assert world.usage() == {
        share.name: {"queries": 0, "gets": 1, "updates": 1, "refused": 0, "failed": 0,
                     "read_units": 0.5, "write_units": 1},
        "orders": {"queries": 1, "gets": 0, "updates": 0, "refused": 0, "failed": 0,
                   "read_units": 1, "write_units": 0}}
    world.forget()
    assert world.usage() == {}


@pytest.mark.parametrize("limit, counted, more, units", [
    (1, 1, True, 0.5), (7, 7, True, 1), (8, 7, False, 1)])
def test_a_limit_counts_evaluated_items_and_always_has_a_key(world, limit, counted, more, units):
    answer = client(world, "dynamodb", world.session()).query(
        TableName="orders", KeyConditionExpression="queue = :q", Select="COUNT", Limit=limit,
        ExpressionAttributeValues={":q": {"S": "small"}}, ReturnConsumedCapacity="TOTAL")
    assert (answer["Count"], "LastEvaluatedKey" in answer) == (counted, more)
    assert world.usage(table="orders")["read_units"] == units


def test_a_limit_counts_before_the_filter(world):
    answer = client(world, "dynamodb", world.session()).query(
        TableName="orders", KeyConditionExpression="queue = :q", FilterExpression="#p > :p",
        ExpressionAttributeNames={"#p": "priority"}, Select="COUNT", Limit=3,
        ExpressionAttributeValues={":q": {"S": "small"}, ":p": {"N": "1"}})
    assert (answer["Count"], answer["ScannedCount"], "LastEvaluatedKey" in answer) == (1, 3, True)


def test_a_faults_limit_does_not_raise_the_clients(world):
    world.fault(action="Query", limit=5)
    answer = client(world, "dynamodb", world.session()).query(
        TableName="orders", KeyConditionExpression="queue = :q", Select="COUNT", Limit=2,
        ExpressionAttributeValues={":q": {"S": "small"}})
    assert answer["ScannedCount"] == 2


# ---- who may ----

def denied(share, action):
    return (400, "AccessDeniedException",
            f"User: arn:aws:sts::{ACCOUNT}:assumed-role/orders-worker/test is not authorized to "
            f"perform: dynamodb:{action} on resource: arn:aws:dynamodb:eu-west-1:{ACCOUNT}:table/"
            f"{share.name} because no identity-based policy allows the dynamodb:{action} action")


def test_a_policy_for_one_prefix_refuses_the_others(world, share, make_share):
    share.restrict(world, prefix="v1#shop#")
    identity, other = world.session(), make_share()
    take(world, share, identity)
    assert read(world, share, identity)["Item"]["owner"] == {"S": "pod-1"}
    assert count(world, identity) == 7
    for table, key in ((share, OTHER_KEY), (share, "V1#shop#0"), (share, "v1#shop"), (other, KEY)):
        assert refusal(read, world, table, identity, key=key) == denied(table, "GetItem")
        assert refusal(take, world, table, identity, key=key) == denied(table, "UpdateItem")
    assert other.records() == [] and len(share.records()) == 1
    dynamodb = client(world, "dynamodb", identity)
    assert refusal(dynamodb.scan, TableName=share.name) == denied(share, "Scan")


def test_a_star_in_a_key_is_no_pattern(world, share):
    share.restrict(world, prefix="v1#sh[o]p#")
    assert refusal(read, world, share, world.session())[1] == "AccessDeniedException"
    assert "Item" not in read(world, share, world.session(), key="v1#sh[o]p#1")


def test_a_prefix_holds_for_a_query_too(world):
    world.role(allow=[{"actions": ["dynamodb:*"], "table": "ord?rs", "leading_keys": ["sm*"]}])
    assert count(world, world.session()) == 7
    world.role(allow=[{"actions": ["dynamodb:*"], "table": "ord?rs", "leading_keys": ["x*"]}])
    assert refusal(count, world, world.session())[1] == "AccessDeniedException"


def test_one_operation_can_be_denied(world, share):
    world.role(arn=ROLE, deny=["dynamodb:UpdateItem"])
    identity = world.session()
    read(world, share, identity)
    assert refusal(take, world, share, identity) == denied(share, "UpdateItem")


def test_an_altered_update_is_refused(world, share):
    identity = world.session()
    spoilt = {**identity, "secret_key": "f" * 40}
    assert refusal(take, world, share, spoilt)[1] == "InvalidSignatureException"
    assert share.records() == []


# ---- what goes wrong ----

def test_a_fault_can_hit_one_operation(world, share):
    world.fault(action="UpdateItem", code="ThrottlingException")
    identity = world.session()
    assert refusal(take, world, share, identity)[1] == "ThrottlingException"
    read(world, share, identity)
    assert count(world, identity) == 7
    used = world.usage(table=share.name)
    assert (used["gets"], used["updates"], used["failed"], used["write_units"]) == (1, 0, 1, 0)


def test_a_fault_can_hit_one_table(world, share, make_share):
    world.fault(table=share.name, code="ResourceNotFoundException", skip=1, times=1)
    identity, other = world.session(), make_share()
    for table in (other, other, share):
        read(world, table, identity)
    assert count(world, identity) == 7
    assert refusal(read, world, share, identity) == (
        400, "ResourceNotFoundException", "Requested resource not found")
    read(world, share, identity)
    assert len(world.requests(table=share.name)) == 3


def test_a_write_whose_answer_is_lost_was_made(world, share):
    world.fault(action="UpdateItem", close="within")
    with pytest.raises(BotoCoreError):
        take(world, share, world.session())
    assert share.record()["owner"] == "pod-1"
    assert world.usage(table=share.name)["updates"] == 1


# ---- a test's own way to the records ----

def test_records_are_forged_and_deleted(share):
    share.put({"k": KEY, "count": 7, "owner": "pod-1", "part": 1.5})
    assert share.record() == {"k": KEY, "count": 7, "owner": "pod-1", "part": 1.5}
    share.change(count={"S": "many"}, owner=None, part=-1)
    assert share.record() == {"k": KEY, "count": "many", "part": -1}
    share.delete()
    assert share.record() is None
