"""Lyrics: from the isolated voice, or the user's own text, to timed syllables."""

from separation.engines import EngineSpec, Registry

LYRICISTS = Registry(
    "lyrics",
    "fullscore.lyrics",
    (
        EngineSpec(
            "whisper",
            "lyrics.whisper_engine:Whisper",
            "openai-whisper on the vocal stem",
            ("whisper",),
            "pip install --no-deps openai-whisper==20250625 && pip install tiktoken more-itertools",
            weights="whisper",
        ),
    ),
)
