"""Fullscore: a song in, its full score out."""
