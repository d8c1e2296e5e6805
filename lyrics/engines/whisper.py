"""Words heard by openai-whisper in a vocal stem (Radford et al., "Robust speech recognition via
large-scale weak supervision", 2022), with the time of every word.

Whisper was trained on subtitles: over music without words it invents credits and falls into loops.
Hence it is given only stretches in which the stem sounds, cut at the quietest moment where they are
longer than its window of 30 s, each without the text before it; and what it answers is kept only
where the stem sounds, where the model was sure enough, and once where it repeats itself faster than
anyone can sing. Word times come from its cross-attention (whisper.timing).

Conventions: times in seconds of the stem given; languages are ISO 639-1 codes as Whisper names them.
The checkpoint is one of OpenAI's files, or one in the same form (``dims`` and ``model_state_dict``);
it is read with ``weights_only=True``. Word times use the attention heads published for the file's
name, else all heads of the upper half of the decoder. Limits: Whisper's word times are off by some
0.1 to 0.3 s on singing, more on long melismas; on Apple's GPU the CPU is used, which Whisper's word
times need.
"""

from __future__ import annotations

import logging
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import whisper
from whisper.audio import SAMPLE_RATE, log_mel_spectrogram, pad_or_trim
from whisper.model import ModelDimensions
from whisper.model import Whisper as Network
from whisper.tokenizer import LANGUAGES, TO_LANGUAGE_CODE

from fullscore.engines import Progress, option, silent
from fullscore.errors import FullscoreError, Message, fetch, told
from lyrics.activity import HOP_S, Span, level_db, voiced_share, voiced_spans
from lyrics.layout import lay_out
from lyrics.syllables import syllabify
from lyrics.words import Lyrics, Syllable, Word
from separation.audio import Audio, resample
from separation.devices import choose_device

logger = logging.getLogger(__name__)

WINDOW_S = 30.0
_LONGEST_PAUSE_INSIDE_S = 3.0  # a longer one is left out and a new window begins
_MARGIN_S = 0.3  # of the pause around a stretch given along: consonants are soft
_QUIET_SEARCH_S = 10.0  # a window is cut at the quietest moment of its last ten seconds
_LANGUAGE_WINDOWS = 3
_FASTEST_SYLLABLES_PER_S = 12.0  # the fastest rappers reach about 12
_LONGEST_CYCLE_WORDS = 12
_REPEATS_OF_A_LOOP = 3

# What subtitlers wrote at the end of films, which Whisper hears in silence. The first are never sung.
_CREDITS = re.compile(
    r"amara\.org|opensubtitles|untertitel(?:ung)? (?:der|des|im auftrag|von|:)|subtitles? (?:by|created)|"
    r"sous-titr\w+ (?:réalisés|par|st')|sottotitoli (?:creati|e revisione|a cura)|legendas? (?:por|pela)|"
    r"subt[ií]tulos (?:por|realizados|creados|de la)|ondertitel\w* (?:door|ingediend)|субтитры|"
    r"transcription by|caption(?:s|ed|ing) by|copyright |www\.|https?:|\.(?:com|org|net)\b|字幕|谢谢观看",
    re.IGNORECASE,
)
_FAREWELLS = re.compile(
    r"^\W*(?:thank you(?: (?:so|very) much)?(?: for (?:watching|listening)\W*.*)?|"
    r"thanks for (?:watching|listening)\W*.*|"
    r"please (?:like and )?subscribe\W*.*|see you (?:next time|in the next video)\W*.*|bye(?:[ -]bye)?|you|"
    r"gracias(?: por ver(?: el video)?)?|merci d'avoir regardé\W*.*|vielen dank(?: fürs zuschauen)?|"
    r"ご視聴ありがとうございました|시청해 ?주셔서 감사합니다)\W*$",
    re.IGNORECASE,
)
_NOT_SUNG = re.compile(
    r"^\W*[\[(♪]*\s*(?:music|applause|laughter|instrumental|música|musik|musique)\b.*$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class WhisperSettings:
    """Options of the Whisper engine."""

    beam_size: int = option(5, "hypotheses followed at once; 1 is fastest", minimum=1, maximum=10)
    no_speech: float = option(
        0.6,
        "a segment at least this surely without words is dropped unless well heard",
        minimum=0.0,
        maximum=1.0,
    )
    log_probability: float = option(
        -1.0,
        "mean log-probability below which a segment is heard again, then dropped",
        minimum=-5.0,
        maximum=0.0,
    )
    compression: float = option(
        2.4,
        "compression ratio of its text above which a segment counts as a loop",
        minimum=1.0,
        maximum=100.0,
    )
    skipped_silence_s: float = option(
        2.0, "silence around doubtful words that has them skipped, in seconds", minimum=0.0, maximum=30.0
    )


@dataclass(frozen=True, slots=True)
class RecognisedWord:
    """A word as Whisper gives it: its letters with punctuation, when, and how sure."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class RecognisedSegment:
    """A run of words with Whisper's own judgement of it."""

    words: tuple[RecognisedWord, ...]
    no_speech: float
    log_probability: float
    compression: float

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)


class Whisper:
    """Words of a vocal stem."""

    def __init__(self, weights: Path, settings: WhisperSettings | None = None, device: str = "auto") -> None:
        self.settings = settings or WhisperSettings()
        self.device = _device(device)
        self._network = load(weights, self.device)

    def __call__(self, vocals: Audio, language: str | None = None, progress: Progress = silent) -> Lyrics:
        """The words sung, in lines; the language is heard if it isn't given (code or English name)."""
        code = self._code(language)
        spans = voiced_spans(vocals)
        windows = listening_windows(vocals, spans)
        if not windows:
            return Lyrics((), code or "")
        samples = resample(vocals.mono(), SAMPLE_RATE).samples[0]
        pieces = [
            samples[round(span.start * SAMPLE_RATE) : round(span.end * SAMPLE_RATE)] for span in windows
        ]
        if code is None:
            progress(0.0, "hearing which language is sung")
            code = self._hear_language(pieces)
        segments: list[RecognisedSegment] = []
        for number, (span, piece) in enumerate(zip(windows, pieces, strict=True)):
            progress(number / len(windows), f"listening to the words ({number + 1} of {len(windows)})")
            segments += self._listen(piece, span.start, code)
        progress(1.0, "listening to the words")
        heard = [word for segment in kept_segments(segments, spans, self.settings) for word in segment.words]
        return lay_out(_timed(heard, code, vocals.duration), code)

    def _code(self, language: str | None) -> str | None:
        if not self._network.is_multilingual:
            if language and language.lower() not in ("en", "english"):
                raise FullscoreError(
                    "these Whisper weights know only English, not '{language}'",
                    "choose a multilingual model",
                    language=language,
                )
            return "en"
        if not language:
            return None
        code: str = TO_LANGUAGE_CODE.get(language.lower(), language.lower())
        code = code if code in LANGUAGES else code[:2]
        if code not in tuple(LANGUAGES)[: self._network.num_languages]:
            raise FullscoreError(
                "Whisper doesn't know the language '{language}'",
                "give an ISO 639-1 code such as en or es",
                language=language,
            )
        return code

    def _hear_language(self, pieces: Sequence[npt.NDArray[np.float32]]) -> str:
        """The likeliest language of the longest windows together."""
        longest = sorted(pieces, key=len, reverse=True)[:_LANGUAGE_WINDOWS]
        total: dict[str, float] = {}
        for piece in longest:
            mel = pad_or_trim(log_mel_spectrogram(piece, self._network.dims.n_mels, padding=480_000), 3000)
            mel = mel.to(self.device, torch.float16 if self._half else torch.float32)
            _, probabilities = self._network.detect_language(mel)
            for code, probability in probabilities.items():
                total[code] = total.get(code, 0.0) + math.log(probability + 1e-6)
        return max(total, key=lambda code: total[code])

    @property
    def _half(self) -> bool:
        return bool(self.device.type == "cuda")

    def _listen(
        self, samples: npt.NDArray[np.float32], start: float, language: str
    ) -> list[RecognisedSegment]:
        """The segments of one window, which starts at ``start`` of the stem."""
        with warnings.catch_warnings():
            # Of CUDA present but not used, and of Triton's absence, where a slower way is taken.
            warnings.simplefilter("ignore", UserWarning)
            result = whisper.transcribe(
                self._network,
                samples,
                verbose=None,
                language=language,
                fp16=self._half,
                beam_size=self.settings.beam_size,
                condition_on_previous_text=False,
                word_timestamps=True,
                no_speech_threshold=self.settings.no_speech,
                logprob_threshold=self.settings.log_probability,
                compression_ratio_threshold=self.settings.compression,
                hallucination_silence_threshold=self.settings.skipped_silence_s,
            )
        return [_segment(raw, start) for raw in result["segments"] if raw["words"]]


def load(weights: Path, device: torch.device) -> Network:
    """The network of a checkpoint in Whisper's own form. Raises FullscoreError if the file isn't one."""
    try:
        checkpoint = torch.load(weights, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise FullscoreError(
            "there are no Whisper weights at {weights}",
            fetch("whisper-turbo"),
            weights=weights,
        ) from error
    except Exception as error:  # torch.load fails in many ways on what isn't a checkpoint
        raise FullscoreError(_not_whisper(weights)) from error
    try:
        network = Network(ModelDimensions(**checkpoint["dims"]))
        network.load_state_dict(checkpoint["model_state_dict"])
    except (KeyError, TypeError, RuntimeError, AssertionError, AttributeError) as error:
        raise FullscoreError(_not_whisper(weights)) from error
    # The heads whose attention follows the words best are published by name, not in the file.
    heads = whisper._ALIGNMENT_HEADS.get(weights.stem)
    if heads is not None:
        network.set_alignment_heads(heads)
    return network.to(device).eval()


def _not_whisper(weights: Path) -> Message:
    return told(
        "{weights} is not a checkpoint of openai-whisper, or it is damaged: delete it",
        fetch("whisper-turbo", again=True),
        weights=weights,
    )


def _device(name: str) -> torch.device:
    device = choose_device(name)
    if device.type == "mps":
        logger.info("Whisper's word times need float64, which Apple's GPU lacks: using the CPU")
        return torch.device("cpu")
    return device


def listening_windows(vocals: Audio, spans: Sequence[Span]) -> tuple[Span, ...]:
    """Stretches of at most 30 s that together hold everything sung, cut where it is quietest."""
    joined: list[Span] = []
    for span in spans:
        start, end = max(0.0, span.start - _MARGIN_S), min(vocals.duration, span.end + _MARGIN_S)
        if joined and start - joined[-1].end < _LONGEST_PAUSE_INSIDE_S:
            joined[-1] = Span(joined[-1].start, end)
        else:
            joined.append(Span(start, end))
    level = level_db(vocals) if joined else np.empty(0)
    return tuple(window for span in joined for window in _cut(span, level))


def _cut(span: Span, level: npt.NDArray[np.float64]) -> Iterator[Span]:
    start = span.start
    while span.end - start > WINDOW_S:
        first = round((start + WINDOW_S - _QUIET_SEARCH_S) / HOP_S)
        last = round((start + WINDOW_S) / HOP_S)
        at = (first + int(np.argmin(level[first:last]))) * HOP_S
        yield Span(start, at)
        start = at
    yield Span(start, span.end)


def _segment(raw: dict[str, Any], start: float) -> RecognisedSegment:
    words = tuple(
        RecognisedWord(
            word["word"].strip(),
            start + float(word["start"]),
            start + max(float(word["start"]), float(word["end"])),
            float(word["probability"]),
        )
        for word in raw["words"]
        if word["word"].strip()
    )
    return RecognisedSegment(words, raw["no_speech_prob"], raw["avg_logprob"], raw["compression_ratio"])


def kept_segments(
    segments: Sequence[RecognisedSegment], spans: tuple[Span, ...], settings: WhisperSettings
) -> list[RecognisedSegment]:
    """What of Whisper's answer is believed: heard where the stem sounds, and not invented."""
    kept: list[RecognisedSegment] = []
    for segment in segments:
        looped = segment.compression > settings.compression
        words = without_loops(segment.words) if looped else segment.words
        words = tuple(word for word in words if voiced_share(spans, word.start, word.end) > 0)
        believed = RecognisedSegment(words, segment.no_speech, segment.log_probability, segment.compression)
        if words and not is_invented(believed, spans, settings):
            kept.append(believed)
        else:
            logger.debug("dropped as not sung: %s", segment.text)
    return kept


def is_invented(segment: RecognisedSegment, spans: tuple[Span, ...], settings: WhisperSettings) -> bool:
    """Whether a segment is a credit, an annotation, or more likely nothing than what it says."""
    if _CREDITS.search(segment.text) or _NOT_SUNG.match(segment.text):
        return True
    unsure = segment.log_probability < settings.log_probability
    wordless = segment.no_speech >= settings.no_speech
    if unsure and (wordless or segment.compression > settings.compression):
        return True
    sounding = voiced_share(spans, segment.words[0].start, segment.words[-1].end)
    farewell = bool(_FAREWELLS.match(segment.text))
    return farewell and (wordless or unsure or sounding < 0.5)


def without_loops(words: Sequence[RecognisedWord]) -> tuple[RecognisedWord, ...]:
    """The words with each loop cut down to the rounds that there was time to sing.

    A loop is a cycle of up to twelve words said three times or more in a row. Sung refrains repeat as
    well, but at the pace of singing: only rounds faster than that are taken out.
    """
    result: list[RecognisedWord] = []
    i = 0
    while i < len(words):
        cycle, rounds = _loop_at(words, i)
        if not cycle:
            result.append(words[i])
            i += 1
            continue
        for k in range(rounds):
            one = words[i + k * cycle : i + (k + 1) * cycle]
            syllables = sum(len(syllabify(word.text)) for word in one)
            if k == 0 or one[-1].end - one[0].start >= syllables / _FASTEST_SYLLABLES_PER_S:
                result += one
        i += cycle * rounds
    return tuple(result)


def _loop_at(words: Sequence[RecognisedWord], i: int) -> tuple[int, int]:
    """The shortest cycle that starts at word ``i`` and how often it is said (0, 0: none)."""
    plain = [re.sub(r"\W", "", word.text).lower() for word in words]
    for cycle in range(1, min(_LONGEST_CYCLE_WORDS, (len(words) - i) // _REPEATS_OF_A_LOOP) + 1):
        rounds = 1
        while plain[i + rounds * cycle : i + (rounds + 1) * cycle] == plain[i : i + cycle]:
            rounds += 1
        if rounds >= _REPEATS_OF_A_LOOP:
            return cycle, rounds
    return 0, 0


def _timed(heard: Sequence[RecognisedWord], language: str, duration: float) -> list[Word]:
    """Words with times in order, each split into its syllables by their length in letters."""
    words: list[Word] = []
    earliest = 0.0
    for word in heard:
        start = min(max(word.start, earliest), duration)
        end = min(max(word.end, start), duration)
        pieces = syllabify(word.text, language)
        shares = np.cumsum([0, *(len(piece) for piece in pieces)]) / len(word.text)
        times = (start + (end - start) * shares).tolist()
        syllables = tuple(Syllable(piece, times[i], times[i + 1]) for i, piece in enumerate(pieces))
        words.append(Word(word.text, syllables, float(np.clip(word.probability, 0.0, 1.0))))
        earliest = end
    return words
