"""What `message` with a real SDK takes beside importing that SDK and nothing else."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

from benchmarks.commands import environment
from benchmarks.measure import Row, Scale, fastest, milliseconds
from benchmarks.world import World
from messagedb_agent.testing.provider_frames import Reply
from messagedb_agent.testing.provider_server import ProviderServer

_MODELS = {
    "claude-sonnet-4-5@20250929": "import anthropic",
    "gemini-2.5-pro": "from google import genai",
    "anthropic:claude-sonnet-5-5": "import anthropic",
    "openai:gpt-5": "import openai",
}
_ALLOWANCE_SECONDS = 0.35


def run(world: World, scale: Scale) -> Iterator[Row]:
    """One message to a thread of each model; the model itself answers at once."""
    with ProviderServer() as server, tempfile.TemporaryDirectory() as folder:
        server.write_service_account(Path(folder) / "account.json")
        environ = environment(world) | server.environment() | {"NO_GCE_CHECK": "true"}
        call = partial(_call, server, environ, world.home.parent)
        python = (sys.executable, "-P")
        cli = (*python, "-m", "messagedb_agent.cli")
        for model, imports in islice(_MODELS.items(), scale.models):
            thread = f"bench-{model}"
            call((*cli, "start", "hello", "--thread-id", thread, "--model", model))
            floor, ours = fastest(
                scale.command_runs,
                partial(call, (*python, "-c", imports)),
                partial(call, (*cli, "message", thread, "hello")),
            )
            yield Row(
                f"`message`, {model}",
                milliseconds(ours),
                f"{milliseconds(floor)}: `python -c '{imports}'`, and 350 ms",
                ours / (floor + _ALLOWANCE_SECONDS),
                1.0,
            )


def _call(
    server: ProviderServer, environ: dict[str, str], folder: Path, command: tuple[str, ...]
) -> None:
    server.script(Reply(text="hello"))
    subprocess.run(command, env=environ, check=True, capture_output=True, cwd=folder)
    server.reset()
