"""The stages of a run, one module each: what each does, what it depends on, and which files it leaves.

A stage's module is hashed with all that it imports (``pipeline.workspace``): what changes here, or below,
makes the stage's earlier results old, and those of no other stage.
"""

VOICE, MIX, PIANO = "vocals", "mix", "piano"
"""Names of stems that stages have to know."""
