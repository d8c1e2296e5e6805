"""Evaluation: how right a transcription is, in the terms of the field."""
