"""A song in, its full score out: the stages in the order the data flows.

    audio ──> separation ──> notes ──> performance ──> beats ──> lyrics ──> score

What was corrected by hand before (``pipeline.corrections``) stays so: the performance is the notes heard with
their corrections, beats are counted as corrected, and corrected words go before those found.

Every stage keeps what it made in the song's folder (``pipeline.workspace``); a stage is done again
only when something it depends on has changed. Between stages only files are held, so that memory
is bounded by one stage's work.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyrics import LYRICISTS
from lyrics.words import Lyrics
from pipeline.corrections import CORRECTIONS, Corrections, edited, in_order, lyrics_from, read_history
from pipeline.plan import (
    GENERAL_ENGINE,
    check_means,
    choose_lyricist,
    choose_separator,
    choose_transcriber,
    make,
)
from pipeline.report import chords_in_seconds, score_time, stored_grid, write_report
from pipeline.settings import Settings
from pipeline.songs import folder_names, readable
from pipeline.workspace import STAGES_FOLDER, STEMS_FOLDER, StageProgress, StageWork, Workspace
from separation import SEPARATORS
from transcription import TRANSCRIBERS
from transcription.beatgrid import BeatGrid, TimeSignature
from transcription.notes import Note, in_stem

if TYPE_CHECKING:
    from lyrics.layout import SheetLine
    from separation.audio import Audio

HEARD = f"{STAGES_FOLDER}/heard.json"
"""The notes before any correction, in the form of notes.json."""

VOICE, MIX, PIANO = "vocals", "mix", "piano"

# What smears its stems, and the stems that are better heard in the mix then (benchmarks/stem_notes.py).
SMEARING_SEPARATOR = "spectral"
ACCOMPANIMENT_STEMS = ("bass", "other")

# A stem whose level is this far below the loudest stem's holds leakage, not a source (dB).
SILENT_STEM_DB = -40.0

BEAT_SAMPLE_RATE = 22050  # Hz: beats are heard well below its half


@dataclass(frozen=True, slots=True)
class Transcription:
    """What a run made: the song's folder and its report (the contents of ``report.json``)."""

    folder: Path
    report: dict[str, Any]

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(self.report["warnings"])

    @property
    def score(self) -> Path:
        """The MusicXML score."""
        return self.folder / "score.musicxml"


@dataclass(frozen=True, slots=True)
class Source:
    """What is known of a recording before it is taken apart."""

    title: str
    artist: str
    duration: float
    solo_piano: bool


def quiet(stage: str, fraction: float, message: str) -> None:
    """The stage progress that reports nothing."""


def transcribe(
    song: str | Path,
    out: str | Path,
    settings: Settings = Settings(),
    *,
    force: bool = False,
    name: str | None = None,
    called: str | None = None,
    progress: StageProgress = quiet,
) -> Transcription:
    """Transcribe ``song`` into ``out/<name>/`` and return what was made.

    ``name`` is the folder's name (default: the file's, without its suffix). ``called`` is what its user calls
    the file (default: its name); a song without tags has its title from it. What was corrected there by hand
    stays so; ``force`` does every stage again and forgets the corrections. ``progress`` is called with
    (stage, share done, message); raising from it cancels, and the next call goes on from the last finished
    stage.

    Raises FullscoreError when the song can't be transcribed: its message is a sentence for the user.
    """
    song = Path(song)
    checksum = checksum_of(song)
    check_means(settings)
    workspace = Workspace(Path(out) / (name or folder_names([song])[0]), force, progress)

    corrections = _corrected_before(workspace, checksum, force)

    known = Path(called or song.name)
    source = _listen(workspace, song, known, checksum, settings)
    stems = _separate(workspace, song, source, settings)
    heard = _hear_notes(workspace, song, stems, source, settings)
    notes = perform(workspace, heard, corrections)
    found = _find_beats(workspace, song, heard, settings)
    grid = count(workspace, song, heard, found, settings, corrections)
    lyrics = _find_lyrics(workspace, song, stems, heard, settings)
    write_score(workspace, source, notes, grid, lyrics, settings, corrections)

    if corrections.what:
        workspace.warn(f"corrected by hand before: {', '.join(corrections.what)}; --force starts over")
    report = write_report(workspace, known, settings, corrections.as_object())
    return Transcription(workspace.folder, report)


def _corrected_before(workspace: Workspace, checksum: str, force: bool) -> Corrections:
    """What was corrected in the folder; with ``force``, or if it was another recording, that is forgotten."""
    if not force:
        history = read_history(workspace.folder)
        if history.song in ("", checksum):
            return history.now
        workspace.warn("corrections of another recording were in this folder: they were removed")
    (workspace.folder / CORRECTIONS).unlink(missing_ok=True)
    return Corrections()


def _listen(workspace: Workspace, song: Path, known: Path, checksum: str, settings: Settings) -> Source:
    """Read the recording once: its tags, its length, and whether it is a piano alone.

    ``known`` is what its user calls the file.
    """
    for_piano = settings.separator == "auto" and settings.notes == "auto"

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode, probe, shortcomings

        tags = probe(song)
        # What is broken in the recording is told by the separation, which reads it again.
        audio = decode(song, channels=1, warn=lambda message: None)
        for lack in shortcomings(readable(known.name), tags, audio):
            job.warn(lack)
        job.progress(0.3, "listening for a solo piano")
        solo_piano = for_piano and not TRANSCRIBERS[PIANO].missing() and _is_solo_piano(audio)
        # Names may hold line breaks, which the files that have them in one line can't.
        title = " ".join((tags.title or readable(known.stem)).split())
        artist = " ".join(tags.artist.split())
        return asdict(Source(title, artist, audio.duration, solo_piano))

    inputs = {"song": checksum, "name": readable(known.stem), "for_piano": for_piano}
    return Source(**workspace.stage("audio", work, inputs=inputs))


def _separate(workspace: Workspace, song: Path, source: Source, settings: Settings) -> dict[str, Path]:
    """The files of the stems, by name."""
    choice = choose_separator(settings, source.solo_piano, workspace.reporter("separation"))

    def work(job: StageWork) -> dict[str, Any]:
        from separation.stems import separate_to_files

        choice.tell(job.warn)
        separator = make(SEPARATORS[choice.name], settings, weights=choice.weights)
        files = separate_to_files(separator, song, job.folder / STEMS_FOLDER, job.progress, warn=job.warn)
        for old in set((job.folder / STEMS_FOLDER).glob("*.flac")) - set(files.values()):
            old.unlink()
        job.keep(*files.values())
        return {name: str(path.relative_to(job.folder)) for name, path in files.items()}

    made = workspace.stage("separation", work, after=["audio"], inputs=choice.inputs(settings))
    return {name: workspace.folder / file for name, file in made.items()}


def _hear_notes(
    workspace: Workspace, song: Path, stems: dict[str, Path], source: Source, settings: Settings
) -> tuple[Note, ...]:
    """The notes of every stem, each stem by the engine that suits it; of smeared ones, in the mix."""
    named = {_instrument(name, source, settings): path for name, path in stems.items()}
    choices = {stem: choose_transcriber(stem, settings) for stem in named}

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode
        from transcription.notes_io import write_notes_json

        levels = {stem: _level_db(path) for stem, path in named.items()}
        audible = [stem for stem in named if levels[stem] >= max(levels.values()) + SILENT_STEM_DB]
        in_mix = _is_smeared(workspace) and all(
            choices[stem].name == GENERAL_ENGINE for stem in ACCOMPANIMENT_STEMS
        )
        alone = [stem for stem in audible if not (in_mix and stem in ACCOMPANIMENT_STEMS)]
        heard: list[Note] = []
        for number, stem in enumerate(alone):
            choice = choices[stem]
            choice.tell(job.warn)
            progress = job.part(number / len(named), (number + 1) / len(named), f"{stem}: ")
            engine = make(TRANSCRIBERS[choice.name], settings, stem=stem)
            heard += in_stem(engine(decode(named[stem]), progress), stem)
        if len(alone) < len(audible):
            from transcription.accompaniment import accompaniment

            progress = job.part(len(alone) / len(named), 1.0, "accompaniment: ")
            network = make(TRANSCRIBERS[GENERAL_ENGINE], settings)
            sung = [note for note in heard if note.stem == VOICE]
            heard += accompaniment(network, decode(song, warn=lambda message: None), sung, progress)
        if not heard:
            job.warn("no notes were heard: the score holds only rests")
        write_notes_json(in_order(heard), job.file(HEARD))
        return {stem: choice.name for stem, choice in choices.items()}

    inputs = {stem: choice.inputs(settings) for stem, choice in choices.items()}
    workspace.stage("notes", work, after=["separation"], inputs=inputs)
    return heard_notes(workspace)


def heard_notes(workspace: Workspace) -> tuple[Note, ...]:
    """The notes as they were heard."""
    from transcription.notes_io import read_notes_json

    return read_notes_json(workspace.path(HEARD))


def perform(workspace: Workspace, heard: tuple[Note, ...], corrections: Corrections) -> tuple[Note, ...]:
    """The notes that count: those heard, with the corrections that were made to them."""
    notes, impossible = edited(heard, corrections.notes)

    def work(job: StageWork) -> dict[str, Any]:
        from notation.export import write_performance
        from transcription.notes_io import write_notes_json

        if impossible:
            job.warn(f"{len(impossible)} corrected notes are not among those heard now: they were left out")
        write_notes_json(notes, job.file("notes.json"))
        write_performance(notes, job.file("performance.mid"))
        return {"notes": len(notes)}

    inputs = {"edits": [asdict(edit) for edit in corrections.notes]}
    workspace.stage("performance", work, after=["notes"], inputs=inputs)
    return notes


def _find_beats(workspace: Workspace, song: Path, notes: tuple[Note, ...], settings: Settings) -> BeatGrid:
    """Beats, bars and meter, from the recording together with its notes."""

    def work(job: StageWork) -> dict[str, Any]:
        return asdict(_track(song, notes, settings.tempo, settings.time_signature, job))

    signature = settings.time_signature and str(settings.time_signature)
    inputs = {"tempo": settings.tempo, "time_signature": signature}
    found = workspace.stage("beats", work, after=["notes"], inputs=inputs)
    return stored_grid(found)


def _track(
    song: Path, notes: tuple[Note, ...], tempo: float | None, meter: TimeSignature | None, job: StageWork
) -> BeatGrid:
    from separation.audio import decode
    from transcription.beats.joint import BeatSettings, track_beats

    audio = decode(song, BEAT_SAMPLE_RATE, channels=1, warn=lambda message: None)
    return track_beats(_steady(notes), audio, BeatSettings(tempo, meter), job.progress)


def _steady(notes: tuple[Note, ...]) -> tuple[Note, ...]:
    """The notes that keep the beat: a voice sings around it, and what is heard of it is the least sure."""
    return tuple(note for note in notes if note.stem != VOICE) or notes


def count(
    workspace: Workspace,
    song: Path,
    notes: tuple[Note, ...],
    grid: BeatGrid,
    settings: Settings,
    corrections: Corrections,
) -> BeatGrid:
    """The beats as they are counted: at the tempo and in the meter that were corrected, if any was."""
    tempo, meter = corrections.tempo, corrections.time_signature
    if tempo is None and meter is None:
        return grid

    def work(job: StageWork) -> dict[str, Any]:
        from transcription.beats.recount import counted_anew

        counted = counted_anew(grid, _steady(notes), tempo, meter)
        if counted is None:
            job.progress(0.1, "looking for beats at another tempo")
            found = _track(song, notes, tempo, meter or settings.time_signature, job)
            counted = counted_anew(found, _steady(notes), tempo, meter)
            if counted is None:
                job.warn(f"no beats were found at {tempo:g} a minute: these are the nearest")
                counted = found
        if counted == grid:
            job.warn(f"the beats found are those meant: they go at {grid.tempo:.0f} a minute on the whole")
        return asdict(counted)

    inputs = {"tempo": tempo, "time_signature": meter and str(meter)}
    return stored_grid(workspace.stage("counting", work, after=["beats"], inputs=inputs))


def _find_lyrics(
    workspace: Workspace, song: Path, stems: dict[str, Path], notes: tuple[Note, ...], settings: Settings
) -> Lyrics:
    """The words: the user's own, aligned to the voice, or what Whisper hears."""
    sung = _sung(notes, stems)
    choice = choose_lyricist(settings, bool(sung), workspace.reporter("lyrics"))

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode

        choice.tell(job.warn)
        if choice.name == "none":
            return asdict(Lyrics())
        if choice.sheet is not None:
            from lyrics.layout import read_sheet

            job.progress(0.0, "aligning the words")
            sheet = read_sheet(choice.sheet)
            return asdict(align_words(workspace, song, stems, notes, sheet, settings.language))
        whisper = make(LYRICISTS[choice.name], settings, weights=choice.weights)
        return asdict(whisper(decode(_voice(stems), 16000, channels=1), settings.language, job.progress))

    inputs = {**choice.inputs(settings), "language": settings.language}
    found = workspace.stage("lyrics", work, after=["notes"], inputs=inputs)
    return lyrics_from(found)


def align_words(
    workspace: Workspace,
    song: Path,
    stems: dict[str, Path],
    notes: tuple[Note, ...],
    sheet: Sequence[SheetLine],
    language: str | None,
) -> Lyrics:
    """The words of a sheet at the times in which they are sung."""
    from lyrics.alignment import align
    from separation.audio import decode

    if _is_smeared(workspace):
        # Such a voice misleads more than it helps (benchmarks/alignment.py).
        return align(sheet, (), decode(song, warn=lambda message: None), language)
    return align(sheet, _sung(notes, stems), decode(_voice(stems)), language)


def _voice(stems: dict[str, Path]) -> Path:
    """The stem in which the voice is."""
    return stems[VOICE if VOICE in stems else MIX]


def _sung(notes: tuple[Note, ...], stems: dict[str, Path]) -> tuple[Note, ...]:
    """The notes of the voice. Where it has no stem of its own, they are among those of the mix."""
    voice = {VOICE} if VOICE in stems else {VOICE, MIX, PIANO}
    return tuple(note for note in notes if note.stem in voice)


def write_score(
    workspace: Workspace,
    source: Source,
    notes: tuple[Note, ...],
    grid: BeatGrid,
    found: Lyrics,
    settings: Settings,
    corrections: Corrections,
) -> None:
    """The score and everything made from it."""
    settings = corrections.over(settings)
    lyrics = found if corrections.words is None else corrections.words

    def work(job: StageWork) -> dict[str, Any]:
        from fullscore.files import whole_file
        from lyrics.layout import to_lrc, to_text
        from notation import export
        from notation.notate import NotationSettings, notate
        from notation.spelling import parse_key

        job.progress(0.0, "writing notes")
        chosen = NotationSettings(
            key=parse_key(settings.key) if settings.key else None,
            pick_up=settings.pick_up_beats,
            simplify=settings.simplify,
            chords=settings.chords,
            readings=tuple((part.stem, part.reading) for part in corrections.parts),
        )
        score = notate(notes, grid, lyrics, chosen, title=source.title, artist=source.artist)
        job.progress(0.6, "writing files")
        musicxml = job.file("score.musicxml")
        export.write_musicxml(score, musicxml)
        export.write_midi(score, job.file("score.mid"))
        for name, text in (
            ("lyrics.txt", to_text(lyrics)),
            ("lyrics.lrc", to_lrc(lyrics, source.title, source.artist)),
        ):
            with whole_file(job.file(name)) as partial:
                partial.write_text(text, encoding="utf-8")
        job.progress(0.8, "engraving")
        pages = export.engrave(musicxml)
        job.keep(*export.write_svgs(pages, job.folder))
        export.write_pdf(pages, job.file("score.pdf"), source.title)
        return {
            "key": str(score.key),
            "bars": len(score.bars),
            "chords": chords_in_seconds(score),
            "parts": [part.stem for part in score.parts],
            "time": score_time(score),
        }

    inputs = {
        **{name: getattr(settings, name) for name in ("key", "pick_up", "simplify", "chords")},
        "readings": [asdict(part) for part in corrections.parts],
        "words": corrections.words and hashlib.sha256(repr(corrections.words).encode()).hexdigest(),
    }
    beats = "counting" if "counting" in workspace.records else "beats"
    workspace.stage("score", work, after=["audio", "performance", beats, "lyrics"], inputs=inputs)


def _is_smeared(workspace: Workspace) -> bool:
    """Whether the stems hold much of each other."""
    return bool(workspace.records["separation"].inputs["engine"] == SMEARING_SEPARATOR)


def _instrument(stem: str, source: Source, settings: Settings) -> str:
    """What the notes of a stem are called: a mix is what is heard, or said, to be alone in it."""
    if stem == MIX and (source.solo_piano or settings.notes == PIANO):
        return PIANO
    if stem == MIX and settings.notes == "singing":
        return VOICE
    return stem


def _is_solo_piano(audio: Audio) -> bool:
    from transcription.solo_piano import is_solo_piano

    return is_solo_piano(audio)


def checksum_of(song: Path) -> str:
    """The sha256 of the recording's bytes. Raises FullscoreError as decoding does."""
    from separation.audio import probe

    probe(song)
    with song.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _level_db(path: Path) -> float:
    """The level of a recording: its RMS in dB relative to full scale, -120 for silence."""
    import numpy as np

    from separation.audio import decode_blocks

    power = count = 0.0
    for block in decode_blocks(path, 30.0):
        power += float(np.sum(np.square(block.samples, dtype=np.float64)))
        count += block.samples.size
    return float(10 * np.log10(max(power / count, 1e-12)))
