# SPDX-License-Identifier: Apache-2.0
"""Frames of HTTP/2 as bytes, for peers that do what no library would."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 2, 3, 4, 6, 7, 8, 9)
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(
        ">I", stream) + payload


def literal(name, value, indexed=False):
    """A header for HPACK, without Huffman codes and below 127 bytes."""
    assert len(name) < 127 and len(value) < 127
    return (b"\x40" if indexed else b"\x00") + bytes([len(name)]) + name.encode() + bytes(
        [len(value)]) + value.encode()


def grpc_message(data):
    """Uncompressed."""
    return b"\0" + struct.pack(">I", len(data)) + data


def grpc_head(path):
    """The headers of a call, for HPACK."""
    return b"".join(literal(name, value) for name, value in (
        (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "x"),
        ("content-type", "application/grpc"), ("te", "trailers")))


def grpc_call(stream, path, data):
    """The frames of a call with one message."""
    return frame(HEADERS, END_HEADERS, stream, grpc_head(path)) + frame(
        DATA, END_STREAM, stream, grpc_message(data))
