"""TensorFlow's checkpoints ("tensor bundles") as numpy arrays, without TensorFlow.

A bundle is ``PREFIX.index``, a sorted table of names, and ``PREFIX.data-00000-of-00001``, the
numbers, one tensor behind the other. Nothing in it is code.

Source: ``tensorflow/core/util/tensor_bundle/tensor_bundle.h`` and
``tensorflow/core/protobuf/tensor_bundle.proto``; the table is LevelDB's, as
``doc/table_format.md`` there tells.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_FLOAT = 1  # DT_FLOAT in types.proto


def read_tensors(prefix: str) -> dict[str, npt.NDArray[np.float32]]:
    """Return the float32 tensors of a checkpoint by name; those of other types are left out.

    Parameters
    ----------
    prefix : path of the checkpoint without ``.index`` (may end in a slash: files named so exist).

    Raises
    ------
    OSError
        A file is missing or cannot be read.
    ValueError
        The files are no such checkpoint, or cut short, or hold it in several pieces.
    """
    table = Path(f"{prefix}.index").read_bytes()
    data = Path(f"{prefix}.data-00000-of-00001").read_bytes()
    try:
        return dict(_tensors(table, data))
    except (IndexError, KeyError, TypeError, struct.error, UnicodeDecodeError) as error:
        raise ValueError("its index is damaged") from error


def _tensors(table: bytes, data: bytes) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    footer = table[-_FOOTER:]
    if len(footer) < _FOOTER or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
        raise ValueError("it is no checkpoint of TensorFlow")
    at = 0
    for _ in range(2):  # where the meta index lies: of no use here
        _, at = _varint(footer, at)
    for _, handle in _block(table, *_handle(footer[at:])):
        for name, value in _block(table, *_handle(handle)):
            entry = _message(value)
            if not name:
                if entry.get(1, 1) != 1:
                    raise ValueError("it lies in several pieces")
            elif entry.get(1) == _FLOAT:
                yield name.decode(), _tensor(entry, data)


def _tensor(entry: dict[int, Any], data: bytes) -> npt.NDArray[np.float32]:
    """Return what a BundleEntryProto names: dtype 1, shape 2, shard 3, offset 4, size 5."""
    shape = [_message(size).get(1, 0) for size in _fields(entry.get(2, b""), 2)]
    count, offset = math.prod(shape), entry.get(4, 0)
    if entry.get(3, 0) or entry.get(5, 0) != 4 * count or offset + 4 * count > len(data):
        raise ValueError("its numbers are cut short")
    return np.frombuffer(data, "<f4", count, offset).reshape(shape)


def _block(table: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield keys and values; a key states only how it differs from the one before."""
    if table[offset + size]:
        raise ValueError("its index is compressed")
    block = table[offset : offset + size]
    (restarts,) = struct.unpack("<I", block[-4:])
    at, end, key = 0, size - 4 - 4 * restarts, b""
    while at < end:
        shared, at = _varint(block, at)
        fresh, at = _varint(block, at)
        length, at = _varint(block, at)
        key = key[:shared] + block[at : at + fresh]
        at += fresh
        yield key, block[at : at + length]
        at += length


def _handle(data: bytes) -> tuple[int, int]:
    """Return the offset and size of a block."""
    offset, at = _varint(data, 0)
    return offset, _varint(data, at)[0]


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits a byte, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def _message(data: bytes) -> dict[int, Any]:
    """Return the fields of a protocol buffer by number; of those that repeat, the last."""
    return dict(_numbered(data))


def _fields(data: bytes, number: int) -> list[Any]:
    return [value for found, value in _numbered(data) if found == number]


def _numbered(data: bytes) -> Iterator[tuple[int, Any]]:
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == 0:
            value, at = _varint(data, at)
        else:
            if wire == 2:
                size, at = _varint(data, at)
            elif wire in (1, 5):
                size = 8 if wire == 1 else 4
            else:
                raise ValueError("its index is damaged")
            value, at = data[at : at + size], at + size
        yield number, value
