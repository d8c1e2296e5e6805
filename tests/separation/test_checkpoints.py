"""Pickles of arrays are read; whatever else a pickle could name or do is refused before it happens."""

from __future__ import annotations

import collections
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from fullscore.errors import FullscoreError
from separation.checkpoints import convert, read_arrays
from tests.spleeter_files import FILTERS, arrays, write_checkpoint, write_pickle


def test_arrays_are_read_as_they_were(tmp_path: Path) -> None:
    square = np.arange(12, dtype=np.float32).reshape(3, 4)
    given = {"rows": square, "columns": np.asfortranarray(square), "swapped": square.astype(">f4")}
    for path in (
        write_checkpoint(tmp_path / "numpy1.ckpt", given),
        write_pickle(tmp_path / "numpy2.ckpt", pickle.dumps(given, protocol=2)),
        write_pickle(tmp_path / "newer.ckpt", pickle.dumps(given, protocol=4)),
    ):
        read = read_arrays(path)
        assert list(read) == list(given)
        for array in read.values():
            assert array.dtype == np.float32
            np.testing.assert_array_equal(array, square)


def test_networks_are_written_with_our_names_and_always_the_same_bytes(tmp_path: Path) -> None:
    voice, rest = arrays(1), arrays(2)
    files = write_checkpoint(tmp_path / "0.ckpt", voice), write_checkpoint(tmp_path / "1.ckpt", rest)
    convert(*files, tmp_path / "made.safetensors")
    convert(*files, tmp_path / "again.safetensors")
    assert (tmp_path / "made.safetensors").read_bytes() == (tmp_path / "again.safetensors").read_bytes()
    made = load_file(tmp_path / "made.safetensors")
    assert len(made) == 2 * (len(voice) - 4)  # without the innermost normalisation
    np.testing.assert_array_equal(made["vocals.encoders.0.weight"], voice["down1_conv.1.weight"])
    np.testing.assert_array_equal(
        made["vocals.encoder_norms.4.running_var"], voice["down5_act.0.running_var"]
    )
    np.testing.assert_array_equal(made["accompaniment.decoders.5.bias"], rest["up6.0.bias"])
    np.testing.assert_array_equal(made["accompaniment.decoder_norms.0.bias"], rest["up1.3.bias"])
    np.testing.assert_array_equal(made["accompaniment.mask.weight"], rest["up7.0.weight"])
    assert {name.split(".")[1] for name in made} == {
        "encoders", "encoder_norms", "decoders", "decoder_norms", "mask",
    }  # fmt: skip
    assert len(made["vocals.encoders.5.bias"]) == FILTERS[5]


class Trap:
    """Touches a file when it is unpickled by anyone who lets it."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def test_what_a_pickle_would_call_is_not_called(tmp_path: Path) -> None:
    path = write_checkpoint(
        tmp_path / "trap.ckpt", {"a": np.zeros(2, np.float32), "b": Trap(tmp_path / "done")}
    )
    with pytest.raises(FullscoreError, match=r"posix.mkdir|nt.mkdir"):
        read_arrays(path)
    assert not (tmp_path / "done").exists()


@pytest.mark.parametrize(
    ("pickled", "words"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"cbuiltins\neval\n(S'1'\ntR.", "builtins.eval"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.", "builtins.exec"),
        (b"cseparation.checkpoints\nconvert\n.", "separation.checkpoints.convert"),
        (b"cnumpy\nload\n.", "numpy.load"),
        (pickle.dumps(collections.OrderedDict(), protocol=2), "collections.OrderedDict"),
        (pickle.dumps({"a": torch.nn.Linear(1, 1)}, protocol=2), "torch.nn"),
        (b"cnumpy\nndarray\n)\x81.", "_reconstruct only"),
        (b"c_codecs\nencode\n(S'a'\nS'rot13'\ntR.", "rot13"),
        (pickle.dumps({"a": np.zeros(3)}, protocol=2), "32-bit floats, not 'f8'"),
        (pickle.dumps({"a": np.array(["x"], dtype=object)}, protocol=2), "32-bit floats, not 'O8'"),
        (pickle.dumps({"a": 1}, protocol=2), "not a checkpoint"),
        (pickle.dumps({1: np.zeros(1, np.float32)}, protocol=2), "a layer has a name"),
        (pickle.dumps([1], protocol=2), "not a checkpoint"),
        (b"U\x01aQ.", "not a checkpoint"),  # a persistent id
        (pickle.dumps({"a": np.zeros(9, np.float32)}, protocol=2)[:-30], "not a checkpoint"),
        (b"", "not a checkpoint"),
    ],
)
def test_everything_else_is_refused(tmp_path: Path, pickled: bytes, words: str) -> None:
    with pytest.raises(FullscoreError, match=words):
        read_arrays(write_pickle(tmp_path / "x.ckpt", pickled))


def test_files_of_another_kind_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.ckpt").write_bytes(b"no zip")
    with pytest.raises(FullscoreError, match="not a checkpoint"):
        read_arrays(tmp_path / "x.ckpt")
    torch.save({"a": torch.zeros(2)}, tmp_path / "tensors.ckpt")
    with pytest.raises(FullscoreError, match=r"collections.OrderedDict|torch._utils"):
        read_arrays(tmp_path / "tensors.ckpt")
    with zipfile.ZipFile(tmp_path / "two.ckpt", "w") as archive:
        archive.writestr("a/data.pkl", b"}.")
        archive.writestr("b/data.pkl", b"}.")
    with pytest.raises(FullscoreError, match="not a checkpoint"):
        read_arrays(tmp_path / "two.ckpt")
    with pytest.raises(FullscoreError, match="not a checkpoint"):
        read_arrays(tmp_path / "absent.ckpt")
