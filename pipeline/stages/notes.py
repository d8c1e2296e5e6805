"""Notes: each stem heard by the engine that suits it; bass and accompaniment in the mix where stems bleed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fullscore.errors import ignore, told
from pipeline.corrections import in_order
from pipeline.plan import GENERAL_ENGINE, Choice, Plan, make_engine
from pipeline.settings import Settings
from pipeline.stages import MIX, VOICE
from pipeline.stages.separation import StemFiles
from pipeline.workspace import STAGES_FOLDER, StageWork, Workspace
from transcription.notes import Note, in_stem

STAGE = "notes"

HEARD = f"{STAGES_FOLDER}/heard.json"
"""The notes before any correction, in the form of notes.json."""

# The stems that are better heard in the mix where stems bleed (benchmarks/stem_notes.py).
ACCOMPANIMENT_STEMS = ("bass", "other")

# A stem whose level is this far below the loudest stem's holds leakage, not a source (dB).
SILENT_STEM_DB = -40.0


def hear(
    workspace: Workspace, song: Path, stems: StemFiles, plan: Plan, settings: Settings
) -> tuple[Note, ...]:
    """The notes of every stem."""
    named = {plan.alone if name == MIX else name: path for name, path in stems.by_name.items()}
    choices = {stem: plan.transcriber(stem) for stem in named}

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode
        from transcription.notes_io import write_notes_json

        levels = {stem: _level_db(path) for stem, path in named.items()}
        audible = [stem for stem in named if levels[stem] >= max(levels.values()) + SILENT_STEM_DB]
        in_mix = stems.bleed and all(
            choices[stem].name == GENERAL_ENGINE for stem in ACCOMPANIMENT_STEMS if stem in choices
        )
        alone = [stem for stem in audible if not (in_mix and stem in ACCOMPANIMENT_STEMS)]
        heard: list[Note] = []
        for number, stem in enumerate(alone):
            choices[stem].tell(job.warn)
            progress = job.part(number / len(named), (number + 1) / len(named), f"{stem}: ")
            engine = make_engine(choices[stem], settings, stem=stem)
            heard += in_stem(engine(decode(named[stem]), progress), stem)
        if len(alone) < len(audible):
            from transcription.accompaniment import accompaniment

            progress = job.part(len(alone) / len(named), 1.0, "accompaniment: ")
            network = make_engine(plan.general, settings)
            sung = [note for note in heard if note.stem == VOICE]
            heard += accompaniment(network, decode(song, warn=ignore), sung, progress)
        if not heard:
            job.warn(told("no notes were heard: the score holds only rests"))
        write_notes_json(in_order(heard), job.file(HEARD))
        return {stem: choice.name for stem, choice in choices.items()}

    inputs = {stem: choice.inputs(settings) for stem, choice in choices.items()}
    workspace.stage(
        STAGE, work, after=["separation"], inputs=inputs, engines=_modules((*choices.values(), plan.general))
    )
    return heard_notes(workspace)


def heard_notes(workspace: Workspace) -> tuple[Note, ...]:
    """The notes as they were heard."""
    from transcription.notes_io import read_notes_json

    return read_notes_json(workspace.path(HEARD))


def _modules(choices: tuple[Choice, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(module for choice in choices for module in choice.modules))


def _level_db(path: Path) -> float:
    """The level of a recording: its RMS in dB relative to full scale, -120 for silence."""
    import numpy as np

    from separation.audio import decode_blocks

    power = count = 0.0
    for block in decode_blocks(path, 30.0):
        power += float(np.sum(np.square(block.samples, dtype=np.float64)))
        count += block.samples.size
    return float(10 * np.log10(max(power / count, 1e-12)))
