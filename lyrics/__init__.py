"""Lyrics: from the isolated voice, or the user's own text, to timed syllables."""

from fullscore.engines import EngineSpec, Registry

# Whisper's checkpoints from best to smallest. The engine "whisper" is the best one present.
WHISPER_MODELS = ("large-v3", "turbo", "medium", "small", "base", "tiny")


def _whisper(name: str, summary: str) -> EngineSpec:
    return EngineSpec(
        name,
        "lyrics.engines.whisper:Whisper",
        summary,
        ("whisper",),
        "pip install --no-deps openai-whisper==20250625 && pip install tiktoken more-itertools",
        weights=name,
        packages=("openai-whisper",),
    )


LYRICISTS = Registry(
    "lyrics",
    "fullscore.lyrics",
    (
        _whisper("whisper", "openai-whisper on the vocal stem, with the best checkpoint present"),
        *(_whisper(f"whisper-{model}", f"openai-whisper's {model} checkpoint") for model in WHISPER_MODELS),
    ),
)
