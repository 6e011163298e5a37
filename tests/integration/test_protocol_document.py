# SPDX-License-Identifier: Apache-2.0
"""proto/PROTOCOL.md: its links and its example client. tests/vectors.py compares its examples with
proto/vectors/, tests/unit/test_vectors.c these with tally's own decoder."""

import re
import socket
import threading
from pathlib import Path

import msgpack
import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"
DOCUMENT = (PROTO / "PROTOCOL.md").read_text(encoding="utf-8")


def vector_bytes(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return bytes.fromhex(" ".join(line for line in lines if not line.startswith("#")))


def fences(kind):
    return re.findall(rf"^```{kind} ?(\S*)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


def test_links_inside_the_document_lead_somewhere():
    headings = re.findall(r"^#+ (.*)$", DOCUMENT, re.MULTILINE)
    anchors = {heading.lower().replace(",", "").replace(" ", "-") for heading in headings}
    links = re.findall(r"\]\(#([^)]*)\)", DOCUMENT)
    assert links and set(links) <= anchors


def call_example_client(tmp_path, answer):
    """Runs the document's own client against a server that answers once, in two parts."""
    ((_, source),) = fences("python")
    names = {}
    exec(compile(source, "PROTOCOL.md", "exec"), names)
    path = str(tmp_path / "tally.sock")
    received = []

    def serve():
        connection, _ = listener.accept()
        with connection:
            received.append(msgpack.unpackb(connection.recv(65536)))
            connection.sendall(vector_bytes(PROTO / "vectors/valid/changed-notification.hex"))
            connection.sendall(answer[:5])
            connection.sendall(answer[5:])

    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        listener.settimeout(10)
        server = threading.Thread(target=serve)
        server.start()
        try:
            return names["tally"](path, "ping", []), received
        finally:
            server.join()


def test_example_client_returns_the_result(tmp_path):
    answer = vector_bytes(PROTO / "vectors/valid/ping-answer.hex")
    result, received = call_example_client(tmp_path, answer)
    assert result == {"pid": 1, "uptime_ms": 86400123}
    assert received == [[0, 1, "ping", []]]


def test_example_client_raises_the_error(tmp_path):
    answer = bytearray(vector_bytes(PROTO / "vectors/valid/error-unknown-trigger.hex"))
    assert answer[2] == 7
    answer[2] = 1
    with pytest.raises(RuntimeError, match='UNKNOWN_TRIGGER: no trigger "ordres"'):
        call_example_client(tmp_path, bytes(answer))
