"""`grad-cam`: a convolutional body's last feature maps, weighted by the score's mean slope along each."""

from __future__ import annotations

from typing import Any

import torch
from captum.attr import LayerAttribution, LayerGradCam
from torch import Tensor, nn

from wavemel.errors import ModelError
from wavemel.explain.grid import Grid
from wavemel.explain.methods.base import METHODS, Saliency, Score
from wavemel.networks.base import GenreNetwork


@METHODS.register("grad-cam")
def grad_cam(
    network: GenreNetwork, inputs: dict[str, Tensor], weights: Tensor, grid: Grid, steps: int
) -> Saliency:
    """Attribute by Grad-CAM at the last layer with a time axis that each input reaches.

    Negative weights are kept (Grad-CAM's own ReLU would hide what speaks
    against). The maps have no unit and do not add up to the score: each
    input's is scaled to a sum of magnitudes of 1. A waveform's has no
    frequency. An ensemble's is the sum over its members.

    Raises
    ------
    ModelError
        The network has no convolutional body.

    Source: Selvaraju et al., "Grad-CAM: visual explanations from deep
    networks via gradient-based localization", ICCV 2017; computed by captum.
    """
    members = getattr(network, "members", [network])
    maps = {}
    for name, values in inputs.items():
        frames = grid.frames(values.shape[-1]) if name == "wave" else values.shape[-1]
        size = (1 if name == "wave" else grid.bands, frames)
        bodies = [body for m in members if (body := _last_body(network, m, inputs, name))]
        if not bodies:
            raise ModelError(
                f"this network has no convolutional body over its input {name!r} for grad-cam: "
                "use --method integrated-gradients"
            )
        given = tuple(x.detach().requires_grad_(n == name) for n, x in inputs.items())
        fine = torch.zeros(size, device=values.device)
        for body in bodies:
            method = LayerGradCam(Score(network, weights), body)
            coarse = method.attribute(given, relu_attributions=False).detach()
            fine += LayerAttribution.interpolate(coarse, size, "bilinear")[0, 0]
        maps[name] = fine / fine.abs().sum().clamp_min(torch.finfo(fine.dtype).tiny)
    return Saliency(maps)


def _last_body(
    network: GenreNetwork, part: nn.Module, inputs: dict[str, Tensor], name: str
) -> nn.Module | None:
    """Return the outermost module in ``part`` that is last to give feature maps (B, C, H, W) of one input."""
    found: list[nn.Module] = []

    def note(module: nn.Module, _: Any, output: Any) -> None:
        # With all else frozen, what can be differentiated depends on this input.
        if (
            isinstance(output, Tensor)
            and output.requires_grad
            and output.ndim == 4
            and output.shape[-1] > 1
        ):
            found.append(module)

    frozen = [p for p in network.parameters() if p.requires_grad]
    hooks = [m.register_forward_hook(note) for m in part.modules() if m is not part]
    try:
        for parameter in frozen:
            parameter.requires_grad_(False)
        network(*(x.detach().requires_grad_(n == name) for n, x in inputs.items()))
    finally:
        for hook in hooks:
            hook.remove()
        for parameter in frozen:
            parameter.requires_grad_(True)
    return found[-1] if found else None
