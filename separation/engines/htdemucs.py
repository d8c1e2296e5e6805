"""Separation by Hybrid Transformer Demucs (Rouard, Massa and Défossez, ICASSP 2023).

The model code, the loading of a safetensors file and `apply_model` are those of the demucs package
(4.1 or later); normalisation by the mean and deviation of the mono mix is as in its command. The
weights are a local folder in the layout of Demucs' own hub repositories: ``<name>.yaml``, which lists
the models of the bag, and ``<signature>.safetensors`` for each, with the class of the model and its
arguments as JSON in the metadata. Only Demucs' own classes may be named there, and nothing is ever
unpickled.

Precision ``auto`` is bfloat16 autocast where the processor multiplies it natively (a GPU with it, a
CPU with AMX or AVX-512 BF16), float32 elsewhere. In float32 the stems equal those of demucs' own
`apply_model` on the same weights.

Limits: the stems add up to the mix only as well as the network has learnt it to; ``shifts`` draw
their random offsets from a fixed seed, so that a run can be repeated.
"""

from __future__ import annotations

import json
import logging
import random
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml  # type: ignore[import-untyped]
from demucs.apply import BagOfModels, apply_model
from demucs.hf import load_safetensors_model
from safetensors import SafetensorError, safe_open

from fullscore.engines import Progress, option, silent
from fullscore.errors import FullscoreError, fetch
from separation.audio import Audio, fold, resample
from separation.devices import choose_device, has_bfloat16
from separation.stems import Stems

logger = logging.getLogger(__name__)

MODEL_CLASSES = frozenset({"demucs.htdemucs.HTDemucs", "demucs.hdemucs.HDemucs", "demucs.demucs.Demucs"})
"""What a safetensors file may ask to be built; everything else could be any code on this machine."""

SHIFT_SEED = 0


@dataclass(frozen=True, slots=True)
class HTDemucsSettings:
    """Options of the Demucs engines."""

    shifts: int = option(
        0,
        "passes with random time shifts that are averaged; each takes the whole time again",
        minimum=0,
        maximum=20,
    )
    overlap: float = option(0.25, "share of a segment that overlaps the next", minimum=0.0, maximum=0.9)
    precision: str = option(
        "auto",
        "auto: bfloat16 where the processor has it, float32 elsewhere",
        choices=("auto", "float32", "bfloat16"),
    )


class HTDemucs:
    """Drums, bass, other and vocals (``htdemucs_6s``: guitar and piano too) from a mix."""

    def __init__(self, weights: Path, settings: HTDemucsSettings | None = None, device: str = "auto") -> None:
        """``weights`` is a folder in the hub's layout, or a single .safetensors file."""
        self.settings = settings or HTDemucsSettings()
        self.device = choose_device(device)
        self.model = load_bag(Path(weights))
        self.precision = self.settings.precision
        if self.precision == "auto":
            self.precision = "bfloat16" if has_bfloat16(self.device) else "float32"
        logger.info("Demucs runs on %s in %s", self.device, self.precision)

    def __call__(self, audio: Audio, progress: Progress = silent) -> Stems:
        """Stems at the model's own rate and channels (44.1 kHz, stereo), as long as ``audio``."""
        audio = resample(audio, self.model.samplerate)
        mix = torch.from_numpy(fold(audio.samples, ("",) * audio.channels, self.model.audio_channels))
        if bool((mix == mix[:, :1]).all()):
            # A constant (or nothing) has no deviation to normalise by, and nothing to separate.
            return self._stems([mix / len(self.model.sources)] * len(self.model.sources))
        mono = mix.mean(0)
        mean, deviation = mono.mean(), mono.std() + 1e-8
        autocast = (
            torch.autocast(self.device.type, torch.bfloat16)
            if self.precision == "bfloat16"
            else nullcontext()
        )
        with torch.inference_mode(), autocast, _seeded():
            estimates = apply_model(
                self.model,
                ((mix - mean) / deviation)[None],
                shifts=self.settings.shifts,
                overlap=self.settings.overlap,
                device=self.device,
                callback=self._reporter(progress, mix.shape[1]),
            )[0]
            estimates.mul_(deviation).add_(mean)
        progress(1.0, "separated")
        return self._stems(list(estimates))

    def _stems(self, estimates: list[torch.Tensor]) -> Stems:
        rate = self.model.samplerate
        named = zip(self.model.sources, estimates, strict=True)
        return Stems({name: Audio(estimate.float().cpu().numpy(), rate) for name, estimate in named})

    def _reporter(self, progress: Progress, length: int) -> Any:
        passes = max(1, self.settings.shifts)

        def report(state: Mapping[str, Any]) -> None:
            """Called by apply_model before and after each segment; raising ends the separation."""
            before = (state["model_idx_in_bag"] * passes + state["shift_idx"]) / (state["models"] * passes)
            within = min(1.0, state["segment_offset"] / length) / (state["models"] * passes)
            progress(before + within, "separating")

        return report


def load_bag(weights: Path) -> BagOfModels:
    """The model or models in ``weights``. Raises FullscoreError if they are absent or not trustworthy."""
    if weights.is_file():
        return BagOfModels([load_model(weights)]).eval()
    bags = sorted(weights.glob("*.yaml")) if weights.is_dir() else []
    if len(bags) != 1:
        raise FullscoreError(
            "'{weights}' is not a folder of Demucs weights (one .yaml and its .safetensors files)",
            fetch("htdemucs"),
            weights=weights,
        )
    try:
        bag = yaml.safe_load(bags[0].read_text())
        signatures = [str(signature) for signature in bag["models"]]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise FullscoreError(
            "'{bag}' doesn't list a bag of Demucs models: {error}", bag=bags[0], error=error
        ) from error
    models = [load_model(weights / f"{signature}.safetensors") for signature in signatures]
    return BagOfModels(models, bag.get("weights"), bag.get("segment")).eval()


def load_model(path: Path) -> Any:
    """One Demucs model from a safetensors file, after a look at what the file would have built."""
    try:
        with safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise FullscoreError(
            "the Demucs weights '{path}' are missing or broken ({error}): delete them",
            fetch("htdemucs", again=True),
            path=path,
            error=error,
        ) from error
    named = metadata.get("klass")
    if named not in MODEL_CLASSES:
        raise FullscoreError(
            "'{path}' asks for the class '{named}', which is not a Demucs model: not loaded",
            path=path,
            named=named,
        )
    # The description of quantised states may name further classes to import; no model here needs one.
    if "structure" in metadata:
        raise FullscoreError(
            "'{path}' holds a quantised Demucs model, which is not supported: not loaded", path=path
        )
    with warnings.catch_warnings():
        # Arguments of training that today's class no longer has.
        warnings.filterwarnings("ignore", "Dropping inexistant parameter")
        try:
            return load_safetensors_model(path)
        except (KeyError, TypeError, ValueError, RuntimeError, json.JSONDecodeError) as error:
            raise FullscoreError(
                "the Demucs weights '{path}' don't fit their model: {error}", path=path, error=error
            ) from error


@contextmanager
def _seeded() -> Iterator[None]:
    """apply_model draws its shifts from the global generator; leave that as it was."""
    state = random.getstate()
    random.seed(SHIFT_SEED)
    try:
        yield
    finally:
        random.setstate(state)
