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
        ),
        EngineSpec(
            "piano",
            "transcription.engines.piano:Piano",
            "solo piano, with pedal-aware offsets",
            ("transkun",),
            "pip install --no-deps transkun==2.0.1 && pip install moduleconf",
        ),
        EngineSpec(
            "singing",
            "transcription.engines.singing:Singing",
            "one voice, from its fundamental frequency",
            *_BASIC_PITCH,  # its contour is one of the sources of pitch
        ),
        EngineSpec("drums", "transcription.engines.drums:Drums", "kick, snare and hi-hat onsets"),
    ),
)
