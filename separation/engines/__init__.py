"""The separators, one class in one file each."""
