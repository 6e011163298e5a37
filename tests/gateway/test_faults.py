# SPDX-License-Identifier: Apache-2.0
"""The gateway injects exactly the requested faults."""

import json
import socket
import time
import zlib
from http.client import HTTPConnection, IncompleteRead, RemoteDisconnected
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import EndpointConnectionError

from tests.gateway.test_signatures import BODY, client, count, refusal, send, signed


class Raw:
    """One persistent connection."""

    def __init__(self, world):
        self._world = world
        self._key = world.session()
        self._connection = HTTPConnection(urlsplit(world.urls["dynamodb"]).netloc, timeout=10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def ask(self):
        self._connection.request("POST", "/", BODY, signed(self._world, self._key))
        reply = self._connection.getresponse()
        return reply, reply.read()


def test_one_connection_serves_many_requests(world):
    with Raw(world) as raw:
        for _ in range(5):
            assert raw.ask()[0].status == 200
    assert world.connections("dynamodb") == 1
    assert world.calls("dynamodb", "Query") == 5


def test_a_throttle_hits_the_calls_it_names(world):
    reasons = [{"reason": "TableReadKeyRangeThroughputExceeded",
                "resource": "arn:aws:dynamodb:eu-west-1:123456789012:table/orders"}]
    world.fault(action="Query", code="ProvisionedThroughputExceededException", on=[2, 4],
                reasons=reasons, retry_after_ms=70)
    key = world.session()
    assert count(world, key) == 7
    status, headers, answer = send(world, signed(world, key))
    assert status == 400
    assert headers["x-amz-retry-after"] == "70"
    assert answer["ThrottlingReasons"] == reasons
    assert answer["__type"] == (
        "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException")
    assert count(world, key) == 7
    assert refusal(count, world, key)[1] == "ProvisionedThroughputExceededException"
    assert count(world, key) == 7


def test_times_and_skip(world):
    world.fault(code="InternalServerError", skip=1, times=2)
    key = world.session()
    statuses = [send(world, signed(world, key))[0] for _ in range(5)]
    assert statuses == [200, 500, 500, 200, 200]
    world.heal()
    assert count(world, key) == 7


@pytest.mark.parametrize("place", ["before", "within"])
@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_connection_can_end_early(world, end, place):
    world.fault(on=[2], **{end: place})
    with Raw(world) as raw:
        assert raw.ask()[0].status == 200
        wanted = ConnectionResetError if end == "reset" else (IncompleteRead, RemoteDisconnected)
        with pytest.raises(wanted):
            raw.ask()


@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_connection_can_end_after_its_reply(world, end):
    world.fault(on=[1], **{end: "after"})
    with Raw(world) as raw:
        reply, _ = raw.ask()
        assert reply.status == 200
        time.sleep(0.3)
        with pytest.raises(OSError):
            raw.ask()


def test_idle_connections_can_be_ended(world):
    with Raw(world) as raw:
        raw.ask()
        assert world.close_idle() == 1
        time.sleep(0.1)
        with pytest.raises(OSError):
            raw.ask()


def test_a_service_can_go_away_and_come_back(world):
    key = world.session()
    assert count(world, key) == 7
    world.leave(service="dynamodb")
    with pytest.raises(EndpointConnectionError):
        count(world, key)
    world.come_back(service="dynamodb")
    assert count(world, key) == 7


def test_latency(world):
    world.fault(latency=0.3, times=1)
    start = time.monotonic()
    count(world, world.session())
    assert time.monotonic() - start >= 0.3


def test_a_wrong_length_and_a_slow_drip(world):
    world.fault(content_length=5, times=1)
    world.fault(drip=0.001, skip=1)
    with Raw(world) as raw:
        assert len(raw.ask()[1]) == 5
    with Raw(world) as raw:
        assert json.loads(raw.ask()[1])["Count"] == 7


def test_a_wrong_crc(world):
    world.fault(wrong_crc=True)
    with Raw(world) as raw:
        reply, body = raw.ask()
        assert int(reply.getheader("x-amz-crc32")) != zlib.crc32(body)


def test_an_endless_body(world):
    world.fault(endless=True)
    with Raw(world) as raw:
        raw._connection.request("POST", "/", BODY, signed(world, raw._key))
        reply = raw._connection.getresponse()
        assert len(reply.read(3_000_000)) == 3_000_000


def test_a_redirect_and_a_proxys_page(world):
    world.fault(location="http://127.0.0.1:1/", times=1)
    world.fault(status=503)
    with Raw(world) as raw:
        reply, _ = raw.ask()
        assert (reply.status, reply.getheader("Location")) == (307, "http://127.0.0.1:1/")
        reply, body = raw.ask()
        assert (reply.status, body[:6]) == (503, b"<html>")


def test_headers_can_be_replaced_and_left_out(world):
    world.fault(headers={"x-amz-crc32": None, "X-Extra": "1"})
    with Raw(world) as raw:
        reply, _ = raw.ask()
        assert reply.getheader("x-amz-crc32") is None
        assert reply.getheader("X-Extra") == "1"


def test_pages_of_a_few_items_some_without_a_hit(world):
    world.fault(action="Query", limit=2)
    dynamodb = client(world, "dynamodb", world.session())
    pages = list(dynamodb.get_paginator("query").paginate(
        TableName="orders", KeyConditionExpression="queue = :q", FilterExpression="#p = :p",
        ExpressionAttributeNames={"#p": "priority"}, Select="COUNT",
        ExpressionAttributeValues={":q": {"S": "small"}, ":p": {"N": "5"}}))
    assert [(page["Count"], page["ScannedCount"]) for page in pages] == [
        (0, 2), (0, 2), (1, 2), (0, 1)]


@pytest.mark.parametrize("shape", ["{}", "null"])
def test_the_last_page_can_have_an_empty_key(world, shape):
    world.fault(final_key=shape)
    with Raw(world) as raw:
        assert not json.loads(raw.ask()[1])["LastEvaluatedKey"]


def test_sts_can_fail_too(world):
    world.fault(service="sts", code="Throttling")
    sts = client(world, "sts", world.session())
    assert refusal(sts.get_caller_identity) == (400, "Throttling", "Rate exceeded")


def test_a_client_that_resets_harms_nobody(world):
    world.fault(latency=0.05)
    address = urlsplit(world.urls["dynamodb"])
    for _ in range(20):
        connection = socket.create_connection((address.hostname, address.port))
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
    assert count(world, world.session()) == 7


def test_an_unknown_fault_is_an_error(world):
    with pytest.raises(Exception, match="no such fault option: lateness"):
        world.fault(lateness=3)
