"""Those who watch see events and answers as they come, and gaps as gaps."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from messagedb_agent.engine.follow import GAP, Follower, is_gap, settled
from messagedb_agent.engine.live import PROGRESS, Announcer, Ears, Piece, Voice, _joined
from messagedb_agent.engine.said import user_message
from messagedb_agent.events.agent import LLMCallRequested, LLMResponseReceived, ToolCall
from messagedb_agent.events.base import Event
from messagedb_agent.events.tool import ToolExecutionCompleted, ToolExecutionRequested
from messagedb_agent.llm.base import Delta
from messagedb_agent.store.base import NewEvent
from messagedb_agent.store.client import MessageDBClient
from messagedb_agent.tools.base import ToolProgress

STREAM = "agent:v0-one"
NEVER = threading.Event()


def add(store: MessageDBClient, voice: Voice | None, *events: Event) -> None:
    for record in store.append(STREAM, [NewEvent(event=event) for event in events]):
        if voice is not None:
            voice.on_event(record)


class Watcher:
    """A follower and what it saw."""

    def __init__(self, store: MessageDBClient, ears: Ears) -> None:
        self.seen: list[str] = []
        self.follower = Follower(
            store,
            STREAM,
            (settled,),
            (lambda record: self.seen.append(record.type),),
            ears=ears,
            on_delta=lambda delta: self.seen.append("a gap" if is_gap(delta) else delta.text),
            on_progress=lambda told: self.seen.append(f"{told.tool_name}: {told.text}"),
        )
        self.follower.look()

    def until(self, last: str) -> list[str]:
        for _ in range(50):
            if self.seen and self.seen[-1] == last:
                break
            self.follower.pause(0.2, NEVER)
            self.follower.look()
        return self.seen


@pytest.fixture
def voice(store: MessageDBClient) -> Iterator[Voice]:
    with Announcer(store) as announcer:
        voice = announcer.voice(STREAM)
        voice.begin()
        yield voice


def test_an_answer_is_seen_while_it_is_generated(store: MessageDBClient, voice: Voice) -> None:
    with Ears(store.session, STREAM) as ears:
        watcher = Watcher(store, ears)
        add(store, voice, user_message("Go."), LLMCallRequested(model_name="m"))
        voice.on_delta(Delta("Hel"))
        voice.on_delta(Delta("lo."))
        assert "".join(watcher.until("Hello.")[2:]) == "Hello."
        assert watcher.follower.look() is None

        add(store, voice, LLMResponseReceived(response_text="Hello.", model_name="m"))
        watcher.until("LLMResponseReceived")

    result = watcher.follower.look()
    assert result is not None
    assert (result.stop, result.response) == ("done", "Hello.")


def test_who_comes_late_is_shown_the_gap(store: MessageDBClient, voice: Voice) -> None:
    add(store, voice, user_message("Go."), LLMCallRequested(model_name="m"))
    with Ears(store.session, STREAM) as others:
        early = Watcher(store, others)
        voice.on_delta(Delta("not heard "))
        early.until("not heard ")
    with Ears(store.session, STREAM) as ears:
        watcher = Watcher(store, ears)
        voice._announcer.say_piece(STREAM, Piece(1, 10, "heard"))

        assert watcher.until("heard")[-2:] == ["a gap", "heard"]


def test_pieces_of_an_answer_that_is_over_are_dropped(store: MessageDBClient, voice: Voice) -> None:
    add(store, voice, user_message("Go."), LLMCallRequested(model_name="m"))
    add(store, voice, LLMResponseReceived(response_text="Hello.", model_name="m"))
    with Ears(store.session, STREAM) as ears:
        watcher = Watcher(store, ears)
        before = list(watcher.seen)
        voice._announcer.say_piece(STREAM, Piece(1, 0, "Hello."))
        watcher.follower.pause(0.3, NEVER)

    assert watcher.seen == before


def test_events_are_seen_without_any_hint(store: MessageDBClient) -> None:
    with Ears(store.session, STREAM) as ears:
        watcher = Watcher(store, ears)
        add(store, None, user_message("Go."))

        assert watcher.until("UserMessageAdded") == ["UserMessageAdded"]


def test_a_broken_session_is_made_anew(store: MessageDBClient, voice: Voice) -> None:
    with Ears(store.session, STREAM) as ears:
        assert ears._session is not None
        ears._session.close()
        ears.wait(0.0)
        ears.wait(0.0)
        voice._announcer.say_piece(STREAM, Piece(1, 0, "text"))

        assert ears.wait(5.0) == (Piece(1, 0, "text"),)


def test_what_is_not_ours_is_ignored(store: MessageDBClient) -> None:
    with Ears(store.session, STREAM) as ears, store.connection() as connection:
        connection.execute("SELECT pg_notify(%s, 'no json')", (ears._channel,))

        assert [piece.text for piece in ears.wait(5.0)] == [""]


def test_every_text_fits_into_payloads() -> None:
    text = "\U0001f600\x00\ud800" * 1000
    pieces = [piece for _, piece in _joined([(STREAM, Piece(1, 5, text))])]

    assert "".join(piece.text for piece in pieces) == text
    assert [piece.at - 5 for piece in pieces] == list(range(0, len(text), 600))


def test_neighbours_are_sent_as_one() -> None:
    pieces = [Piece(1, 0, "a"), Piece(1, 1, "b"), Piece(1, 0, "t", "thinking"), Piece(4, 0, "c")]

    assert [piece for _, piece in _joined([(STREAM, piece) for piece in pieces])] == [
        Piece(1, 0, "ab"),
        Piece(1, 0, "t", "thinking"),
        Piece(4, 0, "c"),
    ]


ASKS = LLMResponseReceived(tool_calls=(ToolCall("c1", "build", {}), ToolCall("c2", "test", {})))
RUNS = ToolExecutionRequested(tool_name="build", tool_call_id="c1")


def test_what_a_tool_tells_is_heard_while_it_runs(store: MessageDBClient, voice: Voice) -> None:
    with Ears(store.session, STREAM) as ears:
        watcher = Watcher(store, ears)
        add(store, voice, user_message("Go."), LLMCallRequested(model_name="m"), ASKS, RUNS)
        voice.on_progress(ToolProgress("c1", "build", "half"))

        assert watcher.until("build: half")[-1] == "build: half"

        add(store, voice, ToolExecutionCompleted(tool_name="build", tool_call_id="c1"))
        watcher.until("ToolExecutionCompleted")
        voice.on_progress(ToolProgress("c1", "build", "too late"))
        voice.on_progress(ToolProgress("c2", "test", "last"))
        assert "build: too late" not in watcher.until("test: last")


def test_of_what_a_tool_tells_at_once_the_latest_is_sent() -> None:
    told = [Piece(1, 0, text, PROGRESS, "c1", "build") for text in ("a", "b", "c")]
    other = Piece(1, 0, "x", PROGRESS, "c2", "test")
    answer = Piece(1, 0, "text")

    pieces = [piece for _, piece in _joined([(STREAM, one) for one in (*told, other, answer)])]

    assert pieces == [answer, told[-1], other]


def test_the_longest_that_a_tool_can_tell_fits_into_a_payload(
    store: MessageDBClient, voice: Voice
) -> None:
    wide = "\U0001f600" * 1000
    with Ears(store.session, STREAM) as ears:
        voice.on_progress(ToolProgress(wide, wide, wide))

        (piece,) = ears.wait(5.0)
    assert piece.text
    assert set(piece.text) == {"\U0001f600"}


def test_an_answer_that_is_heard_before_its_claim_has_no_gap(
    store: MessageDBClient, voice: Voice
) -> None:
    with Ears(store.session, STREAM) as ears:
        watcher = Watcher(store, ears)
        add(store, None, user_message("Go."), LLMCallRequested(model_name="m"))
        voice._announcer.say_piece(STREAM, Piece(1, 0, "Hello."))

        assert watcher.until("Hello.")[-2:] == ["LLMCallRequested", "Hello."]


def test_a_text_that_looks_like_a_gap_is_none() -> None:
    assert not is_gap(Delta(GAP))
