"""Random calls of the Message DB functions: ordinary ones, odd ones and wrong ones, by seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice

STREAMS = (
    "account-1", "account-2", "account-3+a", "account-3+b", "account-1-2", "account", "account-",
    "account-+x", "account:command-1", "agent:v0-6b7f2c0e-3d0e-4e0c-9f39-0d7a3d3c5a11", "-1", "-",
    "", "+", "a+b-c+d", "Account-1", "o'brien-1", 'qu"ote-1', "back\\slash-1", "50%s-%",
    "tab\there-1", "new\nline-1", "ünï-ключ", "日本-🙂", "x" * 300 + "-1", " account-1",
    "account -1",
)  # fmt: skip
CATEGORIES = ("account", "agent:v0", "account:command", "a+b", "", "50%s", "ünï", "日本", "nobody")
TYPES = ("Opened", "Closed", "opened", "", "Ünï 'quoted' %s")
DOCUMENTS = (
    "{}", '{"amount": 1}', '{"amount": 1e2, "b": [null, true]}', '{"text": "ü🙂\\n%s \\"q\\""}',
    "[1, 2]", "null", '"text"', "12345678901234567890.5",
)  # fmt: skip
METADATA = (
    '{"correlationStreamName": "other-1"}', '{"correlationStreamName": "other-2+x"}',
    '{"correlationStreamName": "other"}', '{"correlationStreamName": null}',
    '{"correlationStreamName": 12}', '{"correlationStreamName": ""}', "{}",
    '["correlationStreamName"]',
)  # fmt: skip
CORRELATIONS = ("other", "12", "", "nobody", "other-1", "-")
CONDITIONS = (
    "true", "false", "position > 1", "messages.position % 2 = 0", "type = 'Opened'",
    "global_position < 9", "data->>'amount' = '1'", "type LIKE 'O%'", "stream_name = $1",
    "position >= $2 + 1", "$3 > 0", "$4 IS NULL", "$6 = 2", "false) OR (true", "true) -- ", "",
    "no_such_column = 1", "1", "1 / 0 = 1",
    "position = (SELECT max(m.position) FROM message_store.messages AS m)",
    "message_store.category(stream_name) = 'account'", "format('%s', 1) = '1'", "(",
)  # fmt: skip
VIEWS = (
    "category_type_summary", "stream_summary", "stream_type_summary", "type_category_summary",
    "type_stream_summary", "type_summary",
)  # fmt: skip
WRONG_IDS = ("", "not-an-id", "12345678", "00000000-0000-0000-0000-00000000000g")
BATCH_SIZES = ("-1", "0", "1", "2", "3", "1000", "-2", "9223372036854775807", "NULL")
POSITIONS = ("0", "1", "2", "5", "20", "-1", "-5", "NULL", "9223372036854775807")


def text(value: str | None) -> str:
    """The value as SQL."""
    return "NULL" if value is None else "'" + value.replace("'", "''") + "'"


def call(function: str, arguments: Sequence[tuple[str, str]], *, named: bool) -> str:
    """A call, with its arguments given by name or by position."""
    given = [f'"{name}" => {value}' if named else value for name, value in arguments]
    return f"SELECT * FROM message_store.{function}({', '.join(given)})"


@dataclass
class Calls:
    """A stream of calls; what it has written so far lets it repeat ids and guess versions."""

    random: random.Random
    versions: dict[str, int] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[str]:
        makers: tuple[tuple[int, Callable[[], str]], ...] = (
            (40, self.write),
            (14, self.read_stream),
            (24, self.read_category),
            (6, self.read_last),
            (8, self.name_function),
            (6, self.setting),
            (3, self.table),
        )
        weights, choices = zip(*makers, strict=True)
        while True:
            yield self.random.choices(choices, weights)[0]()

    def one_of(self, values: Sequence[str], *, unset: float = 0.03) -> str | None:
        return None if self.random.random() < unset else self.random.choice(values)

    def stream(self) -> str | None:
        # The first few often, so that some streams grow long.
        return self.one_of(STREAMS[:4] if self.random.random() < 0.5 else STREAMS)

    def invoke(self, function: str, arguments: Sequence[tuple[str, str | None]]) -> str:
        """Leave trailing arguments out, or with names any that may be, and choose the notation."""
        named = self.random.random() < 0.5
        given: list[tuple[str, str]] = []
        for name, value in arguments:
            if value is not None:
                given.append((name, value))
            elif not named:
                break
        if named:
            self.random.shuffle(given)
        return call(function, given, named=named)

    def maybe(self, probability: float, value: str) -> str | None:
        return value if self.random.random() < probability else None

    def write(self) -> str:
        stream = self.stream()
        version = self.versions.get(stream or "", -1)
        expected = self.maybe(0.5, self.expected(version))
        arguments = [
            ("id", text(self.message_id())),
            ("stream_name", text(stream)),
            ("type", text(self.one_of(TYPES))),
            ("data", text(self.one_of(DOCUMENTS)) + "::jsonb"),
            ("metadata", self.maybe(0.6, text(self.one_of(METADATA)) + "::jsonb")),
            ("expected_version", expected),
        ]
        if stream is not None and expected in (None, "NULL", str(version)):
            self.versions[stream] = version + 1  # mostly right, which is all it has to be
        return self.invoke("write_message", arguments)

    def expected(self, version: int) -> str:
        choices = (str(version), "NULL", "-1", "-2", "0", str(version - 1), str(version + 1))
        return self.random.choices(choices, (12, 1, 1, 1, 1, 1, 1))[0]

    def message_id(self) -> str | None:
        chance = self.random.random()
        if chance < 0.02:
            return None
        if chance < 0.05:
            return self.random.choice(WRONG_IDS)
        if chance < 0.10 and self.ids:
            return self.random.choice((str.upper, str.lower))(self.random.choice(self.ids))
        digits = f"{self.random.getrandbits(128):032x}"
        self.ids.append(digits)
        return self.random.choice(
            (digits, f"{{{digits}}}", f"{digits[:8]}-{digits[8:12]}-{digits[12:]}")
        )

    def read_stream(self) -> str:
        arguments = [
            ("stream_name", text(self.stream())),
            ("position", self.maybe(0.7, self.random.choice(POSITIONS))),
            ("batch_size", self.maybe(0.7, self.random.choice(BATCH_SIZES))),
            ("condition", self.maybe(0.4, text(self.one_of(CONDITIONS)))),
        ]
        return self.invoke("get_stream_messages", arguments)

    def read_category(self) -> str:
        size = self.random.choice(("2", "3", "1", "0", "-1", "32767", "32768", "NULL"))
        member = self.random.choice(("0", "1", "2", "-1", "NULL"))
        group = self.random.random() < 0.4
        category = self.one_of(CATEGORIES[:1] if self.random.random() < 0.5 else CATEGORIES)
        arguments = [
            ("category", text(self.stream() if self.random.random() < 0.1 else category)),
            ("position", self.maybe(0.7, self.random.choice(POSITIONS))),
            ("batch_size", self.maybe(0.8, self.random.choice(BATCH_SIZES))),
            ("correlation", self.maybe(0.6, text(self.one_of(CORRELATIONS, unset=0.4)))),
            ("consumer_group_member", member if group else self.maybe(0.5, "NULL")),
            ("consumer_group_size", size if group else self.maybe(0.5, "NULL")),
            ("condition", self.maybe(0.4, text(self.one_of(CONDITIONS)))),
        ]
        return self.invoke("get_category_messages", arguments)

    def read_last(self) -> str:
        arguments = [
            ("stream_name", text(self.stream())),
            ("type", self.maybe(0.5, text(self.one_of(TYPES, unset=0.2)))),
        ]
        return self.invoke("get_last_stream_message", arguments)

    def name_function(self) -> str:
        functions = (
            "stream_version",
            "category",
            "id",
            "cardinal_id",
            "is_category",
            "acquire_lock",
        )
        function = self.random.choice((*functions, "hash_64", "message_store_version"))
        if function == "message_store_version":
            return call(function, [], named=False)
        name = "value" if function == "hash_64" else "stream_name"
        return self.invoke(function, [(name, text(self.stream()))])

    def setting(self) -> str:
        value = self.random.choice(("on", "on", "off", "", "yes"))
        return f"SELECT set_config('message_store.sql_condition', '{value}', false)"

    def table(self) -> str:
        view = self.random.choice(VIEWS)
        return self.random.choice(
            (
                "SELECT currval('message_store.messages_global_position_seq')",
                "SELECT * FROM message_store.messages ORDER BY global_position DESC LIMIT 3",
                f"SELECT * FROM message_store.{view}",
            )
        )


def calls(seed: int, count: int) -> list[str]:
    """The first calls of a seed; the same ones each time."""
    return list(islice(Calls(random.Random(seed)), count))
