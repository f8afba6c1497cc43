"""The HTTP example, served as its page says, does what its page promises."""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple, Self

import httpx2
import pytest

from tests.reader import Reader

TOKEN = "sesame"
PATIENCE_SECONDS = 60.0


class Sent(NamedTuple):
    """One server-sent event."""

    kind: str
    position: int | None
    data: dict[str, Any]


class Api:
    """A client of the example."""

    def __init__(self, address: str, token: str = TOKEN) -> None:
        self._client = httpx2.Client(
            base_url=address,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=PATIENCE_SECONDS,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._client.close()

    def post(self, path: str, **body: Any) -> httpx2.Response:
        return self._client.post(path, json=body)

    def get(self, path: str) -> httpx2.Response:
        return self._client.get(path)

    def start(self, message: str) -> str:
        answer = self.post("/threads", message=message)
        assert answer.status_code == 202, answer.text
        thread_id: str = answer.json()["thread_id"]
        return thread_id

    def watch(self, thread_id: str, seen: int = -1) -> list[Sent]:
        """What the stream sends, until it ends by itself."""
        headers = {"Last-Event-ID": str(seen)}
        with self._client.stream("GET", f"/threads/{thread_id}/stream", headers=headers) as answer:
            return list(parsed("".join(answer.iter_text())))


def parsed(text: str) -> Iterator[Sent]:
    for block in text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if line[:1] != ":")
        if fields:
            at = fields.get("id")
            yield Sent(fields["event"], int(at) if at else None, json.loads(fields["data"]))


@pytest.fixture(scope="module")
def address(reader: Reader) -> Iterator[str]:
    with subprocess.Popen(
        [reader.clone / ".venv/bin/python", "-W", "error", "examples/embed_fastapi.py"],
        cwd=reader.clone,
        env={**reader.environment, "AGENT_TOKEN": TOKEN, "PORT": "0"},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as server:
        try:
            yield address_in(server)
            server.send_signal(signal.SIGTERM)
            _, told = server.communicate(timeout=PATIENCE_SECONDS)
            assert "Application shutdown complete" in told, told
            assert "Traceback" not in told, told
        finally:
            server.kill()


def address_in(server: subprocess.Popen[str]) -> str:
    assert server.stderr is not None
    told = ""
    for line in server.stderr:
        if found := re.search(r"running on (http://\S+)", line):
            return found[1]
        told += line
    pytest.fail(f"the server did not start:\n{told}")


@pytest.fixture
def api(address: str) -> Iterator[Api]:
    with Api(address) as client:
        yield client


def test_who_starts_a_thread_sees_it_answered_as_it_happens(api: Api) -> None:
    thread_id = api.start("What is 6 * 7?")

    sent = api.watch(thread_id)

    entries = [each for each in sent if each.kind == "entry"]
    assert [each.position for each in entries] == list(range(len(entries)))
    assert entries[-1].data["text"].startswith("6 * 7 = 42")
    assert sent[-1] == Sent("stop", None, {"reason": "done", "error": None})


def test_a_watcher_who_comes_back_gets_what_it_missed(api: Api) -> None:
    thread_id = api.start("What is 6 * 7?")
    seen = max(each.position or 0 for each in api.watch(thread_id))

    answer = api.post(f"/threads/{thread_id}/messages", message="What is 2 + 2?")
    missed = api.watch(thread_id, seen)

    assert answer.status_code == 202
    assert missed[0].position == seen + 1
    assert missed[0].data == {"position": seen + 1, "who": "user", "text": "What is 2 + 2?"}
    messages = api.get(f"/threads/{thread_id}").json()["messages"]
    assert [each["text"] for each in messages if each["type"] == "user"] == [
        "What is 6 * 7?",
        "What is 2 + 2?",
    ]


@pytest.mark.parametrize(("allow", "written"), [(True, True), (False, False)])
def test_a_call_waits_for_a_person(api: Api, reader: Reader, *, allow: bool, written: bool) -> None:
    note = reader.clone / f"note-{allow}.txt"
    thread_id = api.start(f"Write hello to {note.name}")
    waiting = api.watch(thread_id)[-1]
    (pending,) = api.get(f"/threads/{thread_id}").json()["pending"]

    decided = api.post(
        f"/threads/{thread_id}/approvals",
        call_id=pending["call_id"],
        allow=allow,
        reason="not here",
    )
    ending = api.watch(thread_id)[-1]

    assert waiting.data["reason"] == "waiting"
    assert (pending["tool"], decided.status_code) == ("write_file", 202)
    assert ending.data["reason"] == "done"
    assert note.exists() is written


@pytest.mark.parametrize("token", ["", "wrong"])
def test_without_the_token_nothing_is_told(address: str, token: str) -> None:
    with Api(address, token) as api:
        answers = [
            api.get("/threads/x"),
            api.get("/threads/x/stream"),
            api.post("/threads", message="hello"),
        ]

    assert [answer.status_code for answer in answers] == [401, 401, 401]


def test_wrong_requests_get_one_clear_line(api: Api) -> None:
    thread_id = api.start("What is 6 * 7?")

    missing, strange = api.get("/threads/nowhere"), api.get("/threads/a%20b")
    undecided = api.post(f"/threads/{thread_id}/approvals", call_id="x", allow=True)
    empty = api.post("/threads", message="")

    assert (missing.status_code, strange.status_code) == (404, 422)
    assert missing.json()["detail"].startswith("there is no thread nowhere")
    assert (undecided.status_code, empty.status_code) == (422, 422)


def test_it_does_not_start_without_a_token(reader: Reader) -> None:
    done = reader.run(".venv/bin/python", "-W", "error", "examples/embed_fastapi.py")

    assert (done.returncode, done.stdout.startswith("set AGENT_TOKEN")) == (1, True)
