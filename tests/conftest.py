# SPDX-License-Identifier: Apache-2.0
"""Fixtures of all Python tests: one gateway with its DynamoDB Local, and the tables."""

import contextlib
import os

import pytest

from tests.gateway.client import Gateway
from tests.gateway.share_table import ShareTable
from tests.gateway.tables import JOBS, ORDERS, SHARDS, Refused, Tables, job, shard

# The machine's own AWS configuration and proxies must not reach a test.
for _name in list(os.environ):
    if _name.startswith("AWS_") or _name.lower().endswith("_proxy"):
        del os.environ[_name]
os.environ.update(AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null",
                  AWS_EC2_METADATA_DISABLED="true", AWS_DEFAULT_REGION="eu-west-1")

PENDING = 25_000  # items of about 1 KB: 25 pages of 1 MB
SMALL = 7


@pytest.fixture(scope="session")
def gateway(tmp_path_factory):
    gateway = Gateway(str(tmp_path_factory.mktemp("gateway")))
    yield gateway
    gateway.stop()


@pytest.fixture(scope="session")
def tables(gateway):
    """The small tables: orders (7 items in the queue "small"), jobs with its indexes, shards with
    number and binary keys."""
    tables = Tables(gateway.dynamodb_local)
    for definition in (ORDERS, JOBS, SHARDS):
        tables.create(definition)
    tables.fill_orders("small", SMALL)
    tables.put("jobs", (job(number) for number in range(300)))
    tables.put("shards", (shard(number) for number in range(60)))
    return tables


@pytest.fixture(scope="session")
def pending(tables):
    """The queue "pending" of the table orders, and its number of items."""
    tables.fill_orders("pending", PENDING)
    return PENDING


@pytest.fixture
def world(gateway, tables):
    """A separate AWS account for the test, with its own endpoints, keys, ledger and faults."""
    world = gateway.world()
    yield world
    world.close()


@pytest.fixture
def make_share(tables):
    """Makes tables for shared counts (ShareTable); all are deleted at the end."""
    made = []

    def make(**options):
        made.append(ShareTable(tables, **options))
        return made[-1]

    yield make
    for share in made:
        with contextlib.suppress(Refused):  # the test deleted it
            share.drop()


@pytest.fixture
def share(make_share):
    """A table for shared counts, as the manual defines it."""
    return make_share()
