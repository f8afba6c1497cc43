"""The loop: decide from the state, act, record, until there is nothing left to do."""

from __future__ import annotations

import msgspec

from messagedb_agent.engine.agent import Agent
from messagedb_agent.engine.contents import Contents
from messagedb_agent.engine.discretion import Discretion
from messagedb_agent.engine.model_memory import ModelMemory
from messagedb_agent.engine.recorder import Recorder
from messagedb_agent.engine.steps.base import Claim, Committed, Outcome, Step, Surroundings, Yielded
from messagedb_agent.engine.steps.llm import ModelStep
from messagedb_agent.engine.steps.probe import ProbeStep
from messagedb_agent.engine.steps.tool import ToolStep
from messagedb_agent.projections.next_step import (
    CallModel,
    Decider,
    Decision,
    ProbeTools,
    Record,
    RunTools,
    Stop,
    decide,
)
from messagedb_agent.store.base import EventStore


class Loop(msgspec.Struct, frozen=True):
    """
    Takes one thread from decision to decision.

    It may be killed between any two statements: what is recorded tells the next run where
    to go on.
    """

    agent: Agent
    deciders: tuple[Decider, ...]
    store: EventStore
    recorder: Recorder
    around: Surroundings
    memory: ModelMemory
    contents: Contents
    discretion: Discretion = msgspec.field(default_factory=Discretion)

    def run(self) -> Stop:
        """Go on until a decision says stop, and everything is committed."""
        while True:
            decision = decide(self.recorder.state, self.deciders)
            match decision:
                case Stop():
                    # Whatever came in meanwhile may call for another decision.
                    if (
                        self.recorder.flush()
                        and decide(self.recorder.state, self.deciders) == decision
                    ):
                        return decision
                case Record(events=events):
                    self.recorder.intend(events)
                case _:
                    self._take(self._step(decision))

    def _step(self, decision: Decision) -> Step:
        match decision:
            case CallModel():
                model = ModelStep(self.agent, self.memory, self.contents)
                return model.run(decision, self.recorder.state, self.recorder.position, self.around)
            case RunTools():
                return self._tools().run(decision, self.around)
            case ProbeTools():
                return ProbeStep(self._tools()).run(decision, self.recorder.state, self.around)
            case _:
                raise AssertionError(f"no step for {decision}")

    def _tools(self) -> ToolStep:
        return ToolStep(self.agent, self.store, self.recorder.foothold, self.discretion)

    def _take(self, step: Step) -> None:
        """Record what a step yields, and let it go on only while that worked."""
        try:
            yielded = self.around.advance(step, None)
            while self._write(yielded):
                yielded = self.around.advance(step, self.recorder.state)
        except StopIteration:
            return
        finally:
            step.close()

    def _write(self, yielded: Yielded) -> bool:
        recorder = self.recorder
        match yielded:
            case Claim(events=events):
                self.around.keep_going()
                recorder.intend(events)
                return recorder.flush()
            case Committed():
                recorder.catch_up()
            case Outcome(events=events, stands=stands, more=more):
                told = [self.contents.set_aside(self.discretion(event)) for event in events]
                recorder.conclude(told, stands)
                if more:
                    recorder.flush()
        return True
