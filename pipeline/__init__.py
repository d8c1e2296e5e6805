"""The pipeline: runs the stages in order and keeps what each made on disk."""

from pipeline.settings import Settings
from pipeline.transcribe import Transcription, transcribe

__all__ = ["Settings", "Transcription", "transcribe"]
