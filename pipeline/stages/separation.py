"""Separation: from the recording to a file for each stem."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.plan import Choice, make_engine
from pipeline.settings import Settings
from pipeline.workspace import STEMS_FOLDER, StageWork, Workspace

STAGE = "separation"


@dataclass(frozen=True, slots=True)
class StemFiles:
    """The files of the stems, by name; ``bleed``: the stems hold much of each other."""

    by_name: Mapping[str, Path]
    bleed: bool


def separate(workspace: Workspace, song: Path, choice: Choice, settings: Settings) -> StemFiles:
    """Separate the recording by the engine chosen."""
    choice = choice.ready(settings, workspace.reporter(STAGE))

    def work(job: StageWork) -> dict[str, Any]:
        from separation.stems import separate_to_files

        choice.tell(job.warn)
        separator = make_engine(choice, settings)
        files = separate_to_files(separator, song, job.folder / STEMS_FOLDER, job.progress, warn=job.warn)
        for old in set((job.folder / STEMS_FOLDER).glob("*.flac")) - set(files.values()):
            old.unlink()
        job.keep(*files.values())
        return {
            "stems": {name: file.relative_to(job.folder).as_posix() for name, file in files.items()},
            "bleed": choice.bleeds,
        }

    inputs = choice.inputs(settings)
    made = workspace.stage(STAGE, work, after=["audio"], inputs=inputs, engines=choice.modules)
    return stem_files(workspace, made)


def stem_files(workspace: Workspace, made: Mapping[str, Any]) -> StemFiles:
    """The stems as the stage keeps them."""
    return StemFiles(
        {name: workspace.folder / file for name, file in made["stems"].items()}, bool(made["bleed"])
    )
