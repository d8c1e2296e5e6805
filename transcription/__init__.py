"""Transcription: from stems to notes and beats."""

from separation.engines import EngineSpec, Registry

TRANSCRIBERS = Registry(
    "note",
    "fullscore.transcribers",
    (
        EngineSpec(
            "basic-pitch",
            "transcription.basicpitch:BasicPitch",
            "any pitched instrument, polyphonic, with pitch bends",
            ("basic_pitch", "onnxruntime"),
            "pip install --no-deps basic-pitch==0.4.0 && pip install onnxruntime",
        ),
        EngineSpec(
            "piano",
            "transcription.piano:Piano",
            "solo piano, with pedal-aware offsets",
            ("transkun",),
            "pip install --no-deps transkun==2.0.1 && pip install moduleconf",
        ),
        EngineSpec("singing", "transcription.singing:Singing", "one voice, from its fundamental frequency"),
        EngineSpec("drums", "transcription.drums:Drums", "kick, snare and hi-hat onsets"),
    ),
)
