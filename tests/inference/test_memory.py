"""What a classifier asks of the system's memory, in a process of its own."""

import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

FAULTS = """
import resource
import sys
import wavemel

model = wavemel.load("emotify-4")

def faults():
    for _ in range(5):
        model.classify(sys.argv[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

first = faults()
print(faults() - first)
"""


def said(script: str, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, *words], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc's malloc")
def test_a_window_gets_the_memory_of_the_one_before(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).standard_normal(30 * 44_100) * 0.1
    soundfile.write(tmp_path / "noise.wav", noise, 44_100)
    # Else there is one for every 4 KiB of every array, hundreds a track.
    assert int(said(FAULTS, str(tmp_path / "noise.wav"))) < 200


def test_to_know_how_takes_no_import() -> None:
    assert (
        said("import sys, wavemel.runtime; print({'ctypes', 'numpy'} & set(sys.modules))")
        == "set()"
    )
