# SPDX-License-Identifier: Apache-2.0
"""Emulates DynamoDB: authenticates requests, forwards them to DynamoDB Local, and formats replies as
AWS does."""

import base64
import json
import secrets
import zlib
from email.utils import formatdate

from . import sigv4
from .usage import Meter
from .wire import Reply

TARGET = "DynamoDB_20120810."
CONTENT_TYPE = "application/x-amz-json-1.0"
COMMON = "com.amazon.coral.service#"
OWN = "com.amazonaws.dynamodb.v20120810#"

REFUSALS = {
    "missing": "MissingAuthenticationTokenException",
    "incomplete": "IncompleteSignatureException",
    "signature": "InvalidSignatureException",
    "unknown": "UnrecognizedClientException",
    "expired": "ExpiredTokenException",
}
# Errors specific to DynamoDB; the others are common to all AWS services.
OWN_ERRORS = {
    "ConditionalCheckFailedException", "InternalServerError", "LimitExceededException",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "ResourceInUseException",
    "ResourceNotFoundException", "ThrottlingException", "TransactionInProgressException",
}
MESSAGES = {
    "ProvisionedThroughputExceededException":
        "The level of configured provisioned throughput for the table was exceeded. Consider "
        "increasing your provisioning level with the UpdateTable API.",
    "ThrottlingException": "Rate of requests exceeds the allowed throughput.",
    "RequestLimitExceeded": "Throughput exceeds the current throughput limit for your account.",
    "InternalServerError": "Internal server error",
    "ResourceNotFoundException": "Requested resource not found",
    "ServiceUnavailable": "Service is currently unavailable. Please try again.",
}


class DynamoDB:
    name = "dynamodb"

    def __init__(self, world, upstream, region):
        self._world = world
        self._upstream = upstream
        self.region = region

    def action(self, request):
        return (request.header("X-Amz-Target") or "").removeprefix(TARGET) or "-"

    def table(self, request):
        return str((_question(request) or {}).get("TableName", ""))

    def describe(self, request):
        return request.body.decode("utf-8", "replace")[:65536]

    async def answer(self, request, fault, entry):
        if request.method == "GET":
            return Reply(200, f"healthy: dynamodb.{self.region}.amazonaws.com ".encode())
        action = self.action(request)
        try:
            key = sigv4.verify(request, self._world.keys, "dynamodb", self.region,
                               self._world.clock.now())
        except sigv4.Refusal as refusal:
            return error(REFUSALS[refusal.kind], refusal.message)
        entry["access_key"] = key.access_key
        if fault.refuses():
            return refuse(fault)
        return await self._forward(request, action, key, fault, entry)

    async def _forward(self, request, action, key, fault, entry):
        target = request.header("X-Amz-Target") or ""
        if not target.startswith(TARGET):
            return error("UnknownOperationException", None, status=404)
        if (request.header("Content-Type") or "").partition(";")[0] != CONTENT_TYPE:
            return error("UnknownOperationException", None, status=404)
        question = _question(request)
        if question is None:
            return error("SerializationException", None)
        table = str(question.get("TableName", "*"))
        if not self._world.allowed(key, f"dynamodb:{action}", table, question):
            return error("AccessDeniedException", self._denial(key, action, question))
        meter = Meter(action, question)
        asked = meter.question(question)
        if fault.limit and action == "Query":
            asked = {**asked, "Limit": min(fault.limit, asked.get("Limit", fault.limit))}
        body = request.body if asked is question else json.dumps(asked).encode()
        status, text = await self._upstream.call(target, body)
        return self._as_aws(status, meter.read(status, text, entry), fault)

    def _denial(self, key, action, question):
        """Access denied, with AWS's message."""
        resource = f"arn:aws:dynamodb:{self.region}:{key.arn.split(':')[4]}:table/" \
                   f"{question.get('TableName', '*')}"
        if question.get("IndexName"):
            resource += f"/index/{question['IndexName']}"
        return (f"User: {key.arn} is not authorized to perform: dynamodb:{action} on resource: "
                f"{resource} because no identity-based policy allows the dynamodb:{action} action")

    @staticmethod
    def _as_aws(status, text, fault):
        """DynamoDB Local's answer, with the messages and format of DynamoDB."""
        if status != 200:
            found = json.loads(text)
            code = found.get("__type", "").rpartition("#")[2]
            message = found.get("message", found.get("Message"))
            if code == "ResourceNotFoundException":
                message = MESSAGES[code]
            reply = error(code, message, status, item=found.get("Item"))
            reply.body = reply.body.replace(
                f"{_prefix(code)}{code}".encode(), found.get("__type", "").encode())
            return reply
        if fault.final_key is not None and b'"LastEvaluatedKey"' not in text:
            text = text.rstrip()[:-1] + b',"LastEvaluatedKey":%s}' % fault.final_key.encode()
        return Reply(200, text, {"Content-Type": CONTENT_TYPE})

    def dress(self, reply, fault):
        crc = zlib.crc32(reply.body) ^ (1 if fault.wrong_crc else 0)
        now = self._world.clock.now() + fault.date_offset
        # All request ids of DynamoDB end so.
        request_id = base64.b32encode(secrets.token_bytes(20)).decode()[:26]
        reply.headers = {
            "Server": "Server",
            "Date": formatdate(now, usegmt=True),
            "Content-Type": CONTENT_TYPE,
            "Connection": "keep-alive",
            "x-amzn-RequestId": request_id + "VV4KQNSO5AEMVJF66Q9ASUAAJG",
            "x-amz-crc32": str(crc),
            **reply.headers,
        }


def _question(request):
    """The body of an operation; None where it is no object."""
    try:
        question = json.loads(request.body)
    except ValueError:
        return None
    return question if isinstance(question, dict) else None


def _prefix(code):
    return OWN if code in OWN_ERRORS else COMMON


def error(code, message, status=400, reasons=None, item=None):
    """An error as DynamoDB sends it; `item`: what a refused condition met."""
    body = {"__type": _prefix(code) + code}
    if message is not None:
        # Only AccessDenied has "Message" with a capital letter.
        body["Message" if code == "AccessDeniedException" else "message"] = message
    if item is not None:
        body["Item"] = item
    if reasons is not None:
        body["ThrottlingReasons"] = reasons
    return Reply(status, json.dumps(body).encode(), {"Content-Type": CONTENT_TYPE}, code)


def refuse(fault):
    """The answer that a fault injects instead of a real one."""
    if fault.location:
        return Reply(fault.status or 307, b"", {"Location": fault.location}, "redirect")
    if fault.body is not None:
        reply = Reply(fault.status or 200, fault.body.encode(), {}, "fault")
    elif fault.code:
        message = fault.message or MESSAGES.get(fault.code, fault.code)
        status = fault.status or (500 if fault.code == "InternalServerError" else 400)
        reply = error(fault.code, message, status, fault.reasons)
    else:
        # The reply of a proxy in front of the service when the service is unavailable.
        reply = Reply(fault.status, b"<html><body>unavailable</body></html>",
                      {"Content-Type": "text/html"}, f"http-{fault.status}")
    if fault.retry_after_ms is not None:
        reply.headers["x-amz-retry-after"] = str(fault.retry_after_ms)
    return reply
