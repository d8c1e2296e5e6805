"""Songs with ground truth, found by the layouts in which they are published.

A song is a recording or a performed MIDI file with the files that say what is true of it, by the kinds of
:mod:`evaluation.kinds`. Each layout has one finder, which looks for it anywhere below a folder; what it
finds is read by the evaluation as it is, or is turned into one of the plain formats when it is needed
(:class:`Derived`). Nothing is downloaded, and nothing is written beside the data.

Collections of scores alone (OpenScore Lieder, OpenEWLD) have nothing to transcribe and are left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fullscore.errors import FullscoreError
from fullscore.files import AUDIO_SUFFIXES, whole_file
from pipeline.songs import is_stem
from pipeline.workspace import STAGES_FOLDER

MIDI_SUFFIXES = (".mid", ".midi")

ULTRASTAR_TOLERANCE_S = 0.1
"""How far a syllable of a karaoke grid may be from what is sung: its units are some 50 ms, set by ear."""


@dataclass(frozen=True, slots=True)
class Derived:
    """A reference in its own format: ``write`` makes the plain file or folder ``name`` of ``origins``."""

    name: str
    origins: tuple[Path, ...]
    write: Callable[[Path], None]


@dataclass(frozen=True, slots=True)
class DatasetSong:
    """A song and what is true of it.

    ``references`` are by the names of kinds. ``language`` is that of its words, None where nobody says.
    ``options`` are the evaluation's settings for a kind, where its reference asks for other than the usual.
    ``any_octave``: the octave of the reference's notes is nominal, so only what disregards it is compared.
    """

    name: str
    source: Path
    references: Mapping[str, Path | Derived]
    language: str | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    any_octave: bool = False

    @property
    def is_performance(self) -> bool:
        """Whether it is a MIDI file, to be notated, and not a recording."""
        return self.source.suffix.lower() in MIDI_SUFFIXES

    def reference(self, kind: str, folder: Path) -> Path:
        """The reference of one kind; what has to be derived is kept in ``folder``. Raises FullscoreError."""
        reference = self.references[kind]
        if isinstance(reference, Path):
            return reference
        made = folder / reference.name
        if not made.exists():
            made.parent.mkdir(parents=True, exist_ok=True)
            reference.write(made)
        return made

    def files(self) -> tuple[Path, ...]:
        """The source and every file that a reference is or is made of."""
        found = [self.source]
        for reference in self.references.values():
            for path in (reference,) if isinstance(reference, Path) else reference.origins:
                inside = sorted(path.rglob("*")) if path.is_dir() else [path]
                found += [file for file in inside if file.is_file()]
        return tuple(dict.fromkeys(found))


def find_songs(folder: Path) -> tuple[DatasetSong, ...]:
    """Every song with ground truth below ``folder``, each once, by name. Raises FullscoreError if none is.

    A song that two layouts could claim is that of the first in :data:`FINDERS`.
    """
    if not folder.is_dir():
        raise FullscoreError(
            "there is no folder {folder}", "give one that holds songs with their ground truth", folder=folder
        )
    songs: dict[Path, DatasetSong] = {}
    for finder in FINDERS.values():
        for song in finder(folder):
            songs.setdefault(song.source.resolve(), song)
    if not songs:
        layouts = ", ".join(FINDERS)
        raise FullscoreError(
            "there is no song with ground truth in {folder}",
            "the layouts known are {layouts} (plain: song.wav beside song.notes.csv, "
            "song.beats.csv, song.txt …)",
            folder=folder,
            layouts=layouts,
        )
    return tuple(sorted(songs.values(), key=lambda song: song.name))


# The plain layout ---------------------------------------------------------------------------------------

PLAIN = {
    "notes": (".notes.csv",),
    "beats": (".beats.csv",),
    "chords": (".chords.lab",),
    "key": (".key.txt", ".musicxml", ".mxl"),
    "meter": (".meter.txt", ".musicxml", ".mxl"),
    "melody": (".f0.csv",),
    "lyrics": (".txt",),
    "lyrics-timing": (".words.csv", ".lrc"),
    "stems": (".stems",),
    "score": (".musicxml", ".mxl"),
}
"""What belongs to ``song.wav`` (or .mp3, .flac, .mid …): ``song`` and one of these, best first."""


def plain(folder: Path) -> Iterator[DatasetSong]:
    """A recording or MIDI file beside files of its name (:data:`PLAIN`), as in ``fullscore/example``.

    ``song.stems`` is a folder with vocals.flac, drums.flac and so on. Where a recording and a MIDI file
    have one name, the recording is the song.
    """
    seen: set[Path] = set()
    for suffixes in (AUDIO_SUFFIXES, MIDI_SUFFIXES):
        for source in sorted(folder.rglob("*")):
            base = source.with_suffix("")
            if source.suffix.lower() not in suffixes or base in seen or not source.is_file():
                continue
            if is_stem(source) or (source.parent / STAGES_FOLDER).is_dir():
                continue  # made by a run
            if references := plain_references(base):
                seen.add(base)
                yield DatasetSong(base.relative_to(folder).as_posix(), source, references)


def plain_references(base: Path) -> dict[str, Path]:
    """The references of the song ``base`` (a path without suffix) in the plain layout, by kind."""
    found: dict[str, Path] = {}
    for kind, suffixes in PLAIN.items():
        for suffix in suffixes:
            path = base.with_name(base.name + suffix)
            if path.is_dir() if kind == "stems" else path.is_file():
                found[kind] = path
                break
    return found


# Published layouts --------------------------------------------------------------------------------------


def maps(folder: Path) -> Iterator[DatasetSong]:
    """MAPS (Emiya et al. 2010) as Onsets and Frames has it: ``flac/NAME.flac``, ``tsv/matched/NAME.tsv``."""
    for source in sorted(folder.rglob("MAPS_MUS-*.flac")):
        truth = source.parents[1] / "tsv" / "matched" / f"{source.stem}.tsv"
        if truth.is_file():
            yield DatasetSong(f"MAPS/{source.stem.removeprefix('MAPS_MUS-')}", source, {"notes": truth})


def vocadito(folder: Path) -> Iterator[DatasetSong]:
    """vocadito (Bittner et al. 2021): solo singing, with the notes of its first annotator."""
    for notes in sorted(folder.rglob("vocadito_*_notesA1.csv")):
        root, name = notes.parents[2], notes.name.removesuffix("_notesA1.csv")
        source = root / "Audio" / f"{name}.wav"
        if source.is_file():
            references = {
                "notes": notes,
                "melody": root / "Annotations" / "F0" / f"{name}_f0.csv",
                "lyrics": root / "Annotations" / "Lyrics" / f"{name}_lyrics.txt",
            }
            language = _cell(root / "vocadito_metadata.csv", 0, name.removeprefix("vocadito_"), 3)
            yield DatasetSong(f"vocadito/{name}", source, _there(references), language)


def matchmaker(folder: Path) -> Iterator[DatasetSong]:
    """A recording with its performed MIDI, score and match file, as matchmaker has Mozart's K. 265.

    It is two songs: the recording (notes, beats, key, meter, score) and the performance (all but notes).
    """
    for match in sorted(folder.rglob("*.match")):
        audio, midi, score = (match.with_suffix(suffix) for suffix in (".mp3", ".mid", ".musicxml"))
        if not (audio.is_file() and midi.is_file() and score.is_file()):
            continue
        beats = Derived("beats.csv", (match,), partial(_write_match_beats, match))
        references: dict[str, Path | Derived] = {"beats": beats, "key": score, "meter": score, "score": score}
        yield DatasetSong(f"matchmaker/{match.stem}", audio, {"notes": midi, **references})
        yield DatasetSong(f"matchmaker/{match.stem} (MIDI)", midi, references)


def mdb_drums(folder: Path) -> Iterator[DatasetSong]:
    """MDB Drums (Southall et al. 2017) with the stems and, where it is below, the melody of MedleyDB.

    Several stems of one kind are summed; whatever is neither voice, bass nor drums is ``other``.
    """
    for beats in sorted(folder.rglob("*_MIX.beats")):
        root, name = beats.parents[2] / "audio", beats.stem.removesuffix("_MIX")
        source = _first(root / "full_mix" / f"{beats.stem}{suffix}" for suffix in (".flac", ".wav"))
        if source is None:
            continue
        references: dict[str, Path | Derived] = {"beats": beats}
        metadata = root / "multi-tracks" / name / f"{name}_METADATA.yaml"
        if metadata.is_file():
            recordings = metadata.with_name(f"{name}_STEMS")
            write = partial(_write_medleydb_stems, metadata, recordings)
            references["stems"] = Derived("stems", (metadata, recordings), write)
        if melody := next(folder.rglob(f"{name}_MELODY1.csv"), None):
            references["melody"] = melody
        yield DatasetSong(f"MDB/{name}", source, references)


def ultrastar(folder: Path) -> Iterator[DatasetSong]:
    """UltraStar karaoke: a text of ``#`` tags and syllables on a beat grid, beside its recording.

    Syllables are notes of the voice. Their octave is nominal and their grid coarse; freestyle syllables
    have no pitch and are words only.
    """
    for text in sorted(folder.rglob("*.txt")):
        song = _ultrastar_song(text)
        if song is None:
            continue
        source = text.with_name(song.tags.get("AUDIO") or song.tags.get("MP3", ""))
        if source.is_file():
            references = {
                kind: Derived(name, (text,), partial(_write_text, content))
                for kind, name, content in (
                    ("notes", "notes.csv", song.notes()),
                    ("lyrics", "lyrics.txt", song.lyrics()),
                    ("lyrics-timing", "lyrics.lrc", song.timed_lyrics()),
                )
            }
            yield DatasetSong(
                f"UltraStar/{song.tags.get('ARTIST', '?')} - {song.tags.get('TITLE', text.parent.name)}",
                source,
                references,
                song.tags.get("LANGUAGE"),
                {"notes": {"onset_tolerance": ULTRASTAR_TOLERANCE_S, "stem": "vocals"}},
                any_octave=True,
            )


def jamendo(folder: Path) -> Iterator[DatasetSong]:
    """JamendoLyrics (Stoller et al. 2019; Durand et al. 2023): recordings with the times of their words.

    The words are those of Jam-ALT (Cífka et al. 2024) where its ``lyrics_tagged`` is below the folder too.
    """
    for words in sorted(folder.rglob("annotations/words/*.csv")):
        root, name = words.parents[2], words.stem
        source = root / "mp3" / f"{name}.mp3"
        text = root / "lyrics" / f"{name}.txt"
        if not (source.is_file() and text.is_file()):
            continue
        revised = next(folder.rglob(f"lyrics_tagged/{_escaped(name)}.txt"), text)
        timing = Derived("lyrics.lrc", (words, text), partial(_write_jamendo_words, words, text))
        language = _cell(root / "JamendoLyrics.csv", 1, f"{name}.mp3", 6)
        yield DatasetSong(f"Jamendo/{name}", source, {"lyrics": revised, "lyrics-timing": timing}, language)


def musdb(folder: Path) -> Iterator[DatasetSong]:
    """MUSDB18 (Rafii et al. 2017): NI stem files, whose sounds are the mix, drums, bass, other and vocals."""
    for source in sorted(folder.rglob("*.stem.mp4")):
        stems = Derived("stems", (source,), partial(_write_musdb_stems, source))
        yield DatasetSong(f"MUSDB/{source.name.removesuffix('.stem.mp4')}", source, {"stems": stems})


def asap(folder: Path) -> Iterator[DatasetSong]:
    """ASAP (Foscarin et al. 2020): performed piano MIDI with its beats and its score."""
    for beats in sorted(folder.rglob("*_annotations.txt")):
        source = beats.with_name(beats.name.replace("_annotations.txt", ".mid"))
        score = beats.with_name("xml_score.musicxml")
        if source.stem == "midi_score" or not (source.is_file() and score.is_file()):
            continue
        piece = "/".join(source.parts[-4:-1])
        references = {"beats": beats, "key": score, "meter": score, "score": score}
        yield DatasetSong(f"ASAP/{piece} ({source.stem})", source, references)


def pop909(folder: Path) -> Iterator[DatasetSong]:
    """POP909 (Wang et al. 2020): pop songs arranged for piano and played, with beats, chords and key."""
    for chords in sorted(folder.rglob("chord_midi.txt")):
        source = chords.with_name(f"{chords.parent.name}.mid")
        if not source.is_file():
            continue
        references: dict[str, Path | Derived] = {"chords": chords}
        beats, counts = chords.with_name("beat_midi.txt"), chords.with_name("beat_audio.txt")
        if beats.is_file() and counts.is_file():
            write = partial(_write_pop909_beats, beats, counts)
            references["beats"] = Derived("beats.csv", (beats, counts), write)
        key = chords.with_name("key_audio.txt")
        if key.is_file():
            references["key"] = Derived("key.txt", (key,), partial(_write_pop909_key, key))
        yield DatasetSong(f"POP909/{chords.parent.name}", source, references)


FINDERS: Mapping[str, Callable[[Path], Iterator[DatasetSong]]] = {
    "MAPS": maps,
    "vocadito": vocadito,
    "matchmaker": matchmaker,
    "MDB Drums": mdb_drums,
    "UltraStar": ultrastar,
    "JamendoLyrics": jamendo,
    "MUSDB18": musdb,
    "ASAP": asap,
    "POP909": pop909,
    "plain": plain,
}
"""The layouts by name, the particular ones first."""


# Into plain formats -------------------------------------------------------------------------------------


def _write_text(text: str, path: Path) -> None:
    with whole_file(path) as partial_file:
        partial_file.write_text(text, encoding="utf-8")


def _write_match_beats(match: Path, path: Path) -> None:
    """A beat is the mean onset of the notes on it; in the bar it is counted from the score's positions."""
    from fullscore.reading import read_text

    text = read_text(match)
    rate, units = (
        float(_found(rf"^info\({name},(\d+)", text, match)) for name in ("midiClockRate", "midiClockUnits")
    )
    pattern = r"^snote\([^)]*?,(\d+):(\d+),([^,]*),[^,]*,[-\d.]+,[-\d.]+,\[.*?\]\)-note\([^,]*,\d+,(\d+),"
    onsets: dict[tuple[int, int], list[float]] = {}
    for bar, beat, offset, tick in re.findall(pattern, text, re.MULTILINE):
        if offset == "0":
            onsets.setdefault((int(bar), int(beat)), []).append(int(tick) * rate / units / 1e6)
    rows = [f"{sum(times) / len(times):.4f},{beat}" for (_, beat), times in sorted(onsets.items())]
    _write_text("\n".join(rows) + "\n", path)


def _write_pop909_beats(beats: Path, counts: Path, path: Path) -> None:
    """The beats have two columns of bar lines, for two and for more beats a bar; the audio's says which."""
    from fullscore.reading import read_rows

    longest = max(float(row[1]) for row in read_rows(counts))
    column = 2 if longest > 3 else 1
    rows = read_rows(beats)
    first = next((index for index, row in enumerate(rows) if float(row[column])), 0)
    number, lines = int(longest) - first, []
    for row in rows:
        number = 1 if float(row[column]) else number + 1
        lines.append(f"{row[0]},{max(number, 1)}")
    _write_text("\n".join(lines) + "\n", path)


def _write_pop909_key(key: Path, path: Path) -> None:
    """The key that lasts longest."""
    from fullscore.reading import read_rows

    lasting: dict[str, float] = {}
    for start, end, name in read_rows(key):
        lasting[name] = lasting.get(name, 0.0) + float(end) - float(start)
    tonic, _, mode = max(lasting, key=lambda name: lasting[name]).partition(":")
    _write_text(f"{tonic} {'minor' if mode.startswith('min') else 'major'}\n", path)


def _write_jamendo_words(words: Path, text: Path, path: Path) -> None:
    """Enhanced LRC of the words of ``text`` at the onsets of ``words``, which has a row for each of them."""
    from fullscore.reading import read_rows, read_text

    onsets = [float(row[0]) for row in read_rows(words)[1:]]
    lines = [line.split() for line in read_text(text).splitlines() if line.strip()]
    if sum(map(len, lines)) != len(onsets):
        raise FullscoreError(
            "{words} has {onset_count} words but {text} {word_count}",
            "give one version of both",
            words=words,
            onset_count=len(onsets),
            text=text,
            word_count=sum(map(len, lines)),
        )
    times = iter(onsets)
    _write_text(_lrc([[(next(times), word) for word in line] for line in lines]), path)


def _write_medleydb_stems(metadata: Path, recordings: Path, path: Path) -> None:
    from fullscore.reading import read_text

    pattern = r"^    filename: (\S+)\n    instrument: (.+)$"
    kinds: dict[str, list[tuple[Path, int]]] = {}
    for name, instrument in re.findall(pattern, read_text(metadata), re.MULTILINE):
        recording = _first(recordings / Path(name).with_suffix(suffix) for suffix in (".flac", ".wav"))
        if recording is None:
            raise FullscoreError(
                "the stem {name} of {metadata} is not in {recordings}",
                name=name,
                metadata=metadata,
                recordings=recordings,
            )
        kinds.setdefault(_stem_of(instrument), []).append((recording, 0))
    _write_stems(kinds, path)


def _write_musdb_stems(source: Path, path: Path) -> None:
    _write_stems(
        {name: [(source, stream)] for stream, name in enumerate(("drums", "bass", "other", "vocals"), 1)},
        path,
    )


def _write_stems(kinds: Mapping[str, list[tuple[Path, int]]], path: Path) -> None:
    """A folder with a FLAC file for each name: the sum of its recordings (file and sound stream)."""
    from separation.audio import Audio, decode, write_flac

    unfinished = path.with_name(f".{path.name}")
    unfinished.mkdir(exist_ok=True)
    for name, recordings in kinds.items():
        sounds = [decode(file, stream=stream, warn=lambda message: None) for file, stream in recordings]
        total = sum((sound.samples for sound in sounds[1:]), sounds[0].samples)
        write_flac(Audio(total, sounds[0].sample_rate), unfinished / f"{name}.flac")
    unfinished.rename(path)


def _stem_of(instrument: str) -> str:
    """The stem in which separation puts an instrument, by MedleyDB's name of it."""
    for stem, words in (
        ("vocals", ("singer", "vocal", "rapper", "choir", "speaker")),
        ("drums", ("drum", "percussion", "cymbal", "tambourine", "shaker", "bongo", "claps")),
        ("bass", ("bass",)),
    ):
        if any(word in instrument for word in words) and instrument not in ("bass drum", "bassoon"):
            return stem
    return "drums" if instrument == "bass drum" else "other"


@dataclass(frozen=True, slots=True)
class _Syllable:
    onset: float
    offset: float
    pitch: int | None  # MIDI, with a nominal octave; None: freestyle
    text: str


@dataclass(frozen=True, slots=True)
class _Karaoke:
    """An UltraStar song: its tags and, for each line, its syllables."""

    tags: Mapping[str, str]
    lines: tuple[tuple[_Syllable, ...], ...]

    def notes(self) -> str:
        rows = [
            f"{syllable.onset:.4f},{syllable.offset:.4f},{syllable.pitch},vocals"
            for line in self.lines
            for syllable in line
            if syllable.pitch is not None
        ]
        return "\n".join(["onset,offset,midi,stem", *rows]) + "\n"

    def lyrics(self) -> str:
        return "".join(" ".join(word for _, word in line) + "\n" for line in self._words())

    def timed_lyrics(self) -> str:
        return _lrc(self._words())

    def _words(self) -> list[list[tuple[float, str]]]:
        """The words of each line with their onsets. A tilde holds the syllable before it on another note."""
        lines = []
        for line in self.lines:
            words: list[tuple[float, str]] = []
            joined = False
            for syllable in line:
                text = syllable.text.replace("~", "")
                if joined and not text.startswith(" "):
                    onset, begun = words.pop()
                    words.append((onset, begun + text.strip()))
                elif text.strip():
                    words.append((syllable.onset, text.strip()))
                joined = bool(words) and not text.endswith(" ")
            if words:
                lines.append(words)
        return lines


def _ultrastar_song(path: Path) -> _Karaoke | None:
    """The song in ``path``, None where it is none. The first singer's of a duet."""
    from fullscore.reading import read_text

    with path.open("rb") as file:
        if not file.read(16).lstrip(b"\xef\xbb\xbf").startswith(b"#"):
            return None
    tags: dict[str, str] = {}
    lines: list[list[_Syllable]] = [[]]
    for row in read_text(path).split("\n"):
        if tag := re.fullmatch(r"#([^:]+):(.*)", row):
            tags[tag[1].strip().upper()] = tag[2].strip()
        elif row.startswith("-"):
            lines.append([])
        elif row.startswith(("E", "P2")):
            break
        elif note := re.fullmatch(r"([:*FRG]) (\d+) (\d+) (-?\d+) (.*)", row):
            unit_s = 15.0 / float(tags["BPM"].replace(",", "."))
            start = float(tags.get("GAP", "0").replace(",", ".")) / 1000 + int(note[2]) * unit_s
            pitch = 60 + int(note[4]) if note[1] in ":*" else None
            lines[-1].append(_Syllable(start, start + int(note[3]) * unit_s, pitch, note[5]))
    sung = tuple(tuple(line) for line in lines if line)
    return _Karaoke(tags, sung) if sung else None


def _lrc(lines: list[list[tuple[float, str]]]) -> str:
    """Enhanced LRC: each line and each word with its onset in seconds."""

    def stamp(seconds: float) -> str:
        return f"{int(seconds // 60):02}:{seconds % 60:06.3f}"

    return "".join(
        f"[{stamp(line[0][0])}]" + " ".join(f"<{stamp(onset)}>{word}" for onset, word in line) + "\n"
        for line in lines
    )


# Small helpers ------------------------------------------------------------------------------------------


def _there(references: Mapping[str, Path]) -> dict[str, Path]:
    return {kind: path for kind, path in references.items() if path.is_file()}


def _first(paths: Iterator[Path]) -> Path | None:
    return next((path for path in paths if path.is_file()), None)


def _found(pattern: str, text: str, path: Path) -> str:
    found = re.search(pattern, text, re.MULTILINE)
    if found is None:
        raise FullscoreError(
            "{path} is not a match file with a clock", "give one of version 5 or before", path=path
        )
    return found[1]


def _escaped(name: str) -> str:
    """A file's name as a pattern that means itself."""
    return re.sub(r"([\[*?])", r"[\1]", name)


def _cell(table: Path, key: int, value: str, column: int) -> str | None:
    """What is in ``column`` of the row with ``value`` in the column ``key``; None where nothing is."""
    import csv

    if not table.is_file():
        return None
    with table.open(encoding="utf-8", newline="") as file:
        rows = (row for row in csv.reader(file) if len(row) > max(key, column))
        return next((row[column] for row in rows if row[key] == value), None)
