"""Syllables against how singers divide the words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lyrics.syllables import syllabify


@pytest.mark.parametrize(
    ("language", "divided"),
    [
        (
            "en",
            "be-lieve bet-ter ev-ery fan-cy pa-rade does-n't ev-ery-bod-y's an-nounce-ment whole clothes "
            "let-ter for-give real-ly liv-ing mon-keys life-time sec-ond chance you're they've we're he'll "
            "thought some-thing peo-ple lit-tle ta-ble walked want-ed watch-es makes fire yes-ter-day "
            "beau-ti-ful cry-ing say-ing be-ing strength cre-ate mu-sic to-night for-ev-er queue eyes "
            "qui-et ques-tion rhy-thm hal-le-lu-jah glo-ry na-tion in-side di-a-mond's",
        ),
        (
            "es",
            "soy fan-tas-ma que a-sus-ta mis-mo hue-co ai-re a-tra-vie-sa tris-te-za muy a-li-men-ta "
            "be-lle-za re-cuer-do co-ra-zón gui-ta-rra dí-a pa-ís ciu-dad a-gua quie-ro llu-via a-ho-ra",
        ),
        ("de", "Rös-lein Hei-den-rös-lein Freu-de schö-ner Göt-ter-fun-ken"),
        ("it", "a-mo-re ciao"),
        ("pt", "co-ra-ção"),
        ("ru", "лю-бовь зем-ля"),
        ("ko", "사-랑-해"),
        ("ja", "愛-し-て-る きょ-う-は"),
        ("zh", "我-爱-你"),
        ("", "he-llo"),
    ],
)
def test_words_are_divided_as_sung(language: str, divided: str) -> None:
    for word in divided.split():
        assert "-".join(syllabify(word.replace("-", ""), language)) == word


def test_punctuation_stays_with_its_syllable() -> None:
    assert syllabify('"Hello,"', "en") == ('"Hel', 'lo,"')
    assert syllabify("(ooh)", "en") == ("(ooh)",)
    assert syllabify("didn’t", "en") == ("did", "n’t")
    assert syllabify("uh-oh!", "en") == ("uh-", "oh!")
    assert syllabify("BETTER", "en") == ("BET", "TER")


@given(
    st.text(max_size=20), st.sampled_from(["en", "es", "fr", "de", "it", "pl", "ru", "ja", "el", "", "xx"])
)
def test_syllables_joined_give_the_word(word: str, language: str) -> None:
    syllables = syllabify(word, language)
    assert "".join(syllables) == word
    assert all(syllables) or not word
