"""May this tool run? Asked before it does."""

from __future__ import annotations

import json
from typing import Any, ClassVar, Literal, TypeAlias

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static, TextArea

from messagedb_agent.projections.tool_calls import CallState
from messagedb_agent.tui.render import plain
from messagedb_agent.tui.text import editable, one_line, pretty

Answer: TypeAlias = Literal["once", "always", "edited", "denied"]

_KEYS = "[y] allow once  [a] always this tool  [e] edit  [d] deny  esc later"
_EDIT_KEYS = "[^s] run with these arguments  esc back"
_DENY_KEYS = "[enter] deny  esc back"


class Verdict(msgspec.Struct, frozen=True):
    """What somebody decided about a call."""

    answer: Answer
    arguments: Any = None
    reason: str | None = None


class ApprovalDialog(ModalScreen[Verdict | None]):
    """
    Asks about one call; None is for "later".

    Keys count only after `GUARD_SECONDS`: somebody who is typing when this appears must not
    allow anything by it.
    """

    GUARD_SECONDS: ClassVar[float] = 0.4
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "allow('once')", "Allow once"),
        Binding("a", "allow('always')", "Always this tool"),
        Binding("e", "edit", "Edit"),
        Binding("d,n", "deny", "Deny"),
        Binding("ctrl+s", "accept", "Run with these", priority=True),
        Binding("escape", "back", "Later"),
    ]

    def __init__(self, call: CallState, position: str = "") -> None:
        super().__init__()
        self._call = call
        self._position = position
        self._is_awake = False

    def compose(self) -> ComposeResult:
        """The question, the arguments, and the keys."""
        with Vertical(id="dialog"):
            name = one_line(self._call.call.name, 40)
            title = Content.styled("? ", "bold $text-warning") + Content.styled(name, "bold")
            yield Static(title + Content(f" wants to run{self._position}"), id="question")
            with VerticalScroll(id="arguments"):
                yield Static(plain(pretty(self._call.arguments)))
            yield TextArea(editable(self._call.arguments), id="edit", classes="hidden")
            yield Input(placeholder="why not (the model reads it)", id="reason", classes="hidden")
            yield Static("", id="problem", classes="hidden", markup=False)
            yield Static(_KEYS, id="keys", markup=False)

    def on_mount(self) -> None:
        """Wait a moment before any key counts."""
        self.query_one("#arguments").focus()
        if self.GUARD_SECONDS:
            self.set_timer(self.GUARD_SECONDS, self._wake)
        else:
            self._wake()

    def _wake(self) -> None:
        self._is_awake = True

    @property
    def call(self) -> CallState:
        """The call that is asked about."""
        return self._call

    @property
    def _mode(self) -> str:
        for mode in ("edit", "reason"):
            if not self.query_one(f"#{mode}").has_class("hidden"):
                return mode
        return "look"

    def _turn_to(self, mode: str, keys: str) -> None:
        for name in ("edit", "reason"):
            self.query_one(f"#{name}").set_class(name != mode, "hidden")
        self.query_one("#arguments").set_class(mode == "edit", "hidden")
        self.query_one("#problem").add_class("hidden")
        self.query_one("#keys", Static).update(keys)
        self.query_one("#arguments" if mode == "look" else f"#{mode}").focus()

    def action_allow(self, answer: Answer) -> None:
        """Let it run."""
        if self._is_awake and self._mode == "look":
            self.dismiss(Verdict(answer))

    def action_edit(self) -> None:
        """Change the arguments first."""
        if self._is_awake:
            self._turn_to("edit", _EDIT_KEYS)

    def action_deny(self) -> None:
        """Ask for the reason."""
        if self._is_awake:
            self._turn_to("reason", _DENY_KEYS)

    def action_accept(self) -> None:
        """Let it run with the arguments as edited."""
        if self._mode != "edit":
            return
        try:
            arguments = json.loads(self.query_one("#edit", TextArea).text)
        except (ValueError, RecursionError) as error:
            self._complain(f"that is not JSON: {error}")
            return
        if not isinstance(arguments, dict):
            self._complain("arguments are a JSON object: {…}")
            return
        self.dismiss(Verdict("edited", arguments=arguments))

    def action_back(self) -> None:
        """Leave editing or denying, or decide later."""
        if self._mode == "look":
            self.dismiss(None)
        else:
            self._turn_to("look", _KEYS)

    @on(Input.Submitted, "#reason")
    def _refuse(self, event: Input.Submitted) -> None:
        self.dismiss(Verdict("denied", reason=event.value.strip() or None))

    def _complain(self, problem: str) -> None:
        self.query_one("#problem", Static).update(plain(problem))
        self.query_one("#problem").remove_class("hidden")
