# SPDX-License-Identifier: Apache-2.0
"""A table in which agents share counts, and a test's own way to the records in it, past the
gateway: what a test reads and writes is in no ledger."""

import uuid

from .world import ROLE, SUBJECT

TTL = "ttl"


class ShareTable:
    """`key`, `key_type` ("S", "N", "B"), `sort`: the schema, where it is not to be the right one;
    `ttl`: whether DynamoDB deletes records that ended."""

    def __init__(self, tables, name=None, key="k", key_type="S", sort=None, ttl=True):
        self._tables = tables
        self.name = name or f"share-{uuid.uuid4().hex[:12]}"
        self.key = key
        self.create(key_type, sort, ttl)

    def create(self, key_type="S", sort=None, ttl=True):
        """Also after drop()."""
        names = {self.key: key_type, **({sort: "S"} if sort else {})}
        self._tables.create({
            "TableName": self.name,
            "AttributeDefinitions": [{"AttributeName": name, "AttributeType": kind}
                                     for name, kind in names.items()],
            "KeySchema": [{"AttributeName": name, "KeyType": "RANGE" if name == sort else "HASH"}
                          for name in names],
            "BillingMode": "PAY_PER_REQUEST"})
        if ttl:
            self._tables.expire_by(self.name, TTL)

    def drop(self):
        self._tables.delete(self.name)

    def records(self):
        """All records, with plain values."""
        return [{name: plain(value) for name, value in item.items()}
                for item in self._tables.items(self.name)]

    def record(self):
        """The only record; None where there is none."""
        found = self.records()
        assert len(found) <= 1, f"{len(found)} records in {self.name}"
        return found[0] if found else None

    def put(self, record):
        """Writes a whole record, `k` and all, in the place of the one that has its key. A value
        that is a map already is taken as an AttributeValue: {"S": "x"} where a number belongs."""
        self._tables.put(self.name, [{name: attribute(value) for name, value in record.items()}])

    def change(self, **changes):
        """Changes the only record; None removes an attribute."""
        record = {**self.record(), **changes}
        self.put({name: value for name, value in record.items() if value is not None})

    def delete(self):
        """Deletes every record."""
        for item in self._tables.items(self.name):
            self._tables.remove(self.name, {self.key: item[self.key]})

    def statements(self, prefix="v1#shop#"):
        """A policy for it: what an agent needs, for records whose key begins with the prefix."""
        return [{"actions": ["dynamodb:GetItem", "dynamodb:UpdateItem"], "table": self.name,
                 "leading_keys": [f"{prefix}*"]}]

    def restrict(self, world, prefix="v1#shop#", counted="orders", arn=ROLE):
        """Gives a role a policy for the counted table and for records with the prefix, no more."""
        world.role(arn=arn, web_identity=SUBJECT, pod_identity=SUBJECT, allow=[
            {"actions": ["dynamodb:Query"], "table": counted}, *self.statements(prefix)])


def attribute(value):
    """An AttributeValue for a plain value."""
    if isinstance(value, dict):
        return value
    if isinstance(value, bool):
        return {"BOOL": value}
    return {"S": value} if isinstance(value, str) else {"N": str(value)}


def plain(value):
    """The plain value in an AttributeValue; of other types than S, N and BOOL itself."""
    (kind, content), = value.items()
    if kind == "N":
        return float(content) if set(content) & set(".eE") else int(content)
    return content if kind in ("S", "BOOL") else value
