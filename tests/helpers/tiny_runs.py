"""A data set and an experiment small enough to train in a second or two; what a run left."""

import csv
import json
from pathlib import Path

import lightning as L
import torch

from wavemel.data.splits import SplitChoice
from wavemel.experiment import Experiment, make_experiment
from wavemel.training.dataset import Dataset, prepare
from wavemel.training.trainer import Hardware

#: What it is trained on.
DATA = "demo:clips=40,seconds=2,rate=8000"
TINY = {
    "name": "tiny",
    "audio": {"rate": 8000, "seconds": 1.5},
    "mel": {"n_fft": 512, "hop": 200, "bands": 24},
    "augment": {
        "stretch": {"probability": 0.5, "rates": [0.9, 1.1], "variants": 2},
        "noise": {"probability": 0.5, "snr_db": [10, 40]},
    },
    "training": {"epochs": 4, "batch_size": 8, "precision": "32"},
}
NETWORKS = {
    "wave": {"name": "wave", "filters": [4, 8], "kernels": [9, 7], "stride": 4},
    "mel": {"name": "mel", "filters": 4, "dense": [8]},
    "combined": {
        "name": "combined",
        "wave": {"filters": [4, 8], "kernels": [9, 7], "stride": 4},
        "mel": {"filters": 4},
        "dense": [8],
    },
}
QUIET = Hardware(accelerator="cpu", devices=1, loggers=(), progress=False)


def tiny(network: str = "wave", **changes) -> Experiment:
    """Return a small experiment; ``options`` go to the network, ``training`` is laid over TINY's."""
    options = changes.pop("options", {})
    # As in config files: a network of another name starts afresh.
    renamed = options.get("name", network) != network
    described = options if renamed else {**NETWORKS[network], **options}
    training = {**TINY["training"], **changes.pop("training", {})}
    tree = {**TINY, "name": network, "network": described, "training": training, **changes}
    return make_experiment(tree, "tiny")


def tiny_dataset() -> Dataset:
    return prepare("demo:clips=40,seconds=2,rate=8000", SplitChoice(), workers=0)


class StopInTheMiddle(L.Callback):
    """Ctrl-C, in the middle of an epoch."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_train_batch_end(self, trainer, *_) -> None:
        if trainer.current_epoch == self.epoch:
            raise KeyboardInterrupt


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "last.ckpt", weights_only=True)["state_dict"]


def rows(folder: Path) -> list[dict[str, str]]:
    kept = list(csv.DictReader((folder / "metrics.csv").open()))
    return [{k: v for k, v in row.items() if "seconds" not in k} for row in kept]


def write_configs(folder: Path, *names: str, epochs: int = 1) -> Path:
    """Write a set of configs, one for each network named, and return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        tree = {**TINY, "name": name, "network": NETWORKS[name], "augment": {}}
        tree["training"] = {**TINY["training"], "epochs": epochs}
        (folder / f"{name}.yaml").write_text(json.dumps(tree))
    return folder
