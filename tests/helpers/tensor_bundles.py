"""Writes checkpoints as TensorFlow does, and a musicnn of a few hundred random weights."""

import struct
from pathlib import Path

import numpy as np

_MAGIC = 0xDB4775248B80FB57


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def _block(items: list[tuple[bytes, bytes]]) -> bytes:
    """Return a block with one restart, keys told by what they do not share with the one before."""
    out, before = b"", b""
    for key, value in items:
        shared = 0
        while shared < min(len(key), len(before)) and key[shared] == before[shared]:
            shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value))
        out += key[shared:] + value
        before = key
    return out + struct.pack("<II", 0, 1)


def save_bundle(
    prefix: str, tensors: dict[str, np.ndarray], *, shards: int = 1, compressed: bool = False
) -> None:
    """Write a checkpoint."""
    kinds = {"float32": 1, "int32": 3, "int64": 9}
    data, entries = b"", [(b"", _field(1, shards))]
    for name, array in sorted(tensors.items()):
        shape = b"".join(_field(2, _field(1, size)) for size in array.shape)
        entry = _field(1, kinds[array.dtype.name]) + _field(2, shape)
        if data:  # as in any protocol buffer, zero is left out
            entry += _field(4, len(data))
        entry += _field(5, array.nbytes) + varint(6 << 3 | 5) + b"crc!"
        entries.append((name.encode(), entry))
        data += array.tobytes()
    half = len(entries) // 2
    table, handles = b"", []
    for part in (entries[:half], entries[half:]):
        if part:
            block = _block(part)
            handles.append((part[-1][0], varint(len(table)) + varint(len(block))))
            table += block + bytes([compressed]) + b"crc!"
    index = _block(handles)
    footer = varint(0) + varint(0) + varint(len(table)) + varint(len(index))
    table += index + b"\0crc!" + footer.ljust(40, b"\0") + struct.pack("<Q", _MAGIC)
    Path(f"{prefix}.index").write_bytes(table)
    Path(f"{prefix}.data-00000-of-00001").write_bytes(data)


def save_musicnn(folder: Path, *, seed: int = 0, width: int = 5) -> str:
    """Save a musicnn with few filters into a folder; return its name for a config."""
    rng = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {"beta1_power": np.float32(0.9).reshape(())}

    def norm(i: int, size: int) -> None:
        name = f"batch_normalization_{i}" if i else "batch_normalization"
        for part, low in (("gamma", 0.5), ("beta", -0.1), ("moving_mean", -0.1)):
            made[f"{name}/{part}"] = rng.uniform(low, low + 0.5, size).astype(np.float32)
        made[f"{name}/moving_variance"] = rng.uniform(0.5, 1, size).astype(np.float32)

    def weights(name: str, *shape: int) -> None:
        made[f"{name}/kernel"] = rng.normal(0, 0.2, shape).astype(np.float32)
        made[f"{name}/bias"] = rng.normal(0, 0.1, shape[-1]).astype(np.float32)

    norm(0, 1)
    shapes = [(7, 38, 1, 2), (7, 67, 1, 2), (128, 1, 1, 1), (64, 1, 1, 1), (32, 1, 1, 1)]
    shapes += [(7, 7, 1, 3), (7, 3, 1, 3), (7, 3, 1, 3)]
    for i, shape in enumerate(shapes):
        weights(f"conv2d_{i}" if i else "conv2d", *shape)
        norm(i + 1, shape[-1])
    # As in the published ones: filters that decayed to nothing, and batch norms that turn around.
    made["conv2d/kernel"][..., 1] = 1e-31
    made["batch_normalization_1/gamma"][0] *= -1
    made["batch_normalization_3/gamma"] *= -1
    norm(9, 32)
    weights("dense", 32, width)
    norm(10, width)
    weights("dense_1", width, 4)
    folder.mkdir(parents=True, exist_ok=True)
    save_bundle(f"{folder}/", made)
    return f"musicnn:{folder}"
