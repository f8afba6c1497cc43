from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from messagedb_agent.errors import ModelCallError, ModelUnavailableError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.llm.base import Delta, ModelRequest, Usage
from messagedb_agent.llm.scripted import ScriptedModel, load_script
from messagedb_agent.projections.messages import AssistantMessage, Message, UserMessage

ASKED = UserMessage("go on")
ANSWERED = AssistantMessage("done")


def request(*messages: Message, attempt: int = 1) -> ModelRequest:
    return ModelRequest(
        model_name="scripted", system_prompt="", tools=(), messages=messages, attempt=attempt
    )


def test_the_step_is_chosen_by_the_answers_in_the_request() -> None:
    model = ScriptedModel([{"text": "first"}, {"text": "second"}])

    assert model.complete(request(ASKED, ANSWERED, ASKED)).text == "second"
    assert model.complete(request(ASKED)).text == "first"


def test_tool_calls_get_ids_that_are_unique_in_the_thread_and_stable() -> None:
    step = {"tool_calls": [{"name": "echo"}, {"name": "echo", "arguments": "{bad", "id": "own"}]}
    model = ScriptedModel([step, step])

    first = model.complete(request(ASKED))
    second = model.complete(request(ASKED, ANSWERED))

    assert first.tool_calls == (
        ToolCall("scripted_0_0", "echo", {}),
        ToolCall("own", "echo", "{bad"),
    )
    assert first.stop_reason == "tool_use"
    assert second.tool_calls[0].id == "scripted_1_0"
    assert model.complete(request(ASKED)) == first


def test_the_answer_streams_word_by_word_after_the_thinking() -> None:
    deltas: list[Delta] = []
    model = ScriptedModel(
        [{"text": "  two words\n", "thinking": "hm", "usage": {"total_tokens": 3}}]
    )

    completion = model.complete(request(ASKED), on_delta=deltas.append)

    assert deltas == [Delta("hm", "thinking"), Delta("  two"), Delta(" words"), Delta("\n")]
    assert completion.usage == Usage(total_tokens=3)


def test_the_first_attempts_fail_as_the_script_says() -> None:
    deltas: list[Delta] = []
    errors = [
        {"error_type": "rate_limit", "message": "slow down", "retry_after": 2},
        {"error_type": "truncated", "partial": "half an"},
        {"error_type": "rate_limit", "retryable": False},
    ]
    model = ScriptedModel([{"text": "at last", "errors": errors}])

    with pytest.raises(ModelCallError, match="slow down") as first:
        model.complete(request(ASKED))
    with pytest.raises(ModelCallError) as second:
        model.complete(request(ASKED, attempt=2), on_delta=deltas.append)
    with pytest.raises(ModelCallError) as third:
        model.complete(request(ASKED, attempt=3))

    assert (first.value.retryable, first.value.retry_after) == (True, 2)
    assert (second.value.error_type, second.value.retryable) == ("truncated", True)
    assert "".join(delta.text for delta in deltas) == "half an"
    assert not third.value.retryable
    assert model.complete(request(ASKED, attempt=4)).text == "at last"


def test_a_script_that_is_used_up_fails_for_good_unless_it_repeats() -> None:
    with pytest.raises(ModelCallError, match="1 steps") as failure:
        ScriptedModel([{"text": "a"}]).complete(request(ASKED, ANSWERED))

    assert (failure.value.error_type, failure.value.retryable) == ("invalid_request", False)
    repeating = ScriptedModel([{"text": "a"}], repeat=True)
    assert repeating.complete(request(ASKED, ANSWERED)).text == "a"


@pytest.mark.parametrize(
    "step", [{"delay_seconds": 60}, {"text": "a b", "chunk_delay_seconds": 60}]
)
def test_a_delay_ends_when_the_call_is_cancelled(step: dict[str, object]) -> None:
    cancelled = threading.Event()
    timer = threading.Timer(0.05, cancelled.set)
    timer.start()
    began = time.monotonic()

    with pytest.raises(ModelCallError) as failure:
        ScriptedModel([step]).complete(request(ASKED), cancelled=cancelled)

    timer.join()
    assert failure.value.error_type == "interrupted"
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("wrap", [False, True])
def test_a_script_is_read_from_a_file(tmp_path: Path, *, wrap: bool) -> None:
    steps = [{"text": "hi \ud800"}]
    file = tmp_path / "script.json"
    file.write_text(json.dumps({"steps": steps, "repeat": True} if wrap else steps))

    model = load_script(file)

    assert model.model_name == f"scripted:{file}"
    assert model.complete(request(ASKED)).text == "hi \ud800"


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "3",
        "{}",
        '[{"txt": "a"}]',
        '[{"stop_reason": "bored"}]',
        "\x80",
        "[" * 100_000,
    ],
)
def test_a_wrong_script_is_told_in_one_line(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "script.json"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))

    with pytest.raises(ModelUnavailableError) as failure:
        load_script(file)

    assert str(file) in str(failure.value)
    assert "\n" not in str(failure.value)
