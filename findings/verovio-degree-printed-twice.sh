#!/usr/bin/env bash
# verovio engraves the degrees of a chord symbol that says not to print them.
#
# MusicXML 4.0 on the element degree: "The print-object attribute can be used to keep the degree from printing
# separately when it has already taken into account in the text attribute of the kind element." verovio prints
# the kind's text and, in brackets, every degree, whatever print-object says. So a chord that is written in full for
# programs (kind and degrees) and for people (text) can't be shown right, only with its degrees left out.
#
# Here: C7(b9) as kind "dominant" with that text and the added degree 9 flat, print-object="no".
# One would guess: "C7(b9)".   It is: "C7(b9)(♭9)".
set -euo pipefail

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -qq install --disable-pip-version-check verovio==6.4.1
cd "$folder"
venv/bin/python - <<'PYTHON'
import xml.etree.ElementTree as ET

import verovio

FLAT = "\uea64"  # of the music font that verovio sets accidentals in
DEGREE = (
    "<degree{}><degree-value>9</degree-value><degree-alter>-1</degree-alter>"
    "<degree-type>add</degree-type></degree>"
)
SCORE = """<?xml version="1.0" encoding="UTF-8"?>
<score-partwise version="4.0">
  <part-list><score-part id="P1"><part-name>Voice</part-name></score-part></part-list>
  <part id="P1"><measure number="1">
    <attributes><divisions>1</divisions><time><beats>4</beats><beat-type>4</beat-type></time></attributes>
    <harmony><root><root-step>C</root-step></root><kind text="7(b9)">dominant</kind>{}</harmony>
    <note><pitch><step>C</step><octave>5</octave></pitch><duration>4</duration><type>whole</type></note>
  </measure></part>
</score-partwise>"""


def engraved(degree: str) -> str:
    """The chord symbol as it stands on the page."""
    toolkit = verovio.toolkit()
    assert toolkit.loadData(SCORE.format(degree))
    groups = ET.fromstring(toolkit.renderToSVG(1)).iter("{http://www.w3.org/2000/svg}g")
    text = next("".join(group.itertext()) for group in groups if group.get("class") == "harm")
    return "".join(text.split()).replace(FLAT, "♭")


found = {
    "no degree": engraved(""),
    "degree": engraved(DEGREE.format("")),
    'degree print-object="no"': engraved(DEGREE.format(' print-object="no"')),
}
print(f"verovio {verovio.toolkit().getVersion()}")
for written, symbol in found.items():
    print(f"  {written:<26} {symbol}")
print('  guessed for print-object="no": C7(b9)')

assert found["no degree"] == "C7(b9)"
assert found['degree print-object="no"'] == "C7(b9)(♭9)", "print-object is heeded now"
PYTHON
