"""The bundled example agrees with itself: recording, score, notes, beats and words."""

from __future__ import annotations

import av
import numpy as np

from evaluation.key import read_key
from evaluation.meter import read_meter
from evaluation.notes import read_notes
from evaluation.scorefile import read_musicxml, read_score
from fullscore.files import EXAMPLE
from transcription.beat_files import read_beats

SONG = EXAMPLE / "auld-lang-syne.ogg"


def test_the_recording_is_small_and_as_long_as_its_beats() -> None:
    beats = read_beats(SONG.with_suffix(".beats.csv"))
    assert SONG.stat().st_size < 2_000_000
    with av.open(str(SONG)) as container:
        assert container.streams.audio[0].channels == 2
        assert beats.times[-1] < container.duration / av.time_base < beats.times[-1] + 5
    assert beats.numbers is not None
    assert beats.numbers[:5] == (4, 1, 2, 3, 4)


def test_the_score_has_the_notes_that_are_played() -> None:
    """Each pitched note of the score is played within 40 ms of its beat, and nothing else is."""
    score = SONG.with_suffix(".musicxml")
    written = read_score(score).notes
    played = read_notes(SONG.with_suffix(".notes.csv"))
    pitched = np.array([stem != "drums" for stem in played.stems])
    onsets, pitches = played.intervals[pitched, 0], 69 + 12 * np.log2(played.pitches_hz[pitched] / 440)
    beats = read_beats(SONG.with_suffix(".beats.csv")).times
    due = np.interp([float(note.onset) for note in written], np.arange(len(beats)), beats)
    assert len(written) == len(onsets)
    order = np.lexsort((onsets, np.round(pitches)))
    expected = np.lexsort((due, [note.pitch for note in written]))
    assert np.round(pitches[order]).astype(int).tolist() == [written[index].pitch for index in expected]
    assert np.abs(onsets[order] - due[expected]).max() < 0.04
    assert (str(read_key(score)), read_meter(score)) == ("F major", "4/4")


def test_the_words_of_the_score_are_the_lyrics() -> None:
    words, word = [], ""
    for lyric in read_musicxml(SONG.with_suffix(".musicxml")).iter("lyric"):
        word += lyric.findtext("text") or ""
        if lyric.findtext("syllabic") in ("single", "end"):
            words.append(word)
            word = ""
    sheet = SONG.with_suffix(".txt").read_text(encoding="utf-8")
    assert [word.lower() for word in words] == sheet.lower().split()
    assert sheet.count("\n\n") == 1
