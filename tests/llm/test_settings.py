from __future__ import annotations

from messagedb_agent.llm import ModelSettings


def test_keys_do_not_show() -> None:
    settings = ModelSettings(environ={"ANTHROPIC_API_KEY": "sk-secret"})

    assert "secret" not in f"{settings} {settings!r}"


def test_the_location_is_what_was_set_or_what_the_sdks_variables_say() -> None:
    variables = {"CLOUD_ML_REGION": "eu", "GOOGLE_CLOUD_LOCATION": "us"}

    assert (
        ModelSettings(gcp_location="asia", environ=variables).location("CLOUD_ML_REGION") == "asia"
    )
    assert ModelSettings(environ=variables).location("CLOUD_ML_REGION") == "eu"
    assert ModelSettings(environ=variables).location("OTHER") == "us"
    assert ModelSettings(environ={}).location("CLOUD_ML_REGION") == "global"
