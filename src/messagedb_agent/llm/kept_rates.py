"""A file of the rates that were looked up, because loading the tables takes long."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path

import msgspec

from messagedb_agent.llm.price_tables import edition, offers_of
from messagedb_agent.llm.rates import Offers


class _Page(msgspec.Struct, frozen=True):
    """What the file says; of a model whose rates can't be told it is None."""

    edition: str
    models: dict[str, Offers | None]


class KeptRates:
    """
    Rates by model: those in the file, or else from the tables and then in the file.

    The file is of one edition of the tables and begins anew with another, or when it is no
    file of rates. It may be deleted at any time, and nobody has to be able to write it.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._edition = edition() or ""
        self._models = self._read()
        self._lock = threading.Lock()

    def offers(self, model_name: str) -> Offers | None:
        """The rates of a model; None when they can't be told and the tables must be asked."""
        with self._lock:
            if model_name not in self._models:
                found = offers_of(model_name)
                # Others may have written meanwhile; what is lost of theirs is looked up again.
                self._models = {**self._models, **self._read(), model_name: found}
                self._write()
            return self._models[model_name]

    def _read(self) -> dict[str, Offers | None]:
        try:
            page = msgspec.json.decode(self._file.read_bytes(), type=_Page)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            return {}
        return page.models if page.edition == self._edition else {}

    def _write(self) -> None:
        unfinished = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        try:
            # Others may pass through: a private server of root's runs there as another user.
            self._file.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            unfinished.write_bytes(msgspec.json.encode(_Page(self._edition, self._models)))
            unfinished.replace(self._file)
        except OSError:
            with suppress(OSError):
                unfinished.unlink()
