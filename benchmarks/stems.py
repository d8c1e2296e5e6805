"""How well the separators without a download (and Demucs, where its weights are) take two songs apart.

    OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE python -m benchmarks.stems [--data FOLDER] [--htdemucs FOLDER]
    python -m benchmarks.stems --speed | --museval

The songs are MDB Reggae (stems of MedleyDB) and Music Delta 80s Rock (an excerpt of MUSDB18). SDR in dB as
`fullscore evaluate stems` gives it, twice: over the whole song (Sound Demixing challenge) and as in the
SiSEC campaigns, the median over seconds of BSS Eval v4; then SIR, SAR and SI-SDR, means over the stems. The
mix itself as the estimate of every stem is the baseline. Seconds, of the clock and of the processor, are for
one second of song (threads that spin while they wait would take the processor's, hence the environment
above; of songs as short as these, spleeter's segments of 12 s hear much that is padding). Sum: relative
error of the sum of the stems against the mix. Demucs was trained on MDB Reggae: its figure there says
nothing about other songs.

``--speed`` times Demucs instead, on a network of htdemucs' size with random weights (which take as long as
trained ones), and shows how far bfloat16 is from float32. ``--museval`` compares `evaluate stems` with the
package museval on three minutes of four stems in stereo: seconds, and the greatest difference in any second.
(The stems are MDB Reggae's over and over, with noise added to each so that no two rounds are alike.)
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evaluation.stems import BSS_EVAL, bss_eval, evaluate_stems, stem_scores
from fullscore.engines import silent
from pipeline.plan import load_engine
from separation import SEPARATORS
from separation.audio import SAMPLE_RATE, Audio, decode, write_flac
from separation.devices import has_bfloat16
from separation.engines.spectral import Spectral
from separation.stems import Separator, Stems

STEMS = ("vocals", "drums", "bass", "other")

MEANS = ("SIR", "SAR", "SI-SDR")
LONG_S = 180.0


def songs(data: Path) -> Iterator[tuple[str, Audio, Stems]]:
    """Name, mix and true stems."""
    folder = data / "CarlSouthall_MDBDrums/MDB Drums/audio"
    numbers = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}  # METADATA.yaml; other: the guitar
    stems = folder / "multi-tracks/MusicDelta_Reggae/MusicDelta_Reggae_STEMS"
    yield (
        "MDB Reggae",
        decode(folder / "full_mix/MusicDelta_Reggae_MIX.flac"),
        Stems({name: decode(stems / f"MusicDelta_Reggae_STEM_{i:02}.flac") for name, i in numbers.items()}),
    )
    rock = data / "sigsep_sigsep-mus-eval/tests/data/MUSDB18-7-SAMPLE/train/Music Delta - 80s Rock.stem.mp4"
    numbers = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}
    yield "80s Rock", decode(rock), Stems({name: decode(rock, stream=i) for name, i in numbers.items()})


def _museval_metrics() -> Any:
    """museval's metrics alone: the package itself imports musdb, which wants an ffmpeg program."""
    folder = find_spec("museval").submodule_search_locations[0]
    spec = spec_from_file_location("museval_metrics", Path(folder) / "metrics.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def measures(true: Stems, found: Stems) -> dict[str, Any]:
    both = np.stack([[stems[name].samples for name in STEMS] for stems in (true, found)]).astype(np.float64)
    return stem_scores(STEMS, lambda: [both], SAMPLE_RATE)


def against_museval(stems: Stems) -> None:
    """Seconds and greatest difference in dB on LONG_S of ``stems``."""
    length = round(LONG_S * SAMPLE_RATE)
    rounds = -(-length // stems[STEMS[0]].samples.shape[1])
    generator = np.random.default_rng(0)
    true = np.stack([np.tile(stems[name].samples, rounds)[:, :length] for name in STEMS])
    true = true + 1e-3 * generator.standard_normal(true.shape)
    found = 0.8 * true + 0.1 * np.roll(true, 1, axis=0) + 1e-3 * generator.standard_normal(true.shape)
    with tempfile.TemporaryDirectory() as folder:
        sides = [Path(folder) / side for side in ("true", "found")]
        for side, samples in zip(sides, (true, found), strict=True):
            side.mkdir()
            for name, stem in zip(STEMS, samples, strict=True):
                write_flac(Audio(0.5 * stem.astype(np.float32), SAMPLE_RATE), side / f"{name}.flac")
        wall, processor = time.perf_counter(), time.process_time()
        evaluate_stems(*sides)
        ours = time.perf_counter() - wall, time.process_time() - processor
        true, found = (
            np.stack([decode(side / f"{name}.flac").samples.astype(np.float64) for name in STEMS])
            for side in sides
        )
    wall, processor = time.perf_counter(), time.process_time()
    theirs = _museval_metrics().bss_eval(
        *(side.transpose(0, 2, 1) for side in (true, found)),
        SAMPLE_RATE, SAMPLE_RATE, compute_permutation=False, framewise_filters=False,
    )  # fmt: skip
    museval = time.perf_counter() - wall, time.process_time() - processor
    print(f"{LONG_S:.0f} s of {len(STEMS)} stems{'seconds':>30}{'of the processor':>20}")
    for name, seconds in (("evaluate stems, from files", ours), ("museval, BSS Eval alone", museval)):
        print(f"{name:<30}{seconds[0]:>16.1f}{seconds[1]:>20.1f}")
    print(f"{'times as long':<30}{museval[0] / ours[0]:>16.1f}{museval[1] / ours[1]:>20.1f}")
    difference = np.abs(bss_eval(true, found, SAMPLE_RATE, SAMPLE_RATE) - np.stack(theirs[:4]))
    for name, greatest in zip(BSS_EVAL, difference.max(axis=(1, 2)), strict=True):
        print(f"greatest difference in {name}: {greatest:.1e} dB")


def demucs_speed(mix: Audio) -> None:
    """Seconds per second of music in both precisions, and the relative difference of the stems."""
    from demucs.htdemucs import HTDemucs as Network
    from safetensors.torch import save_file

    from separation.engines.htdemucs import HTDemucs, HTDemucsSettings

    torch.manual_seed(0)
    size = {"sources": ["drums", "bass", "other", "vocals"], "bottom_channels": 512, "segment": 7.8}
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        described = {"klass": "demucs.htdemucs.HTDemucs", "args": "[]", "kwargs": json.dumps(size)}
        save_file(Network(**size).state_dict(), Path(folder) / "random.safetensors", described)
        for precision in ("float32", "bfloat16"):
            separate = HTDemucs(Path(folder) / "random.safetensors", HTDemucsSettings(precision=precision))
            start = time.perf_counter()
            stems = separate(mix)
            seconds = time.perf_counter() - start
            found[precision] = np.stack([stems[name].samples for name in stems])
            print(f"{precision:10}{separate.device.type:>6}{seconds / mix.duration:>8.3f} s/song s")
    difference = np.linalg.norm(found["bfloat16"] - found["float32"]) / np.linalg.norm(found["float32"])
    print(f"bfloat16 against float32: relative difference {difference:.1e}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--htdemucs", type=Path, help="a folder with Demucs weights")
    parser.add_argument("--speed", action="store_true", help="time Demucs on random weights instead")
    parser.add_argument("--museval", action="store_true", help="compare the measures with museval's instead")
    options = parser.parse_args()
    if options.speed:
        return demucs_speed(next(songs(options.data))[1])
    if options.museval:
        return against_museval(next(songs(options.data))[2])

    separators: dict[str, Separator] = {
        "mix": lambda audio, progress: Stems(dict.fromkeys(STEMS, audio)),
        "spectral": Spectral(),
    }
    if not SEPARATORS["spleeter"].missing():
        for precision in ("float32", "bfloat16") if has_bfloat16(torch.device("cpu")) else ("float32",):
            separators[f"spleeter {precision}"] = load_engine("spleeter", precision=precision)
    if options.htdemucs:
        from separation.engines.htdemucs import HTDemucs

        separators["htdemucs"] = HTDemucs(options.htdemucs)
    # The first call compiles and loads what librosa and torch need.
    for separator in separators.values():
        separator(Audio(np.zeros((2, SAMPLE_RATE * 3), np.float32), SAMPLE_RATE), silent)

    print("SDR in dB: whole song / median second (BSS Eval v4)")
    titles = [
        *(f"{name:>16}" for name in STEMS),
        *(f"{name:>8}" for name in MEANS),
        "       s  cpu s",
        "     sum",
    ]
    print(f"{'song':12}{'separator':18}" + "".join(titles))
    for song, mix, truth in songs(options.data):
        for name, separator in separators.items():
            wall, processor = time.perf_counter(), time.process_time()
            stems = separator(mix, silent)
            spent = time.perf_counter() - wall, time.process_time() - processor
            took = "".join(f"{seconds / mix.duration:>8.3f}" for seconds in spent)
            measured = measures(truth, stems)
            cells = "".join(
                f"{of['SDR_song']:>8.2f} /{of['SDR']:>6.2f}" for of in measured["stems"].values()
            ) + "".join(f"{measured[mean]:>8.2f}" for mean in MEANS)
            total = sum(stems[stem].samples for stem in STEMS)
            error = np.linalg.norm(total - mix.samples) / np.linalg.norm(mix.samples)
            print(f"{song:12}{name:18}{cells}{took}{error:>8.0e}")


if __name__ == "__main__":
    main()
