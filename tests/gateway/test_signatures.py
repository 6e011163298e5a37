# SPDX-License-Identifier: Apache-2.0
"""The gateway refuses the requests that AWS would refuse, with AWS's messages."""

import json
import socket
import zlib
from datetime import datetime, timedelta, timezone
from http.client import HTTPConnection
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

# Every refusal must come from the gateway, not from the client.
ONCE = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
BODY = json.dumps({"TableName": "orders", "Select": "COUNT",
                   "KeyConditionExpression": "queue = :q",
                   "ExpressionAttributeValues": {":q": {"S": "small"}}}).encode()


def client(world, service, key, region="eu-west-1", **options):
    return boto3.client(service, region_name=region, endpoint_url=world.urls[service],
                        aws_access_key_id=key["access_key"],
                        aws_secret_access_key=key["secret_key"],
                        aws_session_token=key.get("token"), config=ONCE, **options)


def count(world, key, **options):
    return client(world, "dynamodb", key, **options).query(**json.loads(BODY))["Count"]


def refusal(call, *arguments, **options):
    """A refusal as AWS's own client parses it: HTTP status, code, message."""
    with pytest.raises(ClientError) as caught:
        call(*arguments, **options)
    answer = caught.value.response
    return (answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"],
            answer["Error"]["Message"])


def signed(world, key, region="eu-west-1", service="dynamodb"):
    """The headers of a signed request, for tests to modify."""
    url = world.urls["dynamodb"]
    request = AWSRequest("POST", url + "/", data=BODY, headers={
        "Host": urlsplit(url).netloc, "Content-Type": "application/x-amz-json-1.0",
        "X-Amz-Target": "DynamoDB_20120810.Query"})
    credentials = Credentials(key["access_key"], key["secret_key"], key.get("token"))
    SigV4Auth(credentials, service, region).add_auth(request)
    return dict(request.headers.items())


def send(world, headers, body=BODY, method="POST", target="/"):
    """Status, headers and decoded body of a raw request."""
    connection = HTTPConnection(urlsplit(world.urls["dynamodb"]).netloc, timeout=30)
    try:
        connection.request(method, target, body, headers)
        reply = connection.getresponse()
        text = reply.read()
        assert int(reply.getheader("x-amz-crc32")) == zlib.crc32(text)
        assert len(reply.getheader("x-amzn-RequestId")) == 52
        return reply.status, dict(reply.getheaders()), json.loads(text)
    finally:
        connection.close()


def test_botocore_is_believed(world):
    key = world.session()
    assert count(world, key) == 7
    assert count(world, world.user()) == 7
    assert world.requests(service="dynamodb")[0]["access_key"] == key["access_key"]


def test_an_untouched_raw_request_is_believed(world):
    status, _, answer = send(world, signed(world, world.session()))
    assert (status, answer["Count"]) == (200, 7)


def test_one_changed_digit_of_the_signature_is_refused(world):
    headers = signed(world, world.session())
    last = headers["Authorization"][-1]
    headers["Authorization"] = headers["Authorization"][:-1] + ("0" if last != "0" else "1")
    status, _, answer = send(world, headers)
    assert status == 400
    assert answer["__type"] == "com.amazon.coral.service#InvalidSignatureException"
    assert answer["message"].startswith("The request signature we calculated does not match")


@pytest.mark.parametrize("spoil", [
    {"body": BODY.replace(b"small", b"smell")},
    {"target": "/?a=b"},
    {"target": "/x"},
    {"headers": {"X-Amz-Target": "DynamoDB_20120810.Scan"}},
    {"headers": {"Content-Type": "application/x-amz-json-1.0; charset=utf-8"}},
    {"headers": {"Host": "dynamodb.eu-west-1.amazonaws.com"}},
], ids=["body", "query", "path", "target", "content-type", "host"])
def test_whatever_was_signed_must_arrive_unchanged(world, spoil):
    headers = {**signed(world, world.session()), **spoil.get("headers", {})}
    status, _, answer = send(world, headers, spoil.get("body", BODY),
                             target=spoil.get("target", "/"))
    assert status == 400
    assert answer["__type"] == "com.amazon.coral.service#InvalidSignatureException"


def test_another_secret_is_refused(world):
    key = {**world.session(), "secret_key": "f" * 40}
    assert refusal(count, world, key)[:2] == (400, "InvalidSignatureException")


def test_a_key_of_another_account_is_refused(gateway, world):
    other = gateway.world()
    try:
        status, code, message = refusal(count, world, other.session())
    finally:
        other.close()
    assert (status, code) == (400, "UnrecognizedClientException")
    assert message == "The security token included in the request is invalid."


def test_the_session_token_must_be_the_keys_own(world):
    key, other = world.session(), world.session()
    for token in (None, other["token"], key["token"][:-1]):
        assert refusal(count, world, {**key, "token": token})[1] == "UnrecognizedClientException"


def test_an_expired_session_is_refused(world):
    key = world.session(lifetime=0)
    assert refusal(count, world, key) == (
        400, "ExpiredTokenException", "The security token included in the request is expired")
    key = world.session()
    assert count(world, key) == 7
    world.expire(access_key=key["access_key"])
    assert refusal(count, world, key)[1] == "ExpiredTokenException"


def test_a_revoked_key_is_unknown(world):
    key = world.session()
    world.revoke(access_key=key["access_key"])
    assert refusal(count, world, key)[1] == "UnrecognizedClientException"


def test_another_region_is_refused(world):
    assert refusal(count, world, world.session(), region="us-east-1") == (
        400, "InvalidSignatureException",
        "Credential should be scoped to a valid region, not 'us-east-1'. ")


def test_another_service_is_refused(world):
    status, _, answer = send(world, signed(world, world.session(), service="execute-api"))
    assert status == 400
    assert answer["message"] == "Credential should be scoped to correct service: 'dynamodb'. "


def test_a_further_endpoint_has_a_region_of_its_own(world):
    world.urls["dynamodb"] = world.listen(service="dynamodb", region="us-east-1")
    assert count(world, world.session(), region="us-east-1") == 7


@pytest.mark.parametrize("offset, word", [(-301, "Signature not yet current"),
                                          (301, "Signature expired")])
def test_a_clock_that_is_off_is_refused_with_awss_own_time(world, offset, word):
    world.clock_offset(seconds=offset)
    status, headers, answer = send(world, signed(world, world.session()))
    assert status == 400
    assert answer["message"].startswith(word)
    date = datetime.strptime(headers["Date"], "%a, %d %b %Y %H:%M:%S GMT")
    wanted = datetime.now(timezone.utc) + timedelta(seconds=offset)
    assert abs(date.replace(tzinfo=timezone.utc) - wanted) < timedelta(seconds=5)


@pytest.mark.parametrize("offset", [-290, 290])
def test_a_clock_that_is_a_little_off_is_accepted(world, offset):
    world.clock_offset(seconds=offset)
    assert count(world, world.session()) == 7


def test_a_request_without_a_signature_is_refused(world):
    headers = signed(world, world.session())
    del headers["Authorization"]
    status, _, answer = send(world, headers)
    assert status == 400
    assert answer == {"__type": "com.amazon.coral.service#MissingAuthenticationTokenException",
                      "message": "Request is missing Authentication Token"}


@pytest.mark.parametrize("part, lack", [
    ("Signature=", "Authorization header requires 'Signature' parameter."),
    ("SignedHeaders=", "Authorization header requires 'SignedHeaders' parameter."),
    ("Credential=", "Authorization header requires 'Credential' parameter."),
])
def test_an_incomplete_signature_is_refused(world, part, lack):
    headers = signed(world, world.session())
    headers["Authorization"] = headers["Authorization"].replace(part, "Other=")
    status, _, answer = send(world, headers)
    assert status == 400
    assert answer["__type"] == "com.amazon.coral.service#IncompleteSignatureException"
    assert lack in answer["message"]


def test_every_amz_header_must_be_signed(world):
    headers = {**signed(world, world.session()), "X-Amz-Extra": "1"}
    _, _, answer = send(world, headers)
    assert answer["__type"].endswith("#InvalidSignatureException")


def test_errors_of_dynamodb_itself_pass(world):
    dynamodb = client(world, "dynamodb", world.session())
    assert refusal(dynamodb.describe_table, TableName="none") == (
        400, "ResourceNotFoundException", "Requested resource not found")
    status, code, _ = refusal(dynamodb.query, TableName="orders",
                              KeyConditionExpression="queue = :q")
    assert (status, code) == (400, "ValidationException")


def test_a_role_that_may_not_is_denied(world):
    world.role(web_identity=None, deny=["dynamodb:Query"])
    status, code, message = refusal(count, world, world.session())
    assert (status, code) == (400, "AccessDeniedException")
    assert message == (
        "User: arn:aws:sts::123456789012:assumed-role/orders-worker/test is not authorized to "
        "perform: dynamodb:Query on resource: arn:aws:dynamodb:eu-west-1:123456789012:table/orders "
        "because no identity-based policy allows the dynamodb:Query action")


@pytest.mark.parametrize("junk", [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n",
                                  b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc"])
def test_junk_is_answered_with_400_and_the_end(world, junk):
    address = urlsplit(world.urls["dynamodb"])
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(junk)
        answer = b""
        while piece := connection.recv(4096):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 400 ")
