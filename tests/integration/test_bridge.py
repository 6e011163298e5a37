# SPDX-License-Identifier: Apache-2.0
"""tally-bridge: KEDA's external scaler, JSON and metrics, in front of a real agent."""

import grpc
import pytest

from .bridge import Bridge
from .external_scaler import object_ref, refusal
from .yaml_files import scaled_object, small_object, trigger


@pytest.fixture
def bridge():
    """Makes bridges in front of an agent, or a socket's path; all are stopped and checked."""
    made = []

    def make(agent, *options, **more):
        made.append(Bridge(getattr(agent, "socket", agent), *options, **more))
        return made[-1].start()

    yield make
    for one in made:
        one.finish()


def test_keda_asks_for_spec_metrics_and_activity(start, bridge, world):
    scaler = bridge(start(small_object())).scaler()
    ref = object_ref("small", scalerAddress="bridge.shop:6000")
    assert scaler.spec(ref) == [("aws-dynamodb-orders", 5, 5.0)]
    assert world.calls("dynamodb", "Query") == 0  # the configuration is enough
    assert scaler.metrics(ref, "aws-dynamodb-orders") == [("aws-dynamodb-orders", 7, 7.0)]
    assert scaler.is_active(ref) is True
    assert world.calls("dynamodb", "Query") == 1  # one cached count


def test_activity_is_above_the_activation(start, bridge):
    scaler = bridge(start(
        scaled_object("six", trigger(activationTargetValue="6"), namespace="shop"),
        scaled_object("seven", trigger(activationTargetValue="7"), namespace="shop"))).scaler()
    assert scaler.is_active(object_ref("six")) is True
    assert scaler.is_active(object_ref("seven")) is False


def test_the_trigger_is_named_by_metadata(start, bridge):
    scaler = bridge(start(small_object(), scaled_object(
        "other", trigger(value={"S": "nothing"})))).scaler()
    assert scaler.metrics(object_ref("other", trigger="shop/small"))[0][1] == 7
    assert scaler.metrics(object_ref("elsewhere", namespace="x", trigger="small"))[0][1] == 7
    assert scaler.metrics(object_ref("other"))[0][1:] == (0, 0.0)


def test_errors_have_the_code_and_the_sentence(start, bridge):
    double = scaled_object("double", trigger(), trigger(value={"S": "other"}))
    scaler = bridge(start(small_object(), double)).scaler()
    code, message = refusal(scaler.is_active, object_ref("smal"))
    assert code == grpc.StatusCode.NOT_FOUND and "shop/smal" in message
    code, message = refusal(scaler.spec, object_ref("smäl"))
    assert code == grpc.StatusCode.NOT_FOUND and "smäl" in message
    code, message = refusal(scaler.spec, object_ref("double"))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "shop/double/0" in message
    assert scaler.metrics(object_ref("double", trigger="shop/double/0"))[0][1] == 7
