"""
Hundreds of kills from one command. What was found is printed; then the exit code is 1.

`PYTHONPATH=src:. python -m tests.soak --kills 300 --seed 1` kills the drivers of one thread
after the other. With `--workers 4 --threads 500 --kill-every 2 --stop 30` workers drive many
threads at once, one worker is killed and started again that often, and one is frozen for so long.

It starts a PostgreSQL of its own, which `--kill-server SECONDS` kills about as often, or
`--restart-server SECONDS` restarts once, after so long.
"""

from __future__ import annotations

import argparse
import logging
import random
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

from messagedb_agent.store import schema
from messagedb_agent.store.client import MessageDBClient
from tests.postgres import ThrowawayServer, controlled_server
from tests.soak.chaos import RESCUED_WITHIN_SECONDS, Chaos, Plan
from tests.soak.harness import MESSAGES, Harness, nursery_for, prepare

KILLS_PER_ROUND = 3


def main() -> int:
    """Make the trouble that was asked for, and say what was found."""
    options = _options()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    with (
        controlled_server(synchronous_commit="on", max_connections="200") as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        with psycopg.connect(server.dsn) as connection:
            schema.install(connection)
        prepare(server.dsn)
        with (
            MessageDBClient(conninfo_to_dict(server.dsn)) as client,
            dying(server, options.kill_server, options.seed),
        ):
            trouble = with_workers if options.workers else one_by_one
            findings = trouble(options, server, client, Path(folder))
    print("\n".join(findings) or "nothing is wrong")
    return bool(findings)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how many processes to kill")
    parser.add_argument("--seed", type=int, default=1, help="chooses the instants")
    parser.add_argument(
        "--messages",
        type=int,
        default=MESSAGES,
        help="how many messages a user adds to a thread whose drivers are killed",
    )
    parser.add_argument(
        "--kill-server", type=float, metavar="SECONDS", help="kill PostgreSQL about this often"
    )
    parser.add_argument("--workers", type=int, help="drive threads with so many workers")
    parser.add_argument("--threads", type=int, default=500, help="how many threads they drive")
    parser.add_argument(
        "--kill-every", type=float, default=2.0, metavar="SECONDS", help="kill a worker this often"
    )
    parser.add_argument(
        "--stop", type=float, default=30.0, metavar="SECONDS", help="freeze a worker for so long"
    )
    parser.add_argument(
        "--restart-server", type=float, metavar="SECONDS", help="restart PostgreSQL after so long"
    )
    parser.add_argument(
        "--polite", action="store_true", help="tell workers to leave instead of killing them"
    )
    return parser.parse_args()


def one_by_one(
    options: argparse.Namespace, server: ThrowawayServer, client: MessageDBClient, folder: Path
) -> list[str]:
    """Threads that are driven by processes of their own."""
    with nursery_for(server.dsn, folder) as copies:
        harness = Harness(copies, client, server.dsn, options.seed, options.messages)
        soak(harness, options.kills)
    print(f"{harness.kills} kills, {harness.interrupted} of them in time")
    return harness.findings


def with_workers(
    options: argparse.Namespace, server: ThrowawayServer, client: MessageDBClient, folder: Path
) -> list[str]:
    """Threads that workers drive."""

    def restart() -> None:
        server.stop(signal.SIGINT)
        server.start()

    plan = Plan(
        workers=options.workers,
        threads=options.threads,
        kill_every=options.kill_every,
        stop=options.stop,
        seed=options.seed,
        restart_after=options.restart_server,
        polite=options.polite,
    )
    report = Chaos(client, server.dsn, folder, plan, restart).run()
    waits = [f"{seconds:.1f} s" for seconds, _ in report.rescues]
    print(f"{report.kills} kills in {report.seconds:.0f} s; {len(waits)} threads rescued")
    if waits:
        print(f"after {waits[len(waits) // 2]} in the middle, {waits[0]} at worst")
    late = [rescue for rescue in report.rescues if rescue[0] > RESCUED_WITHIN_SECONDS]
    return [*report.findings, *(f"{who}: rescued after {after:.1f} s" for after, who in late)]


def soak(harness: Harness, kills: int) -> None:
    """Rounds of every kind, until so many processes were killed."""
    while harness.kills < kills:
        harness.killed(KILLS_PER_ROUND)
        harness.raced(KILLS_PER_ROUND)
        harness.woken()
        harness.talked(KILLS_PER_ROUND)
        print(f"{harness.kills} kills, {len(harness.findings)} findings", flush=True)


@contextmanager
def dying(server: ThrowawayServer, seconds: float | None, seed: int) -> Iterator[None]:
    """Meanwhile the server is killed, one way or another, about every so many seconds."""
    if seconds is None:
        yield
        return
    dice, over = random.Random(seed), threading.Event()

    def kill() -> None:
        while not over.wait(dice.uniform(0, 2 * seconds)):
            server.stop(dice.choice((signal.SIGQUIT, signal.SIGINT)))
            server.start()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


if __name__ == "__main__":
    sys.exit(main())
