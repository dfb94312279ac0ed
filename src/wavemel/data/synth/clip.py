"""From a genre and a seed to samples."""

from __future__ import annotations

import numpy as np

from wavemel.data.synth import lines, studio
from wavemel.data.synth.artists import Artist, make_artist
from wavemel.data.synth.compose import Layer, Score, compose
from wavemel.data.synth.drums import make_kit
from wavemel.data.synth.genres import GENRES
from wavemel.data.synth.grooves import strokes
from wavemel.data.synth.oscillators import Samples
from wavemel.data.synth.theory import hertz
from wavemel.data.synth.voices import VOICES
from wavemel.errors import DataError
from wavemel.registry import suggest

#: Raise it with every change that is heard: corpora of another version are made anew.
GENERATOR_VERSION = 1

_LINES = {"bass": lines.BASS, "harmony": lines.HARMONY, "second": lines.HARMONY, "lead": lines.LEAD}
_RING = 0.12
_TEXTURE_LEVEL = {"crackle": -24.0, "hum": -28.0, "glitch": -12.0, "hiss": -34.0, "sweep": -22.0}


def render(
    genre: str, seed: int, *, seconds: float, rate: int, artist: Artist | None = None
) -> Samples:
    """Make one clip: numpy and scipy only, the same samples for the same arguments.

    Parameters
    ----------
    genre : one of `GENRES`.
    seed : which clip; at least 0.
    seconds : length.
    rate : samples a second. The same seed is the same music at every rate.
    artist : whose habits to follow; by default an artist of this clip alone.

    Returns
    -------
    numpy.ndarray
        Shape ``(round(seconds * rate),)``, float32, mono, between -1 and 1.

    Raises
    ------
    DataError
        There is no such genre.
    """
    if genre not in GENRES:
        raise DataError(f"the synthesiser knows no genre {genre!r}{suggest(genre, GENRES)}")
    artist = artist or make_artist(genre, seed)
    score = compose(genre, artist, _stream(seed, 0, GENRES.index(genre)), seconds)
    return perform(score, seed, seconds=seconds, rate=rate)


def perform(score: Score, seed: int, *, seconds: float, rate: int) -> Samples:
    """Play a score; arguments and result as in `render`."""
    n = round(seconds * rate)
    mix = _play_drums(score, n, rate, seed) * np.float32(10 ** (score.drums_level / 20))
    for layer in score.layers:
        mix += _play(layer, score, n, rate, seed)
    rng = _stream(seed, 1)
    behind = studio.texture(score.texture, n, rate, rng)
    if behind is not None:
        mix += behind * np.float32(10 ** (_TEXTURE_LEVEL[score.texture] / 20))
    return studio.record(mix, score.studio, rate, rng)


def _stream(*key: int) -> np.random.Generator:
    """Independent streams of chance, so that one layer's length leaves the others alone."""
    return np.random.default_rng([GENERATOR_VERSION, *key])


def _add(track: Samples, sound: Samples, at: float, gain: float, rate: int) -> None:
    """Add ``sound`` at a time in seconds; what lies outside the track is cut."""
    start = round(at * rate)
    skip = max(0, -start)
    stop = min(len(track), start + len(sound))
    if start + skip < stop:
        track[start + skip : stop] += np.float32(gain) * sound[skip : stop - start]


def _level(track: Samples) -> Samples:
    """Bring the sounding part of a track to an RMS of one."""
    sounding = np.count_nonzero(track)
    return track / np.float32(np.sqrt(float(track @ track) / sounding)) if sounding else track


def _play_drums(score: Score, n: int, rate: int, seed: int) -> Samples:
    song, track = score.song, np.zeros(n, np.float32)
    chance = _stream(seed, 2)
    kit = make_kit(score.kit, rate, _stream(seed, 3))
    for bar in range(song.bars):
        for piece, step, level in strokes(score.groove, song, bar, chance):
            at = song.when(bar, step) - score.offset + score.loose * float(chance.standard_normal())
            if "drums" in song.section(bar).playing:
                _add(track, kit[piece], at, level, rate)
    return _level(track)


def _play(layer: Layer, score: Score, n: int, rate: int, seed: int) -> Samples:
    song, track = score.song, np.zeros(n, np.float32)
    role = list(_LINES).index(layer.role)
    player = lines.Player(_stream(seed, 4, role))
    touch, sound = _stream(seed, 5, role), _stream(seed, 6, role)
    voice, line = VOICES[layer.voice], _LINES[layer.role][layer.line]
    # A note of the same pitch and length is made once; a singer has three takes of each.
    takes = 3 if layer.voice == "singer" else 1
    made: dict[tuple[int, int, int], Samples] = {}
    for bar in range(song.bars):
        heard = layer.role in song.section(bar).playing
        for count, note in enumerate(line(song, bar, player)):
            at = (
                song.when(bar, note.step)
                - score.offset
                + score.loose * float(touch.standard_normal())
            )
            if not heard or at * rate >= n:
                continue
            key = (round(note.pitch * 100), max(1, round(note.steps * 2)), count % takes)
            if key not in made:
                length = key[1] / 2 * song.step_seconds + _RING
                made[key] = voice(hertz(key[0] / 100), length, rate, layer.timbre, sound)
            _add(track, made[key], at, note.level, rate)
    track = _level(track)
    if layer.voice == "drive":
        track = _level(studio.amplify(track, rate, 1.0 + 9.0 * layer.timbre.bright))
    elif score.texture == "sweep" and layer.role == "harmony":
        period = 4 * song.steps * song.step_seconds
        track = studio.sweep(track, rate, period, layer.timbre.colour)
    return track * np.float32(10 ** (layer.level / 20))
