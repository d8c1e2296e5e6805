"""How a part is called, in which clefs it reads and where it stands in the score.

Task: a name, abbreviation, family and clefs for every part, whether it is one of the stems that separation
makes or a track of a MIDI file with a name of its own. Method: the stems are listed; for anything else the
name says the instrument (English, Italian, German and French names), else its General MIDI program does.
The order is that of a full score with the voice above the rhythm section (Gould, Behind Bars, 2011,
"Score layout"): winds, brass, voices, plucked strings, keyboards, strings, bass, drums.

Conventions: General MIDI programs count from 0. Parts are written at sounding pitch, except those that
sound an octave below what they read. Limits: no transposing winds, all read in C.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

FAMILIES = ("wind", "brass", "percussion", "voice", "plucked", "keyboard", "strings", "bass", "drums")
"""Families of instruments from the top of the score to the bottom."""

BRACKETED = ("wind", "brass", "voice", "strings")
"""Families whose parts are bracketed where there are several."""


@dataclass(frozen=True, slots=True)
class Voicing:
    """How a part is called, plays and reads.

    ``clefs`` are those its player reads, the usual one first. ``octave`` is how many octaves above
    the sound it is written.
    """

    name: str
    abbreviation: str
    program: int
    family: str = "keyboard"
    clefs: tuple[str, ...] = ("treble", "bass")
    octave: int = 0


VOICINGS: Mapping[str, Voicing] = {
    "vocals": Voicing("Voice", "V.", 53, "voice", ("treble", "treble-8", "bass")),
    "guitar": Voicing("Guitar", "Gtr.", 25, "plucked", ("treble-8",)),
    "other": Voicing("Accompaniment", "Acc.", 0),
    "mix": Voicing("Piano", "Pno.", 0),
    "piano": Voicing("Piano", "Pno.", 0),
    "bass": Voicing("Bass", "Bass", 33, "bass", ("bass",), 1),
    "drums": Voicing("Drums", "Dr.", 0, "drums", ("percussion",)),
}
"""What is known of each stem, in the order of the score."""

_TREBLE, _BASS = ("treble",), ("bass",)
_BOTH, _VOICE = ("treble", "bass"), ("treble", "treble-8", "bass")
_LOW = ("bass", "tenor", "treble")

# Words of a name, program, name, abbreviation, family, clefs, octave: the first row that matches counts.
_INSTRUMENTS: tuple[tuple[str, Voicing], ...] = (
    (r"piccolo|ottavino", Voicing("Piccolo", "Picc.", 72, "wind", _TREBLE, -1)),
    (r"fl(u|ö|oe)te|flauto|fl\.?", Voicing("Flute", "Fl.", 73, "wind", _TREBLE)),
    (r"recorder|blockfl\w+", Voicing("Recorder", "Rec.", 74, "wind", _TREBLE)),
    (r"pan ?flute|whistle|ocarina|shakuhachi|blown bottle", Voicing("Flute", "Fl.", 75, "wind", _TREBLE)),
    (r"english horn|cor anglais|corno inglese", Voicing("English Horn", "E. H.", 69, "wind", _TREBLE)),
    (r"oboe|hautbois|ob\.?", Voicing("Oboe", "Ob.", 68, "wind", _TREBLE)),
    (r"bass clarinet|bassklarinette", Voicing("Bass Clarinet", "B. Cl.", 71, "wind", _BOTH)),
    (r"clarinett?[oe]?|klarinette|cl\.?", Voicing("Clarinet", "Cl.", 71, "wind", _TREBLE)),
    (r"contrabassoon|contrafagotto|kontrafagott", Voicing("Contrabassoon", "Cbsn.", 70, "wind", _BASS, 1)),
    (r"bassoon|fagott?[oi]?|basson|bsn\.?", Voicing("Bassoon", "Bsn.", 70, "wind", ("bass", "tenor"))),
    (r"soprano sax\w*", Voicing("Soprano Saxophone", "S. Sax.", 64, "wind", _TREBLE)),
    (r"tenor sax\w*", Voicing("Tenor Saxophone", "T. Sax.", 66, "wind", ("treble", "bass"))),
    (r"bari(tone)? sax\w*", Voicing("Baritone Saxophone", "B. Sax.", 67, "wind", _BOTH)),
    (r"(alto )?sax\w*", Voicing("Alto Saxophone", "A. Sax.", 65, "wind", _TREBLE)),
    (r"bag ?pipe|shanai", Voicing("Bagpipe", "Bagp.", 109, "wind", _TREBLE)),
    (r"harmonica", Voicing("Harmonica", "Harm.", 22, "wind", _TREBLE)),
    (
        r"bass guitar|e-?bass|(acoustic|electric|fretless|slap|synth|pick\w*|finger\w*) bass.*",
        VOICINGS["bass"],
    ),
    (r"(french )?horns?|corn[oi]|cor|hn\.?", Voicing("Horn", "Hn.", 60, "brass", _BOTH)),
    (r"trumpets?|tromb[ae]|trompete|cornet|tpt\.?", Voicing("Trumpet", "Tpt.", 56, "brass", _TREBLE)),
    (r"trombon\w+|posaune\w*|tbn\.?", Voicing("Trombone", "Tbn.", 57, "brass", ("bass", "tenor"))),
    (r"tuba|euphonium", Voicing("Tuba", "Tba.", 58, "brass", _BASS)),
    (r"brass( section)?|synth brass", Voicing("Brass", "Br.", 61, "brass", _BOTH)),
    (r"timpani|pauken|kettle ?drums?", Voicing("Timpani", "Timp.", 47, "percussion", _BASS)),
    (r"glockenspiel|music box", Voicing("Glockenspiel", "Glock.", 9, "percussion", _TREBLE)),
    (r"celesta|celeste", Voicing("Celesta", "Cel.", 8, "keyboard", _TREBLE)),
    (r"vibraphone|vibes", Voicing("Vibraphone", "Vib.", 11, "percussion", _TREBLE)),
    (r"marimba|xylophone|kalimba", Voicing("Marimba", "Mar.", 12, "percussion", _BOTH)),
    (r"(tubular )?bells|chimes", Voicing("Tubular Bells", "T. B.", 14, "percussion", _TREBLE)),
    (r"mezzo-?soprano|mezzo", Voicing("Mezzo-soprano", "Mz.", 53, "voice", _VOICE)),
    (r"soprano?|sopran|s\.?", Voicing("Soprano", "S.", 53, "voice", _TREBLE)),
    (r"contralto|alto|alt|a\.?", Voicing("Alto", "A.", 53, "voice", _TREBLE)),
    (r"tenor[e]?|t\.?", Voicing("Tenor", "T.", 53, "voice", ("treble-8",))),
    (r"bariton[eo]?", Voicing("Baritone", "Bar.", 53, "voice", _BASS)),
    (r"voice|vocals?|vox|sing(er|stimme)|gesang|canto|voix|choir|chor(us)?|aahs|oohs", VOICINGS["vocals"]),
    (r"harp|arpa|harfe", Voicing("Harp", "Hp.", 46, "plucked", _BOTH)),
    (r"guitar\w*|gitarre|chitarra|gtr\.?", VOICINGS["guitar"]),
    (r"banjo|mandolin\w*|ukulele|sitar|shamisen|koto|lute", Voicing("Banjo", "Bj.", 105, "plucked", _TREBLE)),
    (r"pianoforte|(grand |electric )?pianos?|klavier|keyboards?|pno\.?|e-?piano", VOICINGS["piano"]),
    (r"harpsichord|cembalo|clavinet|clavecin", Voicing("Harpsichord", "Hpschd.", 6)),
    (r"organ|orgel|organo|orgue", Voicing("Organ", "Org.", 19)),
    (r"accordion|bandoneon|concertina", Voicing("Accordion", "Acc.", 21)),
    (r"viol(a|e|as)|bratsche\w*|vla\.?", Voicing("Viola", "Vla.", 41, "strings", ("alto", "treble"))),
    (
        r"violoncell[oi]|cell[oi]s?|vc\.?|vlc\.?|violoncelle",
        Voicing("Violoncello", "Vc.", 42, "strings", _LOW),
    ),
    (
        r"contrabass\w*|double ?bass\w*|kontrab(a|ä)ss\w*|string bass|cb\.?|db\.?",
        Voicing("Contrabass", "Cb.", 43, "strings", _BASS, 1),
    ),
    (
        r"violin[oi]?s?|violine\w*|geige\w*|fiddle|violon|vln\.?|vl\.?",
        Voicing("Violin", "Vln.", 40, "strings", _TREBLE),
    ),
    (r"strings?( ensemble| section)?|streicher|archi", Voicing("Strings", "Str.", 48, "strings", _BOTH)),
    (r"bass|basso|bassi", VOICINGS["bass"]),
)  # fmt: skip

_PROGRAMS: tuple[tuple[int, str], ...] = (
    (6, "piano"), (8, "harpsichord"), (9, "celesta"), (11, "glockenspiel"), (12, "vibraphone"),
    (14, "marimba"), (15, "bells"), (16, "piano"), (21, "organ"), (22, "accordion"), (23, "harmonica"),
    (24, "accordion"), (32, "guitar"), (40, "bass guitar"), (41, "violin"), (42, "viola"), (43, "cello"),
    (44, "contrabass"), (46, "strings"), (47, "harp"), (48, "timpani"), (52, "strings"), (55, "voice"),
    (56, "strings"), (57, "trumpet"), (58, "trombone"), (59, "tuba"), (60, "trumpet"), (61, "horn"),
    (64, "brass"), (65, "soprano sax"), (66, "alto sax"), (67, "tenor sax"), (68, "baritone sax"),
    (69, "oboe"), (70, "english horn"), (71, "bassoon"), (72, "clarinet"), (73, "piccolo"), (74, "flute"),
    (75, "recorder"), (80, "flute"), (104, "other"), (109, "banjo"), (110, "bagpipe"), (111, "violin"),
    (112, "bagpipe"), (128, "other"),
)  # fmt: skip
"""What each General MIDI program below a number plays."""

_ORDINAL = re.compile(r"\s*(?:\b(\d{1,2}|I{1,3}|IV|VI{0,3})\.?)\s*$")
_LEADING = re.compile(r"^\s*(\d{1,2}|I{1,3}|IV)(?:\.|st|nd|rd|th)\s*(?=\w)")
_ACRONYM = 3  # letters at most; longer names in capitals are shouted
_LONGEST_NAME = 24  # characters before the first bar; a longer track name says more than the instrument's


def voicing_of(stem: str, program: int | None = None) -> Voicing:
    """How the part ``stem`` is voiced: a separated stem, or a track called so that plays ``program``."""
    if stem in VOICINGS and program is None:
        return VOICINGS[stem]
    name = " ".join(stem.replace("_", " ").split())
    if name.isupper() and len(name) > _ACRONYM:
        name = name.title()
    plain = _LEADING.sub("", _ORDINAL.sub("", name))
    number = _ORDINAL.search(name) or _LEADING.search(name)
    ordinal = f" {number[1]}" if number and plain else ""
    known = _by_name(plain.lower()) or (_by_name(stem.lower()) if plain != name else None)
    if known is None:
        known = voicing_of_program(program) if program is not None else VOICINGS["other"]
        own = stem not in VOICINGS and 0 < len(name) <= _LONGEST_NAME and name.isprintable()
        if program is not None and own:  # a track called "Melody" is called so; its program says how it reads
            return replace(known, name=name, abbreviation=_abbreviated(name))
        return known
    if program is not None and stem not in VOICINGS:
        known = replace(known, program=program)
    if stem in VOICINGS or not plain:
        return known
    if len(name) > _LONGEST_NAME:
        return replace(known, name=known.name + ordinal, abbreviation=known.abbreviation + ordinal)
    shown = name if name != name.lower() else name[:1].upper() + name[1:]
    return replace(known, name=shown, abbreviation=known.abbreviation + ordinal)


def voicing_of_program(program: int) -> Voicing:
    """The instrument of a General MIDI program."""
    name = next(name for below, name in _PROGRAMS if program < below)
    known = _by_name(name) or VOICINGS["other"]
    return replace(known, program=program)


def score_order(voicings: Sequence[Voicing]) -> list[int]:
    """The indices of the parts from the top of the score to the bottom; parts of a family stay in order."""
    return sorted(range(len(voicings)), key=lambda i: FAMILIES.index(voicings[i].family))


def _by_name(name: str) -> Voicing | None:
    """The instrument that is called so, or whose name is a word of this."""
    for pattern, voicing in _INSTRUMENTS:
        if re.fullmatch(pattern, name):
            return voicing
    for pattern, voicing in _INSTRUMENTS:
        found = re.search(rf"(?<!\w)(?:{pattern})(?!\w)", name)
        if found and len(found[0].rstrip(".")) > 3:  # short ones only where they are the whole name
            return voicing
    return None


def _abbreviated(name: str) -> str:
    """The first letters of a name: "Melody" is "Mel."."""
    first, *others = name.split()
    short = first if len(first) <= 4 else f"{first[:3]}."
    return " ".join([short, *(word for word in others if word.isdigit())])
