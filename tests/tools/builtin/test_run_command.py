from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from messagedb_agent.errors import ToolError
from messagedb_agent.tools import ToolContext
from messagedb_agent.tools.builtin.process import HeadAndTail, without_secrets
from messagedb_agent.tools.builtin.run_command import run_command
from tests.tools.conftest import Call


def python(code: str) -> list[str]:
    return [sys.executable, "-S", "-c", code]


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_within(seconds: float, pid: int) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not alive(pid)


def wait_for(file: Path) -> int:
    deadline = time.monotonic() + 10
    while not (file.exists() and file.read_text().strip()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(file.read_text())


def test_output_and_exit_code_are_the_result(call: Call) -> None:
    found = call(run_command, argv=["sh", "-c", "echo out; echo err >&2; exit 3"])

    assert (found["exit_code"], found["stdout"], found["stderr"]) == (3, "out\n", "err\n")
    assert found["truncated"] is False
    assert 0 < found["duration"] < 10


def test_it_runs_in_the_workspace(workspace: Path, call: Call) -> None:
    (workspace / "sub").mkdir()

    assert call(run_command, argv=["pwd"])["stdout"] == f"{workspace}\n"
    assert call(run_command, argv=["pwd"], cwd="sub")["stdout"] == f"{workspace}/sub\n"


def test_there_is_no_shell(call: Call) -> None:
    assert call(run_command, argv=["echo", "$HOME; ls | wc"])["stdout"] == "$HOME; ls | wc\n"


def test_there_is_no_input(call: Call) -> None:
    assert call(run_command, argv=["cat"])["stdout"] == ""


def test_output_that_is_no_utf8_is_replaced(call: Call) -> None:
    found = call(run_command, argv=["printf", r"caf\351"])

    assert found["stdout"] == "caf\N{REPLACEMENT CHARACTER}"


def test_endless_output_keeps_its_beginning_and_its_end(call: Call) -> None:
    code = "print('begin' + 'x' * 5_000_000 + 'end')"

    found = call(run_command, argv=python(code))

    assert found["stdout"].startswith("beginx")
    assert found["stdout"].endswith("xend\n")
    assert "bytes left out" in found["stdout"]
    assert len(found["stdout"]) < 40_000
    assert found["truncated"] is True


def test_a_signal_is_a_negative_exit_code(call: Call) -> None:
    assert call(run_command, argv=["sh", "-c", "kill -9 $$"])["exit_code"] == -9


def test_a_timeout_ends_the_whole_group(workspace: Path, call: Call) -> None:
    script = "echo begun; sleep 60 & echo $! > child; wait"
    began = time.monotonic()

    with pytest.raises(ToolError, match=r"stopped after 0\.5 seconds(.|\n)*begun"):
        call(run_command, argv=["sh", "-c", script], timeout=0.5)

    assert time.monotonic() - began < 5
    assert gone_within(2, int((workspace / "child").read_text()))


def test_a_program_that_ignores_the_polite_signal_is_killed(workspace: Path, call: Call) -> None:
    script = "trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done"
    began = time.monotonic()

    with pytest.raises(ToolError, match="stopped after"):
        call(run_command, argv=["sh", "-c", script], timeout=0.3)

    assert time.monotonic() - began < 6
    assert gone_within(2, int((workspace / "pid").read_text()))


def test_a_program_may_tidy_up_when_it_is_stopped(workspace: Path, call: Call) -> None:
    script = "trap 'echo tidy > mark; exit' TERM; while :; do sleep 0.05; done"

    with pytest.raises(ToolError):
        call(run_command, argv=["sh", "-c", script], timeout=0.5)

    assert (workspace / "mark").read_text() == "tidy\n"


def test_cancelling_ends_the_command(workspace: Path) -> None:
    cancelled = threading.Event()
    context = ToolContext(workspace=workspace, cancelled=cancelled)
    threading.Timer(0.3, cancelled.set).start()
    began = time.monotonic()

    with pytest.raises(ToolError, match="cancelled"):
        run_command.call({"argv": ["sleep", "60"]}, context)

    assert time.monotonic() - began < 5


def test_programs_do_not_outlive_a_process_that_leaves(workspace: Path) -> None:
    code = (
        "import threading, sys, time; from pathlib import Path;"
        "from messagedb_agent.tools.builtin.process import run;"
        "never = threading.Event();"
        "program = ['sh', '-c', \"trap '' TERM; echo $$ > pid; while :; do sleep 0.1; done\"];"
        "more = dict(cwd='.', seconds=60, cancelled=never, progress=print);"
        "threading.Thread(target=run, args=[program], kwargs=more, daemon=True).start();\n"
        "while not (Path('pid').exists() and Path('pid').read_text()): time.sleep(0.02)"
    )
    path = {"PYTHONPATH": os.pathsep.join(sys.path)}

    subprocess.run([sys.executable, "-c", code], cwd=workspace, env=path, check=True)

    assert gone_within(2, int((workspace / "pid").read_text()))


def test_what_was_left_in_the_background_is_ended(workspace: Path, call: Call) -> None:
    began = time.monotonic()

    found = call(run_command, argv=["sh", "-c", "sleep 60 & echo $! > child; echo done"])

    assert found["stdout"] == "done\n"
    assert time.monotonic() - began < 5
    assert gone_within(2, int((workspace / "child").read_text()))


def test_a_daemon_that_holds_the_pipes_does_not_hang_it(workspace: Path, call: Call) -> None:
    code = (
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    open('child', 'w').write(str(os.getpid()))\n"
        "    time.sleep(60)\n"
        "while not os.path.exists('child'): time.sleep(0.01)\n"
        "print('done')"
    )
    began = time.monotonic()

    found = call(run_command, argv=python(code))
    os.kill(wait_for(workspace / "child"), 9)

    assert found["stdout"] == "done\n"
    assert time.monotonic() - began < 5


def test_a_program_that_closes_its_output_still_has_to_end_in_time(call: Call) -> None:
    code = "import os, time; os.close(1); os.close(2); time.sleep(60)"
    began = time.monotonic()

    with pytest.raises(ToolError, match="stopped after"):
        call(run_command, argv=python(code), timeout=0.5)
    assert time.monotonic() - began < 5


def test_secrets_of_the_environment_are_not_passed_on(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ANTHROPIC_API_KEY", "DB_PASSWORD", "PGPASSWORD", "DATABASE_URL", "GH_TOKEN"):
        monkeypatch.setenv(name, "hunter2")
    monkeypatch.setenv("BROKER", "amqp://user:hunter2@host/")
    monkeypatch.setenv("HARMLESS", "visible")

    found = call(run_command, argv=["env"])["stdout"]

    assert "hunter2" not in found
    assert "HARMLESS=visible" in found
    assert "PATH=" in found


@pytest.mark.parametrize(
    "name",
    [
        "aws_secret_access_key",
        "MY_TOKEN",
        "USER_PASSWORD",
        "DB_HOST",
        "PGHOST",
        "REDIS_URL",
        "GOOGLE_APPLICATION_CREDENTIALS",
        "MYSQL_PWD",
        "SSH_PASSPHRASE",
        "OTEL_EXPORTER_OTLP_HEADERS",
        "DATABASE_URL",
    ],
)
def test_names_of_secrets_are_recognised(name: str) -> None:
    assert without_secrets({name: "x", "PATH": "/bin", "PWD_": "y"}) == {
        "PATH": "/bin",
        "PWD_": "y",
    }


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"argv": []}, "invalid arguments"),
        ({"argv": "ls -l"}, "invalid arguments"),
        ({"argv": ["ls"], "timeout": 0}, "invalid arguments"),
        ({"argv": ["ls"], "timeout": 1e9}, "invalid arguments"),
        ({"argv": ["ls"], "timeout": float("nan")}, "invalid arguments"),
        ({"argv": ["no-such-program-anywhere"]}, "can't run 'no-such-program-anywhere'"),
        ({"argv": [""]}, "can't run"),
        ({"argv": ["."]}, "can't run"),
        ({"argv": ["echo", "a\0b"]}, "can't run"),
        ({"argv": ["echo", "\ud800"]}, "can't run"),
        ({"argv": ["echo", "x" * 3_000_000]}, "can't run"),
        ({"argv": ["ls"], "cwd": ".."}, "outside of the workspace"),
        ({"argv": ["ls"], "cwd": "missing"}, "not a folder"),
    ],
    ids=str(list(range(13))).strip("[]").split(", "),
)
def test_what_can_not_be_run_is_told(
    call: Call, arguments: dict[str, object], complaint: str
) -> None:
    with pytest.raises(ToolError, match=complaint):
        call(run_command, **arguments)


def test_no_descriptor_and_no_zombie_is_left(call: Call) -> None:
    pid = int(call(run_command, argv=["sh", "-c", "echo $$"])["stdout"])
    before = len(list(Path("/dev/fd").iterdir()))
    rounds = 20
    for _ in range(rounds):
        call(run_command, argv=["true"])

    # Threads that earlier tests left behind open and close some, too.
    assert abs(len(list(Path("/dev/fd").iterdir())) - before) < rounds / 2
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_short_stream_is_kept_whole() -> None:
    stream = HeadAndTail(10)
    stream.add(b"01234")
    stream.add(b"56789")

    assert str(stream) == "0123456789"
    assert stream.truncated is False


def test_a_long_stream_tells_how_much_is_missing() -> None:
    stream = HeadAndTail(10)
    for _ in range(10):
        stream.add(b"0123456789")

    assert str(stream) == "01234\n[… 90 bytes left out …]\n56789"
