import pytest

from wavemel.networks.describe import Block
from wavemel.reports.diagram import architecture, layer_lines, text_diagram


def block(name: str, *inputs: int, layers: tuple[str, ...] = ("ReLU",)) -> Block:
    kind = ("input", "layers", "join")[min(2, len(inputs))]
    return Block(name, kind, layers, (4,), 0, 0, inputs)


def graph(blocks: list[Block]) -> list[str]:
    return [line.split("  ")[0].rstrip() for line in text_diagram(blocks).splitlines()]


def test_a_chain() -> None:
    assert graph([block("a"), block("b", 0), block("c", 1)]) == ["●", "●", "●"]


def test_a_skip() -> None:
    drawn = graph([block("a"), block("b", 0), block("c", 1), block("add", 0, 2)])
    assert drawn == ["●", "├─╮", "● │", "● │", "├─╯", "●"]


def test_two_inputs_and_three_branches() -> None:
    drawn = graph([block("a"), block("b"), block("c"), block("join", 0, 1, 2)])
    assert drawn == ["●", "│ ●", "│ │ ●", "├─┴─╯", "●"]
    drawn = graph([block("a"), block("b", 0), block("c", 0), block("d", 0), block("j", 1, 2, 3)])
    assert drawn == ["●", "├─┬─╮", "● │ │", "│ ● │", "│ │ ●", "├─┴─╯", "●"]


def test_a_branch_that_crosses_another() -> None:
    # b has a skip of its own while a waits for the join at the end.
    blocks = [
        *(block("a"), block("b"), block("c", 1), block("add", 1, 2), block("join", 0, 3)),
    ]
    assert graph(blocks) == ["●", "│ ●", "│ ├─╮", "│ ● │", "│ ├─╯", "│ ●", "├─╯", "●"]


def test_layers_are_grouped_by_what_has_weights() -> None:
    layers = ("conv 9, 16 filters", "conv 9, 16 filters", "max pool 4", "ReLU", "dense 8")
    assert layer_lines(layers) == ["2 × conv 9, 16 filters · max pool 4 · ReLU", "dense 8"]


def test_the_drawing_shows_every_block_apart_from_the_others() -> None:
    blocks = [
        *(block("wave"), block("mel"), block("b", 0, layers=("dense 512", "batch norm"))),
        *(block("c", 1), block("skip", 1, 3), block("join", 2, 4)),
    ]
    axes = architecture(blocks, "Title").axes[0]
    said = [text.get_text().replace("\u00a0", " ") for text in axes.texts]
    assert "Title" in said
    assert "dense 512 · batch norm" in said
    boxes = sorted(
        {
            tuple(round(v, 3) for v in patch.get_bbox().bounds)
            for patch in axes.patches
            if type(patch).__name__ == "FancyBboxPatch"
        }
    )
    assert len(boxes) == len(blocks)
    for i, (x, y, w, h) in enumerate(boxes):
        for other_x, other_y, other_w, other_h in boxes[i + 1 :]:
            apart = x + w <= other_x or other_x + other_w <= x
            assert apart or y + h <= other_y or other_y + other_h <= y


@pytest.mark.parametrize("n", [1, 40])
def test_very_small_and_very_deep_networks(n: int) -> None:
    blocks = [block("in"), *(block(f"b{i}", i) for i in range(n))]
    figure = architecture(blocks)
    assert figure.get_figheight() > 0.4 * n
    assert len(text_diagram(blocks).splitlines()) == n + 1
