# SPDX-License-Identifier: Apache-2.0
"""Other msgpack-RPC libraries as clients: Neovim, pynvim, Go's ugorji. Each gets
errors in a form that it can show, and continues afterwards."""

import json
import os
import subprocess

import pytest

from .agent import wait_until
from .go_program import go_environment
from .rpc import RpcError
from .yaml_files import small_object, trigger, scaled_object

UGORJI = "/usr/share/gocode/src/github.com/ugorji"

GO_PROGRAM = """
package main

import (
	"fmt"
	"net"
	"net/rpc"
	"os"

	"github.com/ugorji/go/codec"
)

func main() {
	conn, err := net.Dial("unix", os.Args[1])
	if err != nil {
		panic(err)
	}
	handle := &codec.MsgpackHandle{WriteExt: true}
	client := rpc.NewClientWithCodec(codec.MsgpackSpecRpc.ClientCodec(conn, handle))
	call := func(method string, params map[string]interface{}) {
		var result map[string]interface{}
		err := client.Call(method, codec.MsgpackSpecRpcMultiArgs{params}, &result)
		fmt.Printf("%s: %v %v\\n", method, result["count"], err)
	}
	call("hello", map[string]interface{}{"errors": "string"})
	call("count", map[string]interface{}{"trigger": "nope"})
	call("count", map[string]interface{}{"trigger": "small"})
}
"""


@pytest.mark.skipif(not os.path.isdir(UGORJI), reason="golang-github-ugorji-go-codec-dev is not installed")
def test_gos_ugorji(start, tmp_path):
    agent = start(small_object())
    (tmp_path / "main.go").write_text(GO_PROGRAM)
    done = subprocess.run(["go", "run", "main.go", agent.socket], cwd=tmp_path, text=True,
                          capture_output=True, timeout=120, check=False,
                          env=go_environment(tmp_path))
    lines = done.stdout.splitlines()
    assert len(lines) == 3, done.stdout + done.stderr
    assert lines[0] == "hello: <nil> <nil>"
    assert lines[1].startswith('count: <nil> UNKNOWN_TRIGGER: no trigger is named "nope"')
    assert lines[2] == "count: 7 <nil>"


NVIM_SCRIPT = """
let socket = sockconnect('pipe', $AGENT, {'rpc': v:true})
let out = [rpcrequest(socket, 'hello', {'errors': 'string', 'client': 'nvim'}).errors]
try
  call rpcrequest(socket, 'count', {'trigger': 'nope'})
catch
  call add(out, v:exception)
endtry
call add(out, rpcrequest(socket, 'count', {'trigger': 'small'}).count)
call add(out, len(rpcrequest(socket, 'list', []).triggers))
call writefile(map(out, 'string(v:val)'), $OUT)
qall!
"""


def test_neovim(start, tmp_path):
    agent = start(small_object())
    (tmp_path / "script.vim").write_text(NVIM_SCRIPT)
    subprocess.run(["nvim", "--headless", "-u", "NONE", "-S", str(tmp_path / "script.vim")],
                   timeout=60, check=True, capture_output=True,
                   env={**os.environ, "AGENT": agent.socket, "OUT": str(tmp_path / "out")})
    form, error, count, triggers = (tmp_path / "out").read_text().splitlines()
    assert form == "'string'" and count == "7" and triggers == "1"
    assert "UNKNOWN_TRIGGER: no trigger is named" in error and "unknown error" not in error


PYNVIM_PROGRAM = """
import sys
from pynvim.msgpack_rpc import socket_session
session = socket_session(sys.argv[1])
session.error_wrapper = Exception  # as pynvim's own Nvim object sets one
try:
    session.request("hello", {"errors": "string"})
    try:
        session.request("count", {"trigger": "nope"})
    except Exception as error:
        print(error)
    print(session.request("count", {"trigger": "small"})["count"])
finally:
    session.close()
"""


@pytest.mark.skipif(not os.path.isdir("/usr/lib/python3/dist-packages/pynvim"),
                    reason="python3-pynvim is not installed")
def test_pynvim(start):
    agent = start(small_object())
    done = subprocess.run(["/usr/bin/python3", "-c", PYNVIM_PROGRAM, agent.socket], text=True,
                          capture_output=True, timeout=60, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) == 2, done.stdout + done.stderr
    assert "UNKNOWN_TRIGGER: no trigger is named" in lines[0] and lines[1] == "7"


# ---- the form of errors --------------------------------------------------------------------------


def test_errors_are_strings_where_hello_asks_for_it(start, world):
    world.fault(action="Query", code="AccessDeniedException", message="no")
    agent = start(small_object())
    with agent.connect() as connection:
        assert connection.call("hello")["errors"] == "map"
        assert connection.call("hello", errors="string")["errors"] == "string"
        assert connection.call("hello")["errors"] == "string"  # it stays
        for method, params, begin in [("nothing", {}, "UNKNOWN_METHOD: "),
                                      ("count", {"trigger": 7}, "INVALID_REQUEST: "),
                                      ("count", {"trigger": "nope"}, "UNKNOWN_TRIGGER: "),
                                      ("count", {"trigger": "small"}, "ACCESS_DENIED: ")]:
            connection.send(method, params)
            _, _, error, result = connection.receive()
            assert error.startswith(begin) and result is None
        assert "[AccessDeniedException, " in error
        connection.call("hello", errors="map")
        with pytest.raises(RpcError) as caught:
            connection.call("count", trigger="nope")
        assert caught.value.name == "UNKNOWN_TRIGGER"
        with pytest.raises(RpcError) as caught:
            connection.call("hello", errors="json")
        assert caught.value.name == "INVALID_REQUEST" and "errors must be" in caught.value.answer["message"]


# ---- empty maps as Lua, PHP and Neovim write them -------------------------------------------------


@pytest.mark.parametrize("method", ["hello", "ping", "list", "status", "whoami"])
def test_an_empty_array_is_an_empty_map(start, method):
    agent = start(small_object())
    with agent.connect() as connection:
        assert connection.answer(connection.send(method, []))


def test_an_empty_array_is_an_empty_map_inside_of_params(start, world):
    value = {":v": {"S": "small"}}
    agent = start(small_object(), scaled_object("client", trigger(clientValues=":v")),
                  scaled_object("map", trigger(value={"M": {"a": {"S": "x"}}}, clientValues=":v")))
    assert agent.rpc("count", trigger="small", values=[])["count"] == 7
    assert agent.rpc("count", trigger="client", values=value)["count"] == 7
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="map", values={":v": {"M": []}})
    # It reached DynamoDB as a map: DynamoDB does not compare a key with a map.
    assert caught.value.name == "AWS_REJECTED", caught.value.answer
    query, = [entry for entry in world.requests(service="dynamodb") if '"M"' in entry["body"]]
    assert json.loads(query["body"])["ExpressionAttributeValues"] == {":v": {"M": {}}}
    with pytest.raises(RpcError) as caught:
        agent.rpc("count", trigger="small", values=[1])
    assert caught.value.name == "INVALID_REQUEST"


# ---- invalid requests are named in the log --------------------------------------------------------


@pytest.mark.parametrize("data, reason, offset", [
    (b"\x94\x00\x01\xa4ping\x91\xd4\x01\x00", "ext_type", 9),
    (b"\x94\x00\x01\xa4ping\x91\xc1", "byte_c1", 9),
    (b"\x94\x00\x01\xa4ping" + b"\x91" * 9, "too_deep", 15),
    (b"\x94\x00\x01\xdb\xff\xff\xff\xff", "too_long", 3),
    (b"\x90", "no_request", 0),
])
def test_the_log_names_what_is_malformed(start, data, reason, offset):
    agent = start(small_object())
    with agent.raw() as connection:
        connection.sendall(data)
        assert connection.recv(1) == b""
    wait_until(lambda: "event=malformed" in agent.log())
    line, = [line for line in agent.log().splitlines() if "event=malformed" in line]
    assert f"reason={reason} " in line and f"offset={offset} " in line


# ---- watching twice ------------------------------------------------------------------------------


def test_a_second_watch_hears_what_is_known_and_both_ages_hold(start, world):
    agent = start(small_object())
    with agent.connect() as connection:
        connection.call("watch", trigger="small", max_age_ms=1000)
        assert connection.receive()[2][0]["count"] == 7
        connection.call("watch", trigger="small", max_age_ms=3_600_000)
        assert connection.receive()[2][0]["count"] == 7  # sent to the second one, too
        before = world.calls("dynamodb", "Query")
        wait_until(lambda: world.calls("dynamodb", "Query") >= before + 2, 20)
