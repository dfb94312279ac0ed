"""A training run from top to bottom: a description and data in, a run folder out.

A run folder describes itself:

| file | what |
| --- | --- |
| experiment.yaml | the whole description, nothing left to defaults |
| run.json | classes, data, split, seeds, versions, hardware, time, best epoch |
| table.csv | the clips with their split |
| left_out.csv | the clips that were left out, and why |
| metrics.csv | figures by epoch |
| best.safetensors, best.json | weights of the epoch that `training.select` picks, and what they are |
| last.ckpt | everything that ``--resume`` needs |
| tensorboard/ | the same figures for TensorBoard |
"""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import numpy.typing as npt
import torch
import yaml
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger

from wavemel.checkpoint import load_checkpoint, read_json, write_json
from wavemel.errors import ConfigError, MissingExtraError, ModelError
from wavemel.experiment import Experiment, make_experiment
from wavemel.features.augment import make_augmentations
from wavemel.machine import describe_machine
from wavemel.networks.encoder import PINNED
from wavemel.runtime import keep_freed_memory, resolve_precision
from wavemel.training.callbacks import History, KeepBest
from wavemel.training.dataset import Dataset, stores
from wavemel.training.encoder import embedding_stores, embeds, open_encoder
from wavemel.training.loader import Chunks, ClipLoader, Store
from wavemel.training.task import GenreTask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hardware:
    """Where a run takes place; passed on to Lightning's Trainer."""

    accelerator: str = "auto"
    devices: int | str = "auto"
    nodes: int = 1
    #: "tensorboard", "mlflow", "wandb"; metrics.csv is always written.
    loggers: tuple[str, ...] = ("tensorboard",)
    progress: bool = field(default_factory=lambda: os.isatty(2))
    #: Compile the network with torch.compile: minutes at first, then quicker steps on a GPU.
    compile: bool = False


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
    ModelError
        The folder holds another run, or there is nothing to resume; or the encoder that the
        network stands on, or a run that a branch starts from, cannot be loaded.
    """
    hardware = hardware or Hardware()
    keep_freed_memory()
    _quieten()
    settings = experiment.training
    training, validation = data.part("training"), data.part("validation")
    _check_validation(experiment, len(validation))
    embedder = None
    if embeds(experiment):
        # Before all else: a run is of one encoder exactly, also when it is resumed.
        experiment, embedder = open_encoder(experiment)
    task = GenreTask(
        experiment, len(data.classes), _class_weights(settings.class_weights, data, training)
    )
    # Before the folder is made: where a branch's run is missing, no half-made run is left behind.
    _start_from_branches(task, settings.initial, data.classes)
    last = _open_folder(folder, experiment, data, resume)
    train_store: Store
    validation_store: Store
    if embedder is None:
        train_store, validation_store = stores(data, experiment, cache=cache)
    else:
        device = _device(hardware.accelerator)
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
    trainer = _trainer(experiment, folder, hardware, [history, best, *callbacks])
    loader.rank = validation_loader.rank = trainer.global_rank
    loader.world = validation_loader.world = trainer.world_size

    try:
        held = validation_loader if len(validation) else None
        trainer.fit(task, loader, held, ckpt_path=last, weights_only=True)
        interrupted = trainer.interrupted
    except SystemExit:
        # Lightning's way of ending after Ctrl-C, once its loggers are closed.
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
        raise KeyboardInterrupt
    return about


def _check_validation(experiment: Experiment, clips: int) -> None:
    """Raise ConfigError where an epoch is to be chosen and there is nothing to choose it by."""
    settings = experiment.training
    if clips == 0 and (settings.select != "last" or settings.patience is not None):
        raise ConfigError(
            "without validation clips no epoch can be chosen: use training.select=last "
            "and no training.patience"
        )


def _open_folder(folder: Path, experiment: Experiment, data: Dataset, resume: bool) -> Path | None:
    """Prepare a new run folder, or check that an old one is of the same run; return its checkpoint."""
    about, last = folder / "run.json", folder / "last.ckpt"
    if _rank() > 0:
        # One process among several: the first one looks after the folder.
        return last if resume and last.exists() else None
    if about.exists():
        if not resume:
            raise ModelError(
                f"{folder} already holds a run: give another --to, or --resume to continue it"
            )
        old = read_json(about)
        if old["data"]["hash"] != data.hash:
            raise ModelError(f"{folder} was trained on other data: it cannot be resumed on these")
        changed = changed_settings(folder, experiment)
        if changed:
            raise ModelError(
                f"{folder} was trained with another {', '.join(changed)}: a run is resumed as it was "
                "started, with more epochs at most"
            )
        _write_experiment(folder, experiment)
        # Figures of the weights that are about to change.
        for stale in (*folder.glob("evaluation-*"), *folder.glob("predictions-*")):
            stale.unlink()
    elif folder.exists() and any(folder.iterdir()):
        raise ModelError(f"{folder} is not empty and holds no run: give another --to")
    folder.mkdir(parents=True, exist_ok=True)
    if not about.exists():
        data.table.to_csv(folder / "table.csv", index=False)
        data.left_out.to_csv(folder / "left_out.csv", index=False)
        _write_experiment(folder, experiment)
        write_json(
            about,
            {
                "name": experiment.name,
                "network": experiment.network["name"],
                "classes": list(data.classes),
                "labels": data.labels,
                "data": data.about(),
                "seed": experiment.seed,
                "finished": False,
                "machine": describe_machine(),
            },
        )
    return last if resume and last.exists() else None


def changed_settings(folder: Path, experiment: Experiment) -> list[str]:
    """Return the dotted names of what differs from a run's own description, epochs and patience aside.

    So is what the run itself has found out of its encoder, where ``experiment`` leaves it open.
    """
    # Through the description's own type: a setting that is newer than the run has its default.
    saved = flat_settings(make_experiment(read_experiment(folder), str(folder)))
    wanted = flat_settings(experiment)
    free = {"training.epochs", "training.patience"}
    if experiment.training.schedule != "constant":
        # Another number of epochs would be another learning rate in every step so far.
        free.discard("training.epochs")
    if "encoder" in experiment.network:
        free |= {f"network.{key}" for key in PINNED if experiment.network.get(key) is None}
    keys = (saved.keys() | wanted.keys()) - free
    return sorted(k for k in keys if saved.get(k) != wanted.get(k))


def read_experiment(folder: Path) -> dict[str, Any]:
    """Return the description that a run was started with, as plain data."""
    try:
        tree = yaml.safe_load((folder / "experiment.yaml").read_text("utf-8"))
    except FileNotFoundError as error:
        raise ModelError(f"{folder} is no run folder: experiment.yaml is missing") from error
    if not isinstance(tree, dict):
        raise ModelError(f"{folder / 'experiment.yaml'} is no description of an experiment")
    return tree


def flat_settings(experiment: Experiment) -> dict[str, Any]:
    """Return a description as dotted names and plain values."""
    return _flat(_plain(experiment.as_dict()))


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= (
            _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value}
        )
    return flat


def _write_experiment(folder: Path, experiment: Experiment) -> None:
    text = yaml.safe_dump(_plain(experiment.as_dict()), sort_keys=False, allow_unicode=True)
    part = folder / "experiment.yaml.part"
    part.write_text(text, "utf-8")
    os.replace(part, folder / "experiment.yaml")


def _rank() -> int:
    """Return this process's number among those that train together, before there is a Trainer.

    Lightning's launcher and Slurm set one variable, torchrun another.
    """
    return int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0)


def _trainer(
    experiment: Experiment, folder: Path, hardware: Hardware, callbacks: list[Callback]
) -> L.Trainer:
    settings = experiment.training
    device = _device(hardware.accelerator)
    precision = resolve_precision(settings.precision, device)
    if settings.patience is not None:
        figure = "validation_loss" if settings.select == "last" else settings.select
        mode = "min" if figure.endswith("loss") else "max"
        callbacks.append(EarlyStopping(figure, patience=settings.patience, mode=mode))
    # Last in the list and so after the history: its file holds the others' state of this epoch.
    callbacks.append(
        ModelCheckpoint(
            dirpath=folder,
            filename="last",
            save_top_k=1,
            save_on_train_epoch_end=True,
            enable_version_counter=False,
        )
    )
    if hardware.progress:
        from lightning.pytorch.callbacks import RichProgressBar

        callbacks.append(RichProgressBar(leave=True))
    return L.Trainer(
        accelerator=hardware.accelerator,
        devices=hardware.devices,
        num_nodes=hardware.nodes,
        strategy=_strategy(settings.head_epochs, device, hardware),
        precision="bf16-mixed" if precision == "bf16" else "32-true",
        max_epochs=settings.epochs,
        callbacks=callbacks,
        logger=[_logger(name, folder) for name in hardware.loggers],
        enable_progress_bar=hardware.progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=1,
    )


def _device(accelerator: str) -> str:
    """Return torch's name of the device that an accelerator of Lightning's means."""
    if accelerator in ("auto", "gpu"):
        return "cuda" if torch.cuda.is_available() else "cpu"
    return accelerator


def _strategy(head_epochs: int, device: str, hardware: Hardware) -> str:
    """Return Lightning's name of how several processes train together."""
    devices = hardware.devices
    if devices in ("auto", -1, "-1"):
        devices = torch.cuda.device_count() if device == "cuda" else 1
    several = hardware.nodes > 1 or str(devices) not in ("0", "1")
    # While the head trains alone, branches get no gradients that the processes could wait for.
    return "ddp_find_unused_parameters_true" if several and head_epochs else "auto"


def _logger(name: str, folder: Path) -> Logger:
    if name == "tensorboard":
        return TensorBoardLogger(folder, name="", version="tensorboard")
    if name in ("mlflow", "wandb"):
        if importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, f"--logger {name}")
        from lightning.pytorch.loggers import MLFlowLogger, WandbLogger

        if name == "mlflow":
            return MLFlowLogger("wavemel", run_name=folder.name)
        return WandbLogger(name=folder.name, project="wavemel", save_dir=folder)
    raise ConfigError(f"there is no logger {name!r} (known: tensorboard, mlflow, wandb)")


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


def _start_from_branches(
    task: GenreTask, initial: dict[str, str], classes: tuple[str, ...]
) -> None:
    """Copy the trained feature extractors of other runs into a network's branches."""
    branches = getattr(task.model.network, "branches", {})
    for branch, run in initial.items():
        if branch not in branches:
            raise ConfigError(
                f"training.initial names the branch {branch!r}, which this network does not have"
            )
        trained = load_checkpoint(run, expect=classes)
        if (trained.experiment.audio, trained.experiment.mel) != (
            task.experiment.audio,
            task.experiment.mel,
        ):
            raise ModelError(
                f"{run} was trained with other audio or mel settings than this branch gets"
            )
        source = trained.model.network.state_dict()
        target = getattr(task.model.network, branch)
        wanted = target.state_dict()
        given = {k: v for k, v in source.items() if k in wanted}
        if set(given) != set(wanted) or any(given[k].shape != wanted[k].shape for k in wanted):
            raise ModelError(f"{run} is not a trained {branches[branch]!r} of this branch's shape")
        target.load_state_dict(given)


def _plain(value: Any) -> Any:
    """Return ``value`` with tuples as lists, as YAML and JSON hold them."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    return value


def _quieten() -> None:
    """Drop Lightning's chatter; what a user must know, wavemel says itself."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    for message in (
        ".*does not have many workers.*",
        ".*Checkpoint directory.*",
        ".*srun.*",
        ".*LeafSpec.*",
        # Frozen branches are meant to be.
        ".*in eval mode at the start of training.*",
        # A settled recipe may train on its validation clips too.
        ".*no `val_dataloader`.*",
    ):
        warnings.filterwarnings("ignore", message=message)
