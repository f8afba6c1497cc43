"""Files that people copy."""

from __future__ import annotations

import re

import pytest

from tests.bootstrap.conftest import ROOT

EXAMPLE = (ROOT / ".env.example").read_text()
EXPLAINED = {
    *("DATABASE_URL", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASSWORD"),
    *("PGSSLMODE", "PGSSLROOTCERT", "PGSSLCERT", "PGSSLKEY"),
    *("MESSAGEDB_AGENT_HOME", "MESSAGEDB_AGENT_PG_BIN", "MESSAGEDB_AGENT_PG_USER"),
    *("MODEL_NAME", "GCP_PROJECT", "GCP_LOCATION", "MAX_ITERATIONS"),
    *("MODEL_TIMEOUT", "MODEL_MAX_ATTEMPTS", "MODEL_RETRY_PAUSE", "SYSTEM_PROMPT_FILE"),
    *("RUN_TIMEOUT", "APPROVAL_TIMEOUT"),
    *("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_BASE_URL"),
    *("LOG_LEVEL", "LOG_FORMAT", "ENABLE_TRACING", "OTEL_EXPORTER_OTLP_ENDPOINT"),
    *("NO_COLOR", "REDIS_URL"),
}


def test_a_copy_of_the_example_settings_changes_nothing() -> None:
    assert [line for line in EXAMPLE.splitlines() if line and not line.startswith("#")] == []


@pytest.mark.parametrize("name", sorted(EXPLAINED))
def test_every_setting_is_in_the_example(name: str) -> None:
    assert re.search(rf"^#{name}=", EXAMPLE, re.MULTILINE)


@pytest.mark.parametrize("name", ["docker-compose.yml", "docker-compose.test.yml"])
def test_compose_runs_the_image_that_ours_is_compared_with(name: str) -> None:
    text = (ROOT / name).read_text()

    assert "image: ethangarofolo/message-db:1.3.1" in text
    assert "message_store.message_store_version()" in text
