# SPDX-License-Identifier: Apache-2.0
"""A new configuration: noticed for every kind of change, applied completely or not at all, and without
other effects on clients than its changes."""

import os
import shutil
import signal
import threading
import time

import pytest

from tests.gateway.mount import ProjectedVolume

from .agent import wait_until
from .rpc import RpcError
from .yaml_files import scaled_object, small_object, text, trigger

SMALL = text(small_object())
OTHER = text(scaled_object("other", trigger(value={"S": "no such queue"})))
BOTH = SMALL + "---\n" + OTHER
BAD = text(scaled_object("small", trigger(targetValue="0")))


def generation(agent):
    return agent.rpc("status")["config"]["generation"]


def names(agent):
    return [entry["name"] for entry in agent.rpc("list")["triggers"]]


def reload(agent, *documents, config=None):
    """Accepts the new configuration, or refuses it."""
    before = agent.log().count("event=reload")
    agent.write_config(*documents, config=config)
    agent.child.send_signal(signal.SIGHUP)
    wait_until(lambda: agent.log().count("event=reload") > before)


class Place:
    """The place of a configuration, and one way to change it."""

    def __init__(self, folder):
        self.folder = folder
        self.path = os.path.join(folder, "small.yaml")

    def begin(self):
        self._write(self.path, SMALL)
        return self.path

    def change(self, content):
        self._write(self.path, content)

    @staticmethod
    def _write(path, content):
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)


class InPlace(Place):
    pass


class RenamedOver(Place):
    def change(self, content):
        self._write(self.path + ".new", content)
        os.rename(self.path + ".new", self.path)


class MovedAway(Place):
    """As editors do that keep the old file."""

    def change(self, content):
        os.rename(self.path, self.path + "~")
        time.sleep(0.02)
        self._write(self.path, content)


class WrittenSlowly(Place):
    """Truncated, then written in pieces: half of it is a configuration too."""

    def change(self, content):
        with open(self.path, "w", encoding="utf-8") as file:
            for line in content.splitlines(keepends=True):
                file.write(line)
                file.flush()
                time.sleep(0.01)


class ConfigMapFile(Place):
    def begin(self):
        self.volume = ProjectedVolume(self.folder)
        self.volume.write(**{"small.yaml": SMALL})
        return self.path

    def change(self, content):
        self.volume.write(**{"small.yaml": content})


class ConfigMapFolder(ConfigMapFile):
    def begin(self):
        super().begin()
        return self.folder


class Folder(Place):
    def begin(self):
        super().begin()
        return self.folder


class NewFile(Folder):
    def change(self, content):
        self._write(os.path.join(self.folder, "z.json"), "{}")  # no trigger yet
        self._write(os.path.join(self.folder, "other.yml"), OTHER)


class FolderReplaced(Folder):
    def change(self, content):
        shutil.copytree(self.folder, self.folder + ".new")
        self._write(os.path.join(self.folder + ".new", "other.yml"), OTHER)
        os.rename(self.folder, self.folder + ".old")
        os.rename(self.folder + ".new", self.folder)


def agent_at(pod, place):
    agent = pod()
    agent.config = place.begin()
    return agent.start()


@pytest.mark.parametrize("kind", [InPlace, RenamedOver, MovedAway, WrittenSlowly, ConfigMapFile,
                                  ConfigMapFolder, Folder, NewFile, FolderReplaced])
def test_a_change_is_noticed_by_itself(pod, tmp_path, kind):
    (tmp_path / "conf").mkdir()
    place = kind(str(tmp_path / "conf"))
    agent = agent_at(pod, place)
    assert agent.rpc("count", trigger="small")["count"] == 7
    place.change(BOTH)
    wait_until(lambda: names(agent) == ["shop/other", "shop/small"], 20)
    assert generation(agent) == 2
    assert agent.rpc("count", trigger="other")["count"] == 0
    assert "reload_failed" not in agent.log()


def test_a_file_that_is_removed_takes_its_triggers_along(pod, tmp_path):
    place = Folder(str(tmp_path))
    agent = agent_at(pod, place)
    NewFile.change(place, None)
    wait_until(lambda: "shop/other" in names(agent))
    agent.rpc("count", trigger="other")
    os.unlink(tmp_path / "other.yml")
    wait_until(lambda: names(agent) == ["shop/small"])
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="other")
    assert caught.value.name == "UNKNOWN_TRIGGER" and "shop/small" in caught.value.answer["message"]


def test_files_that_are_no_configuration_change_nothing(pod, tmp_path):
    agent = agent_at(pod, Folder(str(tmp_path)))
    for name in ("notes.txt", ".small.yaml.swp", "small.yaml~", "4913"):
        (tmp_path / name).write_text("x")
    time.sleep(0.6)
    assert generation(agent) == 1


@pytest.mark.parametrize("content, words", [
    (BAD, ["line=14", "targetValue", "must be at least 1"]),
    ("kind: [", ["not valid YAML"]),
    (None, ["No such file"]),
], ids=["error", "broken", "gone"])
def test_a_bad_configuration_is_reported_and_the_old_one_stays(start, world, content, words):
    agent = start(config=BOTH)
    assert agent.rpc("count", trigger="small")["count"] == 7
    if content is None:
        os.unlink(agent.config)
    else:
        agent.write_config(config=content)
    agent.wait_for_log("event=reload_failed")
    log = agent.log()
    error, = [line for line in log.splitlines() if "level=error event=config" in line]
    assert all(word in error for word in words) and agent.config in error
    assert "the configuration that was in force stays" in log
    assert (generation(agent), names(agent)) == (1, ["shop/other", "shop/small"])
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert world.calls("dynamodb", "Query") == 1
    agent.write_config(config=SMALL)
    wait_until(lambda: names(agent) == ["shop/small"])
    assert generation(agent) == 2


def test_unchanged_triggers_keep_their_counts(start, world):
    """Also if only the decision from the count changes."""
    agent = start(small_object(), scaled_object("other"))
    first = agent.rpc("count", trigger="small")
    reload(agent, small_object(), scaled_object("new", trigger(value={"S": "no such queue"})))
    second = agent.rpc("count", trigger="small")
    assert (second["count"], world.calls("dynamodb", "Query")) == (7, 1)
    assert second["age_ms"] >= first["age_ms"]
    reload(agent, scaled_object("small", trigger(targetValue="1", activationTargetValue="7"),
                                minReplicaCount=2, idleReplicaCount=1, pollingInterval=60))
    third = agent.rpc("count", trigger="small")
    assert (third["count"], world.calls("dynamodb", "Query")) == (7, 1)
    assert (third["target"], third["active"], third["desired_replicas"]) == (1, False, 1)
    assert world.calls("sts", "AssumeRoleWithWebIdentity") == 1


@pytest.mark.parametrize("change", [
    {"value": {"S": "no such queue"}}, {"filterExpression": "priority < :v"},
    {"keyConditionExpression": "#k = :v and id > :v"}, {"consistentRead": "true"},
    {"maxPages": "1"}, {"countLimit": "3"}, {"table": "jobs", "key": "owner"},
])
def test_a_changed_query_is_counted_anew(start, world, change):
    agent = start(small_object())
    agent.rpc("count", trigger="small")
    reload(agent, scaled_object("small", trigger(**change)))
    agent.rpc("count", trigger="small")
    assert world.calls("dynamodb", "Query") == 2


def test_warm_follows_the_configuration(start, world):
    warm = scaled_object("small", trigger(warm="true"), pollingInterval=1)
    agent = start(scaled_object("small", pollingInterval=1))
    time.sleep(0.3)
    assert world.calls("dynamodb", "Query") == 0
    reload(agent, warm)
    wait_until(lambda: world.calls("dynamodb", "Query") >= 2)
    reload(agent, scaled_object("small", pollingInterval=1))
    asked = world.calls("dynamodb", "Query")
    time.sleep(1.5)
    assert world.calls("dynamodb", "Query") == asked


def with_keys(key, *more):
    return (
        scaled_object("small", {**trigger(), "authenticationRef": {"name": "auth"}}, *more),
        {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
         "metadata": {"name": "auth", "namespace": "shop"}, "spec": {"secretTargetRef": [
             {"parameter": "awsAccessKeyID", "name": "keys", "key": "id"},
             {"parameter": "awsSecretAccessKey", "name": "keys", "key": "secret"}]}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "shop"},
         "stringData": {"id": key["access_key"], "secret": key["secret_key"]}})


def test_new_keys_in_the_files_are_used(start, world):
    old, new = world.user(name="old"), world.user(name="new")
    agent = start(*with_keys(old))
    assert agent.rpc("count", trigger="small")["count"] == 7
    reload(agent, *with_keys(new))
    world.revoke(access_key=old["access_key"])
    assert agent.rpc("count", trigger="small")["count"] == 7
    assert [entry["access_key"] for entry in world.requests(action="Query")] == [
        old["access_key"], new["access_key"]]


def test_who_waits_while_the_trigger_goes_is_answered(start, world):
    world.fault(action="Query", latency=1.0)
    agent = start(small_object(), scaled_object("other"))
    with agent.connect() as connection:
        asked = connection.send("count", {"trigger": "small"})
        wait_until(lambda: world.calls("dynamodb", "Query") == 1)
        reload(agent, scaled_object("other"))
        with pytest.raises(RpcError) as caught:
            agent.rpc("count", trigger="small")
        assert caught.value.name == "UNKNOWN_TRIGGER"
        assert connection.answer(asked)["count"] == 7


class Crowd:
    """Clients that count and watch all the time, and record failures."""

    def __init__(self, agent, size):
        self.answers = 0
        self.trouble = []
        self._agent = agent
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,))
                         for number in range(size)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number):
        try:
            with self._agent.connect() as connection:
                while not self._ended.is_set():
                    answer = connection.call("count", trigger="small",
                                           max_age_ms=0 if number % 2 else 500)
                    self.answers += 1
                    if (answer["count"], answer["quality"]) != (7, "exact"):
                        self.trouble.append(answer)
        except Exception as error:  # pylint: disable=broad-except
            self.trouble.append(error)

    def end(self):
        self._ended.set()
        for thread in self._threads:
            thread.join()


def test_clients_under_load_see_no_error(start, world):
    """While triggers are added, removed and changed, during flights, with invalid configurations in
    between."""
    keys = [world.user(name="one"), world.user(name="two")]
    agent = start(*with_keys(keys[0]))
    world.fault(action="Query", latency=0.02)
    crowd = Crowd(agent, 6)
    watcher = agent.connect()
    try:
        watcher.call("watch", trigger="small", max_age_ms=1000)
        for turn in range(24):
            documents = list(with_keys(keys[turn // 2 % 2]))
            metadata = documents[0]["spec"]["triggers"][0]["metadata"]
            metadata["targetValue"] = str(5 + turn)
            if turn % 3 == 0:
                documents.append(scaled_object(f"more-{turn}", trigger(warm="true")))
            if turn % 4 == 0:
                metadata["filterExpression"] = "attribute_exists(payload)"
            if turn % 6 == 5:
                metadata["targetValue"] = "none"
            reload(agent, *documents)
            time.sleep(0.03)
    finally:
        crowd.end()
    log = agent.log()
    assert not crowd.trouble, crowd.trouble[:3]
    assert crowd.answers > 100
    assert log.count("event=reload_failed") >= 4 and log.count("event=reloaded") >= 20
    # The watch still exists.
    targets = set()
    while 5 + 22 not in targets:
        message = watcher.receive()
        assert message[:2] == [2, "changed"] and "error" not in message[2][0], message
        targets.add(message[2][0]["target"])
    watcher.close()
