"""Where torch runs, and whether bfloat16 pays there."""

from __future__ import annotations

import torch

from fullscore.errors import FullscoreError, Remedy


def choose_device(name: str) -> torch.device:
    """``auto``: the GPU there is, else the CPU. Raises FullscoreError for one that isn't there."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        name = next(kind for kind, is_there in present.items() if is_there)
    if not present.get(name.partition(":")[0], False):
        raise FullscoreError(
            "this machine has no device '{name}' for torch", Remedy("choose device"), name=name
        )
    return torch.device(name)


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies bfloat16 natively: elsewhere it is slower than float32, not faster."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return False
