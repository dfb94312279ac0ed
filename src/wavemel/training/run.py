"""A training run from top to bottom: a description and data in, a run folder out.

What the folder holds is told in `wavemel.training.folder`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from lightning.pytorch.callbacks import Callback

from wavemel.checkpoint import read_json, write_json
from wavemel.errors import ConfigError, Terminated
from wavemel.experiment import Experiment, complete
from wavemel.features.augment import make_augmentations
from wavemel.runtime import keep_freed_memory
from wavemel.training.branches import start_from_branches
from wavemel.training.callbacks import History, KeepBest
from wavemel.training.dataset import Dataset, stores
from wavemel.training.encoder import embedding_stores, embeds, open_encoder
from wavemel.training.folder import open_folder
from wavemel.training.loader import Chunks, ClipLoader, Store
from wavemel.training.task import GenreTask
from wavemel.training.trainer import Hardware, check_hardware, make_trainer, quieten, resolve_device


def train(
    experiment: Experiment,
    data: Dataset,
    folder: Path,
    *,
    resume: bool = False,
    cache: bool = True,
    hardware: Hardware | None = None,
    callbacks: tuple[Callback, ...] = (),
) -> dict[str, Any]:
    """Train one network and return what ``run.json`` then holds.

    Parameters
    ----------
    experiment : what to train and how.
    data : clips with their split.
    folder : run folder; must be new or empty unless ``resume``.
    resume : continue from ``last.ckpt``; the outcome is the same, bit for bit, on a CPU.
    cache : decode once into the cache of clips; else decode in every epoch.
    hardware : devices, nodes and loggers.
    callbacks : further Lightning callbacks.

    Raises
    ------
    ConfigError
        The hardware that is asked for is not there.
    ModelError
        The folder holds another run, or there is nothing to resume; or the encoder that the
        network stands on, or a run that a branch starts from, cannot be loaded.
    KeyboardInterrupt, Terminated
        Ctrl-C or SIGTERM ended it; the epochs that were finished are kept.
    """
    hardware = hardware or Hardware()
    keep_freed_memory()
    quieten()
    check_hardware(hardware)
    settings = experiment.training
    training, validation = data.part("training"), data.part("validation")
    _check_validation(experiment, len(validation))
    embedder = None
    if embeds(experiment):
        # Before all else: a run is of one encoder exactly, also when it is resumed.
        experiment, embedder = open_encoder(experiment)
    # What is written of a run describes it also where a later version has other defaults.
    experiment = complete(experiment)
    task = GenreTask(
        experiment, len(data.classes), _class_weights(settings.class_weights, data, training)
    )
    # Before the folder is made: where a branch's run is missing, no half-made run is left behind.
    start_from_branches(task, settings.initial, data)
    last = open_folder(folder, experiment, data, resume)
    train_store: Store
    validation_store: Store
    if embedder is None:
        train_store, validation_store = stores(data, experiment, cache=cache)
    else:
        device = resolve_device(hardware.accelerator)
        train_store, validation_store = embedding_stores(
            data, experiment, embedder, cache=cache, device=device
        )
        # All that is needed of it is in the stores.
        del embedder

    augmentations = make_augmentations(experiment.augment)
    ahead, audio = augmentations.ahead, experiment.audio
    chunked = audio.clip_seconds is not None
    loader = ClipLoader(
        train_store,
        data.targets(training),
        settings.batch_size,
        shuffle=True,
        seed=experiment.seed,
        balanced=settings.sampling == "balanced",
        stretch=(ahead.probability, ahead.variants) if ahead else (0.0, 0),
        chunks=Chunks(augmentations.samples(audio.samples)) if chunked else None,
    )
    validation_loader = ClipLoader(
        validation_store,
        data.targets(validation),
        settings.batch_size,
        chunks=Chunks(audio.samples, experiment.evaluation.windows) if chunked else None,
    )

    if hardware.compile:
        # In place: the state dict, and so every file, stays as it is without.
        task.model.network.compile()
    history = History(folder, loader, say=not hardware.progress)
    best = KeepBest(folder, data.classes, settings.select, {"data": data.about()})
    trainer = make_trainer(experiment, folder, hardware, [history, best, *callbacks])
    loader.rank = validation_loader.rank = trainer.global_rank
    loader.world = validation_loader.world = trainer.world_size

    try:
        held = validation_loader if len(validation) else None
        trainer.fit(task, loader, held, ckpt_path=last, weights_only=True)
        interrupted = trainer.interrupted
    except SystemExit:
        # Lightning's way of ending after Ctrl-C or SIGTERM, once its loggers are closed.
        interrupted = True
    picked: dict[str, Any] = {} if settings.select == "last" else {settings.select: best.best}
    about = {
        **(read_json(folder / "run.json") if trainer.is_global_zero else {}),
        "finished": not interrupted,
        "epochs": len(history.rows),
        "best_epoch": best.best_epoch,
        **picked,
        # Summed over epochs, so that an interrupted and resumed run counts what it kept.
        "seconds": round(sum(row["seconds"] for row in history.rows), 1),
        "precision": str(trainer.precision),
        "devices": f"{trainer.world_size} x {task.device.type}",
        "parameters": sum(p.numel() for p in task.model.parameters()),
    }
    if trainer.is_global_zero:
        write_json(folder / "run.json", about)
    if interrupted:
        raise Terminated if trainer.received_sigterm else KeyboardInterrupt
    return about


def _check_validation(experiment: Experiment, clips: int) -> None:
    """Raise ConfigError where an epoch is to be chosen and there is nothing to choose it by."""
    settings = experiment.training
    if clips == 0 and (settings.select != "last" or settings.patience is not None):
        raise ConfigError(
            "without validation clips no epoch can be chosen: use training.select=last "
            "and no training.patience"
        )


def _class_weights(how: str, data: Dataset, rows: Any) -> torch.Tensor | None:
    """Return weights inversely proportional to how often each genre stands in training.

    For several labels a clip: by how much more often a genre is absent than
    present, at most 100.
    """
    if how == "none":
        return None
    targets = data.targets(rows)
    if targets.ndim == 2:
        present = targets.sum(0)
        return torch.from_numpy(np.minimum((len(targets) - present) / present, 100.0)).float()
    counts: npt.NDArray[np.int64] = np.bincount(targets, minlength=len(data.classes))
    return torch.tensor(counts.sum() / (len(counts) * counts), dtype=torch.float32)
