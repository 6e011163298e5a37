# SPDX-License-Identifier: Apache-2.0
"""As much of the Kubernetes API as `kubectl get` needs: discovery, one object, pods by label."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

# (name, kind, short name)
RESOURCES = {
    "api/v1": [("pods", "Pod", "po"), ("services", "Service", "svc")],
    "apis/apps/v1": [("deployments", "Deployment", "deploy"), ("statefulsets", "StatefulSet", "sts")],
    "apis/batch/v1": [("jobs", "Job", "jb")],
}


def matches(labels, selector):
    """Whether a pod's labels match `a=b,c in (d,e),!f`."""
    for term in re.findall(r"(?:[^,(]|\([^)]*\))+", selector):
        if found := re.fullmatch(r"(\S+) (in|notin) \((.*)\)", term):
            key, how, values = found.groups()
            if (labels.get(key) in values.split(",")) != (how == "in"):
                return False
        elif term.startswith("!"):
            if term[1:] in labels:
                return False
        else:
            key, _, value = term.partition("=")
            if key not in labels or (value and labels[key] != value):
                return False
    return True


def groups():
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
        {"name": path.split("/")[1], "versions": [{"groupVersion": path[5:], "version": "v1"}],
         "preferredVersion": {"groupVersion": path[5:], "version": "v1"}}
        for path in RESOURCES if path.startswith("apis/")]}


def resources(path):
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": path.partition("/")[2],
            "resources": [{"name": name, "singularName": kind.lower(), "namespaced": True, "kind": kind,
                           "shortNames": [short], "verbs": ["get", "list"]}
                          for name, kind, short in RESOURCES[path]]}


def not_found(name):
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404,
            "message": f'"{name}" not found'}


class KubeApi:
    """`objects` are served from their (kind, namespace, name); the test may change the list."""

    def __init__(self):
        self.objects = []
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                address = urlsplit(self.path)
                body = api.answer(address.path.strip("/"), parse_qs(address.query))
                data = json.dumps(body).encode()
                self.send_response(body.get("code", 200))
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path, query):
        if path == "api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "apis":
            return groups()
        if path in RESOURCES:
            return resources(path)
        found = re.fullmatch(r"(.+)/namespaces/([^/]+)/([^/]+)(?:/([^/]+))?", path)
        if found is None or found[1] not in RESOURCES:
            return not_found(path)
        kind, = [kind for name, kind, _ in RESOURCES[found[1]] if name == found[3]]
        return self._objects(kind, found[2], found[4], query.get("labelSelector", [""])[0])

    def _objects(self, kind, namespace, name, selector):
        there = [item for item in self.objects
                 if (item["kind"], item["metadata"]["namespace"]) == (kind, namespace)]
        if name is None:
            return {"kind": f"{kind}List", "apiVersion": "v1", "metadata": {}, "items": [
                item for item in there if matches(item["metadata"].get("labels", {}), selector)]}
        return next((item for item in there if item["metadata"]["name"] == name), not_found(name))
