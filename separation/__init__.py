"""Separation: from a recording to its stems."""

from separation.engines import EngineSpec, Registry

SEPARATORS = Registry(
    "separation",
    "fullscore.separators",
    (
        EngineSpec(
            "htdemucs",
            "separation.htdemucs:HTDemucs",
            "Hybrid Transformer Demucs, four stems",
            ("demucs", "torch"),
            "pip install 'demucs>=4.1'",
            weights="htdemucs",
        ),
        EngineSpec(
            "htdemucs_ft",
            "separation.htdemucs:HTDemucs",
            "four fine-tuned models: slower, better",
            ("demucs", "torch"),
            "pip install 'demucs>=4.1'",
            weights="htdemucs_ft",
        ),
        EngineSpec(
            "htdemucs_6s",
            "separation.htdemucs:HTDemucs",
            "six stems: guitar and piano too",
            ("demucs", "torch"),
            "pip install 'demucs>=4.1'",
            weights="htdemucs_6s",
        ),
        EngineSpec("spectral", "separation.spectral:Spectral", "median filtering and repetition; no weights"),
        EngineSpec("none", "separation.stems:NoSeparation", "the mix as one stem"),
    ),
)
