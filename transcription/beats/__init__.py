"""Beats, downbeats and meter."""
