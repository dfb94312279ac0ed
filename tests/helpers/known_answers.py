"""Networks whose reasons are known: one hears a mel band, one a frequency of the waveform, one both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import soundfile
import torch
from torch import Tensor, nn

from wavemel.checkpoint import Checkpoint, fingerprint_of, load_checkpoint
from wavemel.evaluation.predict import predict
from wavemel.evaluation.predictions import save_predictions
from wavemel.experiment import make_experiment
from wavemel.features.frontend import FrontEnd
from wavemel.networks.base import GenreNetwork
from wavemel.networks.model import GenreModel

RATE = 8000
#: What the networks hear, in Hz, and when the test sound has it, in seconds.
HEARD, WHEN = 1000.0, (2.2, 2.6)
BANDS = 32


class HearsBand(GenreNetwork):
    """Says "yes" by how often one mel band is loud; a convolution picks what is loud."""

    inputs: ClassVar[tuple[str, ...]] = ("mel",)

    def __init__(self, band: int) -> None:
        super().__init__()
        self.band = band
        self.body = nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU())
        with torch.no_grad():
            self.body[0].weight.fill_(1.0)
            self.body[0].bias.fill_(-0.5)

    def forward(self, *inputs: Tensor) -> Tensor:
        yes = 5 * self.body(inputs[0][:, None])[:, 0, self.band].mean(-1)
        return torch.stack([yes, torch.zeros_like(yes)], 1)


class HearsFrequency(GenreNetwork):
    """Says "yes" by the power of the waveform around one frequency."""

    inputs: ClassVar[tuple[str, ...]] = ("wave",)

    def __init__(self, hertz: float) -> None:
        super().__init__()
        time = (np.arange(257) - 128) / RATE
        kernel = np.hanning(257) * np.cos(2 * np.pi * hertz * time) / 64
        self.register_buffer("kernel", torch.tensor(kernel, dtype=torch.float32)[None, None, None])

    def forward(self, *inputs: Tensor) -> Tensor:
        filtered = nn.functional.conv2d(inputs[0][:, None, None], self.kernel, padding=(0, 128))
        yes = filtered.square().mean((1, 2, 3))
        return torch.stack([yes, torch.zeros_like(yes)], 1)


class HearsBoth(GenreNetwork):
    """The sum of the two."""

    inputs: ClassVar[tuple[str, ...]] = ("wave", "mel")

    def __init__(self, hertz: float, band: int) -> None:
        super().__init__()
        self.wave, self.mel = HearsFrequency(hertz), HearsBand(band)

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.wave(inputs[0]) + self.mel(inputs[1])


def checkpoint(kind: str, seconds: float = 4.0) -> Checkpoint:
    """Return one of them as a loaded model: classes "yes" and "no", windows of so many seconds."""
    experiment = make_experiment(
        {
            "name": kind,
            "audio": {"rate": RATE, "seconds": seconds},
            "mel": {"n_fft": 512, "hop": 100, "bands": BANDS},
        },
        "test",
    )
    from wavemel.explain.grid import Grid

    band = int(np.abs(Grid(RATE, experiment.mel).centres - HEARD).argmin())
    network = {
        "mel": lambda: HearsBand(band),
        "wave": lambda: HearsFrequency(HEARD),
        "both": lambda: HearsBoth(HEARD, band),
    }[kind]()
    front_end = FrontEnd(network.inputs, RATE, experiment.mel)
    return Checkpoint(GenreModel(front_end, network).eval(), experiment, ("yes", "no"), {})


def write_sound(path: Path, seconds: float = 5.0) -> Path:
    """Write noise and a steady tone of 3 kHz; what the networks hear sounds at one time only."""
    time = np.arange(round(seconds * RATE)) / RATE
    sound = 0.02 * np.random.default_rng(0).standard_normal(len(time))
    sound += 0.1 * np.sin(2 * np.pi * 3000 * time)
    burst = (time >= WHEN[0]) & (time < WHEN[1])
    sound += burst * 0.3 * np.sin(2 * np.pi * HEARD * time)
    soundfile.write(path, sound.astype(np.float32), RATE)
    return path


def write_fold(
    folder: Path, paths: list[Path], genres: list[str], artists: list[str | None]
) -> None:
    """Turn a folder with a checkpoint into a run that was evaluated on these files."""
    loaded = load_checkpoint(folder)
    about = {"name": "tiny", "seed": 0, "classes": list(loaded.classes), "labels": "genre"}
    (folder / "run.json").write_text(json.dumps({**about, "finished": True}))
    (folder / "experiment.yaml").write_text(json.dumps(loaded.experiment.as_dict()))
    rows = pd.DataFrame({"path": [str(p) for p in paths], "artist": artists, "genre": genres})
    # Folds of one data set know the same clips; all of these are trained on one that is not there.
    known = [*rows["path"], str(folder.parent / "trained.wav")]
    table = pd.DataFrame({"path": known, "genre": [*genres, genres[0]], "content": known})
    table.to_csv(folder / "table.csv", index=False)
    made = predict(loaded, rows, precision="32")
    save_predictions(folder / "predictions-test.csv", made, loaded.classes)
    kept = json.dumps({"weights": fingerprint_of(folder)})
    (folder / "evaluation-test.json").write_text(kept)
