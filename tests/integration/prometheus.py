# SPDX-License-Identifier: Apache-2.0
"""A Prometheus server that scrapes for a test."""

import json
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

from tests.gateway import process
from tests.gateway.local import free_port

START_SECONDS = 60
NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class Prometheus:
    """finish() stops it. `job`: its scrape_config beyond the address of the target."""

    def __init__(self, folder, target, rules=None, **job):
        self.folder = folder
        self.rules = rules
        config = {"global": {"scrape_interval": "200ms", "evaluation_interval": "200ms"},
                  "rule_files": [rules] if rules else [],
                  "scrape_configs": [{"job_name": "tally", "static_configs": [{"targets": [target]}],
                                      **job}]}
        self.config = folder / "prometheus.yaml"
        self.config.write_text(yaml.safe_dump(config))
        self.log = folder / "prometheus.log"
        self.child = self.url = None
        self._start()

    def _start(self):
        """The port may be taken between its choice and its use; then another one is tried."""
        for _ in range(5):
            address = f"127.0.0.1:{free_port()}"
            with open(self.log, "ab") as log:
                self.child = process.start(
                    ["prometheus", f"--config.file={self.config}",
                     f"--storage.tsdb.path={self.folder / 'data'}", f"--web.listen-address={address}"],
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                    env={"PATH": "/usr/bin:/bin", "GOMAXPROCS": "2"})
            self.url = f"http://{address}"
            deadline = time.monotonic() + START_SECONDS
            while self.child.poll() is None and time.monotonic() < deadline:
                try:
                    with NO_PROXY.open(f"{self.url}/-/ready", timeout=5):
                        return
                except (OSError, urllib.error.HTTPError):
                    time.sleep(0.1)
            self.finish()
        raise AssertionError(f"prometheus does not start:\n{self.log.read_text()}")

    def finish(self):
        process.stop(self.child)

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with NO_PROXY.open(f"{self.url}/api/v1/{path}?{query}", timeout=20) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        """Label sets with their values, as texts."""
        return [(row["metric"], row["value"][1])
                for row in self.get("query", query=expression)["result"]]

    def value(self, expression):
        """The value of the only sample, or None."""
        rows = self.query(expression)
        assert len(rows) < 2, rows
        return rows[0][1] if rows else None

    def target(self):
        """The only one: its health, and why it cannot be scraped. None before the first scrape."""
        for one in self.get("targets")["activeTargets"]:
            return one["health"], one["lastError"]
        return None, ""
