# SPDX-License-Identifier: Apache-2.0
"""Emulates the credential endpoints of containers: the EKS Pod Identity agent, which requires the
pod's token, and the ECS agent, which identifies a task by its path."""

import fnmatch
import json
import uuid
from datetime import datetime, timezone
from email.utils import formatdate

import jwt

from .wire import Reply

AUDIENCE = "pods.eks.amazonaws.com"
POD_PATH = "/v1/credentials"
TASK_PATH = "/v2/credentials/"


class Container:
    name = "container"

    def __init__(self, world):
        self._world = world
        self.tasks = {}  # path → ARN of the role

    def add_task(self, role):
        path = TASK_PATH + str(uuid.uuid4())
        self.tasks[path] = role
        self._world.keys.remember_secret(path.rpartition("/")[2])
        return path

    def action(self, request):
        if request.path == POD_PATH:
            return "PodIdentity"
        return "Task" if request.path.startswith(TASK_PATH) else "-"

    def table(self, _request):
        return ""

    def describe(self, request):
        return ""

    async def answer(self, request, fault, entry):
        if fault.refuses():
            return refuse(fault)
        if request.method != "GET":
            return text(405, "MethodNotAllowed", "only GET is served")
        if request.path == POD_PATH:
            return self._pod(request, entry)
        role = self._world.roles.get(self.tasks.get(request.path))
        if role is None:
            return _json(400, {"code": "InvalidIdInRequest", "message":
                               "CredentialsV2Request: Credentials not found",
                               "HTTPErrorCode": 400}, "InvalidIdInRequest")
        return self._credentials(role, "task", entry, {"RoleArn": role["arn"]})

    def _pod(self, request, entry):
        token = request.header("Authorization")
        if not token:
            return text(400, "InvalidParameterException", "Service account token cannot be empty")
        try:
            claims = self._world.issuer.claims(token, self._world.clock.now())
        except jwt.ExpiredSignatureError:
            return text(400, "ExpiredTokenException", "The token included in the request is "
                        "expired.")
        except jwt.InvalidTokenError:
            return text(400, "InvalidTokenException", "Service account token cannot be parsed")
        if AUDIENCE not in claims["aud"]:
            return text(400, "InvalidTokenException", "The token included in the request has an "
                        f"invalid audience, expected {AUDIENCE}")
        for role in self._world.roles.values():
            if role["pod_identity"] and fnmatch.fnmatchcase(claims["sub"], role["pod_identity"]):
                account = role["arn"].split(":")[4]
                return self._credentials(role, "eks-pod", entry, {"AccountId": account})
        return text(400, "ResourceNotFoundException", "No Pod Identity association found for the "
                    "service account")

    def _credentials(self, role, session, entry, more):
        key = self._world.keys.issue_session(role["arn"], session, role["lifetime"] or 21600)
        entry["access_key"] = key.access_key
        return _json(200, {**document(key), **more})

    def dress(self, reply, fault):
        reply.headers = {
            "Content-Type": "application/json",
            "Date": formatdate(self._world.clock.now() + fault.date_offset, usegmt=True),
            **reply.headers,
        }


def document(key):
    """Credentials in the format of all local endpoints."""
    expires = datetime.fromtimestamp(key.expires, timezone.utc)
    return {
        "AccessKeyId": key.access_key,
        "SecretAccessKey": key.secret_key,
        "Token": key.token,
        "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _json(status, value, code=""):
    return Reply(status, json.dumps(value).encode(), {}, code)


def text(status, code, message):
    """An error in the format of the Pod Identity agent."""
    body = f"[{uuid.uuid4()}]: ({code}): {message}, fault: client\n"
    return Reply(status, body.encode(), {"Content-Type": "text/plain; charset=utf-8"}, code)


def refuse(fault):
    """The answer that a fault injects instead of a real one."""
    if fault.location:
        return Reply(fault.status or 307, b"", {"Location": fault.location}, "redirect")
    if fault.body is not None:
        return Reply(fault.status or 200, fault.body.encode(), {}, "fault")
    if fault.code:
        return _json(fault.status or 400, {"code": fault.code,
                                           "message": fault.message or fault.code}, fault.code)
    return Reply(fault.status, b"unavailable\n", {"Content-Type": "text/plain"},
                 f"http-{fault.status}")
