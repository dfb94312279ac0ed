"""`wavemel listen`: what is playing now."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from wavemel.commands.classify import MinConfidence, Model
from wavemel.commands.console import print_json
from wavemel.commands.endings import INTERRUPTED, Stopped

if TYPE_CHECKING:
    import numpy as np

    from wavemel.inference.live import LiveResult

#: Bytes a read: a pipe's own portion, so that no sample waits for others.
_PORTION = 1 << 16


def listen(
    model: Model = None,
    rate: Annotated[int, typer.Option(help="Hz of the stream.", min=1000)] = 44_100,
    channels: Annotated[int, typer.Option(help="Interleaved channels.", min=1, max=64)] = 2,
    samples: Annotated[
        str, typer.Option(metavar="s16le|s32le|f32le", help="Form of the samples.")
    ] = "s16le",
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Listen to the microphone, not standard input.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="Name or number of the input device, for --microphone.")
    ] = None,
    every: Annotated[float, typer.Option(metavar="S", help="Seconds between results.")] = 1.0,
    over: Annotated[
        float,
        typer.Option(metavar="S", help="A result is of the windows of so many seconds together."),
    ] = 15.0,
    min_confidence: MinConfidence = None,
    form: Annotated[
        str,
        typer.Option(
            "--format", "-f", metavar="text|jsonl", help="A line for people, or a JSON object."
        ),
    ] = "text",
) -> None:
    """Classify a stream as it plays: raw PCM on standard input, or the microphone.

    The first result comes when the model's window is full. Silence has none, and
    starts afresh.

    Examples:

      ffmpeg -i http://radio.example/stream -f s16le -ac 2 -ar 44100 - | wavemel listen

      wavemel listen --microphone --format jsonl
    """
    import wavemel
    from wavemel.errors import ConfigError
    from wavemel.inference.live import FORMATS, Live
    from wavemel.registry import suggest

    if samples not in FORMATS:
        raise ConfigError(f"--samples {samples!r}{suggest(samples, FORMATS)}")
    if device is not None and not microphone:
        raise ConfigError("--device is for --microphone")
    if form not in ("text", "jsonl"):
        raise ConfigError(f"--format must be text or jsonl, not {form!r}")
    classifier = wavemel.load(model)
    try:
        live = Live(classifier.network, rate, every=every, over=over, min_confidence=min_confidence)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    if microphone:
        source = _microphone(rate, device)
    elif sys.stdin.isatty():
        raise ConfigError("no stream on standard input: pipe PCM into it, or give --microphone")
    else:
        source = _standard_input(samples, channels)
    heard = False
    try:
        for portion in source:
            for result in live.feed(portion):
                heard = True
                _show(result, form)
    except KeyboardInterrupt:
        raise Stopped(INTERRUPTED) from None  # as most streams end; no work is to be told of
    for result in live.finish():
        heard = True
        _show(result, form)
    if not heard:
        from wavemel.errors import AudioError

        raise AudioError("<standard input>", "no-samples", "holds no samples")


def _standard_input(samples: str, channels: int) -> Iterator[np.ndarray]:
    from wavemel.inference.live import PcmReader

    read = PcmReader(samples, channels)
    first = True
    stream = sys.stdin.fileno()
    if os.name == "posix":
        os.set_blocking(stream, True)  # else the first pause of the stream would be an error
    while data := os.read(stream, _PORTION):
        if first:
            _refuse_files(data)
            first = False
        yield read(data)


def _refuse_files(head: bytes) -> None:
    """Raise ConfigError where a stream begins as a file does: heard as samples, it would be noise."""
    from wavemel.audio.sniff import sniff
    from wavemel.errors import ConfigError

    # Bytes of 255, with which the frames of MP3 begin, are samples of -1 too.
    container = None if head[:1] == b"\xff" else sniff(head)[0]
    if container is not None:
        raise ConfigError(
            f"standard input is a {container} file, and listen takes raw PCM: 'wavemel classify -' "
            "classifies files, 'ffmpeg -i FILE -f s16le -ac 2 -ar 44100 -' makes PCM of them"
        )


def _microphone(rate: int, device: str | None) -> Iterator[np.ndarray]:
    from queue import SimpleQueue

    from wavemel.errors import ConfigError, MissingExtraError

    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the library PortAudio is missing
        raise MissingExtraError("listen", "the microphone") from error
    queue: SimpleQueue[np.ndarray] = SimpleQueue()
    chosen = int(device) if device is not None and device.isdigit() else device
    try:
        stream = sounddevice.InputStream(
            samplerate=rate,
            channels=1,
            dtype="float32",
            device=chosen,
            callback=lambda data, *_: queue.put(data[:, 0].copy()),
        )
    except (sounddevice.PortAudioError, ValueError) as error:
        raise ConfigError(f"the microphone cannot be opened: {error}") from error
    with stream:
        while True:
            yield queue.get()


def _show(result: LiveResult, form: str) -> None:
    if form == "jsonl":
        row = {
            "start": round(result.start, 3),
            "time": round(result.time, 3),
            "genres": _genres(result.genres),
            "window": _genres(result.window),
            "unsure": result.unsure,
        }
        print_json(row, indent=None)
        return
    minutes, seconds = divmod(result.time, 60)
    said = ", ".join(f"{g.genre} {g.probability:.2f}" for g in result.genres[:3])
    unsure = " (unsure)" if result.unsure and said else ""
    print(f"{int(minutes)}:{seconds:04.1f}  {said or 'silence'}{unsure}", flush=True)


def _genres(genres: tuple) -> list[dict[str, object]]:
    return [{"genre": g.genre, "probability": round(g.probability, 6)} for g in genres]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("listen")(listen)
