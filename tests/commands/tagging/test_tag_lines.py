"""What `wavemel tag` prints."""

import pytest

from wavemel.commands.tag_lines import show_changes
from wavemel.tagging.plan import Change


def test_genres_that_stand_in_a_file_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    changes = [
        Change("/m/a.mp3", ["\x1b]0;owned\x07", "hip\nhop"], ["Rock"], "rock 0.90"),
        Change("/m/b.mp3", ["Ambient\r\x1b[2K"], ["Ambient\r\x1b[2K"], "has a genre"),
    ]
    show_changes(changes, show_all=True, planned=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)
    assert "owned" in lines[0]
    assert "Ambient" in lines[1]
