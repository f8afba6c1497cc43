from __future__ import annotations

import pytest

from messagedb_agent.observability.redaction import REDACTED, Redactor, is_secret_key

ENVIRON = {
    "DATABASE_URL": "postgresql://agent:p%40ss%20word@db.example/message_store",
    "ANTHROPIC_API_KEY": "sk-ant-planted",
    "DB_PASSWORD": "hunter2!",
    "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Basic%20cGxhbnRlZA,x-team=blue-team",
    "PGOPTIONS": "host=db password='two words'",
    "MAX_TOKENS": "4096",
    "USE_AUTH": "true",
    "PWD": "/home/somebody",
}


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-planted",
        "hunter2!",
        "p@ss word",
        "p%40ss%20word",
        "Basic cGxhbnRlZA",
        "two words",
        "hunter2%21",
    ],
)
def test_secrets_of_the_environment_are_found_in_any_text(text: str) -> None:
    assert text not in Redactor(ENVIRON).text(f"failed with {text}; try again")


@pytest.mark.parametrize("text", ["4096", "true", "/home/somebody", "message_store"])
def test_what_is_no_secret_is_kept(text: str) -> None:
    assert Redactor(ENVIRON).text(f"it was {text}") == f"it was {text}"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("redis://:pw123@host/0", f"redis://:{REDACTED}@host/0"),
        ("host=x password=pw123 dbname=y", f"host=x password={REDACTED} dbname=y"),
        ("Authorization: Bearer abcdefghij.klm", f"Authorization: Bearer {REDACTED}"),
    ],
)
def test_what_looks_like_a_secret_is_one(text: str, kept: str) -> None:
    assert Redactor({}).text(text) == kept


RESULT = {"lines": ["a", {"sk-ant-planted": "key sk-ant-planted, p@ss word"}], "n": [1.5, None]}


def test_results_lose_the_values_of_secrets_wherever_they_are() -> None:
    assert Redactor(ENVIRON).result(RESULT) == {
        "lines": ["a", {REDACTED: f"key {REDACTED}, {REDACTED}"}],
        "n": [1.5, None],
    }


@pytest.mark.parametrize(
    "text", ["password = pw123", "postgres://u:pw123@db/x", "Bearer abcdefghijk", "message_store"]
)
def test_results_keep_everything_else(text: str) -> None:
    environ = {**ENVIRON, "DB_PASSWORD": "message_store", "A_TOKEN": "/run/secrets/a"}
    result = {"text": f"{text} in /run/secrets/a", "more": [text]}

    assert Redactor(environ).result(result) == result


def test_without_secrets_a_result_is_not_looked_at() -> None:
    assert Redactor({"HOME": "/home/somebody"}).result(RESULT) is RESULT


def test_a_redactor_is_made_anew_when_the_environment_has_changed() -> None:
    first = Redactor.of(ENVIRON)

    assert Redactor.of(dict(ENVIRON)) is first
    assert Redactor.of({**ENVIRON, "NEW_TOKEN": "planted-new"}).text("planted-new") == REDACTED


@pytest.mark.parametrize(
    "key",
    [
        "password", "DB_PASSWORD", "token", "accessToken", "access_token", "x-api-key",
        "Authorization", "client_secret", "Set-Cookie", "private_key",
    ],
)  # fmt: skip
def test_keys_that_name_secrets(key: str) -> None:
    assert is_secret_key(key)
    assert Redactor({}).value({"a": [{key: ["x"]}]}) == {"a": [{key: REDACTED}]}


@pytest.mark.parametrize("key", ["input_tokens", "tokens", "key", "author", "keyboard", "passage"])
def test_keys_that_do_not(key: str) -> None:
    assert not is_secret_key(key)


def test_values_of_any_depth_are_dealt_with() -> None:
    deep: object = "x"
    for _ in range(1000):
        deep = [deep]

    assert Redactor({}).value(deep) is not None


def test_where_credentials_are_is_no_secret() -> None:
    redactor = Redactor({"GOOGLE_APPLICATION_CREDENTIALS": "/home/me/account.json"})

    assert redactor.text("no file /home/me/account.json") == "no file /home/me/account.json"
