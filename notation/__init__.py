"""Notation: from notes, beats and words to a score a musician reads."""
