"""Small networks in plain numpy: dense layers, convolutions over time and gated recurrent units.

Task: run what ``training`` has learned without torch. Weights come from an ``.npz`` beside the code that
uses them, named as torch names them with ``_`` for ``.`` (``enter_weight``, ``gru1_weight_ih_l0_reverse``).

Conventions: sequences are float32 arrays of shape ``(time, features)``; a recurrent layer runs in both
directions and returns ``(time, 2 * width)``, forward first, as torch's bidirectional ``GRU`` does. What is
made of outputs is made row by row; scipy.special has it too, but takes longer to import than numpy.

Why not onnxruntime: ``notate`` as a whole took 1.06 of the time for a few bars, .94 for 3 minutes, 30 to 47
MB more, and its rounding (2e-5) changed one score of 28.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Features: TypeAlias = npt.NDArray[np.float32]
Weights: TypeAlias = dict[str, Features]
Float = TypeVar("Float", np.float32, np.float64)


def load(path: Path) -> Weights:
    """The weights in an ``.npz``, as float32."""
    with np.load(path) as arrays:
        return {name: arrays[name].astype(np.float32) for name in arrays.files}


def dense(weights: Weights, name: str, x: Features) -> Features:
    """A linear layer."""
    return np.asarray(x @ weights[f"{name}_weight"].T + weights[f"{name}_bias"], dtype=np.float32)


def convolution(weights: Weights, name: str, x: Features) -> Features:
    """A convolution over time with an odd kernel, zeros around the sequence."""
    kernel = weights[f"{name}_weight"]  # (out, in, size)
    size = kernel.shape[2]
    padded = np.pad(x, ((size // 2, size // 2), (0, 0)))
    total = sum(padded[k : k + len(x)] @ kernel[:, :, k].T for k in range(size))
    return np.asarray(total + weights[f"{name}_bias"], dtype=np.float32)


def logistic(x: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """The probability that each output stands for by itself."""
    return np.asarray(1 / (1 + np.exp(-x)))


def softmax(x: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """The probabilities of the classes in each row."""
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def log_softmax(x: npt.NDArray[Float]) -> npt.NDArray[Float]:
    """The logarithms of :func:`softmax`."""
    shifted = x - x.max(axis=1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))


def gru(weights: Weights, name: str, x: Features) -> Features:
    """One layer of gated recurrent units (Cho et al. 2014) in both directions."""
    if not len(x):
        return np.zeros((0, 2 * weights[f"{name}_weight_hh_l0"].shape[1]), dtype=np.float32)
    ends = ("_l0", "_l0_reverse")
    recurrent = np.stack([weights[f"{name}_weight_hh{end}"] for end in ends])  # (2, 3 width, width)
    bias = np.stack([weights[f"{name}_bias_hh{end}"] for end in ends])
    given = np.stack(
        [
            sequence @ weights[f"{name}_weight_ih{end}"].T + weights[f"{name}_bias_ih{end}"]
            for sequence, end in zip((x, x[::-1]), ends, strict=True)
        ],
        axis=1,
    )  # (time, 2, 3 width): reset, update, new
    width = recurrent.shape[2]
    given[:, :, : 2 * width] += bias[None, :, : 2 * width]
    new_bias = bias[:, 2 * width :]
    state = np.zeros((2, width), dtype=np.float32)
    result = np.empty((len(x), 2, width), dtype=np.float32)
    for step, now in enumerate(given):
        held = np.matmul(recurrent, state[:, :, None])[:, :, 0]
        gates = 0.5 + 0.5 * np.tanh(0.5 * (now[:, : 2 * width] + held[:, : 2 * width]))
        new = np.tanh(now[:, 2 * width :] + gates[:, :width] * (held[:, 2 * width :] + new_bias))
        state = new + gates[:, width:] * (state - new)
        result[step] = state
    return np.concatenate([result[:, 0], result[::-1, 1]], axis=1)
