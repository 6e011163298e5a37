# SPDX-License-Identifier: Apache-2.0
"""proto/PROTOCOL.md and proto/vectors/, decoded by another implementation of msgpack.

The unit test test_vectors.c compares the hex examples of the document with the vector files, and
these with tally's own decoder; here an independent codec checks the vectors themselves, their JSON,
and the example client.
"""

import json
import re
import socket
import threading
from pathlib import Path

import msgpack
import pytest

PROTO = Path(__file__).resolve().parents[2] / "proto"
DOCUMENT = (PROTO / "PROTOCOL.md").read_text(encoding="utf-8")
VALID = sorted((PROTO / "vectors/valid").iterdir())
INVALID = sorted((PROTO / "vectors/invalid").iterdir())


def vector_bytes(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return bytes.fromhex(" ".join(line for line in lines if not line.startswith("#")))


def vector_value(path):
    """The message that `# value:` and the lines indented below it show, as JSON text."""
    text = path.read_text(encoding="utf-8")
    found = re.search(r"^# value: (.*(?:\n#        .*)*)$", text, re.MULTILINE)
    return found and canonical(json.loads(found.group(1).replace("\n#        ", " ")))


def as_text(value):
    """The same value with each bin as str, as the protocol accepts them."""
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, list):
        return [as_text(element) for element in value]
    if isinstance(value, dict):
        return {as_text(key): as_text(element) for key, element in value.items()}
    return value


def canonical(value):
    """As JSON text, which distinguishes 1, 1.0 and true; == does not."""
    return json.dumps(as_text(value), ensure_ascii=False)


def fences(kind):
    return re.findall(rf"^```{kind} ?(\S*)\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", VALID + INVALID, ids=lambda path: path.stem)
def test_bytes_are_the_value_beside_them(path):
    value = vector_value(path)
    if path in VALID:
        assert value, "a valid message shows its value"
    if value:
        assert canonical(msgpack.unpackb(vector_bytes(path))) == value
        if not path.name.startswith("encoding-"):
            assert msgpack.packb(json.loads(value)) == vector_bytes(path)


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_document_shows_each_valid_vector(path):
    shown = [name for name, _ in fences("hex") + fences("json")]
    assert f"valid/{path.name}" in shown


def test_decoded_examples_are_the_vectors():
    examples = fences("json")
    assert examples
    for name, text in examples:
        assert canonical(json.loads(text)) == vector_value(PROTO / "vectors" / name)


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
