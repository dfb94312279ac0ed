"""Where and how a run takes place: Lightning's Trainer, its devices, loggers and silence."""

from __future__ import annotations

import importlib.util
import logging
import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from lightning.pytorch.utilities.exceptions import MisconfigurationException

from wavemel.errors import ConfigError, MissingExtraError
from wavemel.experiment import Experiment
from wavemel.runtime import resolve_precision

#: Loggers, and whether their library is an optional part.
LOGGERS = {"tensorboard": False, "mlflow": True, "wandb": True}


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


def check_hardware(hardware: Hardware) -> None:
    """Raise an error where no Trainer can be made of what is asked for, before anything else is done.

    Raises
    ------
    ConfigError
        There is no such accelerator here, it has not so many devices, or there is no such logger.
    MissingExtraError
        A logger's library is not installed.
    """
    for name in hardware.loggers:
        if name not in LOGGERS:
            raise ConfigError(f"there is no logger {name!r} (known: {', '.join(LOGGERS)})")
        if LOGGERS[name] and importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, f"--logger {name}")
    try:
        L.Trainer(
            accelerator=hardware.accelerator,
            devices=hardware.devices,
            num_nodes=hardware.nodes,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"accelerator {hardware.accelerator!r} with devices {hardware.devices!r} cannot be used: {reason}"
        ) from error


def make_trainer(
    experiment: Experiment, folder: Path, hardware: Hardware, callbacks: list[Callback]
) -> L.Trainer:
    """Return the Trainer of one run; its checkpoint and its logs go into ``folder``."""
    settings = experiment.training
    device = resolve_device(hardware.accelerator)
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


def resolve_device(accelerator: str) -> str:
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
    """Return one of `LOGGERS`."""
    if name == "tensorboard":
        return TensorBoardLogger(folder, name="", version="tensorboard")
    from lightning.pytorch.loggers import MLFlowLogger, WandbLogger

    if name == "mlflow":
        return MLFlowLogger("wavemel", run_name=folder.name)
    return WandbLogger(name=folder.name, project="wavemel", save_dir=folder)


def quieten() -> None:
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
