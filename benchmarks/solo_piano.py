"""Whether solo piano is told from everything else: the evidence per excerpt and the verdict.

    python -m benchmarks.solo_piano [--data ../shared/data] [--only TEXT]

The figures are those of transcription.solo_piano.Evidence; reading stops at the first excerpt that
doesn't convince.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from separation.audio import decode
from transcription.basicpitch import BasicPitch, BasicPitchSettings
from transcription.piano import Piano
from transcription.solo_piano import evidence, excerpts

PIANO = ("*/**/MAPS_MUS-*.flac", "*/**/mozart_k265_var1.mp3")
OTHER = (
    "*/**/vocadito_10.wav",
    "*/**/jfk.flac",
    "*/**/MusicDelta_Reggae_MIX.flac",
    "*/**/audio.mp3",
    "*/**/Fantasma_-_Los_Rombos.mp3",
    "*/**/vocadito_1.wav",
    "*/**/MusicDelta_Reggae_STEM_0*.flac",
)


def main() -> None:
    parser = argparse.ArgumentParser(description="the solo piano detector on recordings of both kinds")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", default="", help="only the recordings whose path has this in it")
    arguments = parser.parse_args()
    piano, listener = Piano(), BasicPitch(BasicPitchSettings(bends=False))
    print(f"{'recording':44}{'is':>7}{'said':>7}   notes, energy, energy usually")
    for patterns, truth in ((OTHER, "other"), (PIANO, "piano")):
        for path in (path for pattern in patterns for path in sorted(arguments.data.glob(pattern))):
            if arguments.only not in str(path):
                continue
            said, shown = "piano", []
            for part in excerpts(decode(path)):
                found = evidence(part, piano, listener)
                shown.append(f"{found.notes:.2f} {found.energy:.2f} {found.energy_usually:.2f}")
                if not found.convinces:
                    said = "other"
                    break
            name = f"{path.parent.name}/{path.name}"[-43:]
            print(f"{name:44}{truth:>7}{said:>7}   {'; '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
