"""Ctrl-C, `cancel` and `generate --task`: whoever stops waiting knows what he has bought."""

from __future__ import annotations

import http.server
import json
import signal
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fork_server import shared_fork_server
from tests.support.gateway import Gateway

ID = "task-unified-1795368471-lnm8po0d"


@pytest.fixture(scope="module")
def idle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Accepts tasks and carries out none."""
    with Gateway(tmp_path_factory.mktemp("idle"), "--no-workers") as gateway:
        yield gateway


def task_of(idle: Gateway) -> str:
    with idle.client() as client:
        created = client.post("/v1/images/generations", json={"prompt": "a logo", "size": "816x816"})
        task_id: str = created.json()["id"]
    return task_id


def test_a_cancelled_task_is_free_and_has_no_images(idle: Gateway, tmp_path: Path) -> None:
    task_id = task_of(idle)
    assert idle.run("cancel", task_id).stdout == f"{task_id} is cancelled; nothing is charged\n"
    assert json.loads(idle.run("cancel", task_id, "--json").stdout)["error"]["code"] == "request_cancelled"
    done = idle.run("generate", "--task", task_id, "-o", str(tmp_path / "x.png"), check=False)
    assert (done.returncode, done.stderr) == (1, f"imagegate: {task_id}: it was cancelled; nothing was charged\n")
    assert list(tmp_path.iterdir()) == []
    absent = idle.run("cancel", "task-unified-1-aaaaaaaa", check=False)
    assert (absent.returncode, absent.stderr.count("\n")) == (1, 1)
    assert "task-unified-1-aaaaaaaa: " in absent.stderr


class _Scripted(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """A gateway that answers when it is told to."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.asked = {name: threading.Event() for name in ("quotes", "generations", ID)}
        self.may_answer = {name: threading.Event() for name in self.asked}
        usage = {"billing_rule": "per_token", "credits_reserved": 68}
        task = {"id": ID, "created": 1, "model": "m", "status": "pending", "progress": 0, "usage": usage}
        self.created = self.task = json.dumps(task).encode()
        money = {"usd": "1", "credits": "68", "nanos": "1000000000"}
        self.quote = json.dumps({"expected": money, "maximum": money}).encode()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answers(http.server.BaseHTTPRequestHandler):
    server: _Scripted

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        self.server.asked[name].set()
        if not self.server.may_answer[name].wait(60):
            return
        server = self.server
        content = {"quotes": server.quote, "generations": server.created, ID: server.task}[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[_Scripted]:
    with _Scripted() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        for event in server.may_answer.values():
            event.set()
        server.shutdown()


class _Command:
    """`imagegate` in a process of its own, against the scripted gateway."""

    def __init__(self, server: _Scripted, folder: Path, *arguments: str) -> None:
        options = ["--url", server.url, "--key", "imk_live_x", "-o", str(folder / "x.png")]
        self._server = server
        self._process = shared_fork_server().start([*arguments, *options], Gateway(folder).env)
        assert self._process.stdout is not None
        self._output = self._process.stdout

    def interrupt_at(self, name: str) -> None:
        """Ctrl-C while this answer is awaited."""
        assert self._server.asked[name].wait(60)
        self._process.send_signal(signal.SIGINT)

    def read_up_to(self, beginning: str) -> None:
        assert any(line.startswith(beginning) for line in self._output)

    def end(self) -> tuple[int, str]:
        """The exit code and the last line."""
        with self._output:
            *_, last = self._output.read().splitlines()
        return self._process.wait(timeout=60), last


def test_ctrl_c_before_the_order_has_bought_nothing(scripted: _Scripted, tmp_path: Path) -> None:
    command = _Command(scripted, tmp_path, "generate", "a logo")
    command.interrupt_at("quotes")
    assert command.end() == (130, "imagegate: stopped; nothing was bought")


@pytest.mark.parametrize("words", [("generate", "a logo"), ("generate", "--task", ID)], ids=["order", "collect"])
def test_ctrl_c_while_waiting_names_the_task_and_both_commands(
    scripted: _Scripted, tmp_path: Path, words: tuple[str, ...]
) -> None:
    for name in ("quotes", "generations"):
        scripted.may_answer[name].set()
    command = _Command(scripted, tmp_path, *words)
    command.interrupt_at(ID)
    options = f"{ID} --url {scripted.url}"
    code, said = command.end()
    assert code == 130
    assert said.startswith(f"imagegate: stopped waiting: {ID} goes on and will be charged; cancel it with: ")
    assert said.endswith(f"imagegate cancel {options}; save its images with: imagegate generate --task {options}")


def test_ctrl_c_during_the_order_waits_for_the_id(scripted: _Scripted, tmp_path: Path) -> None:
    scripted.may_answer["quotes"].set()
    command = _Command(scripted, tmp_path, "generate", "a logo")
    command.interrupt_at("generations")
    command.read_up_to("waiting for the answer to the order")
    scripted.may_answer["generations"].set()
    code, said = command.end()
    assert code == 130
    assert said.startswith(f"imagegate: stopped waiting: {ID} goes on and will be charged")
    assert "imk_live_x" not in said


def test_a_second_ctrl_c_during_the_order_says_that_nobody_knows(scripted: _Scripted, tmp_path: Path) -> None:
    scripted.may_answer["quotes"].set()
    command = _Command(scripted, tmp_path, "generate", "a logo")
    command.interrupt_at("generations")
    command.read_up_to("waiting for the answer to the order")
    command.interrupt_at("generations")
    code, said = command.end()
    assert code == 130
    assert said.startswith("imagegate: stopped; whether it was bought is not known: see imagegate tasks --url ")


def test_an_answer_that_is_none_while_waiting_leaves_the_name_of_the_task(scripted: _Scripted, tmp_path: Path) -> None:
    scripted.task = b"<html>a proxy in between</html>"
    for event in scripted.may_answer.values():
        event.set()
    code, said = _Command(scripted, tmp_path, "generate", "a logo").end()
    assert code == 1
    assert said.startswith(f"imagegate: {scripted.url} does not answer as a gateway does: ")
    assert f"; {ID} goes on; save its images with: imagegate generate --task {ID} " in said
