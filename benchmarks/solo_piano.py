"""Whether solo piano is told from everything else: the evidence per excerpt and the verdict.

    python -m benchmarks.solo_piano [--data ../shared/data] [--only TEXT]

The figures are the first look's unsteadiness in semitones and the seconds the verdict took, then per excerpt
those of transcription.solo_piano.PianoEvidence; reading stops at the first that doesn't convince.
Performances in MIDI are rendered with a sampled piano (its first minute).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from benchmarks.rendering import RenderedPart, performance, render
from separation.audio import Audio, decode
from transcription.engines.basicpitch import BasicPitch
from transcription.engines.piano import Piano
from transcription.solo_piano import evidence, excerpts, is_solo_piano, may_be_piano, unsteadiness

RENDERED_SECONDS = 60.0
PIANO = (
    "*/**/MAPS_MUS-*.flac",
    "*/**/mozart_k265_var1.mp3",
    *(f"*/**/{name}.mid" for name in ("Shi05M", "Denisova06M", "Huang14M")),
)
OTHER = (
    "*/**/vocadito_10.wav",
    "*/**/jfk.flac",
    "*/**/MusicDelta_Reggae_MIX.flac",
    "*/**/audio.mp3",
    "*/**/Fantasma_-_Los_Rombos.mp3",
    "*/**/vocadito_1.wav",
    "*/**/MusicDelta_Reggae_STEM_0*.flac",
)


def sound_of(path: Path) -> Audio:
    if path.suffix != ".mid":
        return decode(path, channels=1)
    notes = [note for track in performance(path).values() for note in track]
    return render(RenderedPart(notes, program=0), RENDERED_SECONDS).mono()


def main() -> None:
    parser = argparse.ArgumentParser(description="the solo piano detector on recordings of both kinds")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", default="", help="only the recordings whose path has this in it")
    arguments = parser.parse_args()
    piano, listener = Piano(), BasicPitch()
    print(f"{'recording':44}{'is':>7}{'said':>7}{'s':>6}  unsteadiness; notes, energy, energy usually")
    for patterns, truth in ((OTHER, "other"), (PIANO, "piano")):
        for path in (path for pattern in patterns for path in sorted(arguments.data.glob(pattern))):
            if arguments.only not in str(path):
                continue
            audio = sound_of(path)
            started = time.perf_counter()
            said = "piano" if is_solo_piano(audio, piano) else "other"
            seconds = time.perf_counter() - started
            shown = []
            for part in excerpts(audio):
                heard = listener(part)
                if not shown:
                    shown.append(f"{unsteadiness(heard):.3f}")
                    if not may_be_piano(part, heard):
                        shown.append("no piano at first look")
                        break
                found = evidence(part, piano.glance(part), heard)
                shown.append(f"{found.notes:.2f} {found.energy:.2f} {found.energy_usually:.2f}")
                if not found.convinces:
                    break
            name = f"{path.parent.name}/{path.name}"[-43:]
            print(f"{name:44}{truth:>7}{said:>7}{seconds:6.1f}  {'; '.join(shown)}", flush=True)


if __name__ == "__main__":
    main()
