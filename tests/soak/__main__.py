"""
Hundreds of kills, from one command: `PYTHONPATH=src:. python -m tests.soak --kills 300 --seed 1`.

It starts a PostgreSQL of its own, which `--kill-server SECONDS` kills about as often. What was
found is printed; the exit code is 1 when it is anything.
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
from tests.soak.harness import Harness, nursery_for, prepare

KILLS_PER_ROUND = 3


def main() -> int:
    """Run the rounds and say what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=300, help="how many processes to kill")
    parser.add_argument("--seed", type=int, default=1, help="chooses the instants")
    parser.add_argument(
        "--kill-server", type=float, metavar="SECONDS", help="kill PostgreSQL about this often"
    )
    options = parser.parse_args()
    logging.getLogger("psycopg.pool").setLevel(logging.CRITICAL)
    with (
        controlled_server(synchronous_commit="on", max_connections="200") as server,
        tempfile.TemporaryDirectory() as folder,
    ):
        with psycopg.connect(server.dsn) as connection:
            schema.install(connection)
        prepare(server.dsn)
        with (
            nursery_for(server.dsn, Path(folder)) as copies,
            MessageDBClient(conninfo_to_dict(server.dsn)) as client,
        ):
            harness = Harness(copies, client, server.dsn, options.seed)
            with dying(server, options.kill_server, options.seed):
                soak(harness, options.kills)
    print(f"{harness.kills} kills, {harness.interrupted} of them in time")
    print("\n".join(harness.findings) or "nothing is wrong")
    return bool(harness.findings)


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
