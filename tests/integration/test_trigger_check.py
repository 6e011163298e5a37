# SPDX-License-Identifier: Apache-2.0
"""`tallyd --check`, run before a deployment. It needs no pod, no AWS and no socket."""

import os
import re
import subprocess
import time

import pytest
import yaml

from .agent import SANITIZER_OPTIONS, TALLYD, WRAP
from .yaml_files import scaled_object, text, trigger

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "check")
LINE = re.compile(r"^(?P<file>[^:]+):(?P<line>\d+):(?P<column>\d+): (?P<level>error|warning|note): "
                  r"(?P<rest>.+)$")


def check(*paths, folder=HERE, env=None, options=(), timeout=60):
    """Its exit code, standard output and standard error, in an otherwise empty environment."""
    arguments = [part for path in paths for part in ("--config", str(path))]
    done = subprocess.run([*WRAP, TALLYD, "--check", *arguments, *options], cwd=folder,
                          env={**SANITIZER_OPTIONS, **(env or {})}, timeout=timeout,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr


def expected(name):
    with open(os.path.join(HERE, name), encoding="utf-8") as file:
        return file.read()


def test_a_good_file_is_a_table_with_notes():
    assert check("good.yaml") == (0, expected("good.out"), expected("good.err"))


def test_a_bad_file_is_all_of_its_findings():
    assert check("bad.yaml") == (2, "", expected("bad.err"))


def test_each_finding_has_its_place_and_its_level():
    *findings, last = expected("bad.err").splitlines()
    found = [LINE.match(finding) for finding in findings]
    assert all(found)
    errors = [match for match in found if match["level"] == "error"]
    assert last == f"{len(errors)} errors; the configuration is not usable"
    places = [(int(match["line"]), int(match["column"])) for match in found]
    assert places == sorted(places)
    # The position is that of the mistake.
    lines = expected("bad.yaml").splitlines()
    for match in found[:-1]:  # the last one is about the end of the file
        subject = match["rest"].partition(":")[0].partition("[")[0].rpartition(".")[2]
        line = lines[int(match["line"]) - 1]
        assert int(match["column"]) <= len(line)
        if not any(word in match["rest"] for word in ("missing", "not given", "KEDA (2.20.2, and its main branch of August 2026)")):
            assert subject in line or subject in ("name", "provider"), match[0]


def test_the_agent_does_not_start_with_what_the_check_refuses():
    done = subprocess.run([*WRAP, TALLYD, "--config", "bad.yaml", "--socket", "/tmp/never.sock"],
                          cwd=HERE, env=SANITIZER_OPTIONS, timeout=60, capture_output=True,
                          text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", expected("bad.err"))
    assert not os.path.exists("/tmp/never.sock")


def test_errors_of_every_file_are_reported_in_one_run(tmp_path):
    (tmp_path / "a.yaml").write_text(text(scaled_object("one", trigger(targetValue="0"))))
    (tmp_path / "b.yaml").write_text("kind: [")
    (tmp_path / "c.yaml").write_text(text(scaled_object("two", trigger(tableName=""))))
    code, out, err = check(tmp_path, tmp_path / "missing.yaml")
    assert (code, out) == (2, "")
    answer = [line.removeprefix(f"{tmp_path}/") for line in err.splitlines() if ": error: " in line]
    assert [line.partition(":")[0] for line in answer] == ["a.yaml", "b.yaml", "c.yaml",
                                                         "missing.yaml"]
    assert err.endswith("4 errors; the configuration is not usable\n")


@pytest.mark.parametrize("content", ["", "# nothing\n", "kind: Deployment\n", "hello\n",
                                     "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"])
def test_files_without_a_trigger_are_nothing_to_check(tmp_path, content):
    (tmp_path / "x.yaml").write_text(content)
    code, out, err = check("x.yaml", folder=tmp_path)
    assert (code, out) == (2, "") and "x.yaml: warning: no " in err
    assert err.endswith("no aws-dynamodb trigger, so nothing was checked\n")
    # One of several files may have no trigger.
    assert check("x.yaml", os.path.join(HERE, "good.yaml"), folder=tmp_path)[0] == 0


# ---- sources of the configuration -----------------------------------------------------------------

def config_map(name="scaledobject.yaml", content=None, **data):
    content = content or text(scaled_object("few", trigger(targetValue="9")))
    return {"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "tally-config", "namespace": "shop"},
            "data": {name: content, **data}}


def literal_text(*documents):
    """YAML in which texts of several lines are literal blocks, as people write ConfigMaps."""
    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(str, lambda dumper, value: dumper.represent_scalar(
        "tag:yaml.org,2002:str", value, style="|" if "\n" in value else None))
    return yaml.dump_all(documents, Dumper=Dumper, sort_keys=False)


@pytest.mark.parametrize("literal", [True, False])
def test_the_documents_in_a_config_map_are_checked(tmp_path, literal):
    """With their positions in the file of the ConfigMap."""
    misspelt = text(scaled_object("few")).replace("keyConditionExpression", "keyConditionXpression")
    whole = literal_text if literal else text
    (tmp_path / "x.yaml").write_text(whole(config_map(content=misspelt, other="x: [not yaml")))
    code, out, err = check("x.yaml", folder=tmp_path)
    assert (code, out) == (2, "")
    warning, = [LINE.match(line) for line in err.splitlines() if "did you mean" in line]
    assert "keyConditionXpression" in warning["rest"]
    lines = (tmp_path / "x.yaml").read_text().splitlines()
    at = lines[int(warning["line"]) - 1][int(warning["column"]) - 1:]
    assert at.startswith("keyConditionXpression" if literal else '"') or not literal
    (tmp_path / "x.yaml").write_text(whole(config_map(), scaled_object("more")))
    code, out, _ = check("x.yaml", folder=tmp_path)
    assert code == 0 and "shop/few" in out and "shop/more" in out


def test_the_shipped_scaled_object_is_checked(tmp_path):
    path = os.path.join(HERE, "../../../deploy/kubernetes/config/scaledobject.yaml")
    code, out, _ = check(path, folder=tmp_path)
    assert code == 0 and "shop/orders" in out


def test_a_config_map_of_values_is_none(tmp_path):
    """A ConfigMap that an authentication refers to has values; files of other programs are ignored."""
    reader = {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
              "metadata": {"name": "reader", "namespace": "shop"},
              "spec": {"configMapTargetRef": [
                  {"parameter": "awsRoleArn", "name": "tally-config", "key": "scaledobject.yaml"}]}}
    (tmp_path / "x.yaml").write_text(text(config_map(), reader))
    assert check("x.yaml", folder=tmp_path)[0] == 2
    (tmp_path / "x.yaml").write_text(text(
        config_map("application.yaml", "spring: {{ .Values.spring }}\n"), scaled_object("it")))
    assert check("x.yaml", folder=tmp_path)[0] == 0


def test_the_agent_reads_a_config_map_as_the_check_does(pod, tmp_path):
    (tmp_path / "x.yaml").write_text(text(config_map()))
    agent = pod(scaled_object("unused"))
    agent.config = str(tmp_path / "x.yaml")
    assert agent.start().rpc("count", trigger="few")["count"] == 7


@pytest.mark.parametrize("path", ["-", "/dev/stdin", "fifo", "/dev/fd/0"])
def test_pipes_are_checked(tmp_path, path):
    """As rendered by a template, and longer than a pipe holds."""
    os.mkfifo(tmp_path / "fifo")
    rendered = "# " + "x" * 100_000 + "\n" + text(scaled_object("it", trigger(tableName="ab")))
    command = [*WRAP, TALLYD, "--check", "--config", path]
    with subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env=SANITIZER_OPTIONS, text=True) as child:
        if path == "fifo":
            with open(tmp_path / "fifo", "w", encoding="utf-8") as fifo:
                fifo.write(rendered)
            rendered = None
        out, err = child.communicate(rendered, timeout=60)
    assert child.returncode == 0 and "shop/it" in out
    name = "stdin" if path == "-" else path
    assert f"{name}:" in err and "warning: tableName: " in err


def test_a_pipe_without_a_trigger_or_too_long_is_an_error(tmp_path):
    for content, wanted in (("", "nothing was checked"), ("x: 1\n", "nothing was checked"),
                            ("#" * (16 * 1024 * 1024 + 1), "larger than 16 MiB"),
                            ("kind: [", "stdin:2:1: error: not valid YAML")):
        done = subprocess.run([*WRAP, TALLYD, "--check", "--config", "-"], cwd=tmp_path,
                              env=SANITIZER_OPTIONS, timeout=60, input=content,
                              capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "") and wanted in done.stderr


def test_the_agent_itself_reads_no_pipe(tmp_path):
    """It could not reload it after a change."""
    for path in ("-", "/dev/stdin"):
        done = subprocess.run([*WRAP, TALLYD, "--config", path, "--socket", tmp_path / "s"],
                              env=SANITIZER_OPTIONS, timeout=60, input=text(scaled_object("it")),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 2 and "only --check reads the standard input" in done.stderr


def test_the_environment_counts_where_it_must(tmp_path):
    """A variable that a trigger names must be there; those of a pod need not."""
    keys = trigger(awsAccessKeyIDFromEnv="KEY_ID", awsSecretAccessKeyFromEnv="KEY")
    (tmp_path / "x.yaml").write_text(text(scaled_object("it", keys)))
    code, _, err = check("x.yaml", folder=tmp_path)
    assert code == 2 and err.count("is not set; set it in tally's own container") == 2
    assert check("x.yaml", folder=tmp_path, env={"KEY_ID": "AKIA", "KEY": "s"})[0] == 0
    # Settings that the agent would refuse at its start.
    (tmp_path / "x.yaml").write_text(text(scaled_object("it")))
    for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL_DYNAMODB"):
        env = {name: "http://10.0.0.1/"}
        code, _, err = check("x.yaml", folder=tmp_path, env=env)
        assert code == 2 and name in err and "--allow-http" in err
        # STS gets tokens, so plain http is never allowed.
        assert check("x.yaml", folder=tmp_path, env=env, options=["--allow-http"])[0] == (
            2 if name.endswith("STS") else 0)


# ---- limits ---------------------------------------------------------------------------------------

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij"))
# Below the snippet's map, its list and its trigger are three levels.
NESTED = "triggers: [{type: cron, metadata: %s}]\n"


HOSTILE = {
    # name: (the file, the error)
    "1 MiB": (("#" * 1023 + "\n") * 1024, None),
    "a byte more": (("#" * 1023 + "\n") * 1024 + "\n",
                    "x.yaml: error: larger than 1 MiB; split it"),
    "10,000 documents": ("--- {kind: A}\n" * 10_000, None),
    "one more": ("--- {kind: A}\n" * 10_001,
                 "x.yaml:10001:5: error: more than 10000 documents in all; the rest is not read"),
    "64 levels": (NESTED % ("[" * 61 + "]" * 61), None),
    "65 levels": (NESTED % ("[" * 62 + "]" * 62),
                  "x.yaml:1:96: error: nested more than 64 levels deep"),
    "aliases of aliases": (BOMB, "x.yaml:7:42: error: too large once its aliases are followed "
                                 "(1000000 values); split it"),
    "an alias of itself": ("a: &a [*a]\n", "x.yaml:1:8: error: the anchor contains itself"),
    "a merge of itself": ("a: &a {<<: *a}\n", "x.yaml:1:12: error: the anchor contains itself"),
    "NUL": ("a: \0\n", "x.yaml:1:4: error: not valid YAML: control characters are not allowed"),
    "an escaped NUL": ("a: \"\\0\"\n", "x.yaml:1:4: error: the text holds a NUL character"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_with_a_reason(tmp_path, name):
    content, wanted = HOSTILE[name]
    (tmp_path / "x.yaml").write_bytes(content.encode())
    begun = time.monotonic()
    code, _, err = check("x.yaml", folder=tmp_path)
    assert time.monotonic() - begun < 20
    if wanted is None:  # read to its end, but there is no trigger
        assert code == 2 and ": error: " not in err and err.endswith("nothing was checked\n"), err
    else:
        assert code == 2 and wanted in err


def test_documents_are_counted_over_all_files(tmp_path):
    (tmp_path / "a.yaml").write_text("--- {kind: A}\n" * 6000)
    (tmp_path / "b.yaml").write_text("--- {kind: A}\n" * 4001)
    code, _, err = check(tmp_path)
    assert code == 2 and "b.yaml:4001:5: error: more than 10000 documents" in err


def test_many_findings_do_not_hide_errors(tmp_path):
    """Notes and warnings get only a part of the list, and omitted ones are counted."""
    (tmp_path / "a.yaml").write_text("triggers:\n" + "".join(
        "- {type: aws-dynamodb, metadata: {awsRegion: eu-west-1, tableName: t, targetValue: '1', "
        f"keyConditionExpression: k, nonsense: {number}}}}}\n" for number in range(2600)))
    (tmp_path / "b.yaml").write_text(text(scaled_object("bad", trigger(targetValue="0"))))
    code, _, err = check(tmp_path)
    assert code == 2
    assert "b.yaml:" in err and "targetValue: must be at least 1" in err
    assert "more findings are not listed" in err


def test_no_secret_is_shown(tmp_path):
    """Neither a value nor the reason why it is invalid."""
    secrets = ["wJalrXUtnFEMI/K7MDENG", "c2VjcmV0LXZhbHVlLW9mLW1pbmU"]
    (tmp_path / "x.yaml").write_text(text(
        scaled_object("it", {**trigger(), "authenticationRef": {"name": "auth"}}),
        {"apiVersion": "keda.sh/v1alpha1", "kind": "TriggerAuthentication",
         "metadata": {"name": "auth", "namespace": "shop"}, "spec": {"secretTargetRef": [
             {"parameter": "awsAccessKeyID", "name": "keys", "key": "id"},
             {"parameter": "awsSecretAccessKey", "name": "keys", "key": "secret"}]}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys", "namespace": "shop"},
         "data": {"id": secrets[0] + "%", "secret": secrets[1]}}))
    code, out, err = check("x.yaml", folder=tmp_path)
    assert code == 0 and "is not base64" in err
    assert not any(secret in out + err for secret in secrets)
