# SPDX-License-Identifier: Apache-2.0
"""What each table was asked, and what it cost in units of capacity."""

import base64
import json
import math

KINDS = {"Query": "queries", "GetItem": "gets", "UpdateItem": "updates"}
CONDITION_FAILED = "ConditionalCheckFailedException"
WRITE_UNIT_BYTES = 1024
ALL_OLD = "ReturnValuesOnConditionCheckFailure"


class Usage:
    """`refused` are UpdateItems whose condition did not hold, `updates` those that wrote, `failed`
    the operations that had another error, or no answer."""

    def __init__(self):
        self._tables = {}

    def add(self, entry, reply):
        """Counts an operation that ended; `entry` is the ledger's."""
        kind = KINDS.get(entry["action"])
        if kind is None:
            return
        if reply is None or reply.status != 200:
            kind = "refused" if reply and reply.code == CONDITION_FAILED else "failed"
        table = self._tables.setdefault(entry["table"], _nothing())
        table[kind] += 1
        table["read_units"] += entry["read_units"]
        table["write_units"] += entry["write_units"]

    def of(self, table):
        return dict(self._tables.get(table, _nothing()))

    def tables(self):
        return {name: dict(entry) for name, entry in self._tables.items()}

    def clear(self):
        self._tables.clear()


def _nothing():
    return {"queries": 0, "gets": 0, "updates": 0, "refused": 0, "failed": 0,
            "read_units": 0.0, "write_units": 0.0}


class Meter:
    """Reads the cost of one operation from DynamoDB Local's answer, for which the operation has to
    ask for more than the client did: the consumed capacity, and the item that a refused write met,
    whose size is the price of the refusal. What the client did not ask for is taken out again."""

    def __init__(self, action, question):
        self._action = action
        self._wants_capacity = question.get("ReturnConsumedCapacity", "NONE") != "NONE"
        self._wants_item = question.get(ALL_OLD, "NONE") != "NONE"

    def question(self, question):
        """What to ask instead; the same object where nothing is to be added."""
        if self._action not in KINDS:
            return question
        asked = dict(question)
        if not self._wants_capacity:
            asked["ReturnConsumedCapacity"] = "TOTAL"
        if not self._wants_item and "ConditionExpression" in question:
            asked[ALL_OLD] = "ALL_OLD"
        return asked if asked != question else question

    def read(self, status, text, entry):
        """Adds the cost to the ledger's entry; the answer as the client wants it."""
        if self._action not in KINDS:
            return text
        answer = json.loads(text)
        units = answer.get("ConsumedCapacity", {}).get("CapacityUnits", 0.0)
        if status != 200 and answer.get("__type", "").endswith("#" + CONDITION_FAILED):
            units = write_units(answer.get("Item", {}))
        entry["write_units" if self._action == "UpdateItem" else "read_units"] = units
        if not self._wants_capacity:
            answer.pop("ConsumedCapacity", None)
        if not self._wants_item and status != 200:
            answer.pop("Item", None)
        return text if self._wants_capacity and self._wants_item else json.dumps(answer).encode()


def write_units(item):
    """Of one write of an item; at least one."""
    size = sum(len(name.encode()) + _size(value) for name, value in item.items())
    return float(max(math.ceil(size / WRITE_UNIT_BYTES), 1))


def _size(value):
    """Bytes of an AttributeValue, by the rules that AWS publishes."""
    (kind, content), = value.items()
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "L":
        return 3 + sum(1 + _size(each) for each in content)
    if kind == "M":
        return 3 + sum(1 + len(name.encode()) + _size(each) for name, each in content.items())
    return sum(_scalar_size(kind[0], each) for each in ([content] if len(kind) == 1 else content))


def _scalar_size(kind, content):
    if kind == "N":
        return len(content.lstrip("-").replace(".", "").strip("0")) // 2 + 2
    return len(base64.b64decode(content) if kind == "B" else content.encode())
