#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Measures the cost of a large configuration: tests/bench/config_size.py [COUNT] [BUILD].

Checks COUNT ScaledObjects (1000), each in its own file, and starts an agent with them; then the
same with one. Prints times and the memory of each trigger. Makes no call to AWS."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

OBJECT = """\
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: orders-worker-{number}
  namespace: shop
spec:
  scaleTargetRef:
    name: orders-worker-{number}
  pollingInterval: 15
  minReplicaCount: 0
  maxReplicaCount: 50
  fallback:
    failureThreshold: 3
    replicas: 6
  triggers:
  - type: aws-dynamodb
    authenticationRef:
      name: pod
    metadata:
      awsRegion: eu-west-1
      tableName: orders-{number}
      indexName: by-state
      targetValue: "25"
      activationTargetValue: "5"
      keyConditionExpression: "#s = :s and begins_with(#d, :d)"
      filterExpression: "attribute_not_exists(lockedUntil) or lockedUntil < :now"
      expressionAttributeNames: '{{"#s": "state", "#d": "due"}}'
      expressionAttributeValues: '{{":s": {{"S": "waiting-{number}"}}, ":d": {{"S": "2026"}}, ":now": {{"N": "$now"}}}}'
"""
AUTHENTICATION = """\
apiVersion: keda.sh/v1alpha1
kind: TriggerAuthentication
metadata: {name: pod, namespace: shop}
spec: {podIdentity: {provider: aws}}
"""
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "AWS_REGION": "eu-west-1"}


def write(folder, count):
    with open(os.path.join(folder, "auth.yaml"), "w", encoding="utf-8") as file:
        file.write(AUTHENTICATION)
    for number in range(count):
        with open(os.path.join(folder, f"{number:06}.yaml"), "w", encoding="utf-8") as file:
            file.write(OBJECT.format(number=number))


def memory(pid):
    """Private memory, and peak resident memory, in kilobytes."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        private = sum(int(line.split()[1]) for line in file if line.startswith("Private_"))
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        peak = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    return private, peak


def listens(path):
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def measure(tallyd, count):
    folder = tempfile.mkdtemp(prefix="tally-bench-", dir="/tmp")
    try:
        config, path = os.path.join(folder, "conf"), os.path.join(folder, "t.sock")
        os.mkdir(config)
        write(config, count)
        begun = time.perf_counter()
        done = subprocess.run([tallyd, "--check", "--config", config], env=ENVIRONMENT,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        checked = time.perf_counter() - begun
        assert done.stdout.count(b"\n") == count + 1
        begun = time.perf_counter()
        agent = subprocess.Popen([tallyd, "--config", config, "--socket", path, "--linger", "0"],
                                 env=ENVIRONMENT, stderr=subprocess.DEVNULL)
        try:
            while not listens(path):
                assert agent.poll() is None
                time.sleep(0.0005)
            ready = time.perf_counter() - begun
            private, peak = memory(agent.pid)
            for _ in range(5):  # memory that a reload does not free
                agent.send_signal(signal.SIGHUP)
                time.sleep(0.5 + ready)
            reloaded, _ = memory(agent.pid)
        finally:
            agent.terminate()
            agent.wait()
        return checked, ready, private, peak, reloaded
    finally:
        shutil.rmtree(folder)


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    tallyd = os.path.join(sys.argv[2] if len(sys.argv) > 2 else "build", "tallyd")
    print("triggers  checked, ms  ready, ms  own memory, kB  peak, kB  after 5 reloads, kB")
    results = {number: measure(tallyd, number) for number in (1, count)}
    for number, (checked, ready, *kilobytes) in results.items():
        print(f"{number:8}  {checked * 1000:11.1f}  {ready * 1000:9.1f}  "
              f"{kilobytes[0]:14}  {kilobytes[1]:8}  {kilobytes[2]:19}")
    grown = (results[count][2] - results[1][2]) * 1024 / (count - 1)
    print(f"{grown:.0f} bytes for each further trigger")


if __name__ == "__main__":
    main()
