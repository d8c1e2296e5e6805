"""Source separation: how much of each true stem is in its estimate, and how much of anything else.

Measures, in dB and better the higher, for each stem and as means over the stems:

* ``SDR``, ``ISR``, ``SIR``, ``SAR``: BSS Eval version 4 (Stöter, Liutkus and Ito 2018; Vincent et al. 2006,
  2012) as the package museval computes it. By least squares the estimate is split into its true stem, that
  stem filtered (spatial error), the other stems filtered (interference) and the rest (artifacts); the filters
  have 512 taps and are the same for the whole song. Energies are compared second by second; a stem's figure
  is the median of the frames. A frame where any reference or estimate is silent counts for none of the stems,
  and a frame with an infinite ratio not for its own.
* ``SDR_song``: the energy of the true stem over that of the error in the whole song, both plus 1e-7: the
  measure of the Sound Demixing challenges of 2021 and 2023 (Mitsufuji et al. 2022), elsewhere called uSDR.
* ``SI-SDR``: the same after the best scaling of the true stem, all channels alike, and without the 1e-7 (Le
  Roux et al. 2019).

Conventions: a stem that is silent from beginning to end, for which museval raises an error, has no BSS Eval
figures; those of the other stems are computed without it. A reference without an estimate counts as a silent
estimate. Means are over the stems whose reference sounds (for ``SDR_song`` over all) and None where one of
them is undefined, so that leaving a stem out makes no figure better. A ratio without error or without signal
is None. Where estimates are ``vocals`` and ``accompaniment`` alone, the other references are added up.

Both sides are read twice in blocks, so that memory doesn't grow with the song: it does with the square of the
number of stems, and the time that solving for the filters takes with its cube (four in stereo: 2 s).

Limits: the streams of a stem file (``.stem.mp4``) are taken as MUSDB18 has them: mix, drums, bass, other,
vocals. Of references without any sound in some band, as lossy formats give, ISR, SIR and SAR mean little (see
RIDGE).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from evaluation.kinds import StemsSettings
from fullscore.errors import FullscoreError, ignore
from fullscore.files import AUDIO_SUFFIXES
from fullscore.reading import form_of

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]
Spectra = npt.NDArray[np.complex128]

Blocks = Callable[[], Iterable[Floats]]
"""Begins to read a song: consecutive blocks of shape (2, stems, channels, samples), references first."""

BSS_EVAL = ("SDR", "ISR", "SIR", "SAR")

MAIN = ("SDR", "SDR_song")

MEANINGS = {
    "SDR": "dB of the stem over all that is wrong in it, median second (BSS Eval v4)",
    "ISR": "dB of the stem over what its own filtering and panning adds",
    "SIR": "dB of the stem over what the other stems add",
    "SAR": "dB of all true sound over what is in no stem",
    "SDR_song": "dB of the stem over the error, whole song (Sound Demixing challenge)",
    "SI-SDR": "the same however loud the estimate is",
}

TAPS = 512
"""Length of the distortion filters in samples, whatever the sample rate."""

CHALLENGE_EPSILON = 1e-7
"""Energy added to signal and error by the Sound Demixing challenges."""

MOST_OFF_S = 1.0
"""Encoders and separators add or lose less than this at the end of a recording."""

READ_S = 10.0
TRANSFORM = 1 << 14
"""Samples that are correlated together."""

RIDGE = 1e-13
"""Share of the references' mean energy added to the equations of the filters. Without it (museval adds 2e-16
in all) the filters of references that lack some frequencies altogether, as decoded AAC and MP3 do, are
rounding errors: the order of the stems changes museval's SIR by up to 1.7 dB there, and ours by 0.05. Of
references with the noise of 16 bits it changes no figure by more than 2e-4 dB."""

MIXES = frozenset({"mix", "mixture"})
"""Files that lie beside the stems and are none (MUSDB18-HQ)."""

VOICE = "vocals"
REST = frozenset({"accompaniment", "instrumental", "no_vocals"})
"""What separators into two call all that isn't the voice: its reference is the sum of the other stems."""

STEM_FILE = (".stem.mp4", ".stem.m4a")
STREAMS = {"drums": 1, "bass": 2, "other": 3, "vocals": 4}


def evaluate_stems(reference: Path, estimate: Path, settings: StemsSettings | None = None) -> dict[str, Any]:
    """The measures of two sets of stems: means by name, and under ``stems`` those of each stem.

    Each side is a folder of recordings named after the stems, the folder of a run, or a stem file. Where
    lengths, rates, channels or names differ, a warning is logged; where they differ too much, or a side can't
    be read, FullscoreError is raised.
    """
    settings = settings or StemsSettings()
    if not 0 < settings.hop <= settings.window < math.inf:
        raise FullscoreError(
            "frames of {window:g} s can't be taken every {hop:g} s",
            "give a window in seconds and a hop that is no longer",
            window=settings.window,
            hop=settings.hop,
        )
    song = _paired(reference, estimate)
    measures = stem_scores(list(song.stems), song.blocks, song.sample_rate, settings)
    for name, scores in measures["stems"].items():
        if scores["SDR"] is scores["SI-SDR"] is None and scores["SDR_song"] > 0:
            logger.warning(
                "%s of %s has no error at all: its SDR is infinite, and given as undefined", name, estimate
            )
    return measures


def stem_scores(
    names: Sequence[str], blocks: Blocks, sample_rate: int, settings: StemsSettings | None = None
) -> dict[str, Any]:
    """The measures of :func:`evaluate_stems` for sound in memory or anywhere: ``blocks`` is called twice."""
    settings = settings or StemsSettings()
    whole = _read_whole(blocks())
    frames, scaled_error = _read_frames(
        blocks(),
        whole,
        *(max(1, int(seconds * sample_rate)) for seconds in (settings.window, settings.hop)),
    )
    by_stem = [
        {name: _median(frames[measure, stem]) for measure, name in enumerate(BSS_EVAL)}
        | {
            "SDR_song": _decibels(
                whole.energy[stem] + CHALLENGE_EPSILON, whole.error[stem] + CHALLENGE_EPSILON
            ),
            "SI-SDR": _decibels(whole.scale[stem] ** 2 * whole.energy[stem], scaled_error[stem]),
        }
        for stem in range(len(names))
    ]
    sounding = [scores for scores, sounds in zip(by_stem, whole.sounds[0], strict=True) if sounds]
    means = {
        name: _mean([scores[name] for scores in (by_stem if name == "SDR_song" else sounding)])
        for name in MEANINGS
    }
    return {**means, "stems": dict(zip(names, by_stem, strict=True))}


def bss_eval(references: Floats, estimates: Floats, window: int, hop: int) -> Floats:
    """BSS_EVAL in every frame: shape (4, stems, frames), NaN where undefined or infinite.

    ``references`` and ``estimates`` have the shape (stems, channels, samples); window and hop are in samples.
    """
    both = np.stack([references, estimates])
    return _read_frames([both], _read_whole([both]), window, hop)[0]


# --- the measures -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Whole:
    """What the filters and the measures need of the whole song.

    ``lagged[i, a, k]`` is the inner product of signal ``i`` (each channel of the references, then of the
    estimates) with that of reference ``a`` delayed by ``k`` samples; the others are by stem.
    """

    lagged: Floats
    energy: Floats  # of the references
    scale: Floats  # what brings each reference nearest to its estimate
    error: Floats  # energy of the difference
    sounds: npt.NDArray[np.bool_]  # (2, stems): references and estimates that are not silent throughout


def _read_whole(blocks: Iterable[Floats]) -> _Whole:
    from scipy.fft import irfft, rfft

    sums: list[Floats] = []
    sounds: list[npt.NDArray[np.bool_]] = []

    def counted() -> Iterator[Floats]:
        for block in blocks:
            true, found = block
            sums.append(
                np.stack([part.sum(axis=(1, 2)) for part in (true**2, true * found, (true - found) ** 2)])
            )
            sounds.append(_sounds(block))
            yield block

    lag = TAPS - 1
    spectra: Spectra | None = None
    for piece in _windows(counted(), TRANSFORM, TRANSFORM - lag, lead=lag, whole=False):
        signals = piece.reshape(-1, piece.shape[-1])
        delayed = rfft(signals[: len(signals) // 2], TRANSFORM).conj()
        signals[:, :lag] = 0  # counted in the piece before
        now = rfft(signals, TRANSFORM)
        if spectra is None:
            spectra = np.zeros((len(now), len(delayed), now.shape[1]), np.complex128)
        for a, row in enumerate(delayed):
            spectra[:, a] += now * row
    if spectra is None:
        raise FullscoreError("there is no sound to compare", "give recordings that last some seconds")
    energy, product, error = np.sum(sums, axis=0)
    return _Whole(
        lagged=irfft(spectra, TRANSFORM)[..., :TAPS],
        energy=energy,
        scale=np.divide(product, energy, out=np.zeros_like(energy), where=energy > 0),
        error=error,
        sounds=np.any(sounds, axis=0),
    )


def _read_frames(blocks: Iterable[Floats], whole: _Whole, window: int, hop: int) -> tuple[Floats, Floats]:
    """BSS_EVAL in every frame (see :func:`bss_eval`), and the energy of each stem's error after scaling."""
    from scipy.fft import next_fast_len, rfft

    stems = len(whole.energy)
    channels = whole.lagged.shape[1] // stems
    active = whole.sounds.all(axis=0)
    scaled_error = np.zeros(stems)
    filters: tuple[Spectra, Spectra] | None = None
    frames: list[Floats] = []

    def counted() -> Iterator[Floats]:
        for block in blocks:
            nonlocal scaled_error
            scaled_error += ((whole.scale[:, None, None] * block[0] - block[1]) ** 2).sum(axis=(1, 2))
            yield block

    for frame in _windows(counted(), window, hop):
        if not active.any() or not _sounds(frame)[:, active].all():
            frames.append(np.full((4, stems), np.nan))
            continue
        size = next_fast_len(frame.shape[-1] + TAPS - 1, real=True)
        if filters is None:
            of_all, of_own = _filters(whole.lagged, stems)
            filters = rfft(of_all, size), rfft(of_own, size)
        references, estimates = rfft(frame, size).reshape(2, stems * channels, -1)
        by_all = np.einsum("eaf,af->ef", filters[0], references)
        by_own = np.einsum("secf,scf->sef", filters[1], references.reshape(stems, channels, -1)).reshape(
            by_all.shape
        )

        def energy(spectra: Spectra, size: int = size) -> Floats:
            power = spectra.real**2 + spectra.imag**2
            power[:, 1 : (size + 1) // 2] *= 2  # all but the ends stand for two
            return np.asarray(power.sum(axis=1).reshape(stems, channels).sum(axis=1) / size)

        # The errors of SDR are taken in time: where there are none, they are exactly zero.
        true, error = ((part**2).sum(axis=(1, 2)) for part in (frame[0], frame[1] - frame[0]))
        ratios = (
            (true, error),
            (true, energy(by_own - references)),
            (energy(by_own), energy(by_all - by_own)),
            (energy(by_all), energy(estimates - by_all)),
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            measured = np.stack([10 * np.log10(above / below) for above, below in ratios])
        measured[~np.isfinite(measured) | ~active] = np.nan
        frames.append(measured)
    return np.stack(frames, axis=-1), scaled_error


def _filters(lagged: Floats, stems: int) -> tuple[Floats, Floats]:
    """The least-squares filters from all references to each estimate, and from its own reference.

    Shapes (estimates, references, TAPS), each channel by itself, and (stems, channels of the estimate,
    channels of the reference, TAPS).
    """
    count = lagged.shape[1]
    channels = count // stems
    of_all = _solve(lagged[:count], lagged[count:])
    own = [slice(stem * channels, (stem + 1) * channels) for stem in range(stems)]
    of_own = np.stack([_solve(lagged[:count][at, at], lagged[count:][at, at]) for at in own])
    return of_all, of_own


def _solve(among: Floats, towards: Floats) -> Floats:
    """The filters (estimates, references, TAPS) from inner products with the references."""
    from scipy.linalg import lu_factor, lu_solve

    size = among.shape[0] * TAPS
    normal = _normal(among)
    normal[np.diag_indices(size)] += RIDGE * np.mean(np.diagonal(among[..., 0])) + np.finfo(np.float64).eps
    # Symmetric, so its transpose, which can be factored in place, is itself.
    factored = lu_factor(normal.T, overwrite_a=True, check_finite=False)
    solved: Floats = lu_solve(factored, towards.transpose(1, 2, 0).reshape(size, -1), check_finite=False)
    return solved.T.reshape(-1, among.shape[0], TAPS)


def _normal(among: Floats) -> Floats:
    """The inner products of all references at all delays with each other: Toeplitz for each two of them."""
    count = len(among)
    normal = np.empty((count, TAPS, count, TAPS))
    for a in range(count):
        for b in range(count):
            # From a delay of 511 of the first against the second to one of the second against the first.
            lags = np.concatenate([among[b, a, :0:-1], among[a, b]])
            rows = np.lib.stride_tricks.sliding_window_view(lags, TAPS)
            normal[a, :, b, :] = rows[::-1]
    return normal.reshape(count * TAPS, count * TAPS)


def _windows(
    blocks: Iterable[Floats], size: int, hop: int, *, lead: int = 0, whole: bool = True
) -> Iterator[Floats]:
    """Pieces of ``size`` samples every ``hop`` of them, after ``lead`` zeros.

    What is left at the end comes too unless only ``whole`` pieces are wanted; a song shorter than one does.
    """
    held: Floats | None = None
    came = False
    for block in blocks:
        if held is None:
            held = np.zeros((*block.shape[:-1], lead))
        held = np.concatenate([held, block], axis=-1)
        start = 0
        while held.shape[-1] - start >= size:
            yield held[..., start : start + size].copy()
            came = True
            start += hop
        held = held[..., start:]
    if held is not None and held.shape[-1] > lead and not (whole and came):
        yield held.copy()


def _sounds(block: Floats) -> npt.NDArray[np.bool_]:
    """Which stems of both sides are not silent; channels that cancel each other are (as in museval)."""
    return np.asarray((block.sum(axis=-2) != 0).any(axis=-1))


def _median(frames: Floats) -> float | None:
    defined = frames[~np.isnan(frames)]
    return float(np.median(defined)) if defined.size else None


def _mean(values: Sequence[float | None]) -> float | None:
    defined = [value for value in values if value is not None]
    return sum(defined) / len(defined) if defined and len(defined) == len(values) else None


def _decibels(above: float, below: float) -> float | None:
    return 10 * math.log10(above / below) if above > 0 and below > 0 else None


# --- the files --------------------------------------------------------------------------------------

_Recording = tuple[Path, int]
"""A file and which of its sound streams."""

_Parts = tuple[_Recording, ...]
"""Recordings that together are a stem; none: silence."""


@dataclass(slots=True)
class _Song:
    """Stems of both sides by name, decoded together in one form. The first reading checks their lengths."""

    stems: Mapping[str, tuple[_Parts, _Parts]]
    sample_rate: int
    channels: int
    _checked: bool = field(default=False, init=False)

    def blocks(self) -> Iterator[Floats]:
        """Raises FullscoreError at the end where lengths differ by more than MOST_OFF_S."""
        from separation.audio import decode_blocks

        # What was said at the first reading needn't be at the second.
        warn = ignore if self._checked else logger.warning
        references, estimates = (
            list(dict.fromkeys(one for pair in self.stems.values() for one in pair[side])) for side in (0, 1)
        )
        readers = {
            (path, stream): decode_blocks(
                path, READ_S, self.sample_rate, self.channels, stream=stream, warn=warn
            )
            for path, stream in dict.fromkeys([*references, *estimates])
        }
        lengths = dict.fromkeys(readers, 0)
        while True:
            read = {}
            for recording, reader in readers.items():
                block = next(reader, None)
                if block is not None:
                    read[recording] = block.samples.astype(np.float64)
                    lengths[recording] += block.samples.shape[1]
            length = max((read[one].shape[1] for one in references if one in read), default=0)
            if length:
                yield self._joined(read, length)
            elif not read:
                break
        if not self._checked:
            self._check(references, estimates, lengths)
            self._checked = True

    def _joined(self, read: Mapping[_Recording, Floats], length: int) -> Floats:
        """One block of both sides, cut or filled with zeros to ``length`` samples."""
        block = np.zeros((2, len(self.stems), self.channels, length))
        for stem, pair in enumerate(self.stems.values()):
            for side, parts in enumerate(pair):
                for one in parts:
                    if one in read:
                        samples = read[one][:, :length]
                        block[side, stem, :, : samples.shape[1]] += samples
        return block

    def _check(
        self,
        references: Sequence[_Recording],
        estimates: Sequence[_Recording],
        lengths: Mapping[_Recording, int],
    ) -> None:
        expected = max(lengths[one] for one in references)
        for one in dict.fromkeys([*references, *estimates]):
            off = lengths[one] - expected
            if off == 0:
                continue
            if abs(off) > MOST_OFF_S * self.sample_rate:
                raise FullscoreError(
                    "'{stem}' lasts {seconds:.2f} s, the reference {expected:.2f} s",
                    "give stems of one recording, beginning together",
                    stem=one[0],
                    seconds=lengths[one] / self.sample_rate,
                    expected=expected / self.sample_rate,
                )
            logger.warning(
                "'%s' is %d samples (%.3f s) %s than the longest reference: %s",
                one[0], abs(off), abs(off) / self.sample_rate, "longer" if off > 0 else "shorter",
                "its end is left out" if off > 0 else "its end is filled with silence",
            )  # fmt: skip


def _paired(reference: Path, estimate: Path) -> _Song:
    """The stems of both sides by the reference's names, in its rate and channels."""
    from separation.audio import probe

    true, found = _stems(reference), _stems(estimate)
    rest = next(iter(REST & found.keys() - true.keys()), None)
    if rest and VOICE in true and len(true) > 1 and found.keys() <= {VOICE, rest}:
        others = tuple(one for name, parts in true.items() if name != VOICE for one in parts)
        true = {VOICE: true[VOICE], rest: others}
    if not true.keys() & found.keys():
        raise FullscoreError(
            "no stem of {estimate} ({stems}) is named as one of {reference} ({true_stems})",
            "give the files of the same stem the same name",
            estimate=estimate,
            stems=", ".join(found),
            reference=reference,
            true_stems=", ".join(true),
        )
    for name in sorted(found.keys() - true.keys()):
        logger.warning("the stem '%s' of %s has no reference and is left out", name, estimate)
    for name in sorted(true.keys() - found.keys()):
        logger.warning("%s has no stem '%s': it counts as silent", estimate, name)
    stems = {name: (true[name], found.get(name, ())) for name in true}
    infos = [{one: probe(one[0]) for pair in stems.values() for one in pair[side]} for side in (0, 1)]
    rate = next(iter(infos[0].values())).sample_rate
    channels = min(2, max(info.channels for info in infos[0].values()))
    for (path, _), info in (infos[0] | infos[1]).items():
        if info.sample_rate != rate:
            logger.warning(
                "'%s' is sampled at %d Hz and resampled to the reference's %d Hz",
                path,
                info.sample_rate,
                rate,
            )
        if info.channels != channels:
            logger.warning(
                "'%s' has %d channels, which are brought to the references' %d", path, info.channels, channels
            )
    return _Song(stems, rate, channels)


def _stems(path: Path) -> dict[str, _Parts]:
    """The stems at ``path`` by their names in lower case."""
    if not path.exists():
        raise FullscoreError("there is no file or folder {path}", "check its name", path=path)
    if path.name.lower().endswith(STEM_FILE) and path.is_file():
        return {name: ((path, stream),) for name, stream in STREAMS.items()}
    if not path.is_dir():
        raise FullscoreError(
            "{path} is one file ({form}), not stems",
            "give a folder of recordings named after them (vocals.wav, drums.flac), the folder "
            "of a run, or a .stem.mp4",
            path=path,
            form=form_of(path),
        )
    folder = path / "stems" if (path / "stems").is_dir() else path
    stems: dict[str, _Parts] = {}
    for file in sorted(folder.iterdir()):
        if file.suffix.lower() not in AUDIO_SUFFIXES or file.name.startswith(".") or not file.is_file():
            continue
        name = file.stem.casefold()
        if name in stems:
            raise FullscoreError(
                "{folder} has two files of the stem '{name}' ({name2}, {file})",
                "leave one of them",
                folder=folder,
                name=name,
                name2=stems[name][0][0].name,
                file=file.name,
            )
        if name not in MIXES:
            stems[name] = ((file, 0),)
    if not stems:
        raise FullscoreError(
            "{folder} has no stems", "put in recordings named after them, such as vocals.wav", folder=folder
        )
    return stems
