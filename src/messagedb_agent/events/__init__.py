"""The facts a thread consists of."""

from messagedb_agent.events.agent import (
    AgentConfigured,
    LLMCallFailed,
    LLMCallRequested,
    LLMCallStarted,
    LLMResponseReceived,
    ToolCall,
)
from messagedb_agent.events.base import Event, JSONObject, RecordedEvent, UnknownEvent
from messagedb_agent.events.registry import register
from messagedb_agent.events.system import (
    ErrorOccurred,
    LimitReached,
    SessionCompleted,
    SessionStarted,
    ThreadForked,
    ThreadRewound,
    TurnInterrupted,
)
from messagedb_agent.events.tool import (
    ToolApprovalRequested,
    ToolExecutionCompleted,
    ToolExecutionFailed,
    ToolExecutionRequested,
    ToolExecutionStarted,
    ToolResultStored,
)
from messagedb_agent.events.user import (
    AttachmentStored,
    DisplayPreferenceUpdated,
    SessionTerminationRequested,
    ThreadRenamed,
    ThreadReopened,
    ToolExecutionApproved,
    ToolExecutionRejected,
    TurnInterruptRequested,
    TurnResumed,
    UserMessageAdded,
)

__all__ = [
    "AgentConfigured",
    "AttachmentStored",
    "DisplayPreferenceUpdated",
    "ErrorOccurred",
    "Event",
    "JSONObject",
    "LLMCallFailed",
    "LLMCallRequested",
    "LLMCallStarted",
    "LLMResponseReceived",
    "LimitReached",
    "RecordedEvent",
    "SessionCompleted",
    "SessionStarted",
    "SessionTerminationRequested",
    "ThreadForked",
    "ThreadRenamed",
    "ThreadReopened",
    "ThreadRewound",
    "ToolApprovalRequested",
    "ToolCall",
    "ToolExecutionApproved",
    "ToolExecutionCompleted",
    "ToolExecutionFailed",
    "ToolExecutionRejected",
    "ToolExecutionRequested",
    "ToolExecutionStarted",
    "ToolResultStored",
    "TurnInterruptRequested",
    "TurnInterrupted",
    "TurnResumed",
    "UnknownEvent",
    "UserMessageAdded",
    "register",
]
