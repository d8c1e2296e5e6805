"""Lyrics transcription: how right the words, their spelling and their layout are.

Measures: those of alt-eval, the reference implementation of the Jam-ALT benchmark (Cífka et al., "Lyrics
Transcription for Humans: A Readability-Aware Benchmark", ISMIR 2024), computed by it and under its names:

* ``WER``, ``MER``, ``WIL`` on words without case and punctuation, with the numbers of ``hits``,
  ``substitutions``, ``deletions`` and ``insertions`` in the alignment of fewest errors; ``ER_case`` words
  right but for their case, and ``WER_case``, the two together.
* precision, recall and F1 of punctuation (``punc``), parentheses, which hold backing vocals (``pare``), line
  breaks (``line``) and section breaks (``sect``), in an alignment of all tokens.

``CER`` is jiwer's character error rate over the same lower-case words, joined by spaces.

Where the reference marks non-lexical vocables (oh, la, doo) by Jam-ALT's tags ``<nl>`` and ``</nl>`` (Syed et
al., "Exploiting Music Source Separation for Automatic Lyrics Transcription with Whisper", ICME 2025), all
measures above are over all words, as those papers have them, and three more tell the two kinds apart:

* ``WER_lexical``: the errors left when the marked words are taken out of the alignment with whatever
  stands for them, over the number of words not marked. Whether vocables are written or left out and how
  they are spelt makes no difference to it; superfluous words all count.
* ``R_nonlexical`` and ``D_nonlexical``: the shares of the marked words that are there and that are missing.

Conventions: a line break is a newline, a section break an empty line; tokens are alt-eval's (Moses' tokeniser
with rules for elisions; in Chinese, Japanese, Thai and other scripts without spaces each character is a word,
so that ``WER`` is a character error rate). Several songs are pooled: their errors are added up before
dividing. Beyond alt-eval: what is undefined (a rate of no words in the reference, the precision of no line
breaks) is None. Limits: full-width parentheses are punctuation; headers such as ``[Chorus]`` are words.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from evaluation.files import Scores, artefact
from evaluation.kinds import LyricsSettings
from fullscore.errors import FullscoreError
from fullscore.reading import form_of, read_rows, read_text, split_header

MEANINGS = {
    "WER": "word errors (wrong, missing, added) to a word of the reference; 0 is best",
    "CER": "the same of letters",
    "MER": "share of the aligned words that are errors",
    "WIL": "share of the words' information that is lost",
    "hits": "words that are right",
    "substitutions": "words that are wrong",
    "deletions": "words that are missing",
    "insertions": "words too many",
    "WER_lexical": "word errors apart from non-lexical vocables (oh, la)",
    "R_nonlexical": "share of the non-lexical vocables that are there",
    "D_nonlexical": "share of the non-lexical vocables that are missing",
    "WER_case": "word errors where upper and lower case count",
    "ER_case": "right words in the wrong case, to a word",
    **{
        f"{kind}_{tag}": meaning.format(of)
        for tag, of in (
            ("punc", "punctuation marks"),
            ("pare", "parentheses (backing vocals)"),
            ("line", "line breaks"),
            ("sect", "section breaks"),
        )
        for kind, meaning in (
            ("P", "share of the estimate's {} that are right"),
            ("R", "share of the reference's {} that are found"),
            ("F1", "harmonic mean of the two for {}"),
        )
    },
}
MAIN = ("WER", "CER")

_TAG = re.compile(r"[ \t]*<(/?)nl>[ \t]*")
_MARKS = {"": " zqnlbeginqz ", "/": " zqnlendqz "}  # words that no language has, to find the tags' places
_LRC_TIME = re.compile(r"^\s*\[\d{1,3}:\d{1,2}", re.MULTILINE)
_KARAOKE = re.compile(r"^#BPM:|^\d\d:\d\d.* --> \d\d:\d\d", re.MULTILINE)  # UltraStar, SRT, WebVTT
_TIMED_ROW = re.compile(r"\s*(\d+\.\d+|\d+\t\d+)[\s,;]")
_LRC_TAG = re.compile(r"^\s*\[(?:ar|al|ti|au|by|la|length|offset|re|ve|tool):.*\]\s*$\n?", re.M | re.I)
_COUNTS = ("hits", "substitutions", "deletions", "insertions")
_NONLEXICAL = ("WER_lexical", "R_nonlexical", "D_nonlexical")


@dataclass(frozen=True, slots=True)
class Tokens:
    """A text as alt-eval divides it: ``nonlexical`` says of each token whether it is tagged so, ``words``
    are those of the tokens that are words, without signs."""

    tokens: tuple[Any, ...]
    nonlexical: tuple[bool, ...]
    words: tuple[str, ...]

    @property
    def compared(self) -> list[str]:
        """The words as the word error rate compares them: in lower case."""
        return [word.lower() for word in self.words]

    @property
    def word_places(self) -> list[int]:
        """Which of the tokens are words."""
        return [place for place, token in enumerate(self.tokens) if "word" in token.tags]


def evaluate_lyrics(reference: Path, estimate: Path, settings: LyricsSettings) -> dict[str, Any]:
    """The measures of two files of lyrics (text, LRC, MusicXML, or the folder of a run).

    Raises FullscoreError where one can't be read, isn't lyrics, or the language isn't one.
    """
    return pool_lyrics([(reference, estimate)], settings)


def pool_lyrics(pairs: Sequence[tuple[Path, Path]], settings: LyricsSettings) -> dict[str, Any]:
    """The measures of many songs pooled, and where they are in several languages those of each below
    ``languages``. Each pair is (reference, estimate)."""
    languages = [song_language(settings.language, reference) for reference, _ in pairs]
    songs = [
        tuple(tokenise(read_lyrics(artefact(path, "lyrics.txt")), code) for path in pair)
        for pair, code in zip(pairs, languages, strict=True)
    ]
    scores: dict[str, Any] = {**_pooled(songs)}
    if len(set(languages)) > 1:
        scores["languages"] = {
            code: _pooled([song for song, one in zip(songs, languages, strict=True) if one == code])
            for code in sorted(set(languages))
        }
    return scores


def lyric_scores(
    references: Sequence[str], estimates: Sequence[str], languages: str | Sequence[str] = "en"
) -> Scores:
    """The measures of the songs' texts pooled. Languages are ISO 639 codes or English names, one for each
    song or one for all."""
    if isinstance(languages, str):
        languages = [languages] * len(references)
    codes = {language: language_code(language) for language in languages}
    return _pooled(
        [
            (tokenise(reference, codes[language]), tokenise(estimate, codes[language]))
            for reference, estimate, language in zip(references, estimates, languages, strict=True)
        ]
    )


def _pooled(songs: Sequence[tuple[Tokens, ...]]) -> Scores:
    """The measures of pairs of reference and estimate."""
    import jiwer
    from alt_eval.metrics import compute_other_metrics, compute_word_metrics

    words = [[song[side].compared for song in songs] for side in (0, 1)]
    if not any(words[0]):
        tagged = any(any(reference.nonlexical) for reference, _ in songs)
        scores = dict.fromkeys(name for name in MEANINGS if tagged or name not in _NONLEXICAL)
        return {**scores, **dict.fromkeys(_COUNTS, 0), "insertions": sum(map(len, words[1]))}
    tokens = [[list(song[side].tokens) for song in songs] for side in (0, 1)]
    found = {**compute_word_metrics(*tokens), **compute_other_metrics(*tokens)}
    joined = [[" ".join(song) for song in side] for side in words]
    found["CER"] = jiwer.process_characters(*joined).cer
    found |= _nonlexical_scores(songs)
    return {name: _defined(found[name]) for name in MEANINGS if name in found}


def _nonlexical_scores(songs: Sequence[tuple[Tokens, ...]]) -> dict[str, float]:
    """The measures of :data:`_NONLEXICAL`; none where nothing is tagged in the references."""
    if not any(any(reference.nonlexical) for reference, _ in songs):
        return {}
    counts = {(kind, marked): 0 for kind in (*_COUNTS, "words") for marked in (False, True)}
    for reference, estimate in songs:
        marked = [reference.nonlexical[place] for place in reference.word_places]
        for kind, at, _ in align_words(reference.compared, estimate.compared):
            counts[kind, at is not None and marked[at]] += 1
        for one in marked:
            counts["words", one] += 1
    errors = sum(counts[kind, False] for kind in ("substitutions", "deletions", "insertions"))
    lexical, vocables = counts["words", False], counts["words", True]
    return {
        "WER_lexical": errors / lexical if lexical else math.nan,
        "R_nonlexical": counts["hits", True] / vocables if vocables else math.nan,
        "D_nonlexical": counts["deletions", True] / vocables if vocables else math.nan,
    }


def align_words(
    reference: Sequence[str], estimate: Sequence[str]
) -> list[tuple[str, int | None, int | None]]:
    """The alignment that the word error rate counts, one step after the other: what it is (``hits``,
    ``substitutions``, ``deletions`` or ``insertions``) and which word of either it concerns."""
    import jiwer

    if not reference:
        return [("insertions", None, place) for place in range(len(estimate))]
    as_they_are = jiwer.Compose([])
    chunks = jiwer.process_words(
        [list(reference)], [list(estimate)],
        reference_transform=as_they_are, hypothesis_transform=as_they_are,
    ).alignments[0]  # fmt: skip
    names = {"equal": "hits", "substitute": "substitutions", "delete": "deletions", "insert": "insertions"}
    steps: list[tuple[str, int | None, int | None]] = []
    for chunk in chunks:
        for step in range(
            max(chunk.ref_end_idx - chunk.ref_start_idx, chunk.hyp_end_idx - chunk.hyp_start_idx)
        ):
            steps.append(
                (
                    names[chunk.type],
                    None if chunk.type == "insert" else chunk.ref_start_idx + step,
                    None if chunk.type == "delete" else chunk.hyp_start_idx + step,
                )
            )
    return steps


def tokenise(text: str, code: str) -> Tokens:
    """The tokens of a text in the language of that code. Tags are taken off; what they enclose stays."""
    from alt_eval.tokenizer import tokens_as_words

    marked = _TAG.sub(lambda tag: _MARKS[tag[1]], text)
    opening, closing = (mark.strip() for mark in _MARKS.values())
    tokens: list[Any] = []
    nonlexical: list[bool] = []
    inside = False
    for token in _tokeniser()(marked, language=code):
        if token.text in (opening, closing):
            inside = token.text == opening
            continue
        inside = inside and "line_break" not in token.tags  # a tag that isn't closed ends with its line
        tokens.append(token)
        nonlexical.append(inside)
    words = tuple(token.text for token in tokens_as_words(tokens))
    return Tokens(tuple(tokens), tuple(nonlexical), words)


@cache
def _tokeniser() -> Any:
    from alt_eval.tokenizer import LyricsTokenizer

    return LyricsTokenizer()


def song_language(language: str, reference: Path) -> str:
    """The code of a song's language, which a table may give: a CSV file with a column ``Language`` and one
    of the songs' names or files (``name``, ``Filepath``), as JamendoLyrics and Jam-ALT have."""
    if Path(language).suffix.lower() != ".csv":
        return language_code(language)
    song = (reference if reference.is_dir() else reference.with_suffix("")).name.removesuffix(".lyrics")
    header, rows = split_header(read_rows(Path(language)))
    columns = header or []
    named = next((column for column in ("name", "filepath", "file") if column in columns), None)
    if named is None or "language" not in columns:
        raise FullscoreError(
            "{language} has no columns Language and Filepath or name", "add them", language=language
        )
    for row in rows:
        cells = dict(zip(columns, row, strict=False))
        name = cells.get(named, "")
        if song in (name, Path(name).stem):
            return language_code(cells.get("language", ""))
    raise FullscoreError(
        "{language} doesn't give the language of '{song}'", "add a row for it", language=language, song=song
    )


def language_code(language: str) -> str:
    """The ISO 639-1 code of a language (639-3 where it has none) from a code or an English name.

    Raises FullscoreError for no language at all.
    """
    import iso639

    for form in (language.strip().lower(), language.strip().title()):
        try:
            found = iso639.Language.match(form)
        except iso639.LanguageNotFoundError:
            continue
        return str(found.part1 or found.part3)
    raise FullscoreError(
        "there is no language '{language}'",
        "give a code such as en, or a name such as English",
        language=language,
    )


def read_lyrics(path: Path) -> str:
    """The words of a text or LRC file with its line and section breaks, without times; tags stay.

    Of MusicXML the words under the notes of the part that has most, verse after verse: it has no lines.
    """
    if form_of(path) == "MusicXML":
        return _underlaid(path)
    text = read_text(path)
    if _LRC_TIME.search(text):
        from lyrics.layout import parse_text

        rows: list[str] = []
        for line in parse_text(text):
            if line.starts_section and rows:
                rows.append("")
            rows.append(" ".join(line.words))
        return "\n".join(rows)
    if path.suffix.lower() in (".csv", ".json"):
        raise FullscoreError("{path} is not lyrics", "give a text or LRC file", path=path)
    text = without_tags(text)
    if not any(map(str.isalpha, text)) and any(map(str.isdigit, text)):
        raise FullscoreError("{path} holds numbers, not words", "give lyrics as text or LRC", path=path)
    rows = [row for row in text.splitlines() if row.strip()]
    if _KARAOKE.search(text) or (rows and all(map(_TIMED_ROW.match, rows[1:] or rows))):
        raise FullscoreError(
            "{path} holds times beside the words (karaoke, subtitles or a table)",
            "give lyrics as text or LRC",
            path=path,
        )
    return text


def without_tags(text: str) -> str:
    """A text without LRC's tags (``[ti:…]``), all that is in the LRC of a song without words."""
    return _LRC_TAG.sub("", text)


def _underlaid(path: Path) -> str:
    from evaluation.scorefile import read_score

    sung = [note for note in read_score(path).notes if note.syllables]
    fullest = Counter(note.part for note in sung).most_common(1)
    verses: dict[str, list[str]] = {}
    for note in sung:
        if note.part == fullest[0][0]:
            for syllable in note.syllables:
                words = verses.setdefault(syllable.verse, [])
                if words and syllable.syllabic in ("middle", "end"):
                    words[-1] += syllable.text
                else:
                    words.append(syllable.text)
    return "\n\n".join(" ".join(words) for _, words in sorted(verses.items()))


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
