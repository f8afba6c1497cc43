from __future__ import annotations

import pytest

from messagedb_agent.tools import docstring

GOOGLE = """
    Send a letter.

    It goes by post.

    Args:
        to (str): Who gets it:
            name and town.
        text: What it says.

    Returns:
        nothing: really
    """

REST = """Send a letter.

    :param to: Who gets it:
        name and town.
    :param str text: What it says.
    :returns: nothing
    """


@pytest.mark.parametrize("text", [GOOGLE, REST])
def test_both_styles_describe_parameters(text: str) -> None:
    assert docstring.parameters(text) == {
        "to": "Who gets it: name and town.",
        "text": "What it says.",
    }


@pytest.mark.parametrize("text", [GOOGLE, REST, "Send\n    a letter.\n    :param to: x"])
def test_the_first_paragraph_is_the_summary(text: str) -> None:
    assert docstring.summary(text) == "Send a letter."


@pytest.mark.parametrize("text", [None, "", "   \n  ", "Args:\n    "])
def test_no_docstring_says_nothing(text: str | None) -> None:
    assert docstring.summary(text) == ""
    assert docstring.parameters(text) == {}
