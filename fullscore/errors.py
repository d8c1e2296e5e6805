"""What goes wrong, told so that its user can mend it."""


class FullscoreError(Exception):
    """Something the user can mend. The message says what was wrong, with which file, and what to do."""
