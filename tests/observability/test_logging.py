from __future__ import annotations

import io
import json
import logging as library_logging
import subprocess
import sys
import threading
from typing import Any

import pytest

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.thread import AgentThread
from messagedb_agent.observability.activity import Activity
from messagedb_agent.observability.library_logs import bridge_library_logs
from messagedb_agent.observability.logging import bind, bound, configure, get_logger, written_to
from messagedb_agent.observability.redaction import REDACTED
from messagedb_agent.store.memory import MemoryStore
from messagedb_agent.tools.define import tool
from tests.observability.conversation import ANSWER, STREAM, agent

log = get_logger("test")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def run(message: str = "what?", driven: Agent | None = None) -> None:
    activity = Activity()
    with (
        bound(thread_id="t1"),
        AgentThread(MemoryStore(), STREAM, observers=(activity,)) as thread,
    ):
        activity.begin(thread.run_id)
        thread.start(message)
        thread.run(driven or agent())


def test_a_line_is_json_with_what_is_bound(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")
    with bound(thread_id="t1", run_id="r1"):
        bind(step="chat@3")
        log.info("it happened", count=2, text="a\nb\x1b[31m")
        bind(step=None)
        log.warning("again")
    log.error("outside")

    first, second, third = lines(capsys)
    assert first["event"] == "it happened"
    assert first["level"] == "info"
    assert first["logger"] == "test"
    assert (first["thread_id"], first["run_id"], first["step"]) == ("t1", "r1", "chat@3")
    assert (first["count"], first["text"]) == (2, "a\nb\x1b[31m")
    assert first["timestamp"].endswith("Z")
    assert "step" not in second
    assert "thread_id" not in third


def test_nothing_below_the_level_is_written(capsys: pytest.CaptureFixture[str]) -> None:
    configure("WARNING", "json")
    log.debug("no")
    log.info("no")

    run()

    assert capsys.readouterr() == ("", "")


def test_a_run_tells_its_steps(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")

    run()

    found = lines(capsys)
    assert {line["thread_id"] for line in found} == {"t1"}
    assert len({line["run_id"] for line in found}) == 1
    steps = {(line["event"], line["step"].split("@")[0]) for line in found}
    assert steps == {
        ("model called", "chat"),
        ("model answered", "chat"),
        ("tool called", "execute_tool"),
        ("tool answered", "execute_tool"),
    }


@pytest.mark.parametrize(("content", "is_shown"), [(False, False), (True, True)])
def test_content_needs_debug_and_consent(
    capsys: pytest.CaptureFixture[str], *, content: bool, is_shown: bool
) -> None:
    configure("DEBUG", "json", content=content)

    run("my private words")

    assert ("my private words" in capsys.readouterr().err) is is_shown


def test_consent_alone_is_not_enough(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json", content=True)

    run("my private words")

    assert "my private words" not in capsys.readouterr().err


def test_secrets_do_not_reach_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json", environ={"API_KEY": "planted-key"})
    try:
        raise ValueError("refused planted-key")
    except ValueError as error:
        failure = error
    log.error("it failed", url="x?k=planted-key", arguments={"password": "pw"}, exc_info=failure)

    line = lines(capsys)[0]
    assert line["arguments"] == {"password": REDACTED}
    assert "ValueError: refused" in line["exception"]
    assert "planted-key" not in json.dumps(line)


def test_on_a_console_nothing_steers_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "console")
    log.info("said", text="\x1b]0;title\x07")

    err = capsys.readouterr().err
    assert "said" in err
    assert "\x1b" not in err


def test_libraries_log_like_we_do(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json", environ={"API_KEY": "planted-key"})
    bridge_library_logs()
    with bound(thread_id="t1"):
        library_logging.getLogger("some.library").warning("used %s", "planted-key")
        library_logging.getLogger("some.library").debug("the whole request")

    (line,) = lines(capsys)
    assert (line["logger"], line["event"]) == ("some.library", f"used {REDACTED}")
    assert line["thread_id"] == "t1"


def test_what_a_tool_logs_says_whose_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    @tool(permission="allow")
    def noisy() -> str:
        """Log."""
        assert threading.current_thread() is not threading.main_thread()
        log.warning("from a tool")
        return "done"

    configure("WARNING", "json")
    run(driven=agent({"tool_calls": [{"name": "noisy"}]}, ANSWER, tools=(noisy,)))

    (line,) = lines(capsys)
    assert line["thread_id"] == "t1"


def test_nothing_is_imported_before_a_line_is_written() -> None:
    program = """
import sys
from messagedb_agent.observability.logging import configure, get_logger
import messagedb_agent.observability.activity, messagedb_agent.observability.observer
import messagedb_agent.engine.thread
configure("WARNING", "json")
get_logger("x").info("quiet")
print([name for name in ("structlog", "opentelemetry.sdk", "opentelemetry") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_beside_a_screen_lines_are_written_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "json")
    elsewhere = io.StringIO()
    with written_to(elsewhere):
        log.info("unseen")
    log.info("seen again")

    assert json.loads(elsewhere.getvalue())["event"] == "unseen"
    assert [line["event"] for line in lines(capsys)] == ["seen again"]
