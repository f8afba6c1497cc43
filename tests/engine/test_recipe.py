from __future__ import annotations

from messagedb_agent.engine.recipe import ContextDigest
from messagedb_agent.projections.append_only import AppendOnly
from messagedb_agent.projections.messages import Message, UserMessage

FIRST, SECOND, OTHER = (UserMessage(text) for text in ("first", "second", "other"))


def whole(*messages: Message) -> str:
    return ContextDigest().of(AppendOnly.of(messages), "")


def test_a_context_that_grows_has_the_digest_of_the_whole() -> None:
    digest, context = ContextDigest(), AppendOnly[Message].of([FIRST])
    digest.of(context, "")

    assert digest.of(context.append(SECOND), "") == whole(FIRST, SECOND)


def test_what_a_lost_claim_was_about_leaves_no_trace() -> None:
    digest, context = ContextDigest(), AppendOnly[Message].of([FIRST])
    digest.of(context.append(OTHER), "")

    assert digest.of(context.append(SECOND), "") == whole(FIRST, SECOND)
    assert digest.of(context.append(SECOND).append(OTHER), "") == whole(FIRST, SECOND, OTHER)


def test_another_configuration_gives_another_digest() -> None:
    digest, context = ContextDigest(), AppendOnly[Message].of([FIRST])

    assert digest.of(context, "a") != digest.of(context, "b")
