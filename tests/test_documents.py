"""The commands that README and documents show are commands that exist, with options that exist."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

from wavemel.commands.main import _register_commands, app

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def shown(page: Path) -> list[str]:
    """Return the wavemel command lines of a page's code blocks, continued lines joined."""
    blocks = re.findall(r"```[a-z]*\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("wavemel ")]


COMMANDS = [(page.name, line) for page in PAGES for line in shown(page)]


@pytest.fixture(scope="module")
def program():
    if not app.registered_commands:
        _register_commands()
    return typer.main.get_command(app)


def test_there_are_commands_to_look_at() -> None:
    assert len(COMMANDS) > 8


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_shown_command_can_be_parsed(program, page: str, line: str) -> None:
    words = shlex.split(line, comments=True)
    # What a shell would make of it: redirections and pipes are not ours.
    words = words[1 : next((i for i, w in enumerate(words) if w in ("|", ">", "<", "&&")), None)]
    name, command, context = "wavemel", program, None
    # Parsing alone: an unknown command or option raises here, nothing is run.
    while hasattr(command, "resolve_command"):
        context = command.make_context(name, words, parent=context)
        if command.invoke_without_command and not context.args and not context._protected_args:
            return
        name, command, words = command.resolve_command(
            context, [*context._protected_args, *context.args]
        )
    command.make_context(name, words, parent=context)


def test_an_option_that_does_not_exist_is_noticed(program) -> None:
    with pytest.raises(Exception, match="nosuch"):
        test_a_shown_command_can_be_parsed(program, "here", "wavemel train light/mel --nosuch 1")
