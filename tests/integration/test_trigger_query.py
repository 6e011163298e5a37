# SPDX-License-Identifier: Apache-2.0
"""Every parameter of a trigger against the real engine: each takes effect in the count."""

import base64
import json
import time

import pytest

from tests.gateway.tables import DIGEST, LEASES, LEASE_SECONDS, THINGS, lease, shard, thing

from .agent import Agent
from .yaml_files import scaled_object

PAGE = 7  # items that a page scans: every count below takes several


def asks(table, condition, names, values, filter_=None, **metadata):
    """A trigger, as its parameters."""
    if filter_ is not None:
        metadata["filterExpression"] = filter_
    if names is not None:
        metadata["expressionAttributeNames"] = json.dumps(names)
    if values is not None:
        metadata["expressionAttributeValues"] = json.dumps(values)
    return {"awsRegion": "eu-west-1", "tableName": table, "targetValue": "5",
            "keyConditionExpression": condition, **metadata}


def orders(condition, **values):
    return asks("orders", condition, {"#q": "queue"},
                {":q": {"S": "small"}, **{f":{name}": value for name, value in values.items()}})


def jobs(condition, values, **options):
    return asks("jobs", condition, None, values, **options)


def things(filter_, value):
    """Those of the 20 things whose attribute matches the filter."""
    attribute, _, rest = filter_.partition(" ")
    return asks("things", "digest = :d", {"#a": attribute}, {":d": {"B": DIGEST}, ":v": value},
                f"#a {rest}")


def leases(now, **options):
    return asks("leases", "#p = :p", {"#p": "pool"}, {":p": {"S": "all"}, ":n": {"N": now}},
                "ends > :n", **options)


OWNER = {":o": {"S": "owner-0"}}  # 100 of the jobs: 0, 3, 6 … 297
# The digests of the 20 items in shard 1 begin with various bytes.
SHARD_DIGESTS = [base64.b64decode(shard(number)["digest"]["B"]) for number in range(1, 60, 3)]
FIRST_BYTE = SHARD_DIGESTS[0][:1]

CASES = {
    # name: (the parameters, the count)
    "string key": (orders("#q = :q"), 7),
    "begins_with on a string": (orders("#q = :q and begins_with(id, :p)", p={"S": "0000000"}), 7),
    "begins_with, one": (orders("#q = :q and begins_with(id, :p)", p={"S": "00000003"}), 1),
    "between on a string": (
        orders("#q = :q and id between :a and :b", a={"S": "00000002"}, b={"S": "00000005"}), 4),
    "greater on a string": (orders("#q = :q AND id > :a", a={"S": "00000002"}), 4),
    "number key": (asks("shards", "#s = :s", {"#s": "shard"}, {":s": {"N": "1"}}), 20),
    "number key, as 1e0": (asks("shards", "#s = :s", {"#s": "shard"}, {":s": {"N": "1e0"}}), 20),
    "binary sort key": (
        asks("shards", "#s = :s and #d = :d", {"#s": "shard", "#d": "digest"},
             {":s": {"N": "1"}, ":d": shard(4)["digest"]}), 1),
    "begins_with on a binary": (
        asks("shards", "#s = :s and begins_with(#d, :d)", {"#s": "shard", "#d": "digest"},
             {":s": {"N": "1"}, ":d": {"B": base64.b64encode(FIRST_BYTE).decode()}}),
        sum(digest.startswith(FIRST_BYTE) for digest in SHARD_DIGESTS)),
    "between on a binary": (
        asks("shards", "#s = :s and digest between :a and :b", {"#s": "shard"},
             {":s": {"N": "1"}, ":a": {"B": "AA=="}, ":b": {"B": "f/8="}}),
        sum(b"\x00" <= digest <= b"\x7f\xff" for digest in SHARD_DIGESTS)),
    "binary key": (asks("things", "digest = :d", None, {":d": {"B": DIGEST}}), 20),
    "between on a number": (
        asks("things", "digest = :d and #n between :a and :b", {"#n": "number"},
             {":d": {"B": DIGEST}, ":a": {"N": "3"}, ":b": {"N": "12"}}), 10),
    "global index": (
        asks("jobs", "#s = :s", {"#s": "state"}, {":s": {"S": "waiting"}}, indexName="by-state"),
        30),
    "global index, between": (
        asks("jobs", "#s = :s and due between :a and :b", {"#s": "state"},
             {":s": {"S": "waiting"}, ":a": {"N": "100"}, ":b": {"N": "190"}},
             indexName="by-state"), 10),
    "local index": (
        asks("jobs", "#o = :o and due < :n", {"#o": "owner"}, {**OWNER, ":n": {"N": "30"}},
             indexName="by-due"), 10),
    "local index, consistent": (
        asks("jobs", "#o = :o", {"#o": "owner"}, OWNER, indexName="by-due",
             consistentRead="true"), 100),
    "consistent": (asks("jobs", "#o = :o", {"#o": "owner"}, OWNER, consistentRead="true"), 100),
    "filter": (asks("jobs", "#o = :o", {"#o": "owner", "#s": "state"},
                    {**OWNER, ":w": {"S": "waiting"}}, "#s = :w"), 10),
    "filter that empties all pages but the last": (
        asks("jobs", "#o = :o", {"#o": "owner"}, {**OWNER, ":n": {"N": "297"}}, "due = :n"), 1),
    "filter that empties all pages": (
        asks("jobs", "#o = :o", {"#o": "owner"}, {**OWNER, ":n": {"N": "-1"}}, "due = :n"), 0),
    "filter in a global index": (
        asks("jobs", "#s = :s", {"#s": "state", "#o": "owner"},
             {":s": {"S": "waiting"}, **OWNER}, "#o = :o", indexName="by-state"), 10),
    "no names": (asks("orders", "queue = :q", None, {":q": {"S": "small"}}), 7),
    "an ARN for a name": (
        asks("arn:aws:dynamodb:eu-west-1:000000000000:table/orders", "queue = :q", None,
             {":q": {"S": "small"}}), 7),
    "white space around": (
        {name: f" {value}\n" for name, value in orders("#q = :q").items()}, 7),
    "now": (leases("$now"), 2),
    "now, an hour ago": (leases("$now-3600"), 3),
    "now, in an hour": (leases("$now+3600"), 1),
    "now in the key": (
        asks("leases", "#p = :p and expires > :n", {"#p": "pool"},
             {":p": {"S": "all"}, ":n": {"N": "$now"}}), 2),
    "S": (things("text = :v", {"S": 'gr\u00fcn \U0001f600 "\\'}), 10),
    "S, not equal": (things("text <> :v", {"S": "gr\u00fcn"}), 20),
    "N": (things("weight = :v", {"N": "1.50"}), 10),
    "N with an exponent": (things("weight = :v", {"N": "15E-1"}), 10),
    "B": (things("blob = :v", {"B": DIGEST}), 10),
    "BOOL": (things("flag = :v", {"BOOL": True}), 10),
    "BOOL, false": (things("flag = :v", {"BOOL": False}), 0),
    "NULL": (things("nothing = :v", {"NULL": True}), 10),
    "NULL, false": (things("nothing = :v", {"NULL": False}), 10),
    "SS": (things("tags = :v", {"SS": ["red", "blue"]}), 10),
    "NS": (things("primes = :v", {"NS": ["3.5", "2"]}), 10),
    "BS": (things("blobs = :v", {"BS": [DIGEST]}), 10),
    "L": (things("list = :v", {"L": [{"S": "a"}, {"L": [{"N": "1"}]}]}), 10),
    "M": (things("map = :v", {"M": {"e": {"L": []}, "k": {"M": {"inner": {"BOOL": False}}}}}), 10),
    "a member of a set": (
        asks("things", "digest = :d", None, {":d": {"B": DIGEST}, ":v": {"S": "red"}},
             "contains(tags, :v)"), 10),
    "attribute_exists": (
        asks("things", "digest = :d", {"#a": "flag"}, {":d": {"B": DIGEST}},
             "attribute_exists(#a)"), 10),
}


@pytest.fixture(scope="module")
def case_tables(tables):
    for definition in (LEASES, THINGS):
        tables.create(definition)
    now = int(time.time())
    tables.put("leases", (lease(seconds, now) for seconds in LEASE_SECONDS))
    tables.put("things", (thing(number) for number in range(1, 21)))
    yield tables
    for definition in (LEASES, THINGS):
        tables.delete(definition["TableName"])


@pytest.fixture(scope="module")
def counting(gateway, case_tables):
    """One agent with every case, with small pages."""
    world = gateway.world()
    world.fault(action="Query", limit=PAGE)
    agent = Agent(world, *(
        scaled_object(f"case-{number}", {"type": "aws-dynamodb", "metadata": metadata})
        for number, (metadata, _) in enumerate(CASES.values())))
    try:
        agent.start()
        yield agent
    finally:
        try:
            agent.finish()
        finally:
            world.close()


@pytest.mark.parametrize("name", CASES)
def test_what_is_asked_is_counted(counting, name):
    number = list(CASES).index(name)
    answer = counting.rpc("count", trigger=f"case-{number}")
    assert (answer["count"], answer["quality"]) == (CASES[name][1], "exact")
    assert answer["pages"] == answer["scanned"] // PAGE + 1


def queries(world):
    return [json.loads(entry["body"]) for entry in world.requests(action="Query")]


def one(metadata, **spec):
    return scaled_object("it", {"type": "aws-dynamodb", "metadata": metadata}, **spec)


def test_a_query_holds_what_is_configured_and_nothing_else(start, world):
    metadata = asks("jobs", "#o = :o", {"#o": "owner"}, {":o": {"S": "owner-0"}}, "id > :o",
                    indexName="by-due", consistentRead="true")
    start(one(metadata)).rpc("count", trigger="it")
    asked, = queries(world)
    assert asked == {
        "TableName": "jobs", "IndexName": "by-due", "KeyConditionExpression": "#o = :o",
        "FilterExpression": "id > :o", "ExpressionAttributeNames": {"#o": "owner"},
        "ExpressionAttributeValues": {":o": {"S": "owner-0"}}, "ConsistentRead": True,
        "Select": "COUNT", "ReturnConsumedCapacity": "TOTAL"}


def test_an_empty_object_of_values_is_not_sent(start, world):
    """DynamoDB's error then names the missing name; it would refuse an empty object by itself."""
    start(one(asks("orders", "queue = :q", None, {}))).cli("count", "it")
    asked, = queries(world)
    assert "ExpressionAttributeValues" not in asked and "ExpressionAttributeNames" not in asked


def test_now_is_the_time_of_each_count_and_one_for_all_its_pages(start, world, case_tables):
    world.fault(action="Query", limit=2)
    agent = start(one(leases("$now-60")))
    assert agent.rpc("count", trigger="it")["pages"] == 3
    time.sleep(1.1)
    agent.rpc("count", trigger="it", max_age_ms=0)
    sent = [int(query["ExpressionAttributeValues"][":n"]["N"]) for query in queries(world)]
    first, second = set(sent[:3]), set(sent[3:])
    assert len(first) == len(second) == 1 and first < {min(second)} | first
    assert 1 <= min(second) - min(first) < 60
    assert abs(min(first) + 60 - world.requests(action="Query")[0]["time"]) < 2


@pytest.mark.parametrize("parameters, spec, wanted", [
    ({"countLimit": "20"}, {}, (20, "at_least", 3)),
    ({"countLimit": "21"}, {}, (21, "at_least", 3)),
    ({"countLimit": "22"}, {}, (22, "at_least", 4)),
    ({"countLimit": "100"}, {}, (100, "at_least", 15)),  # whether more follow is not known
    ({"countLimit": "auto"}, {"maxReplicaCount": 4}, (20, "at_least", 3)),  # 4 times 5
    ({"countLimit": "auto"}, {}, (100, "exact", 15)),  # 100 times 5
    ({"countLimit": "1000"}, {}, (100, "exact", 15)),
    ({"maxPages": "2"}, {}, (14, "at_least", 2)),
    ({"maxPages": "14"}, {}, (98, "at_least", 14)),
    ({"maxPages": "15"}, {}, (100, "exact", 15)),
    ({"maxPages": "5", "countLimit": "10"}, {}, (10, "at_least", 2)),
    ({"maxPages": "1", "countLimit": "10"}, {}, (7, "at_least", 1)),
])
def test_counting_stops_where_it_may(start, world, parameters, spec, wanted):
    world.fault(action="Query", limit=PAGE)
    agent = start(one(asks("jobs", "#o = :o", {"#o": "owner"}, OWNER, **parameters), **spec))
    answer = agent.rpc("count", trigger="it")
    assert (answer["count"], answer["quality"], answer["pages"]) == wanted
    assert world.calls("dynamodb", "Query") == wanted[2]
    if answer["quality"] == "at_least":
        code, out, err = agent.cli("count", "it")
        assert (code, out) == (0, f"{wanted[0]}\n") and "at least" in err


def test_a_warm_trigger_is_counted_before_anybody_asks_and_stays_fresh(start, world):
    agent = start(one({**orders("#q = :q"), "warm": "true"}, pollingInterval=1))
    deadline = time.monotonic() + 20
    while world.calls("dynamodb", "Query") < 3:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    asked = [entry["time"] for entry in world.requests(action="Query")]
    assert 0.9 < asked[1] - asked[0] < 3
    before = agent.rpc("status")["cache"]["hits"]
    assert agent.rpc("count", trigger="it")["count"] == 7
    assert agent.rpc("status")["cache"]["hits"] == before + 1


def test_a_count_is_as_old_as_the_polling_interval_allows(start, world):
    agent = start(one(orders("#q = :q"), pollingInterval=1))
    for _ in range(3):
        agent.rpc("count", trigger="it")
    assert world.calls("dynamodb", "Query") == 1
    time.sleep(1.1)
    agent.rpc("count", trigger="it")
    assert world.calls("dynamodb", "Query") == 2


def test_a_polling_interval_of_0_asks_each_time(start, world):
    agent = start(one(orders("#q = :q"), pollingInterval=0))
    for _ in range(3):
        agent.rpc("count", trigger="it")
    assert world.calls("dynamodb", "Query") == 3


def test_an_endpoint_of_its_own_is_for_dynamodb_alone_and_signed_for_the_region(start, world):
    """The endpoint in us-east-1 refuses a signature for another region."""
    elsewhere = world.listen(service="dynamodb", region="us-east-1")
    agent = start(one({**orders("#q = :q"), "awsEndpoint": elsewhere, "awsRegion": "us-east-1"}),
                  env={"AWS_ENDPOINT_URL_DYNAMODB": "http://127.0.0.1:1"})
    assert agent.rpc("count", trigger="it")["count"] == 7
    query, = world.requests(action="Query")
    assert query["headers"]["host"] == elsewhere.removeprefix("http://").rstrip("/")
    assert world.summary()["calls"] == {"sts:AssumeRoleWithWebIdentity": 1, "dynamodb:Query": 1}
    sts, = world.requests(service="sts")
    assert sts["headers"]["host"] == world.urls["sts"].removeprefix("http://").rstrip("/")
