"""The server's end of a control socket: bounded, private, and not harmed by what it is told."""

import base64
import errno
import json
import os
import socket
import stat
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from raidsim.control import client, server
from raidsim.control.attach import attach
from raidsim.control.protocol import MAX_REQUEST_BYTES, PIECE_BYTES, ControlError
from raidsim.errors import RaidsimError, UsageError


class Caller:
    """A client that sends what it likes."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(30)
        self._socket.connect(str(path / "control.sock"))
        self._lines = self._socket.makefile("rb")

    def send(self, raw):
        self._socket.sendall(raw)

    def receive(self):
        line = self._lines.readline()
        return json.loads(line) if line else None

    def ask(self, raw):
        self.send(raw + b"\n")
        return self.receive()

    def finish(self):
        """Say that nothing more will come."""
        self._socket.shutdown(socket.SHUT_WR)

    def close(self):
        self._lines.close()
        self._socket.close()


@pytest.fixture
def path(tmp_path, make_array, served):
    make_array(tmp_path / "a", spares=1)
    served(tmp_path / "a")
    return tmp_path / "a"


@pytest.fixture
def call(path):
    """Connect to the server of the array."""
    callers = []

    def connect():
        caller = Caller(path)
        callers.append(caller)
        return caller

    yield connect
    for caller in callers:
        caller.close()


@pytest.fixture
def caller(call):
    made = call()
    assert made.receive()["raidsim_control"] == 1
    return made


def request(command, number=1, **arguments):
    return json.dumps({"id": number, "command": command, "arguments": arguments}).encode()


def test_the_socket_is_its_owners_alone(path):
    mode = (path / "control.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_second_server_is_refused(path, served):
    with pytest.raises(RaidsimError, match="in use by another program"):
        served(path)
    with attach(path) as array:
        assert array.get("level") == "raid6"


def test_two_servers_of_a_readonly_array_do_not_share_a_socket(tmp_path, make_array, served):
    from raidsim.array import Array  # noqa: PLC0415

    make_array(tmp_path / "r")
    images = sorted((tmp_path / "r").glob("*.img"))
    Array.assemble(tmp_path / "r", images, readonly=True).close()
    served(tmp_path / "r")
    with pytest.raises(ControlError, match="another server has this array"):
        served(tmp_path / "r")


def test_an_answer_has_the_number_of_its_request(caller):
    assert caller.ask(request("get", 7, name="level")) == {"id": 7, "result": "raid6"}
    assert caller.ask(request("get", "x", name="level")) == {"id": "x", "result": "raid6"}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"", "not a line of JSON"),
        (b"\xff\x00", "not a line of JSON"),
        (b"[" * 100_000, "not a line of JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "no command, or strange arguments"),
        (b'{"command": 5}', "no command, or strange arguments"),
        (b'{"command": "get", "arguments": []}', "no command, or strange arguments"),
        (b'{"command": "gte"}', "no command 'gte': did you mean 'get'?"),
        (b'{"command": "get"}', "get: no name"),
        (b'{"command": "get", "arguments": {"name": 5}}', "get: name = 5: expected a text"),
        (b'{"command": "get", "arguments": {"nam": "x"}}', "get: unknown nam: did you mean"),
        (b'{"command": "snapshot", "arguments": {"x": 1}}', "unknown x: it takes no arguments"),
        (b'{"command": "replace", "arguments": {"disks": [1]}}', "expected a list of texts"),
        (b'{"command": "repair", "arguments": {"locate": 1}}', "expected true or false"),
        (b'{"command": "write", "arguments": {"offset": 0, "data": "!"}}', "not base64"),
        (b'{"command": "write", "arguments": {"offset": 0, "data": "QQ=="}}', "whole sectors"),
        (b'{"command": "read", "arguments": {"offset": 0, "length": 9000000}}', "whole sectors"),
        (b'{"command": "read", "arguments": {"offset": -512, "length": 512}}', "beyond the end"),
        (b'{"command": "fail", "arguments": {"disk": "9"}}', "9: no such disk"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(caller, line, message):
    assert message in caller.ask(line)["error"]["message"]
    assert caller.ask(request("get", name="level"))["result"] == "raid6"


def test_a_line_without_an_end_ends_the_connection_alone(call, caller):
    other = call()
    other.receive()
    with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012  either, and which is chance
        other.send(b"x" * (MAX_REQUEST_BYTES + 1))
        assert "too long" in other.receive()["error"]["message"]
        while True:
            other.send(b"x" * 100_000)
    assert caller.ask(request("get", name="level"))["result"] == "raid6"


def test_the_longest_write_fits(caller):
    data = base64.b64encode(os.urandom(PIECE_BYTES)).decode()
    assert caller.ask(request("write", offset=0, data=data)) == {"id": 1, "result": None}
    assert caller.ask(request("read", offset=0, length=PIECE_BYTES))["result"] == data


def test_a_client_too_many_is_turned_away(call):
    callers = [call() for _ in range(server.MAX_CLIENTS)]
    for caller in callers:
        caller.receive()
    assert "too many clients" in call().receive()["error"]["message"]
    callers[0].close()
    deadline = time.monotonic() + 30
    while "error" in (greeting := call().receive()):
        assert time.monotonic() < deadline
    assert greeting["raidsim_control"] == 1


def test_a_request_too_many_is_refused(caller):
    caller.ask(request("set", name="sync_max", value="8"))
    for number in range(server.MAX_REQUESTS + 1):
        caller.send(request("read", number, offset=0, length=512) + b"\n")
    answers = [caller.receive() for _ in range(server.MAX_REQUESTS + 1)]
    assert {answer["id"] for answer in answers} == set(range(server.MAX_REQUESTS + 1))


def test_who_says_no_more_still_gets_its_answers(caller):
    caller.send(request("check") + b"\n")
    caller.finish()
    while "progress" in (answer := caller.receive()):
        pass
    assert answer["result"]["ended"] == "done"
    assert caller.receive() is None


def test_a_check_goes_on_without_the_client_that_asked_for_it(path, caller):
    caller.ask(request("set", name="sync_speed_max", value="100"))
    caller.send(request("check") + b"\n")
    while "progress" not in caller.receive():
        pass
    caller.close()
    with attach(path) as array:
        assert array.get("sync_action") == "check"
        array.set("sync_speed_max", "200000")
        while array.get("sync_action") != "idle":
            time.sleep(0.01)
        assert array.get("last_sync_action") == "check"
        assert array.check().ended == "done"


def test_interrupting_ends_a_check_and_no_recovery(path):
    with attach(path) as array:
        array.set("sync_speed_max", "100")
        report = array.check(lambda *_: array.interrupt())
        assert report.ended == "stopped"
        assert report.sector < report.end_sector
        array.fail("0")
        seen = []

        def note(action, *_):
            if not seen:
                assert not array.interrupt()
                array._connection.ask("interrupt")
                array._connection.ask("set", name="sync_speed_max", value="200000")
            seen.append(action)

        (report,) = array.rebuild(note)
        assert (report.action, report.ended) == ("recover", "done")


def test_a_check_while_another_runs_is_refused(path, caller):
    caller.ask(request("set", name="sync_speed_max", value="100"))
    caller.send(request("check") + b"\n")
    while "progress" not in caller.receive():
        pass
    with attach(path) as array, pytest.raises(RaidsimError, match="check is under way"):
        array.check()


def test_a_check_that_pauses_at_sync_max_goes_on_from_there(path):
    with attach(path) as array:
        array.set("sync_max", "512")
        report = array.check()
        assert (report.ended, report.sector) == ("paused", 512)
        array.set("sync_max", "max")
        while array.get("sync_action") != "idle":
            time.sleep(0.01)
        assert array.get("sync_completed") == "none"


def test_a_frozen_array_does_not_rebuild(path):
    with attach(path) as array:
        array.set("sync_action", "frozen")
        array.fail("0")
        assert array.snapshot().pending == "recovery"
        with pytest.raises(RaidsimError, match="sync_action is frozen"):
            array.rebuild()
        array.set("sync_action", "idle")
        assert [report.action for report in array.rebuild()] == ["recover"]


def test_a_defect_is_an_answer(caller, monkeypatch, caplog):
    from raidsim.array import Array  # noqa: PLC0415

    monkeypatch.setattr(Array, "get", lambda *_: 1 // 0)
    error = caller.ask(request("get", name="level"))["error"]
    assert (
        error["message"]
        == "get: internal error: ZeroDivisionError('integer division or modulo by zero')"
    )
    assert error["exit_status"] == 1
    assert "ZeroDivisionError" in caplog.text
    assert caller.ask(request("attributes"))["result"]


def test_a_server_that_is_stopped_does_not_hang_its_clients(tmp_path, monkeypatch, make_array):
    make_array(tmp_path / "a")
    monkeypatch.setattr(client, "_PATIENCE_SECONDS", 0.05)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "a" / "control.sock"))
        silent.listen()
        with pytest.raises(ControlError, match="its server does not answer"):
            attach(tmp_path / "a")


def test_a_server_of_another_version_is_not_talked_to(tmp_path, make_array):
    make_array(tmp_path / "a")
    with socket.socket(socket.AF_UNIX) as strange:
        strange.bind(str(tmp_path / "a" / "control.sock"))
        strange.listen()
        import threading  # noqa: PLC0415

        def greet():
            connection, _ = strange.accept()
            connection.sendall(b'{"raidsim_control": 2}\n')
            connection.close()

        threading.Thread(target=greet).start()
        with pytest.raises(ControlError, match="of another version"):
            attach(tmp_path / "a")


@pytest.mark.parametrize(
    ("called", "words"), [("os.open", "cannot be opened"), ("connect", "its server cannot be")]
)
def test_without_permission_it_is_said_to_what(tmp_path, make_array, monkeypatch, called, words):
    make_array(tmp_path / "a")

    class Refusing(socket.socket):
        def connect(self, _):
            raise PermissionError(errno.EACCES, "Permission denied")

    def refuse(path, _):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    if called == "os.open":
        monkeypatch.setattr(os, "open", refuse)
    else:
        monkeypatch.setattr(socket, "socket", Refusing)
    with pytest.raises(ControlError, match=rf"a: {words}.*: Permission denied$"):
        attach(tmp_path / "a")


def test_only_a_served_array_is_attached_to(tmp_path, make_array):
    make_array(tmp_path / "a")
    with pytest.raises(UsageError, match="no server has it"):
        attach(tmp_path / "a")
    with pytest.raises(RaidsimError, match="no array here"):
        attach(tmp_path / "b")


_PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
_COMMANDS = [
    "get",
    "set",
    "read",
    "write",
    "inject",
    "switch-fault",
    "replace",
    "fail",
    "interrupt",
]
_NAMES = [
    "name",
    "value",
    "offset",
    "length",
    "data",
    "disk",
    "table",
    "target",
    "fault",
    "on",
    "x",
]
_REQUESTS = st.fixed_dictionaries(
    {
        "id": _PLAIN,
        "command": st.sampled_from(_COMMANDS) | st.text(max_size=8),
        "arguments": st.dictionaries(st.sampled_from(_NAMES), _PLAIN),
    }
)


@settings(
    max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)
@given(line=st.binary(max_size=60).filter(lambda raw: b"\n" not in raw) | _REQUESTS)
def test_no_line_harms_the_server(caller, line):
    raw = line if isinstance(line, bytes) else json.dumps(line).encode()
    answer = caller.ask(raw)
    assert ("result" in answer) != ("error" in answer)
    assert "internal error" not in str(answer.get("error"))
