"""The frequencies and times over which attributions are given: the experiment's mel bands and frames."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from wavemel.features.filterbank import hann, hz_to_mel, mel_to_hz
from wavemel.features.mel import MelConfig

FloatArray = npt.NDArray[np.float64]


class Grid:
    """Mel bands and frames, as `LogMel` makes them of a window.

    Parameters
    ----------
    rate : sample rate in Hz.
    mel : settings of the spectrogram; a network that hears only the waveform
        is explained on the same grid.

    Attributes
    ----------
    centres : (bands,), Hz at which each band's filter peaks.
    edges : (bands + 1,), Hz between which a frequency is counted to a band.
    """

    def __init__(self, rate: int, mel: MelConfig) -> None:
        self.rate, self.mel = rate, mel
        self.bands, self.hop = mel.bands, mel.hop
        top = rate / 2 if mel.fmax is None else mel.fmax
        points = np.linspace(hz_to_mel(mel.fmin), hz_to_mel(top), mel.bands + 2)
        self.centres: FloatArray = mel_to_hz(points[1:-1])
        inner = mel_to_hz((points[1:-2] + points[2:-1]) / 2)
        # The outermost bands take what lies beyond them, so that nothing is lost.
        self.edges: FloatArray = np.array([0.0, *inner, rate / 2])
        # Frames must overlap by three quarters, or samples between two would have no weight.
        self._n_fft = max(mel.n_fft, 1 << (4 * mel.hop - 1).bit_length())
        bins = np.fft.rfftfreq(self._n_fft, 1 / rate)
        owner = np.clip(np.searchsorted(self.edges, bins, side="right") - 1, 0, mel.bands - 1)
        self._owner = torch.from_numpy(owner)
        self._window = torch.from_numpy(hann(self._n_fft))

    def frames(self, samples: int) -> int:
        """Return how many frames a window of ``samples`` has."""
        return self.mel.frames(samples)

    def split(self, samples: Tensor, slopes: Tensor) -> Tensor:
        """Share the products of samples and slopes out among bands and frames.

        The sum of ``samples * slopes`` over time equals the sum over the map:
        the Fourier transform keeps inner products, and each sample's product
        is shared out among the frames that hold it.

        Parameters
        ----------
        samples, slopes : (T,), a waveform and a score's slope along each sample.

        Returns
        -------
        Tensor (bands, frames)

        Source: Vielhaben et al., "Explainable AI for time series via virtual
        inspection layers", Pattern Recognition 150 (2024).
        """
        device = samples.device
        window = self._window.to(device)
        frames = self.frames(len(samples))
        half = self._n_fft // 2
        weight = torch.nn.functional.conv_transpose1d(
            torch.ones(1, 1, frames, device=device), window.square()[None, None], stride=self.hop
        )[0, 0, half : half + len(samples)]

        def spectrum(signal: Tensor) -> Tensor:
            return torch.stft(
                signal,
                self._n_fft,
                hop_length=self.hop,
                window=window,
                center=True,
                pad_mode="constant",
                return_complex=True,
            )

        product = (spectrum(samples) * spectrum(slopes / weight).conj()).real / self._n_fft
        # A real signal's spectrum is kept by half: every bin but the first and last stands for two.
        product[1:-1] *= 2
        made = torch.zeros(self.bands, frames, device=device, dtype=product.dtype)
        return made.index_add_(0, self._owner.to(device), product)
