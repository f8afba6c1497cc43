"""
What every adapter of a real model promises, as a suite.

Subclass `AdapterContract` in a test module and give it `model_name`; the fixture `server`
has to be a running `ProviderServer` with a service account. Everything runs through the
provider's real SDK.
"""

from __future__ import annotations

import json
import threading
import time
from functools import cache
from typing import Any, ClassVar

import msgspec
import pytest

from messagedb_agent.cancellation import NEVER, Cancellation
from messagedb_agent.errors import ModelCallError
from messagedb_agent.events.agent import ToolCall
from messagedb_agent.llm import LLM, ModelSettings, create_llm_client
from messagedb_agent.llm.base import Completion, Delta, ModelRequest
from messagedb_agent.projections.messages import (
    AssistantMessage,
    Message,
    UserMessage,
)
from messagedb_agent.testing.llm_examples import (
    FAULTS,
    TOOLS,
    TWO_CALLS,
    remember,
    results_for,
)
from messagedb_agent.testing.provider_frames import Reply, ReplyCall
from messagedb_agent.testing.provider_server import ProviderServer


@cache
def _client(model_name: str, environ: tuple[tuple[str, str], ...]) -> LLM:
    """Making one reads the machine's certificates, which is most of a test's time."""
    settings = ModelSettings(
        gcp_project="p1", gcp_location="global", environ=dict(environ), timeout_seconds=5
    )
    return create_llm_client(model_name, settings)


class AdapterContract:
    """The suite; `messages_of` finds the conversation in a recorded request."""

    model_name: ClassVar[str]

    @pytest.fixture
    def client(self, server: ProviderServer) -> LLM:
        """The model under test, talking to the server."""
        return _client(self.model_name, tuple(sorted(server.environment().items())))

    def messages_of(self, body: Any) -> list[Any]:
        """The conversation in a request, without marks that move."""
        raise NotImplementedError

    def ask(
        self,
        client: LLM,
        *messages: Message,
        deltas: list[Delta] | None = None,
        cancelled: Cancellation = NEVER,
    ) -> Completion:
        """One call with the tools of this suite."""
        request = ModelRequest(
            model_name=client.model_name,
            system_prompt="be brief",
            tools=TOOLS,
            messages=messages,
        )
        listen = deltas.append if deltas is not None else (lambda _: None)
        return client.complete(request, on_delta=listen, cancelled=cancelled)

    def test_text_streams_and_is_whole(self, client: LLM, server: ProviderServer) -> None:
        server.script(Reply(text="6 * 7 is 42 é", thinking="easy", signature="c2ln"))
        deltas: list[Delta] = []

        completion = self.ask(client, UserMessage("6*7?"), deltas=deltas)

        assert completion.text == "6 * 7 is 42 é"
        assert completion.stop_reason == "end_turn"
        assert completion.model_name == self.model_name
        assert "".join(d.text for d in deltas if d.kind == "text") == completion.text
        assert "".join(d.text for d in deltas if d.kind == "thinking") == "easy"
        assert len(deltas) > 2

    def test_usage_is_counted(self, client: LLM, server: ProviderServer) -> None:
        server.script(Reply(text="hi", input_tokens=100, output_tokens=5, cached_tokens=40))

        usage = self.ask(client, UserMessage("hello")).usage

        assert usage.cache_read_tokens == 40
        assert usage.input_tokens in {100, 140}  # only some providers count the cached ones in
        assert usage.output_tokens >= 5
        assert usage.total_tokens >= usage.input_tokens + 5

    def test_parallel_calls_and_their_results_make_the_round(
        self, client: LLM, server: ProviderServer
    ) -> None:
        server.script(Reply(text="let me see", calls=TWO_CALLS), Reply(text="done"))
        asked = UserMessage("work")

        completion = self.ask(client, asked)
        answer = remember(completion)
        results = results_for(answer, {"b": 1, "a": [True]}, ValueError("it broke"))
        # Outcomes are recorded as they come; the model gets them in call order.
        last = self.ask(client, asked, answer, *reversed(results))

        assert completion.stop_reason == "tool_use"
        assert [call.name for call in completion.tool_calls] == ["calculate", "echo"]
        assert completion.tool_calls[1].arguments == {"text": "hi é", "a": [1]}
        assert last.text == "done"
        first, second = (self.messages_of(received.body) for received in server.requests)
        assert second[: len(first)] == first
        sent = json.dumps(second)
        assert sent.index("true") < sent.index("it broke")

    def test_a_history_is_sent_the_same_before_and_after_it_was_stored(
        self, client: LLM, server: ProviderServer
    ) -> None:
        server.script(
            Reply(text="so", thinking="hm", signature="c2ln", calls=TWO_CALLS), Reply(), Reply()
        )
        asked = UserMessage("work")
        completion = self.ask(client, asked)
        fresh = AssistantMessage(
            completion.text,
            completion.tool_calls,
            completion.content,
            completion.api,
            completion.model_name,
        )
        results = results_for(fresh, {"b": 1, "a": 2}, "")

        self.ask(client, asked, fresh, *results)
        self.ask(client, asked, remember(completion), *results)

        assert server.requests[1].body == server.requests[2].body

    def test_a_call_without_arguments_is_a_call(self, client: LLM, server: ProviderServer) -> None:
        server.script(Reply(calls=(ReplyCall("echo", "{}"),)))

        (call,) = self.ask(client, UserMessage("go")).tool_calls

        assert call.id
        assert call.arguments == {}

    def test_ids_are_unique_even_if_the_provider_gives_none(
        self, client: LLM, server: ProviderServer
    ) -> None:
        calls = (ReplyCall("echo", "{}"), ReplyCall("echo", "{}"))
        server.script(Reply(calls=calls), Reply(text="ok"))
        asked = UserMessage("go")

        first = remember(self.ask(client, asked))
        self.ask(client, asked, first, *results_for(first, 1, 2))

        assert len({call.id for call in first.tool_calls}) == 2

    @pytest.mark.parametrize(("reply", "error_type", "retryable"), FAULTS)
    def test_each_fault_has_its_kind_and_one_line(
        self, client: LLM, server: ProviderServer, reply: Reply, error_type: str, *, retryable: bool
    ) -> None:
        server.script(reply, Reply(text="fine again"))

        with pytest.raises(ModelCallError) as failure:
            self.ask(client, UserMessage("hello"))

        assert (failure.value.error_type, failure.value.retryable) == (error_type, retryable)
        assert "\n" not in str(failure.value)
        assert len(server.requests) == 1
        assert self.ask(client, UserMessage("hello")).text == "fine again"

    def test_the_wait_that_is_asked_for_is_told_up_to_a_minute(
        self, client: LLM, server: ProviderServer
    ) -> None:
        for wait in ("2", "3600", "soon"):
            server.script(Reply(status=429, headers={"retry-after": wait}, body={}))

        found = []
        for _ in range(3):
            with pytest.raises(ModelCallError) as failure:
                self.ask(client, UserMessage("hello"))
            found.append(failure.value.retry_after)

        assert found == [2.0, 60.0, None]

    def test_silence_is_a_timeout(self, server: ProviderServer) -> None:
        settings = ModelSettings(
            gcp_project="p1", environ=server.environment(), timeout_seconds=0.3
        )
        server.script(Reply(text="late", silence=1.0, after=1))

        with pytest.raises(ModelCallError) as failure:
            self.ask(create_llm_client(self.model_name, settings), UserMessage("hello"))

        assert (failure.value.error_type, failure.value.retryable) == ("timeout", True)

    @pytest.mark.parametrize("after", [0, 2])
    def test_a_cancelled_call_ends_at_once(
        self, client: LLM, server: ProviderServer, after: int
    ) -> None:
        server.script(Reply(text="never heard", silence=2.0, after=after))
        cancelled = threading.Event()
        told = []

        def cancel_when_asked() -> None:
            while not server.requests:
                time.sleep(0.02)
            time.sleep(0.1)
            told.append(time.monotonic())
            cancelled.set()

        thread = threading.Thread(target=cancel_when_asked)
        thread.start()
        with pytest.raises(ModelCallError) as failure:
            self.ask(client, UserMessage("hello"), cancelled=cancelled)

        ended = time.monotonic()
        thread.join()
        assert failure.value.error_type == "interrupted"
        assert ended - told[0] < 1.0

    def test_what_a_listener_raises_is_its_own(self, client: LLM, server: ProviderServer) -> None:
        server.script(Reply(text="two words"))
        request = ModelRequest(
            model_name="m", system_prompt="", tools=(), messages=[UserMessage("a")]
        )

        def broken(_: Delta) -> None:
            raise BrokenPipeError("nobody reads")

        with pytest.raises(BrokenPipeError):
            client.complete(request, on_delta=broken)

    @pytest.mark.parametrize(
        "text", ["", " \n", "\x00", "\ud800 \udfff", "🎉 \u202e", "x" * 100_000]
    )
    def test_any_text_can_be_sent(self, client: LLM, server: ProviderServer, text: str) -> None:
        server.script(Reply(text="ok"))

        assert self.ask(client, UserMessage(text)).text == "ok"

    def test_a_history_of_another_protocol_is_converted(
        self, client: LLM, server: ProviderServer
    ) -> None:
        other = Completion(
            text="foreign words",
            tool_calls=(),
            content=({"type": "mystery", "text": "never sent"},),
            api="another",
        )
        answer = msgspec.structs.replace(
            remember(other),
            tool_calls=tuple(
                ToolCall(f"x:{number}", "echo", arguments)
                for number, arguments in enumerate([{"text": "six"}, "{broken"])
            ),
        )
        server.script(Reply(text="ok"))

        self.ask(client, UserMessage("a"), answer, *results_for(answer, "seven", ValueError("no")))

        sent = json.dumps(self.messages_of(server.requests[0].body))
        assert "never sent" not in sent
        for words in ("foreign words", "six", "broken", "seven", "no"):
            assert words in sent
