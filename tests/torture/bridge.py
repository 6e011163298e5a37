# SPDX-License-Identifier: Apache-2.0
"""tally-bridge with a failing allocator, in front of an agent that is well: every call and page, then
the same again until all is answered, then the end. No allocation may end the program once it listens:
a call or a page without memory is an error to its client alone."""

import http.client
import json
import os
import re
import shutil
import tempfile
import time

import grpc

from tests.integration.external_scaler import Scaler, object_ref

from .program import GIVE_UP_SECONDS, Program, child_is_over, end_child

REFUSED = (1, 2)  # exit codes of a run that could not start
CALL_SECONDS = 5
METRIC = ("aws-dynamodb-orders", 7, 7.0)
# Lines of each source of /metrics, the last of each among them: a page without one of them is a part.
WHOLE = ("tally_build_info{version=", "tally_request_duration_seconds_count ",
         'tally_trigger_items{trigger="shop/small",table="orders"} 7',
         'tally_trigger_failed{trigger="shop/small",table="orders"} 0',
         'tally_credentials_expiry_seconds{identity="0"', "tally_bridge_build_info{version=",
         "tally_bridge_pages_total ")


class TorturedBridge:
    def __init__(self, agent):
        self.folder = tempfile.mkdtemp(prefix="torture-", dir="/tmp")
        self._log_path = os.path.join(self.folder, "log")
        env = {**agent.env, "ASAN_OPTIONS": "exitcode=86"}
        self._program = Program("tally-bridge", ["--socket", agent.socket, "--listen",
                                                 "127.0.0.1:0"],
                                env, self.folder, self._log_path)
        self._uses = {"IsActive": self._is_active, "GetMetrics": self._metrics,
                      "GetMetricSpec": self._spec, "StreamIsActive": self._stream,
                      "/v1/count": self._count, "/v1/triggers": self._triggers,
                      "/metrics": self._page_of_metrics, "/readyz": self._ready}

    def close(self):
        self._program.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        with open(self._log_path, encoding="utf-8", errors="replace") as file:
            return file.read()

    def torture(self, number):
        """One run; returns its outcome in words, and its number of allocations."""
        started = time.monotonic()
        pid = self._program.start(number)
        failed, port = [], None
        try:
            port = self._wait(pid)
            while port is not None:
                failed.append(self._use(port))
                if len(failed) > 1 and (not failed[-1] or child_is_over(pid)):
                    break
                if time.monotonic() > started + GIVE_UP_SECONDS:
                    raise AssertionError(f"it does not get well: {failed[-1]}")
        finally:
            end_child(pid)
            code, allocations = self._program.ended()
        return self._judge(code, port, " ".join(failed).strip()), allocations

    # ---- life ----

    def _wait(self, pid):
        """The port; None if it ended."""
        deadline = time.monotonic() + GIVE_UP_SECONDS
        while not (found := re.search(r"event=listening address=\"?\S+:(\d+)", self.log())):
            if child_is_over(pid):
                return None
            if time.monotonic() > deadline:
                raise AssertionError("it does not listen")
            time.sleep(0.002)
        return int(found.group(1))

    def _judge(self, code, port, failed):
        if code == 0 and port is not None:
            return f"exit 0, failed: {failed or 'nothing'}"
        if code in REFUSED and port is None:
            if not self.log().strip():
                raise AssertionError(f"ended with {code} and did not say why")
            return f"exit {code}"
        raise AssertionError(f"ended with {code}, failed: {failed}")

    # ---- uses: each raises OSError, RpcError or HTTPException for an error that the client can see,
    # and AssertionError for a wrong answer ----

    def _use(self, port):
        """What failed, in words."""
        failed = []
        channel = grpc.insecure_channel(f"127.0.0.1:{port}", options=[
            ("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)])
        try:
            for name, use in self._uses.items():
                try:
                    use(Scaler(channel), port)
                except (grpc.RpcError, OSError, http.client.HTTPException):
                    failed.append(name)
        finally:
            channel.close()
        return " ".join(failed)

    @staticmethod
    def _is_active(scaler, _):
        assert scaler.is_active(object_ref("small")) is True

    @staticmethod
    def _metrics(scaler, _):
        assert scaler.metrics(object_ref("small")) == [METRIC]

    @staticmethod
    def _spec(scaler, _):
        assert scaler.spec(object_ref("small")) == [("aws-dynamodb-orders", 5, 5.0)]

    @staticmethod
    def _stream(scaler, _):
        stream = scaler.stream(object_ref("small"), timeout=CALL_SECONDS)
        try:
            assert next(stream) is True
        finally:
            stream.cancel()

    @staticmethod
    def _get(port, path):
        """The body; raises OSError for the status of an error."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=CALL_SECONDS)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            assert answer.status == 503, (answer.status, body)
            raise OSError("503")
        return body

    def _count(self, _, port):
        assert json.loads(self._get(port, "/v1/count/small"))["count"] == 7

    def _triggers(self, _, port):
        rows = json.loads(self._get(port, "/v1/triggers"))["triggers"]
        assert [row["name"] for row in rows] == ["shop/small"]

    def _page_of_metrics(self, _, port):
        lines = self._get(port, "/metrics").decode().splitlines()
        for start in WHOLE:
            assert any(line.startswith(start) for line in lines), (start, lines)

    def _ready(self, _, port):
        assert self._get(port, "/readyz") == b"ready\n"
