"""What every network must beat: classical classifiers on statistics of MFCCs.

The recipe is that of FMA's authors (Defferrard et al. 2017, section 4.2): 20
MFCCs, seven statistics of each over time, z-scored, and a support vector
machine with a Gaussian kernel, scikit-learn's C and gamma. It is not tuned.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import fft, optimize
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from wavemel.features.filterbank import hann, mel_filterbank

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

COEFFICIENTS = 20
#: Order of the blocks in what `mfcc_statistics` returns.
STATISTICS = ("mean", "std", "skew", "kurtosis", "median", "min", "max")
_N_FFT, _HOP, _BANDS = 2048, 512, 128
#: Frames transformed at a time.
_BLOCK = 512

#: (training x, training classes, test x, number of classes, seed) -> probabilities (n, classes).
Baseline = Callable[
    [npt.ArrayLike, npt.ArrayLike, npt.ArrayLike, int, int],
    FloatArray,
]


def mfcc(samples: npt.ArrayLike, rate: int, n: int = COEFFICIENTS) -> FloatArray:
    """Return mel-frequency cepstral coefficients, (T,) -> (n, 1 + T // 512).

    Equal to ``librosa.feature.mfcc`` with its defaults: 128 Slaney bands of
    frames of 2,048 samples, in dB, at most 80 under the loudest; type-2 cosine
    transform, orthonormal.
    """
    y = np.asarray(samples, dtype=np.float32)
    if y.ndim != 1 or not len(y):
        raise ValueError(f"samples must be of shape (T,) with T > 0, not {y.shape}")
    padded = np.pad(y, _N_FFT // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, _N_FFT)[::_HOP]
    window, bank = hann(_N_FFT), mel_filterbank(rate, _N_FFT, _BANDS)
    power = np.empty((_BANDS, len(frames)), dtype=np.float32)
    for start in range(0, len(frames), _BLOCK):
        spectrum = fft.rfft(frames[start : start + _BLOCK] * window, axis=1)
        power[:, start : start + _BLOCK] = bank @ (spectrum.real**2 + spectrum.imag**2).T
    decibels = 10 * np.log10(np.maximum(power, 1e-10).astype(np.float64))
    decibels = np.maximum(decibels, decibels.max() - 80)
    return fft.dct(decibels, type=2, axis=0, norm="ortho")[:n]


def mfcc_statistics(samples: npt.ArrayLike, rate: int) -> FloatArray:
    """Return seven statistics over time of each of 20 MFCCs, (T,) -> (140,); see `STATISTICS`."""
    c = mfcc(samples, rate)
    mean, std = c.mean(1), c.std(1)
    # A coefficient that never moves has no shape: 0, not NaN, so that silence can be classified.
    moves = std > 1e-9 * (1 + np.abs(mean))
    z = (c - mean[:, None]) / np.where(moves, std, 1)[:, None]
    skew = np.where(moves, (z**3).mean(1), 0)
    kurtosis = np.where(moves, (z**4).mean(1) - 3, 0)
    return np.concatenate([mean, std, skew, kurtosis, np.median(c, 1), c.min(1), c.max(1)])


def svm_probabilities(
    train_x: npt.ArrayLike,
    train_y: npt.ArrayLike,
    test_x: npt.ArrayLike,
    n_classes: int,
    seed: int = 0,
    *,
    C: float = 1.0,
) -> FloatArray:
    """Return the probabilities of an SVM with a Gaussian kernel, (n, D) -> (n, n_classes).

    A softmax of the decision function with one temperature, which is fitted on
    held-out parts of the training clips (Guo et al. 2017). So the most probable
    class is always the class that ``SVC(break_ties=True)`` answers, which
    scikit-learn's own calibration by Platt's method does not promise.

    Parameters
    ----------
    train_x, train_y : (m, D) and (m,) class numbers.
    test_x : (n, D).
    n_classes : number of columns; a class without training clips has probability 0.
    seed : of the parts.
    C : the SVM's penalty.
    """
    x, y = np.asarray(train_x, dtype=np.float64), np.asarray(train_y)
    seen, y = np.unique(y, return_inverse=True)
    if len(seen) == 1:
        return _spread(np.ones((len(np.asarray(test_x)), 1)), seen, n_classes)

    def make() -> Pipeline:
        return make_pipeline(StandardScaler(), SVC(C=C, break_ties=True))

    parts = min(5, int(np.bincount(y).min()))
    temperature = 1.0
    # With one clip of some class, no part can be held out that knows all classes.
    if parts >= 2:
        held = np.empty((len(y), len(seen)))
        for learn, ask in StratifiedKFold(parts, shuffle=True, random_state=seed).split(x, y):
            held[ask] = _decisions(make().fit(x[learn], y[learn]), x[ask])
        temperature = _temperature(held, y)
    decisions = _decisions(make().fit(x, y), test_x)
    return _spread(_softmax(decisions / temperature), seen, n_classes)


def logistic_probabilities(
    train_x: npt.ArrayLike,
    train_y: npt.ArrayLike,
    test_x: npt.ArrayLike,
    n_classes: int,
    seed: int = 0,
) -> FloatArray:
    """Return the probabilities of a logistic regression on z-scored features, (n, n_classes)."""
    y = np.asarray(train_y)
    if len(np.unique(y)) == 1:
        return majority_probabilities(train_x, y, test_x, n_classes, seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(train_x, y)
    return _spread(model.predict_proba(test_x), model.classes_, n_classes)


def majority_probabilities(
    train_x: npt.ArrayLike,
    train_y: npt.ArrayLike,
    test_x: npt.ArrayLike,
    n_classes: int,
    seed: int = 0,
) -> FloatArray:
    """Return the classes' shares of the training clips for every test clip: the majority's guess."""
    model = DummyClassifier(strategy="prior").fit(train_x, train_y)
    return _spread(model.predict_proba(test_x), model.classes_, n_classes)


BASELINES: dict[str, Baseline] = {
    "majority": majority_probabilities,
    "logistic": logistic_probabilities,
    "svm": svm_probabilities,
}


def _decisions(model: Pipeline, x: npt.ArrayLike) -> FloatArray:
    """Return one decision value a class; with two classes scikit-learn gives one in all."""
    found = np.asarray(model.decision_function(x), dtype=np.float64)
    return np.column_stack([-found, found]) / 2 if found.ndim == 1 else found


def _softmax(values: FloatArray) -> FloatArray:
    e = np.exp(values - values.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _temperature(decisions: FloatArray, y: IntArray) -> float:
    """Return the temperature with the least log loss, between e^-4 and e^4."""

    def loss(log_temperature: float) -> float:
        z = decisions / np.exp(log_temperature)
        top = z.max(1)
        total = top + np.log(np.exp(z - top[:, None]).sum(1))
        return float((total - z[np.arange(len(y)), y]).mean())

    best = optimize.minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded")
    return float(np.exp(best.x))


def _spread(values: FloatArray, seen: IntArray, n_classes: int) -> FloatArray:
    """Return the columns of the classes seen in their places among all classes."""
    spread = np.zeros((len(values), n_classes))
    spread[:, seen] = values
    return spread
