"""What is told by the code below, in the words of the page: its visitors have no terminal, and nothing of the
server's disk is their business.

Files are called by their names alone, without the folders they lie in, and by other names where the visitor
knows them by such (:meth:`fullscore.errors.Message.renamed`).
"""

from __future__ import annotations

from fullscore.errors import FullscoreError, Wording

THIS_SONG = "this song"
"""What the folder of a run is called."""

PAGE = Wording(
    {
        "fetch": "fetch {model} in the tab Models",
        "fetch again": "fetch {model} in the tab Models",
        "install": "whoever runs this page can install it with: {command}",
        "choose device": "choose cpu or auto as the device",
        "choose output": "choose another place",
        "give words": "or write them in the view Lyrics",
        "start over": "undo them, or hand in the song anew",
        "notate": "write it as a score first",
        "evaluate as": "for this file choose: {kinds}",
        "give recent report": "give a file of chords, or transcribe the song again",
    },
    path=lambda path: path.name,
    address=lambda address: address.host,
)


def sentence(error: FullscoreError) -> str:
    """The error as a visitor reads it."""
    return PAGE(error.message)
