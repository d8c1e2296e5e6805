"""A song in, its full score out: the stages in the order the data flows.

    audio ──> separation ──> notes ──> beats ──> lyrics ──> score

Every stage keeps what it made in the song's folder (``pipeline.workspace``); a stage is done again
only when something it depends on has changed. Between stages only files are held, so that memory
is bounded by one stage's work.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lyrics import LYRICISTS
from lyrics.words import Line, Lyrics, Syllable, Word
from pipeline.engines import (
    GENERAL_ENGINE,
    check_means,
    choose_lyricist,
    choose_separator,
    choose_transcriber,
    make,
)
from pipeline.report import chords_in_seconds, stored_grid, write_report
from pipeline.settings import Settings
from pipeline.songs import folder_names, readable
from pipeline.workspace import STEMS_FOLDER, StageProgress, StageWork, Workspace
from separation import SEPARATORS
from transcription import TRANSCRIBERS
from transcription.beatgrid import BeatGrid
from transcription.notes import Note, in_stem

if TYPE_CHECKING:
    from separation.audio import Audio

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


def _quiet(stage: str, fraction: float, message: str) -> None:
    """The stage progress that reports nothing."""


def transcribe(
    song: str | Path,
    out: str | Path,
    settings: Settings = Settings(),
    *,
    force: bool = False,
    name: str | None = None,
    progress: StageProgress = _quiet,
) -> Transcription:
    """Transcribe ``song`` into ``out/<name>/`` and return what was made.

    ``name`` is the folder's name (default: the file's, without its suffix). ``force`` does every
    stage again. ``progress`` is called with (stage, share done, message); raising from it cancels,
    and the next call goes on from the last finished stage.

    Raises FullscoreError when the song can't be transcribed: its message is a sentence for the user.
    """
    song = Path(song)
    checksum = _checksum(song)
    check_means(settings)
    workspace = Workspace(Path(out) / (name or folder_names([song])[0]), force, progress)

    source = _listen(workspace, song, checksum, settings)
    stems = _separate(workspace, song, source, settings)
    notes = _hear_notes(workspace, song, stems, source, settings)
    grid = _find_beats(workspace, song, notes, settings)
    lyrics = _find_lyrics(workspace, song, stems, notes, settings)
    _write_score(workspace, source, notes, grid, lyrics, settings)

    return Transcription(workspace.folder, write_report(workspace, song, settings))


def _listen(workspace: Workspace, song: Path, checksum: str, settings: Settings) -> Source:
    """Read the recording once: its tags, its length, and whether it is a piano alone."""
    for_piano = settings.separator == "auto" and settings.notes == "auto"

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode, probe, shortcomings

        tags = probe(song)
        # What is broken in the recording is told by the separation, which reads it again.
        audio = decode(song, channels=1, warn=lambda message: None)
        for lack in shortcomings(readable(song.name), tags, audio):
            job.warn(lack)
        job.progress(0.3, "listening for a solo piano")
        solo_piano = for_piano and not TRANSCRIBERS[PIANO].missing() and _is_solo_piano(audio)
        # Names may hold line breaks, which the files that have them in one line can't.
        title = " ".join((tags.title or readable(song.stem)).split())
        artist = " ".join(tags.artist.split())
        return asdict(Source(title, artist, audio.duration, solo_piano))

    inputs = {"song": checksum, "name": readable(song.stem), "for_piano": for_piano}
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
        write_notes_json(
            sorted(heard, key=lambda note: (note.onset, note.stem, note.pitch)), job.file("notes.json")
        )
        return {stem: choice.name for stem, choice in choices.items()}

    inputs = {stem: choice.inputs(settings) for stem, choice in choices.items()}
    workspace.stage("notes", work, after=["separation"], inputs=inputs)
    from transcription.notes_io import read_notes_json

    return read_notes_json(workspace.folder / "notes.json")


def _find_beats(workspace: Workspace, song: Path, notes: tuple[Note, ...], settings: Settings) -> BeatGrid:
    """Beats, bars and meter, from the recording together with its notes."""

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode
        from transcription.beats import BeatSettings, track_beats

        audio = decode(song, BEAT_SAMPLE_RATE, channels=1, warn=lambda message: None)
        # A voice sings around the beat, and what is heard of it is the least sure.
        steady = tuple(note for note in notes if note.stem != VOICE) or notes
        known = BeatSettings(tempo=settings.tempo, time_signature=settings.time_signature)
        return asdict(track_beats(steady, audio, known, job.progress))

    signature = settings.time_signature and str(settings.time_signature)
    inputs = {"tempo": settings.tempo, "time_signature": signature}
    found = workspace.stage("beats", work, after=["notes"], inputs=inputs)
    return stored_grid(found)


def _find_lyrics(
    workspace: Workspace, song: Path, stems: dict[str, Path], notes: tuple[Note, ...], settings: Settings
) -> Lyrics:
    """The words: the user's own, aligned to the voice, or what Whisper hears."""
    stem = VOICE if VOICE in stems else MIX
    # Where the voice has no stem of its own, its notes are among those of the mix.
    voice = {VOICE} if VOICE in stems else {VOICE, MIX, PIANO}
    sung = tuple(note for note in notes if note.stem in voice)
    choice = choose_lyricist(settings, bool(sung), workspace.reporter("lyrics"))

    def work(job: StageWork) -> dict[str, Any]:
        from separation.audio import decode

        choice.tell(job.warn)
        if choice.name == "none":
            return asdict(Lyrics())
        if choice.sheet is not None:
            from lyrics.alignment import align
            from lyrics.layout import read_sheet

            job.progress(0.0, "aligning the words")
            sheet = read_sheet(choice.sheet)
            if _is_smeared(workspace):
                # Such a voice misleads more than it helps (benchmarks/alignment.py).
                mix = decode(song, warn=lambda message: None)
                return asdict(align(sheet, (), mix, settings.language))
            return asdict(align(sheet, sung, decode(stems[stem]), settings.language))
        whisper = make(LYRICISTS[choice.name], settings, weights=choice.weights)
        return asdict(whisper(decode(stems[stem], 16000, channels=1), settings.language, job.progress))

    inputs = {**choice.inputs(settings), "language": settings.language}
    found = workspace.stage("lyrics", work, after=["notes"], inputs=inputs)
    return _as_lyrics(found)


def _write_score(
    workspace: Workspace,
    source: Source,
    notes: tuple[Note, ...],
    grid: BeatGrid,
    lyrics: Lyrics,
    settings: Settings,
) -> None:
    """The score and everything made from it."""

    def work(job: StageWork) -> dict[str, Any]:
        from lyrics.layout import to_lrc, to_text
        from notation import export
        from notation.notate import NotationSettings, notate
        from notation.spelling import parse_key
        from separation.files import whole_file

        job.progress(0.0, "writing notes")
        chosen = NotationSettings(
            key=parse_key(settings.key) if settings.key else None,
            pick_up=settings.pick_up_beats,
            simplify=settings.simplify,
            chords=settings.chords,
        )
        score = notate(notes, grid, lyrics, chosen, title=source.title, artist=source.artist)
        job.progress(0.6, "writing files")
        musicxml = job.file("score.musicxml")
        export.write_musicxml(score, musicxml)
        export.write_midi(score, job.file("score.mid"))
        export.write_performance(notes, job.file("performance.mid"))
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
        return {"key": str(score.key), "bars": len(score.bars), "chords": chords_in_seconds(score)}

    inputs = {name: getattr(settings, name) for name in ("key", "pick_up", "simplify", "chords")}
    workspace.stage("score", work, after=["audio", "notes", "beats", "lyrics"], inputs=inputs)


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


def _checksum(song: Path) -> str:
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


def _as_lyrics(saved: dict[str, Any]) -> Lyrics:
    """Lyrics from their JSON form (``dataclasses.asdict``)."""
    return Lyrics(
        tuple(
            Line(
                tuple(
                    Word(
                        word["text"],
                        tuple(Syllable(**syllable) for syllable in word["syllables"]),
                        word["confidence"],
                    )
                    for word in line["words"]
                ),
                line["starts_section"],
            )
            for line in saved["lines"]
        ),
        saved["language"],
    )
