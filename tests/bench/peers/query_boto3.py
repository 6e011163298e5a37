# SPDX-License-Identifier: Apache-2.0
"""A Query through boto3, keys of the environment, one client for all.

    query_boto3.py PORT QUERIES [SECONDS]   CPU of each, in microseconds, as JSON; then waits
    query_boto3.py PORT 0                   prints the first count
"""

import json
import sys
import time

import boto3


def main():
    port, queries = sys.argv[1], int(sys.argv[2])
    client = boto3.client("dynamodb", endpoint_url=f"http://127.0.0.1:{port}",
                          region_name="eu-west-1")

    def count():
        return client.query(
            TableName="orders", KeyConditionExpression="#k = :v",
            ExpressionAttributeNames={"#k": "queue"},
            ExpressionAttributeValues={":v": {"S": "pending"}}, Select="COUNT",
            ReturnConsumedCapacity="TOTAL")["Count"]

    first = count()
    if queries == 0:
        print(first, flush=True)
        return
    before = time.process_time()
    for _ in range(queries):
        count()
    used = time.process_time() - before
    print(json.dumps({"cpu_us": used * 1e6 / queries}), flush=True)
    if len(sys.argv) > 3:
        time.sleep(float(sys.argv[3]))


main()
