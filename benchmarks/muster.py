"""Performed piano music to scores, measured with MUSTER, beside MuseScore 3's and music21's importers.

    python -m benchmarks.muster [--tool FOLDER] [--data FOLDER] [--cache FOLDER] [--beats ours|annotated]
                                [--only ours|musescore3|music21] [--pieces TEXT...] [--keep FOLDER]

Task: every ASAP performance of the evaluation data and Mozart's K. 265 variation are made scores by
``fullscore notate`` and by both importers, and each score is compared with the true one.

Method: MUSTER's error rates in percent (Nakamura et al. 2018, Hiramatsu et al. 2021) of the scores as they
are written, by ``evaluation.muster``. Key and meter are those at the beginning, right where both signatures
are the true ones. The first rows check the rates against figures known for six files
(``score_reference/muster.json``).

``--tool`` adds the rates by the published tool (github.com/TimFelixBeyer/amtevaluation.github.io, after its
``muster/compile.sh``), and at the end how far both are apart over all scores.

``Voice-g`` and ``Hand-g`` are VoiceER and HandER with the grace notes of both scores left out: a single one
that is paired with another note makes every other note of that score the left hand's.

The means are over the performances that ``score_reference/importers.json`` lists; the others (one more
fugue, K. 265, and the Lieder and lead sheets of the data played with human timing) stand below them.
``--beats annotated`` gives ours the annotated beats. ``--cache`` keeps what the importers made, so that
only ours is made anew; ``--keep`` keeps our scores.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from evaluation.muster import error_rates
from evaluation.scorefile import read_musicxml, read_score
from evaluation.scoremodel import within_voices
from fullscore.errors import FullscoreError
from pipeline.benchmark.peers import PEERS

RATES = ("PitchER", "MissRate", "ExtraRate", "OnsetER", "OffsetER", "MeanER", "VoiceER", "HandER")
MAKERS = ("ours", "musescore3", "music21")
ASAP, K265 = "CPJKU_asap-dataset", "pymatchmaker_matchmaker/matchmaker/assets"
SAME_RATE = 0.01  # percent: the tool's rounding
COLUMNS = (*RATES, "Voice-g", "Hand-g")
NEAR_MEAN, NEAR_PART = 1.5, 3.0  # percent by which ours may be off the known figures


@dataclass(frozen=True, slots=True)
class Piece:
    """A performance, its annotated beats (where there are any) and its true score."""

    name: str
    midi: Path
    score: Path
    beats: Path | None
    counted: bool


def main() -> None:
    root = Path(__file__).resolve().parents[1]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tool", type=Path, help="the published tool, compiled")
    parser.add_argument("--data", type=Path, default=root.parent / "shared" / "data")
    parser.add_argument("--cache", type=Path, help="where the importers' scores are kept")
    parser.add_argument("--beats", choices=("ours", "annotated"), default="ours")
    parser.add_argument("--only", choices=MAKERS)
    parser.add_argument("--pieces", nargs="+", default=[""], help="parts of the names of pieces to take")
    parser.add_argument("--keep", type=Path, help="where our scores are kept")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    check_rates(arguments.tool, arguments.data)
    makers = [maker for maker in MAKERS if arguments.only in (None, maker)]
    rows: dict[str, list[list[float]]] = {maker: [] for maker in makers}
    by_tool: dict[str, list[list[float]]] = {maker: [] for maker in makers}
    right: dict[str, list[tuple[bool, bool]]] = {maker: [] for maker in makers}
    apart: list[list[float]] = []
    print(f"\n{'':46}" + "".join(f"{column:>10}" for column in COLUMNS) + "    key meter      s")
    with tempfile.TemporaryDirectory() as scratch:
        found = [*pieces(arguments.data), *played_scores(arguments.data, Path(scratch))]
        chosen = [piece for piece in found if any(text in piece.name for text in arguments.pieces)]
        for piece in sorted(chosen, key=lambda piece: not piece.counted):
            print(f"{piece.name}{'' if piece.counted else ' (not in the means)'}")
            true = signatures(piece.score)
            for maker in makers:
                start = time.perf_counter()
                try:
                    score = _made(maker, piece, arguments, Path(scratch))
                    seconds = time.perf_counter() - start
                    rates = muster(piece.score, score)
                    tools = muster_by_tool(arguments.tool, piece.score, score) if arguments.tool else None
                except (ValueError, FullscoreError) as error:
                    print(f"  {maker:44} failed: {error}")
                    continue
                key, meter = signatures(score)
                ending = f"{_mark(key, true[0]):>7}{_mark(meter, true[1]):>6}{seconds:7.1f}"
                print(f"  {maker:44}{_cells(rates)}{ending}", flush=True)
                if tools:
                    print(f"  {'  by the tool':44}{_cells(tools)}", flush=True)
                    apart.append([rates[column] - tools[column] for column in COLUMNS])
                if piece.counted:
                    rows[maker].append([rates[column] for column in COLUMNS])
                    by_tool[maker] += [[tools[column] for column in COLUMNS]] if tools else []
                    right[maker].append((key == true[0], meter == true[1]))
    print("mean")
    for maker in makers:
        if rows[maker]:
            keys, meters = np.sum(right[maker], axis=0)
            print(f"  {maker:39}{len(rows[maker]):5}{_row(np.mean(rows[maker], axis=0))}{keys:7}{meters:6}")
        if by_tool[maker]:
            print(f"  {'  by the tool':44}{_row(np.mean(by_tool[maker], axis=0))}")
    if apart:
        print(f"ours less the tool's, over {len(apart)} scores")
        for name, values in (
            ("mean", np.mean(apart, axis=0)),
            ("mean of the sizes", np.mean(np.abs(apart), axis=0)),
            ("largest size", np.max(np.abs(apart), axis=0)),
        ):
            print(f"  {name:44}{_row(values)}")


def _cells(rates: Mapping[str, float]) -> str:
    return _row([rates[column] for column in COLUMNS])


def _row(values: Iterable[float]) -> str:
    return "".join(f"{value:10.2f}" for value in values)


def _mark(found: object, true: object) -> str:
    """What was found, with a star where it is not the truth."""
    return f"{found}{'' if found == true else '*'}"


def pieces(data: Path) -> Iterator[Piece]:
    """The performances, with what belongs to them."""
    listed = json.loads((data / "score_reference" / "importers.json").read_text())["rows"]
    counted = {row["performance"] for row in listed}
    for beats in sorted((data / ASAP).rglob("*_annotations.txt")):
        if beats.name == "midi_score_annotations.txt":
            continue
        midi = beats.with_name(beats.name.replace("_annotations.txt", ".mid"))
        name = str(midi.relative_to(data / ASAP))
        yield Piece(name, midi, beats.with_name("xml_score.musicxml"), beats, name in counted)
    folder = data / K265
    yield Piece(
        "mozart_k265_var1", folder / "mozart_k265_var1.mid", folder / "mozart_k265_var1.musicxml", None, False
    )


def played_scores(data: Path, folder: Path) -> Iterator[Piece]:
    """The Lieder and the lead sheets of the data, performed with human timing."""
    from benchmarks.roundtrip import data_scores, play

    for source in data_scores(data):
        midi, score = folder / f"{source.name}.mid", folder / f"{source.name}.musicxml"
        score.write_bytes(source.xml)
        play(source, "human", midi)
        yield Piece(source.name, midi, score, None, False)


# Making scores ----------------------------------------------------------------------------------


def _made(maker: str, piece: Piece, arguments: argparse.Namespace, scratch: Path) -> Path:
    """The score that ``maker`` makes of the performance, or made before."""
    file = piece.name.removesuffix(".mid").replace("/", "_") + f".{maker}.musicxml"
    if maker == "ours":
        folder = arguments.keep or scratch
        folder.mkdir(parents=True, exist_ok=True)
        beats = beats_file(piece, scratch) if arguments.beats == "annotated" else None
        notate(piece.midi, folder / file, beats)
        return Path(folder / file)
    folder = arguments.cache or scratch
    folder.mkdir(parents=True, exist_ok=True)
    score = Path(folder / file)
    if not score.exists():
        PEERS[maker].run(piece.midi, score)
    return score


def notate(midi: Path, score: Path, beats: Path | None) -> None:
    from pipeline import Settings
    from pipeline.notate import notate_file

    notate_file(midi, score, Settings(beats=str(beats)) if beats else Settings())


def beats_file(piece: Piece, folder: Path) -> Path | None:
    """The annotated beats as ``fullscore notate --beats`` reads them: seconds and number in the bar."""
    if piece.beats is None:
        return None
    rows = [line.split("\t") for line in piece.beats.read_text().splitlines() if line.strip()]
    downs = [row[2].split(",")[0] == "db" for row in rows]
    per_bar = int(np.median(np.diff(np.flatnonzero(downs))))
    number = per_bar - downs.index(True)
    lines = []
    for row, down in zip(rows, downs, strict=True):
        number = 1 if down else number + 1
        lines.append(f"{row[0]}\t{max(number, 1)}\n")
    path = folder / "beats.txt"
    path.write_text("".join(lines))
    return path


# Measuring --------------------------------------------------------------------------------------


def muster(true: Path, score: Path) -> dict[str, float]:
    """The error rates of ``score`` in percent, and two of them without grace notes.

    Raises ValueError where there are none, FullscoreError where a score can't be read.
    """
    reference, estimate = (within_voices(read_score(path)) for path in (true, score))
    rates = error_rates(reference, estimate)
    named = {**rates, "Voice-g": rates["VoiceER_no_grace"], "Hand-g": rates["HandER_no_grace"]}
    known = {name: rate for name, rate in named.items() if rate is not None}
    if len(known) < len(named):
        raise ValueError(f"{score} and {true} have no notes in common")
    return known


def muster_by_tool(tool: Path, true: Path, score: Path) -> dict[str, float]:
    """The same by the published tool. Raises ValueError where it gives no figures."""
    rates = _rates(tool, true.read_bytes(), score.read_bytes())
    plain = _rates(tool, without_graces(true), without_graces(score))
    return {**rates, "Voice-g": plain["VoiceER"], "Hand-g": plain["HandER"]}


def without_graces(score: Path) -> bytes:
    """A MusicXML file without its grace notes."""
    root = read_musicxml(score)
    for measure in root.iter("measure"):
        for note in measure.findall("note"):
            if note.find("grace") is not None:
                measure.remove(note)
    return bytes(ElementTree.tostring(root, encoding="utf-8", xml_declaration=True))


def _rates(tool: Path, true: bytes, score: bytes) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "true.xml").write_bytes(true)
        (Path(folder) / "made.xml").write_bytes(score)
        script = next(iter(tool.resolve().rglob("evaluate_XML_voicePlus.sh")))
        command = ["bash", str(script), "./true", "./made", "./rates"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        found = Path(folder) / "rates.txt"
        text = found.read_text() if found.exists() else ""
    names, _, values = text.partition(":")
    if not values.strip():
        raise ValueError(f"the tool gave no figures ({done.stderr.strip()[-200:]})")
    numbers = [float(value) for value in values.split()]
    return dict(zip(names.split(","), numbers, strict=True))


def check_rates(tool: Path | None, data: Path) -> None:
    """Compare our figures, and the tool's, with the known ones. Raises SystemExit where they differ."""
    reference = json.loads((data / "score_reference" / "muster.json").read_text())
    parts = tuple(rate for rate in RATES if rate != "MeanER")
    worst, worst_mean, worst_tool = 0.0, 0.0, 0.0
    for pair in reference["pairs"]:
        files, known = (data / pair["reference"], data / pair["estimate"]), pair["muster"]
        rates = muster(*files)
        worst = max(worst, *(abs(rates[rate] - known[rate]) for rate in parts))
        worst_mean = max(worst_mean, abs(rates["MeanER"] - known["MeanER"]))
        if tool:
            rates = muster_by_tool(tool, *files)
            worst_tool = max(worst_tool, *(abs(rates[rate] - known[rate]) for rate in RATES))
    number = len(reference["pairs"])
    print(f"the {number} known MeanER within {worst_mean:.2f} points, all their parts within {worst:.2f}")
    if worst_mean > NEAR_MEAN or worst > NEAR_PART:
        raise SystemExit("the rates differ from the known figures by too much")
    if tool:
        print(f"the tool gives the {number} known figures (within {worst_tool:.4f} points)")
    if worst_tool > SAME_RATE:
        raise SystemExit(f"{tool} differs from the known figures by up to {worst_tool:.2f} points")


def signatures(score: Path) -> tuple[int, str]:
    """Key signature in fifths and time signature at the beginning of a MusicXML file."""
    opening = read_score(score).bars[0]
    return opening.fifths or 0, opening.meter or "4/4"


if __name__ == "__main__":
    main()
