# SPDX-License-Identifier: Apache-2.0
"""Creates and fills the tables of the tests and of the demonstration."""

import base64
import hashlib
import itertools
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from urllib.parse import urlsplit

from .dynamodb import CONTENT_TYPE, TARGET
from .upstream import AUTHORIZATION

BATCH = 25  # the maximum of BatchWriteItem
WORKERS = 4
# About 1,040 bytes including key and names: 25,000 such items are 25 pages of 1 MB.
PAYLOAD = "x" * 1000

ORDERS = {
    "TableName": "orders",
    "AttributeDefinitions": [{"AttributeName": "queue", "AttributeType": "S"},
                             {"AttributeName": "id", "AttributeType": "S"}],
    "KeySchema": [{"AttributeName": "queue", "KeyType": "HASH"},
                  {"AttributeName": "id", "KeyType": "RANGE"}],
    "BillingMode": "PAY_PER_REQUEST",
}

# With both kinds of index: 300 jobs of 3 owners; every 10th is waiting.
JOBS = {
    "TableName": "jobs",
    "AttributeDefinitions": [{"AttributeName": "owner", "AttributeType": "S"},
                             {"AttributeName": "id", "AttributeType": "S"},
                             {"AttributeName": "state", "AttributeType": "S"},
                             {"AttributeName": "due", "AttributeType": "N"}],
    "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"},
                  {"AttributeName": "id", "KeyType": "RANGE"}],
    "GlobalSecondaryIndexes": [{
        "IndexName": "by-state",
        "KeySchema": [{"AttributeName": "state", "KeyType": "HASH"},
                      {"AttributeName": "due", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"}}],
    "LocalSecondaryIndexes": [{
        "IndexName": "by-due",
        "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"},
                      {"AttributeName": "due", "KeyType": "RANGE"}],
        "Projection": {"ProjectionType": "KEYS_ONLY"}}],
    "BillingMode": "PAY_PER_REQUEST",
}

# With non-text keys: 60 items in shards 0 to 2, with binary sort keys.
SHARDS = {
    "TableName": "shards",
    "AttributeDefinitions": [{"AttributeName": "shard", "AttributeType": "N"},
                             {"AttributeName": "digest", "AttributeType": "B"}],
    "KeySchema": [{"AttributeName": "shard", "KeyType": "HASH"},
                  {"AttributeName": "digest", "KeyType": "RANGE"}],
    "BillingMode": "PAY_PER_REQUEST",
}

# Rows with a TTL: some have expired, and DynamoDB has not deleted them yet.
LEASES = {
    "TableName": "leases",
    "AttributeDefinitions": [{"AttributeName": "pool", "AttributeType": "S"},
                             {"AttributeName": "expires", "AttributeType": "N"}],
    "KeySchema": [{"AttributeName": "pool", "KeyType": "HASH"},
                  {"AttributeName": "expires", "KeyType": "RANGE"}],
    "BillingMode": "PAY_PER_REQUEST",
}
LEASE_SECONDS = (-86400, -7200, -1800, 1800, 7200)  # of the pool "all", from now

# With a binary hash key, a number to sort by, and attributes of every type: 20 items.
THINGS = {
    "TableName": "things",
    "AttributeDefinitions": [{"AttributeName": "digest", "AttributeType": "B"},
                             {"AttributeName": "number", "AttributeType": "N"}],
    "KeySchema": [{"AttributeName": "digest", "KeyType": "HASH"},
                  {"AttributeName": "number", "KeyType": "RANGE"}],
    "BillingMode": "PAY_PER_REQUEST",
}
DIGEST = base64.b64encode(b"\x00\xff\xfe").decode()


def job(number):
    return {"owner": {"S": f"owner-{number % 3}"}, "id": {"S": f"{number:05}"},
            "state": {"S": "waiting" if number % 10 == 0 else "done"}, "due": {"N": str(number)},
            "payload": {"S": PAYLOAD}}


def shard(number):
    digest = base64.b64encode(hashlib.sha256(str(number).encode()).digest()).decode()
    return {"shard": {"N": str(number % 3)}, "digest": {"B": digest}}


def lease(seconds, now):
    """A filter may name `ends`: it is not a key."""
    expires = {"N": str(now + seconds)}
    return {"pool": {"S": "all"}, "expires": expires, "ends": expires}


def thing(number):
    """Every second one has the attributes."""
    key = {"digest": {"B": DIGEST}, "number": {"N": str(number)}}
    if number % 2:
        return key
    return {**key, "text": {"S": 'gr\u00fcn \U0001f600 "\\'}, "weight": {"N": "1.5"},
            "blob": {"B": DIGEST}, "flag": {"BOOL": True}, "nothing": {"NULL": True},
            "tags": {"SS": ["blue", "red"]}, "primes": {"NS": ["2", "3.5"]},
            "blobs": {"BS": [DIGEST]}, "list": {"L": [{"S": "a"}, {"L": [{"N": "1"}]}]},
            "map": {"M": {"k": {"M": {"inner": {"BOOL": False}}}, "e": {"L": []}}}}


class Refused(RuntimeError):
    """An operation was refused; `answer` is DynamoDB's."""

    def __init__(self, action, answer):
        super().__init__(f"{action}: {answer}")
        self.answer = answer


class Tables:
    """Calls DynamoDB Local directly, which checks no signature, so that filling is quick."""

    def __init__(self, url):
        self._netloc = urlsplit(url).netloc

    def create(self, definition):
        self._call(self._connect(), "CreateTable", definition)

    def refusal(self, question):
        """DynamoDB's error for a Query that it refuses; None if it accepts the Query."""
        try:
            self._call(self._connect(), "Query", question)
        except Refused as refused:
            return refused.answer
        return None

    def delete(self, name):
        self._call(self._connect(), "DeleteTable", {"TableName": name})

    def expire_by(self, name, attribute):
        """Items may be deleted after the second since 1970 that this attribute holds."""
        self._call(self._connect(), "UpdateTimeToLive", {
            "TableName": name,
            "TimeToLiveSpecification": {"AttributeName": attribute, "Enabled": True}})

    def items(self, name):
        """All items, as maps of AttributeValues; at most 1 MB of them."""
        return self._call(self._connect(), "Scan", {"TableName": name,
                                                    "ConsistentRead": True})["Items"]

    def remove(self, name, key):
        self._call(self._connect(), "DeleteItem", {"TableName": name, "Key": key})

    def put(self, table, items):
        """Writes any number of items (maps of AttributeValues) from an iterable."""
        batches = _Batches(items)
        with ThreadPoolExecutor(WORKERS) as pool:
            connections = [self._connect() for _ in range(WORKERS)]
            shares = [pool.submit(self._put_batches, connection, table, batches)
                      for connection in connections]
            for share in shares:
                share.result()

    def fill_orders(self, queue, count, progress=lambda number: None):
        """`count` items of about 1 KB in one partition of the table orders."""
        def items():
            for number in range(count):
                progress(number)
                yield {"queue": {"S": queue}, "id": {"S": f"{number:08}"},
                       "priority": {"N": str(number % 10)}, "payload": {"S": PAYLOAD}}

        self.put("orders", items())

    def _put_batches(self, connection, table, batches):
        while batch := batches.next():
            writes = [{"PutRequest": {"Item": item}} for item in batch]
            while writes:
                answer = self._call(connection, "BatchWriteItem", {"RequestItems": {table: writes}})
                writes = answer.get("UnprocessedItems", {}).get(table)

    def _connect(self):
        return HTTPConnection(self._netloc, timeout=60)

    @staticmethod
    def _call(connection, action, question):
        connection.request("POST", "/", json.dumps(question), {
            "X-Amz-Target": TARGET + action, "Content-Type": CONTENT_TYPE,
            "Authorization": AUTHORIZATION})
        reply = connection.getresponse()
        answer = json.loads(reply.read())
        if reply.status != 200:
            raise Refused(action, answer)
        return answer


class _Batches:
    """Distributes items to several threads."""

    def __init__(self, items):
        self._items = iter(items)
        self._lock = threading.Lock()

    def next(self):
        with self._lock:
            return list(itertools.islice(self._items, BATCH))
