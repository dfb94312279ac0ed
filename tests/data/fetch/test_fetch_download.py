from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import namedtuple
from pathlib import Path

import pytest
from fault_server import Answer, Cut, Flip, Server, serve

from wavemel.data.fetch import download as module
from wavemel.data.fetch.download import download
from wavemel.data.fetch.http import Retries
from wavemel.errors import DataError

DATA = random.Random(1).randbytes(400_000)
SHA1 = hashlib.sha1(DATA).hexdigest()
OTHER = random.Random(2).randbytes(400_000)


def quick(attempts: int = 4) -> Retries:
    return Retries(attempts=attempts, first_wait=0.001)


def parts(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


@pytest.fixture
def one():
    with serve(**{"a.zip": DATA}) as state:
        yield state


def test_whole_file_arrives_and_nothing_else_stays(one: Server, tmp_path: Path) -> None:
    got = download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert got.read_bytes() == DATA
    assert parts(tmp_path) == ["a.zip"]
    assert one.sent == len(DATA)


def test_file_that_is_there_is_hashed_not_fetched(one: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(DATA)
    download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1)
    assert one.requests == []


def test_file_that_is_there_and_wrong_is_named_and_kept(one: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(DATA[:1000])
    with pytest.raises(DataError, match=r"a\.zip exists but is not the right file"):
        download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1)
    assert (tmp_path / "a.zip").read_bytes() == DATA[:1000]


@pytest.mark.parametrize(
    "faults",
    [
        [Cut(0)],
        [Cut(70_000), Cut(1), Cut(200_000)],
        [Answer(500), Cut(100_000), Answer(502), Answer(429)],
        [Cut(399_999)],
    ],
)
def test_faults_cost_no_byte_twice(faults: list, one: Server, tmp_path: Path) -> None:
    one.faults = list(faults)
    got = download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert got.read_bytes() == DATA
    assert one.sent == len(DATA)
    assert len(one.requests) == len(faults) + 1


def test_retry_after_is_obeyed(one: Server, tmp_path: Path) -> None:
    one.faults = [Answer(503, retry_after="1")]
    download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert one.requests[1].when - one.requests[0].when >= 1


def test_faults_without_end_give_up_and_keep_what_came(one: Server, tmp_path: Path) -> None:
    one.faults = [Cut(150_000), *[Answer(503)] * 9]
    with pytest.raises(DataError, match=r"503.*run the same command again"):
        download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick(3))
    assert parts(tmp_path) == ["a.zip.part", "a.zip.part.json"]
    one.faults = []
    before = one.sent
    download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert one.sent - before == len(DATA) - 150_000
    assert one.requests[-1].range == "bytes=150000-"


def test_refusal_is_final_at_once(one: Server, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"404.*--url"):
        download(one.url + "b.zip", tmp_path / "b.zip", retries=quick())
    assert len(one.requests) == 1
    assert not (tmp_path / "b.zip").exists()


def test_no_server_is_one_sentence(tmp_path: Path) -> None:
    with serve() as gone:
        url = gone.url
    with pytest.raises(DataError, match="2 attempts failed"):
        download(url + "a.zip", tmp_path / "a.zip", retries=quick(2))


def test_etag_that_changes_half_way_starts_anew(one: Server, tmp_path: Path) -> None:
    one.faults = [Cut(150_000), *[Answer(503)] * 2]
    with pytest.raises(DataError):
        download(one.url + "a.zip", tmp_path / "a.zip", retries=quick(2))
    one.files["a.zip"] = OTHER
    one.faults = []
    sha1 = hashlib.sha1(OTHER).hexdigest()
    got = download(one.url + "a.zip", tmp_path / "a.zip", sha1=sha1, retries=quick())
    assert got.read_bytes() == OTHER
    assert one.requests[-1].if_range is not None
    assert one.requests[-1].status == 200


def test_file_that_shrinks_half_way_starts_anew(one: Server, tmp_path: Path) -> None:
    one.validators = False
    one.faults = [Cut(300_000), *[Answer(503)] * 2]
    with pytest.raises(DataError):
        download(one.url + "a.zip", tmp_path / "a.zip", retries=quick(2))
    one.files["a.zip"] = OTHER[:200_000]
    one.faults = []
    got = download(one.url + "a.zip", tmp_path / "a.zip", retries=quick())
    assert got.read_bytes() == OTHER[:200_000]


def test_server_without_ranges_restarts_the_whole(one: Server, tmp_path: Path) -> None:
    one.ranges = False
    one.faults = [Cut(150_000)]
    got = download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert got.read_bytes() == DATA
    assert [r.first for r in one.requests] == [0, 0]


def test_server_without_ranges_that_always_breaks_is_given_up(one: Server, tmp_path: Path) -> None:
    one.ranges = False
    one.faults = [Cut(150_000)] * 50
    with pytest.raises(DataError, match="attempts failed"):
        download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick(4))
    assert len(one.requests) <= 6


def test_server_without_validators_resumes_by_size(one: Server, tmp_path: Path) -> None:
    one.validators = False
    one.faults = [Cut(150_000)]
    got = download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert got.read_bytes() == DATA
    assert one.sent == len(DATA)


@pytest.mark.parametrize("position", [0, 123_456, 399_999])
def test_flipped_byte_leaves_nothing_that_looks_whole(
    position: int, one: Server, tmp_path: Path
) -> None:
    one.faults = [Flip(position)]
    with pytest.raises(DataError, match=r"SHA-1 is .* not .*removed"):
        download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert parts(tmp_path) == []
    assert download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1).read_bytes() == DATA


def test_part_whose_bytes_were_changed_on_disk_is_not_trusted(one: Server, tmp_path: Path) -> None:
    one.faults = [Cut(150_000), *[Answer(503)] * 2]
    with pytest.raises(DataError):
        download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick(2))
    part = tmp_path / "a.zip.part"
    part.write_bytes(bytes(150_000))
    one.faults = []
    with pytest.raises(DataError, match="SHA-1"):
        download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert parts(tmp_path) == []


@pytest.mark.parametrize(
    "state", ["", "{}", "[]", '{"url": "x", "validators": {"etag": 1, "huh": 2}}']
)
def test_part_without_a_readable_state_starts_anew(state: str, one: Server, tmp_path: Path) -> None:
    (tmp_path / "a.zip.part").write_bytes(b"x" * 1000)
    (tmp_path / "a.zip.part.json").write_text(state)
    got = download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert got.read_bytes() == DATA
    assert one.requests[0].range is None


def test_disk_is_checked_before_the_first_byte(
    one: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(1, 1, module.SPARE + 399_999))
    with pytest.raises(DataError, match=r"a\.zip needs .* GiB .*--to"):
        download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1, retries=quick())
    assert (tmp_path / "a.zip.part").stat().st_size == 0
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: usage(1, 1, module.SPARE + 400_000))
    assert download(one.url + "a.zip", tmp_path / "a.zip", sha1=SHA1).read_bytes() == DATA


@pytest.mark.skipif(os.name == "nt", reason="the lock is POSIX's")
def test_two_processes_do_not_share_a_part(one: Server, tmp_path: Path) -> None:
    with module._locked(tmp_path / "a.zip.part"), pytest.raises(DataError, match="another process"):
        download(one.url + "a.zip", tmp_path / "a.zip", retries=quick())


KILLED = """
import sys
from wavemel.data.fetch.download import download
from wavemel.data.fetch.http import Retries
download(sys.argv[1], sys.argv[2], sha1=sys.argv[3], retries=Retries(first_wait=0.001))
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX's")
def test_killed_twenty_times_it_ends_complete_and_fetches_no_byte_twice(
    one: Server, tmp_path: Path
) -> None:
    draw = random.Random(3)
    one.block, one.pause = 2048, 0.02  # the whole takes 4 s
    target, part = tmp_path / "a.zip", tmp_path / "a.zip.part"
    call = [sys.executable, "-c", KILLED, one.url + "a.zip", str(target), SHA1]
    kept = []
    for _ in range(20):
        served = len(one.requests)
        process = subprocess.Popen(call)
        while len(one.requests) == served and process.poll() is None:
            time.sleep(0.002)
        time.sleep(draw.uniform(0, 0.15))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert not target.exists()
        assert DATA.startswith(part.read_bytes())
        kept.append(part.stat().st_size)
    one.pause = 0
    subprocess.run(call, check=True, timeout=60)
    assert target.read_bytes() == DATA
    assert parts(tmp_path) == ["a.zip"]
    # Each went on at the byte after the last one written: only what was on the wire when
    # the process died, and so was never written, is sent again.
    assert [r.first for r in one.requests] == [0, *kept]
    assert kept == sorted(kept)
    assert kept[-1] > 0
