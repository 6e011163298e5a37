# SPDX-License-Identifier: Apache-2.0
"""Emulates AWS on loopback, including its refusals.

The gateway stands between the agent and Amazon DynamoDB Local. It recomputes every SigV4
signature with botocore from the bytes on the wire, knows which credentials it issued and when
they end, and what a role's policy allows (policy.py). It plays STS, the container credential
endpoints and the instance metadata service, keeps a ledger of every request and of the capacity
that it consumed (usage.py), and misbehaves on request (faults.py).

One process has any number of worlds (world.py): an AWS account with its own listeners, keys,
roles, clock, ledger and faults, so that tests are independent. Tests use `client.py`; people and
scripts use `python3 -m tests.gateway --help`.
"""
