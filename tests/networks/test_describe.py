"""Layer tables and block diagrams, against torch's own counter and small networks of known build."""

from dataclasses import dataclass
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from wavemel.experiment import load_experiment, network_arguments
from wavemel.networks import GenreNetwork, build_network
from wavemel.networks.describe import (
    block_diagram,
    describe_layer,
    input_shapes,
    layer_table,
    show_shape,
)

PAPER = ("wave", "mel", "combined")


def on_meta(config: str) -> tuple[GenreNetwork, tuple[tuple[int, ...], ...]]:
    experiment = load_experiment(config)
    with torch.device("meta"):
        network = build_network(**network_arguments(experiment, 8))
    return network, input_shapes(network, experiment)


@pytest.mark.parametrize("name", PAPER)
def test_totals_are_those_of_torch(name: str) -> None:
    network, shapes = on_meta(f"paper/{name}")
    rows = layer_table(network, *shapes)
    assert sum(r.parameters for r in rows) == sum(p.numel() for p in network.parameters())
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network.eval()(*(torch.empty(1, *shape, device="meta") for shape in shapes))
    assert sum(r.multiply_adds for r in rows) * 2 == counter.get_total_flops()


def test_multiply_adds_by_hand() -> None:
    network, shapes = on_meta("paper/wave")
    rows = {r.name: r for r in layer_table(network, *shapes)}
    assert rows["blocks.0.0"].multiply_adds == 661_500 * 16 * 9
    assert rows["blocks.1.1"].multiply_adds == 165_375 * 32 * 32 * 7
    assert rows["head.1"].multiply_adds == 128 * 2_583 * 8
    assert rows["blocks.0.2"].multiply_adds == 0


def test_real_weights_give_the_same_table_and_stay_as_they_were() -> None:
    torch.manual_seed(0)
    network = build_network("wave", {}, rate=8000, seconds=1.0, classes=5).train()
    network.blocks[0].eval()
    modes = [m.training for m in network.modules()]
    before = {k: v.clone() for k, v in network.state_dict().items()}
    rows = layer_table(network, (8000,))
    assert [m.training for m in network.modules()] == modes
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())
    with torch.device("meta"):
        empty = build_network("wave", {}, rate=8000, seconds=1.0, classes=5)
    assert rows == layer_table(empty, (8000,))


def test_shapes_are_what_the_network_makes() -> None:
    network, shapes = on_meta("paper/wave")
    rows = layer_table(network, *shapes)
    assert [r.output_shape for r in rows if r.kind == "max pool 4"] == [
        (16, 165_375),
        (32, 41_343),
        (64, 10_335),
        (128, 2_583),
    ]
    assert rows[-1].output_shape == (8,)
    assert show_shape((16, 165_375)) == "16 × 165,375"


def test_wave_is_a_chain_of_the_papers_blocks() -> None:
    network, shapes = on_meta("paper/wave")
    blocks = block_diagram(network, *shapes)
    assert [b.inputs for b in blocks] == [(), *((i,) for i in range(len(blocks) - 1))]
    inner = [b for b in blocks if b.name.startswith("blocks.")]
    assert [b.layers for b in inner] == [
        (f"conv {k}, {f} filters", f"conv {k}, {f} filters", "max pool 4", "batch norm", "ReLU")
        for k, f in zip((9, 7, 5, 3), (16, 32, 64, 128), strict=True)
    ]
    assert [b.layers[-1] for b in blocks[-4:]] == ["flatten", "dropout 0.2", "dense 8", "softmax"]
    assert blocks[0].kind == "input"
    assert blocks[-1].kind == "output"


def test_mel_has_its_skip() -> None:
    network, shapes = on_meta("paper/mel")
    blocks = block_diagram(network, *shapes)
    (join,) = [b for b in blocks if b.kind == "join"]
    assert join.layers == ("add", "ReLU")
    assert [blocks[i].name for i in join.inputs] == ["block.first", "block.residual"]
    assert blocks[2].inputs == (1,)


def test_combined_joins_two_branches() -> None:
    network, shapes = on_meta("paper/combined")
    blocks = block_diagram(network, *shapes)
    assert [b.layers[0] for b in blocks if b.kind == "input"] == ["waveform", "mel spectrogram"]
    (join,) = [b for b in blocks if b.layers == ("concatenate",)]
    assert [blocks[i].name for i in join.inputs] == ["wave.summary", "mel.summary"]
    assert join.output_shape == (network.n_features,)
    dense = [b.layers[0] for b in blocks if b.layers[0].startswith("dense")]
    assert dense == ["dense 512", "dense 256", "dense 128", "dense 64", "dense 8"]
    assert sum(b.parameters for b in blocks) == sum(p.numel() for p in network.parameters())
    assert all(i < n for n, b in enumerate(blocks) for i in b.inputs)


@dataclass(frozen=True)
class NewConfig:
    classes: int = 3


class New(GenreNetwork):
    """A network that nobody foresaw: functional calls, attention, weights used twice, a scale of its own."""

    inputs: ClassVar[tuple[str, ...]] = ("mel",)
    Config: ClassVar[type] = NewConfig

    def __init__(self, config: NewConfig) -> None:
        super().__init__()
        self.lift = nn.Linear(16, 8)
        self.scale = nn.Parameter(torch.ones(8))
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.twice = nn.Linear(8, 8)
        self.head = nn.Linear(8, config.classes)

    def forward(self, *inputs: Tensor) -> Tensor:
        x = F.gelu(self.lift(inputs[0].transpose(1, 2))) * self.scale
        y, _ = self.attention(x, x, x)
        x = x + y
        return self.head(self.twice(self.twice(x)).mean(dim=1))


def test_a_new_network_is_described_without_being_known() -> None:
    network = New(NewConfig())
    rows = layer_table(network, (16, 20))
    assert sum(r.parameters for r in rows) == sum(p.numel() for p in network.parameters())
    by_name: dict[str, list[int]] = {}
    for row in rows:
        by_name.setdefault(row.name, []).append(row.parameters)
    assert by_name["twice"] == [72, 0]  # used twice, held once
    blocks = block_diagram(network, (16, 20))
    (add,) = [b for b in blocks if b.layers == ("add",)]
    assert [blocks[i].layers[-1] for i in add.inputs] == ["multiply", "multihead attention"]
    (multiply,) = [b for b in blocks if b.layers == ("multiply",)]
    assert multiply.kind == "layers"  # by a parameter: nothing joins


@pytest.mark.parametrize(
    ("layer", "said"),
    [
        (nn.Conv2d(1, 16, (1, 9)), "conv 9, 16 filters"),
        (nn.Conv1d(1, 16, 9, stride=4), "conv 9, 16 filters, stride 4"),
        (nn.Conv2d(4, 8, (3, 5), stride=2), "conv 3×5, 8 filters, stride 2×2"),
        (nn.Conv2d(8, 8, 1), "conv 1, 8 filters"),
        (nn.Conv2d(8, 8, 3, groups=8), "depthwise conv 3×3, 8 filters"),
        (nn.MaxPool2d((1, 4)), "max pool 4"),
        (nn.AvgPool2d(2), "avg pool 2"),
        (nn.BatchNorm1d(3), "batch norm"),
        (nn.GELU(), "GELU"),
        (nn.SiLU(), "SiLU"),
        (nn.LayerNorm(4), "layer norm"),
        (nn.Dropout(0.25), "dropout 0.25"),
    ],
)
def test_layers_in_the_fields_words(layer: nn.Module, said: str) -> None:
    assert describe_layer(layer) == said


def test_a_wrong_number_of_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match="1 input shapes are needed, not 2"):
        layer_table(New(NewConfig()), (16, 20), (16, 20))
