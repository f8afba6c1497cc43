"""
Every exception this package raises on purpose, by who has to act.

Failures of the world (a model that refuses, a tool that breaks) are events. What is
raised here are failures of the machine and of its use: the operator, the caller, time,
or another process has to do something.
"""

from __future__ import annotations


class AgentError(Exception):
    """Root of the tree. `str(error)` is one line: what happened, and what to do."""

    exit_code = 1


# The operator acts: something around the program is not set up right.


class ConfigurationError(AgentError):
    """Settings are missing or wrong; the message names every one of them."""

    exit_code = 2


class StoreUnavailableError(AgentError):
    """The database can not be reached, or refuses this user."""


class SchemaMissingError(StoreUnavailableError):
    """The database answers, but the Message DB functions are not installed in it."""


class EmbeddedServerError(StoreUnavailableError):
    """The private PostgreSQL server could not be set up or started."""


class ModelUnavailableError(AgentError):
    """A model was asked for that can not be used as things are set up."""


class ModelPackageMissingError(ModelUnavailableError):
    """The SDK that a model needs is not installed."""


# The caller acts: what was asked for can not be done.


class UsageError(AgentError):
    """The request makes no sense as given."""

    exit_code = 2


class InvalidStreamNameError(UsageError):
    """A stream name, category or thread id that Message DB could not address."""


class ThreadNotFoundError(UsageError):
    """No thread has this id."""


class ThreadEndedError(AgentError):
    """The thread was ended and takes no more messages."""


class ThreadArchivedError(UsageError):
    """The thread is archived: it can be read and forked, and takes no events."""

    def __init__(self, stream_name: str) -> None:
        self.stream_name = stream_name
        thread_id = stream_name.partition("-")[2]
        super().__init__(
            f"thread {thread_id} is archived; `./cli unarchive {thread_id}` brings it back"
        )


class EncodingError(UsageError):
    """A value that can not be stored as JSON."""


class HandlerFailedError(AgentError):
    """A consumer's handler failed for an event, and the error policy is to stop there."""


# Time or another process acts.


class OptimisticConcurrencyError(AgentError):
    """The stream moved on: its version is not the one the writer expected."""

    def __init__(self, stream_name: str, expected_version: int, actual_version: int | None) -> None:
        self.stream_name = stream_name
        self.expected_version = expected_version
        self.actual_version = actual_version
        super().__init__(
            f"stream {stream_name} is at version {actual_version}, expected {expected_version}"
        )


class ThreadBusyError(AgentError):
    """Another process is driving this thread."""

    exit_code = 5


class ConsumerBusyError(AgentError):
    """Another process handles events under this consumer's name."""

    exit_code = 5


class RunStoppedError(AgentError):
    """Somebody wants this run to stop; what it has done so far is recorded."""

    exit_code = 130


class RunHandedOverError(AgentError):
    """This process is about to leave; the thread goes on wherever it is driven next."""


class RunDeferredError(AgentError):
    """The run has to wait, and the thread is free meanwhile; it goes on after `seconds`."""

    def __init__(self, message: str, seconds: float) -> None:
        self.seconds = seconds
        super().__init__(message)


class ClaimLostError(AgentError):
    """Another process has taken over the step; this process's result was dropped."""

    exit_code = 5


# The model acts: it reads the message as the result of its tool call.


class ToolError(AgentError):
    """A tool could not do what was asked; the message is written for the model."""


class ToolNotExecutedError(ToolError):
    """A probe found that the interrupted call never took effect; it is safe to run it again."""


class ToolServerError(ToolError):
    """A server that offers tools can not be reached, or ended before it answered."""


# The engine acts: it retries, or records the failure.


class ModelCallError(AgentError):
    """
    A model call failed.

    `error_type` is one of rate_limit, overloaded, server_error, timeout, connection,
    truncated, context_length, authentication, permission, not_found, invalid_request,
    content_blocked, interrupted, malformed. `retryable` says whether the same request may
    succeed later, and `retry_after` after how many seconds the provider wants it.
    """

    def __init__(
        self,
        message: str,
        *,
        error_type: str,
        retryable: bool = False,
        retry_after: float | None = None,
    ) -> None:
        self.error_type = error_type
        self.retryable = retryable
        self.retry_after = retry_after
        super().__init__(message)
