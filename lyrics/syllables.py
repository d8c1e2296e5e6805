"""Syllables of written words, as a singer divides them.

Hyphenation (where a printer may break a word) is not syllabification: Liang's patterns leave out
breaks next to a word's edge and miss many more. Here the vowels decide how many syllables there are
and the patterns (pyphen's dictionaries) only where one ends: a word is searched for its nuclei with
one regular expression per language (diphthongs stay together, silent letters are left out), and
between each two neighbouring nuclei there is exactly one break: at the hyphenation point, if there is
one, else by the maximal-onset rule.

Conventions: a language is an ISO 639-1 code ("" unknown); punctuation stays with its syllable; the
syllables joined give the word. Chinese characters and Korean blocks are one syllable each, Japanese
kana one mora. Limits: abjads written without vowels (Arabic, Hebrew) and the scripts of India and
South-East Asia are not divided; numbers are one syllable.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from functools import lru_cache

import pyphen

_VOWELS = "aeiouyàáâãäåæèéêëìíîïòóôõöøùúûüýÿāăąēĕėęěīįōőœūůűųǎǐǒǔıаеёиоуыэюяіїєўαεηιουωάέήίόύώϊϋΐΰ"

# Every language here names what forms one nucleus; anything else is one nucleus per vowel letter.
_SINGLE = f"[{_VOWELS}]"
_NUCLEI = {
    "en": (
        r"eau(?!t)|iou|eou|eye|[aeo]y(?![aeou])|ay|ey|oy|uy|ai(?!ng)|au|aa|(?<!cr)ea|ea(?!t)|ee|"
        r"ei(?!ng)|eu(?!m)|ew|ie(?!t\b|ty|nce|nt\b)|oa|oe(?!m|t)|oi(?!ng)|oo|ou|ow|ue(?!l\b|nt|nce)|"
        r"(?<=[gjlnrs])ui(?!n\b|ng|d)|(?<=[tcs])io(?=n|us)|(?<=[tc])ia(?=l|n)|(?<=g)eo|[aeiou]|y(?![aeou])"
    ),
    "es": (
        r"(?<=[gq])u(?:i[aáeéoó]?|[eé][iy]?|í)|uy|[iuü][aáeéoó][iuy]?|[aáeéoó][iuyü](?![aeoáéó])|[iü]u|ui|uí|iú|"
        r"[aeiouáéíóúü]|y(?![aeiouáéíóú])"
    ),
    "it": r"(?<=[cg])iao|(?<=[cg])i[aeouàèéòù][iu]?|[iu][aeoàèéò][iu]?|[aeoàèéò][iu]|iu|ui|[aeiouàèéìòùy]",
    "pt": (
        r"ão|ãe|õe|(?<=[gq])u[eéêií]|[iu][aeoáéóâêôã][iu]?|[aeoáéóâêô][iu](?!r\b|z\b|l\b|nh)|iu|ui|"
        r"[aeiouáéíóúâêôãõàüy]"
    ),
    "fr": (
        r"eau|oeu|œu|[aeo]i[ns]?|ou[iîaeéè]?|[ae]u|œ|ui|i[eéèao](?=[nrlxuts]|\b)|[ao]y|ey|(?<=[gq])u[eiéèêa]|"
        r"[aeiouyàâäéèêëîïôöùûüÿæ]"
    ),
    "de": r"ie(?!n\b)|ei|ai|au|äu|eu|aa|ee|oo|ey|ay|(?<=q)u[aeiouäöü]|[aeiouäöüy]",
    "nl": r"aai|ooi|oei|eeu|ieu|aa|ee|oo|uu|ie|ei|ij|ou|au|oe|eu|ui|[aeiouyëïöü]",
    "sv": r"[aeiouyåäöé]",
    "fi": r"aa|ee|ii|oo|uu|yy|ää|öö|ai|ei|oi|ui|yi|äi|öi|au|eu|iu|ou|ey|iy|äy|öy|ie|uo|yö|[aeiouyäö]",
    "pl": r"i[aąeęoóu]|[aąeęioóuy]",
    "el": r"ου|ού|αι|αί|ει|εί|οι|οί|υι|αυ|αύ|ευ|εύ|[αεηιουωάέήίόύώϊϋΐΰ]",
    "id": r"au\b|ai\b|[aeiou]",
}
_NUCLEI |= {"ca": _NUCLEI["es"], "gl": _NUCLEI["es"], "tl": r"[aeiou]", "ms": _NUCLEI["id"]}
_NUCLEI |= dict.fromkeys(("da", "no", "nb", "nn"), _NUCLEI["sv"] + "|[æø]")
# A language without its own line: a run of vowels is one nucleus, except in Cyrillic.
_GENERIC = rf"[аеёиоуыэюяіїєў]|[{_VOWELS}]+"

# English words that are sung otherwise than the rules below divide them.
_ENGLISH_EXCEPTIONS = """
    ev-ery ev-ery-bod-y ev-ery-one ev-ery-thing ev-ery-where ev-ery-day some-bod-y an-y-bod-y no-bod-y
    i-de-a i-de-as a-re-a re-al-i-ty re-al-ize real-ly sci-ence qui-et di-et li-on po-em po-et go-ing do-ing
    be-ing see-ing ra-di-o peo-ple beau-ti-ful dif-ferent fa-vorite fam-ily choc-olate busi-ness eve-ning
    wednes-day o-cean shoes cru-el fu-el re-u-nite vi-o-lin pi-an-o an-y man-y on-ly
"""
_ENGLISH = {word.replace("-", ""): tuple(word.split("-")) for word in _ENGLISH_EXCEPTIONS.split()}

_APOSTROPHES = "'’ʼ"
# What may start a syllable together, in the languages above.
_CLUSTERS = """
    bl br ch ck cl cr dr dw fl fr gh gl gn gr kl kn kr ll ph pl pr qu rr sc sch sh sk sl sm sn sp spr st
    str sw th thr tr tw vr wh wr ñ ny tz бл бр вл вр гл гр дв др зв кл кр пл пр св ск сл см сн сп ст стр
    тв тр фл фр хл хр θλ θρ κλ κρ πλ πρ στ στρ τρ φλ φρ χλ χρ βλ βρ γλ γρ δρ
"""
_ONSETS = frozenset(_CLUSTERS.split())
_SMALL_KANA = "ぁぃぅぇぉゃゅょゎァィゥェォャュョヮ"


def syllabify(word: str, language: str = "") -> tuple[str, ...]:
    """The syllables of one written word: at least one; joined they give ``word``."""
    if not word:
        return (word,)
    pieces = [piece for piece in re.split(r"(?<=\w[-‐–])(?=\w)", word) if piece]
    return tuple(syllable for piece in pieces for syllable in _piece(piece, language[:2].lower()))


def _piece(piece: str, language: str) -> tuple[str, ...]:
    """Syllables of a part without inner hyphens; what isn't a letter stays with its neighbour."""
    letters = [i for i, char in enumerate(piece) if char.isalpha()]
    if not letters:
        return (piece,)
    first, end = letters[0], letters[-1] + 1
    while end < len(piece) and unicodedata.combining(piece[end]):
        end += 1
    core = piece[first:end]
    if any(_is_cjk(char) for char in core):
        cuts = [i for i, char in enumerate(core) if i and _starts_cjk_syllable(core, i)]
    else:
        lower = core.lower() if len(core.lower()) == len(core) else core
        cuts = list(_cuts(re.sub(f"[{_APOSTROPHES}]", "'", lower), language))
    bounds = [0, *(first + cut for cut in cuts), len(piece)]
    return tuple(piece[a:b] for a, b in itertools.pairwise(bounds))


def _is_cjk(char: str) -> bool:
    return "぀" <= char <= "ヿ" or "㐀" <= char <= "鿿" or "가" <= char <= "힣" or "豈" <= char <= "﫿"


def _starts_cjk_syllable(core: str, i: int) -> bool:
    char, previous = core[i], core[i - 1]
    if not char.isalpha() or char in _SMALL_KANA:
        return False
    return _is_cjk(char) or _is_cjk(previous)


@lru_cache(maxsize=20_000)
def _cuts(core: str, language: str) -> tuple[int, ...]:
    """Where in the lower-case letters of a word each syllable after the first begins."""
    stem = core.removesuffix("'s")
    if language == "en" and stem in _ENGLISH:
        lengths = [len(part) for part in _ENGLISH[stem]]
        return tuple(sum(lengths[:i]) for i in range(1, len(lengths)))
    points = _hyphenation(core, language)
    silent = _silent(core, language, points)
    nuclei = _nuclei(core, language, silent)
    return tuple(
        _boundary(core, left[1], right[0], points, silent) for left, right in itertools.pairwise(nuclei)
    )


def _nuclei(core: str, language: str, silent: frozenset[int]) -> list[tuple[int, int]]:
    """Start and end of each vowel that makes a syllable."""
    text = _plain_q(core) if language in ("en", "fr", "it") else core
    masked = "".join("'" if i in silent else char for i, char in enumerate(text))
    pattern = _NUCLEI.get(language, _GENERIC)
    found = [match.span() for match in re.finditer(pattern, masked)]
    found = [span for span in found if any(char in _VOWELS for char in masked[slice(*span)])]
    if language == "en":
        found = [span for span in found if not (span == (0, 1) and core[:1] == "y" and len(core) > 1)]
        found += _syllabic_consonants(core)
    return sorted(found)


def _plain_q(core: str) -> str:
    """``qu`` without its u, which is a glide there."""
    return re.sub(r"qu(?=[aeiouyéèêàâî])", "qw", core)


def _syllabic_consonants(core: str) -> list[tuple[int, int]]:
    """English m and n that are a syllable without a vowel: *did-n't*, *rhyth-m*."""
    spans = [match.span(1) for match in re.finditer(r"(?<=[ds])(n)'t$", core)]
    spans += [match.span(1) for match in re.finditer(r"(?<=[sth])(m)s?$", core) if len(core) > 3]
    return spans


def _silent(core: str, language: str, points: frozenset[int]) -> frozenset[int]:
    """Letters that look like a vowel and aren't sung."""
    if language == "fr":
        final = re.search(r"(?<=[^aeiouyéèêàâîôû])(e)(?:s|nt)?$", core)
        heard = final and re.search(f"[{_VOWELS}]", core[: final.start(1)])
        return frozenset({final.start(1)}) if final and heard else frozenset()
    if language != "en":
        return frozenset()
    # A silent e may end a part of a compound as well (life-time): each hyphenated part is asked.
    bounds = [0, *sorted(points), len(core)]
    silent: set[int] = set()
    for a, b in itertools.pairwise(bounds):
        silent |= {a + i for i in _silent_e(core[a:b], last=b == len(core))}
    return frozenset(silent)


def _silent_e(part: str, last: bool) -> set[int]:
    stem, _, contracted = part.partition("'") if last else (part, "", "")
    silent = {len(part) - 1} if contracted in ("ve", "re") else set()
    found = re.search(r"e[sd]?$" if last else r"e$", stem)
    if found and _is_silent_e(stem[: found.start()], stem[found.start() + 1 :]):
        silent.add(found.start())
    return silent


def _is_silent_e(before: str, ending: str) -> bool:
    if not re.search(r"[aeiouy]", before) or before[-1] in "aeioy":
        return False
    if before[-1] == "l" and before[-2] not in "aeiouylr":
        return False  # lit-tle
    if ending == "d":
        return before[-1] not in "td"
    if ending == "s":
        return not re.search(r"(?:[sxzcg]|ch|sh)$", before)
    return True


@lru_cache(maxsize=64)
def _dictionary(language: str) -> pyphen.Pyphen | None:
    code = pyphen.language_fallback({"en": "en_US", "no": "nb", "pt": "pt_PT"}.get(language, language))
    return pyphen.Pyphen(lang=code, left=1, right=2) if code else None


def _hyphenation(core: str, language: str) -> frozenset[int]:
    dictionary = _dictionary(language) if language else None
    return frozenset(int(point) for point in dictionary.positions(core)) if dictionary else frozenset()


def _boundary(core: str, left: int, right: int, points: frozenset[int], silent: frozenset[int]) -> int:
    """Where the next syllable begins between a nucleus that ends at ``left`` and one at ``right``."""
    mute = [i + 1 for i in range(left, right) if i in silent]
    if mute:
        return mute[-1]
    printed = [point for point in points if left <= point <= right and point > 0]
    if printed:
        return printed[-1]
    cluster = core[left:right]
    marks = [i for i, char in enumerate(cluster) if not char.isalpha()]
    if marks:  # an apostrophe inside the word ends a syllable after the letters before it
        return min(left + marks[0], right - 1) if right - left > 1 else left
    if len(cluster) <= 1:
        return left
    for start in range(len(cluster)):
        if len(cluster) - start == 1 or (start > 0 and cluster[start:] in _ONSETS) or cluster in _ONSETS:
            return left + start
    return right - 1
