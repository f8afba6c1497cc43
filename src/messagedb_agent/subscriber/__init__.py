"""Consumers: programs that follow the events of a category, and remember how far they came."""

from messagedb_agent.subscriber.dead_letters import EventSkipped
from messagedb_agent.subscriber.handlers import (
    Handler,
    InTransaction,
    LoggingHandler,
    MetricsHandler,
    in_transaction,
)
from messagedb_agent.subscriber.policy import ErrorPolicy
from messagedb_agent.subscriber.printer import ConversationPrinter
from messagedb_agent.subscriber.routing import Router, route
from messagedb_agent.subscriber.subscriber import Subscriber

__all__ = [
    "ConversationPrinter",
    "ErrorPolicy",
    "EventSkipped",
    "Handler",
    "InTransaction",
    "LoggingHandler",
    "MetricsHandler",
    "Router",
    "Subscriber",
    "in_transaction",
    "route",
]
