"""Transcription: from stems to notes and beats."""

from fullscore.engines import EngineSpec, Registry

_BASIC_PITCH = (
    ("basic_pitch", "onnxruntime"),
    "pip install --no-deps basic-pitch==0.4.0 && pip install onnxruntime",
)

TRANSCRIBERS = Registry(
    "note",
    "fullscore.transcribers",
    (
        EngineSpec(
            "basic-pitch",
            "transcription.engines.basicpitch:BasicPitch",
            "any pitched instrument, polyphonic, with pitch bends",
            *_BASIC_PITCH,
            packages=("basic-pitch",),
        ),
        EngineSpec(
            "piano",
            "transcription.engines.piano:Piano",
            "solo piano, with pedal-aware offsets",
            ("transkun",),
            "pip install --no-deps transkun==2.0.1 && pip install moduleconf",
            packages=("transkun",),
        ),
        EngineSpec(
            "singing",
            "transcription.engines.singing:Singing",
            "one voice, from its fundamental frequency",
            *_BASIC_PITCH,  # its contour is one of the sources of pitch
            packages=("basic-pitch",),
        ),
        EngineSpec("drums", "transcription.engines.drums:Drums", "kick, snare and hi-hat onsets"),
    ),
)

BEAT_TRACKERS = Registry(
    "beat",
    "fullscore.beat_trackers",
    (
        EngineSpec(
            "joint", "transcription.beats.joint:JointTracker", "networks and a search over notes and sound"
        ),
        EngineSpec(
            "librosa",
            "transcription.beats.librosa_tracker:LibrosaTracker",
            "librosa's dynamic programming over the sound's onsets",
            ("librosa",),
            "pip install librosa",
            packages=("librosa",),
        ),
    ),
)
