"""Files are complete when they rest."""

from pathlib import Path

from wavemel.library.watching import Settling


def test_a_growing_file_waits(tmp_path: Path) -> None:
    now = [0.0]
    settling = Settling(2.0, lambda: now[0])
    song, gone = tmp_path / "a.mp3", tmp_path / "b.mp3"
    song.write_bytes(b"1")
    gone.write_bytes(b"1")
    settling.touch([str(song), str(gone)])
    gone.unlink()
    for moment, size in ((0, 1), (1, 2), (2, 3), (3, 3), (4, 4)):
        now[0] = moment
        song.write_bytes(b"1" * size)
        assert settling.complete() == []
    assert len(settling) == 1
    now[0] = 5.9
    assert settling.complete() == []
    now[0] = 6
    assert settling.complete() == [str(song)]
    assert settling.complete() == []
    assert len(settling) == 0


def test_a_file_that_goes_on_growing_is_complete_again(tmp_path: Path) -> None:
    now = [0.0]
    settling = Settling(1.0, lambda: now[0])
    song = tmp_path / "a.mp3"
    song.write_bytes(b"half")
    for moment in (0, 1, 2):
        settling.touch([str(song)]) if moment == 0 else None
        now[0] = moment
        found = settling.complete()
    assert found == []
    song.write_bytes(b"whole!")
    settling.touch([str(song)])
    now[0] = 10
    assert settling.complete() == []
    now[0] = 11
    assert settling.complete() == [str(song)]
