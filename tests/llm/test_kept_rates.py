from __future__ import annotations

import stat
from pathlib import Path

import pytest

from messagedb_agent.llm import kept_rates
from messagedb_agent.llm.kept_rates import KeptRates
from messagedb_agent.llm.price_tables import offers_of

NAME = "gemini-2.5-pro"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "home" / "rates.json"


@pytest.fixture
def no_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on nobody may load the tables."""

    def refuse(name: str) -> None:
        raise AssertionError(f"the tables were asked for {name}")

    monkeypatch.setattr(kept_rates, "offers_of", refuse)


def is_kept(file: Path, name: str) -> bool:
    return file.exists() and f'"{name}"' in file.read_text()


def test_what_was_looked_up_once_is_read(file: Path, request: pytest.FixtureRequest) -> None:
    first = KeptRates(file).offers(NAME)
    request.getfixturevalue("no_tables")

    assert KeptRates(file).offers(NAME) == first == offers_of(NAME)


def test_that_a_model_has_no_price_is_kept_too(file: Path, request: pytest.FixtureRequest) -> None:
    KeptRates(file).offers("openai:of-my-own")
    request.getfixturevalue("no_tables")

    assert KeptRates(file).offers("openai:of-my-own") == ()


def test_rates_that_can_not_be_told_are_kept_as_that(
    file: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    monkeypatch.setattr(kept_rates, "offers_of", lambda _: None)
    KeptRates(file).offers(NAME)
    request.getfixturevalue("no_tables")

    assert KeptRates(file).offers(NAME) is None


def test_what_another_process_kept_stays(file: Path) -> None:
    ours, theirs = KeptRates(file), KeptRates(file)
    theirs.offers("openai:gpt-5")

    ours.offers(NAME)

    assert is_kept(file, "openai:gpt-5")
    assert is_kept(file, NAME)


def test_other_tables_make_the_file_begin_anew(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    KeptRates(file).offers("openai:gpt-5")
    monkeypatch.setattr(kept_rates, "edition", lambda: "another")

    KeptRates(file).offers(NAME)

    assert is_kept(file, NAME)
    assert not is_kept(file, "openai:gpt-5")


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"edition": 1}', b"\xff", b'{"edition": "?", "models": {"x": [[{}]]}}'],
)
def test_a_file_that_is_none_of_rates_is_replaced(file: Path, content: bytes) -> None:
    file.parent.mkdir()
    file.write_bytes(content)

    assert KeptRates(file).offers(NAME) == offers_of(NAME)
    assert is_kept(file, NAME)


def test_others_can_not_look_into_the_folder(file: Path) -> None:
    KeptRates(file).offers(NAME)

    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o711
    assert list(file.parent.iterdir()) == [file]


def test_where_nothing_can_be_written_rates_are_told_all_the_same(tmp_path: Path) -> None:
    in_the_way = tmp_path / "home"
    in_the_way.write_text("a file")

    assert KeptRates(in_the_way / "rates.json").offers(NAME) == offers_of(NAME)
    assert list(tmp_path.iterdir()) == [in_the_way]


def test_a_file_that_can_not_be_replaced_leaves_nothing_behind(file: Path) -> None:
    file.mkdir(parents=True)

    assert KeptRates(file).offers(NAME) == offers_of(NAME)
    assert list(file.parent.iterdir()) == [file]
