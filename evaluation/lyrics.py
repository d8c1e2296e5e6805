"""Lyrics transcription: how right the words, their spelling and their layout are.

Measures: those of alt-eval, the reference implementation of the Jam-ALT benchmark (Cífka et al., 2024),
under its names: ``WER``, ``MER``, ``WIL`` on words without case and punctuation, ``WER_case`` with case, and
precision, recall and F1 of punctuation (``punc``), parentheses, that is backing vocals (``pare``), line
breaks (``line``) and section breaks (``sect``). ``CER`` is jiwer's character error rate over the same
lower-case words, joined by spaces.

Conventions: a line break is a newline, a section break an empty line. Several songs are pooled: their
errors are added up before dividing. Jam-ALT's tags ``<nl>`` and ``</nl>`` are taken off, what they
enclose stays. Beyond alt-eval: what is undefined (no words in the reference; precision of no line
breaks) is None.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

from evaluation.files import Scores, artefact, read_text
from separation.engines import FullscoreError

_TAGS = re.compile(r"[ \t]*</?nl>[ \t]*")
_NAMES = (
    *("WER", "MER", "WIL", "hits", "substitutions", "deletions", "insertions", "ER_case", "WER_case"),
    *(f"{kind}_{tag}" for tag in ("punc", "pare", "line", "sect") for kind in ("P", "R", "F1")),
    "CER",
)


def evaluate_lyrics(reference: Path, estimate: Path, language: str = "en") -> Scores:
    """The measures of two files of lyrics (text, LRC, or the folder of a run)."""
    return lyric_scores(
        [read_lyrics(artefact(reference, "lyrics.txt"))],
        [read_lyrics(artefact(estimate, "lyrics.txt"))],
        language,
    )


def lyric_scores(references: Sequence[str], estimates: Sequence[str], language: str = "en") -> Scores:
    """The measures of the songs pooled. ``language`` is an ISO 639 code or a language's English name."""
    import jiwer
    from alt_eval import compute_metrics
    from alt_eval.tokenizer import LyricsTokenizer, tokens_as_words

    code = language_code(language)
    tokenise = LyricsTokenizer()
    words = [
        [
            " ".join(token.text.lower() for token in tokens_as_words(tokenise(text, language=code)))
            for text in texts
        ]
        for texts in (references, estimates)
    ]
    if not any(words[0]):
        return dict.fromkeys(_NAMES)
    scores = compute_metrics(list(references), list(estimates), languages=code)
    scores["CER"] = jiwer.process_characters(*words).cer
    return {name: _defined(scores[name]) for name in _NAMES}


def language_code(language: str) -> str:
    """The ISO 639-1 code that alt-eval's tokeniser takes. Raises FullscoreError for no language at all."""
    import iso639

    try:
        found = iso639.Language.match(language.strip().lower())
    except iso639.LanguageNotFoundError:
        try:
            found = iso639.Language.match(language.strip().title())
        except iso639.LanguageNotFoundError as error:
            raise FullscoreError(
                f"there is no language '{language}'; give a code such as en, or a name such as English"
            ) from error
    return str(found.part1 or found.part3)


def read_lyrics(path: Path) -> str:
    """The words of a text or LRC file with its line and section breaks, without times and tags."""
    text = read_text(path)
    if path.suffix.lower() == ".lrc":
        from lyrics.layout import parse_text

        rows: list[str] = []
        for line in parse_text(text):
            if line.starts_section and rows:
                rows.append("")
            rows.append(" ".join(line.words))
        return "\n".join(rows)
    if path.suffix.lower() in (".csv", ".json", ".musicxml", ".xml"):
        raise FullscoreError(f"{path} is not lyrics; give a text or LRC file")
    return _TAGS.sub(" ", text) if _TAGS.search(text) else text


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
