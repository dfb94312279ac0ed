"""A trained model's weights -> one safetensors file in float16 that says what it holds."""

from __future__ import annotations

import json
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor, nn

from wavemel.checkpoint import FORMAT, HEADER, Checkpoint


def round_weights(model: nn.Module) -> None:
    """Round a model's kernels and matrices to float16, in place.

    Vectors stay as they are: they take no room, and a batch norm's variances may lie outside of
    what float16 can say. So does a kernel with a weight that would become infinite.
    """
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            if _is_rounded(name, tensor):
                tensor.copy_(tensor.half())


def _is_rounded(name: str, tensor: Tensor) -> bool:
    large = tensor.dim() > 1 and tensor.is_floating_point()
    return large and bool(tensor.half().isfinite().all())


def save_weights(path: Path, checkpoint: Checkpoint) -> None:
    """Write rounded weights; `wavemel.checkpoint.load_checkpoint` reads them.

    Members of an ensemble stand under ``network.members.N.``.
    """
    from safetensors.torch import save

    tensors = {}
    for name, tensor in checkpoint.model.state_dict().items():
        tensor = tensor.detach().cpu().contiguous()
        tensors[name] = tensor.half() if _is_rounded(name, tensor) else tensor.clone()
    said = {
        "format": FORMAT,
        "classes": list(checkpoint.classes),
        "members": [
            {"experiment": _experiment(member), "about": about_training(member)}
            for member in checkpoint.members or (checkpoint,)
        ],
    }
    # Not save_file, whose files nobody but their maker may read: a model is passed on.
    metadata = {"format": "pt", HEADER: json.dumps(said, ensure_ascii=False)}
    path.write_bytes(_in_order(save(tensors, metadata)))


def _in_order(data: bytes) -> bytes:
    """Return a safetensors file with its metadata sorted: the library writes them in any order.

    So the same export has the same checksum. Offsets of tensors count from the header's end.
    """
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors stay aligned
    return len(text).to_bytes(8, "little") + text + data[end:]


def about_training(checkpoint: Checkpoint) -> dict[str, Any]:
    """Return what may be told to anyone of how a model was trained: no folders, no tables."""
    data = checkpoint.about.get("data", {})
    figures = ("epoch", "validation_loss", "validation_top1")
    return {
        "data": {key: data[key] for key in ("name", "hash", "synthetic", "split") if key in data},
        **{key: checkpoint.about[key] for key in figures if key in checkpoint.about},
    }


def _experiment(checkpoint: Checkpoint) -> dict[str, Any]:
    tree = checkpoint.experiment.as_dict()
    # Branches once started from runs in someone's folders: which runs, not where they lay.
    initial = {branch: PurePath(run).name for branch, run in tree["training"]["initial"].items()}
    return {**tree, "training": {**tree["training"], "initial": initial}}
