# SPDX-License-Identifier: Apache-2.0
"""KEDA's external scaler as its client sees it: the messages, encoded here by hand, and calls over
grpcio. A judge of tally-bridge's own encoding."""

import struct

import grpc

SERVICE = "/externalscaler.ExternalScaler/"


# ---- protocol buffers ----

def varint(value):
    value &= (1 << 64) - 1
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def field(number, value):
    """A string, bytes, or a number."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    data = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(data)) + data


def read_varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def fields(data):
    """Field number to the list of its values: numbers, doubles, bytes."""
    found, at = {}, 0
    while at < len(data):
        key, at = read_varint(data, at)
        if key & 7 == 0:
            value, at = read_varint(data, at)
        elif key & 7 == 1:
            (value,) = struct.unpack("<d", data[at:at + 8])
            at += 8
        else:
            assert key & 7 == 2, key
            length, at = read_varint(data, at)
            value = data[at:at + length]
            assert len(value) == length
            at += length
        found.setdefault(key >> 3, []).append(value)
    return found


# ---- the messages ----

def object_ref(name="small", namespace="shop", **metadata):
    pairs = b"".join(field(3, field(1, key) + field(2, value)) for key, value in metadata.items())
    return field(1, name) + field(2, namespace) + pairs


def metrics_request(ref, metric=""):
    return field(1, ref) + field(2, metric)


def read_active(data):
    return bool(fields(data).get(1, [0])[0])


def read_metrics(data):
    """(name, integer, float) of each."""
    return [(pair[1][0].decode(), pair.get(2, [0])[0], pair.get(3, [0.0])[0])
            for pair in map(fields, fields(data).get(1, []))]


# ---- calls ----

class Scaler:
    """The calls of one channel, as KEDA makes them."""

    def __init__(self, channel):
        self.channel = channel

    def call(self, method, message, timeout=10, **more):
        return self.channel.unary_unary(SERVICE + method)(message, timeout=timeout, **more)

    def is_active(self, ref, **more):
        return read_active(self.call("IsActive", ref, **more))

    def spec(self, ref, **more):
        return read_metrics(self.call("GetMetricSpec", ref, **more))

    def metrics(self, ref, metric="", **more):
        return read_metrics(self.call("GetMetrics", metrics_request(ref, metric), **more))

    def stream(self, ref, timeout=60):
        """An iterator of booleans with cancel()."""
        return self.channel.unary_stream(SERVICE + "StreamIsActive",
                                         response_deserializer=read_active)(ref, timeout=timeout)


def refusal(function, *arguments):
    """The status code and the message of a call that must fail."""
    try:
        answer = function(*arguments)
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f"answered {answer!r}")
