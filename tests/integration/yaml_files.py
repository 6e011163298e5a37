# SPDX-License-Identifier: Apache-2.0
"""Configuration as people write it for KEDA."""

import json

import yaml


def trigger(table="orders", key="queue", value=None, **metadata):
    """One aws-dynamodb trigger that counts the items of a partition."""
    return {"type": "aws-dynamodb", "metadata": {
        "awsRegion": "eu-west-1",
        "tableName": table,
        "targetValue": "5",
        "keyConditionExpression": "#k = :v",
        "expressionAttributeNames": json.dumps({"#k": key}),
        "expressionAttributeValues": json.dumps({":v": value or {"S": "small"}}),
        **metadata}}


def scaled_object(name, *triggers, namespace="shop", **spec):
    return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"scaleTargetRef": {"name": name}, "triggers": list(triggers) or [trigger()],
                     **spec}}


def pending_object(**spec):
    """The queue of 25,000 items."""
    return scaled_object("pending", trigger(value={"S": "pending"}), **spec)


def small_object(**spec):
    """The queue of 7 items."""
    return scaled_object("small", trigger(value={"S": "small"}), **spec)


def text(*documents):
    return yaml.safe_dump_all(documents, sort_keys=False)
