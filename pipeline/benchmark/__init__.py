"""A folder of songs with ground truth: run, measured, compared, and shown."""
