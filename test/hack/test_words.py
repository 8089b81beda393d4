import pytest

from hack.words import IN_TESTS, private_words


@pytest.mark.parametrize(
    "source",
    [
        "def told(): ...",
        "class World: ...",
        "def f(_said): ...",
        "async def f(*, given): ...",
        "anew = 1",
        "for place in (): ...",
        "x = [it for it in ()]",
        "lambda faults: 1",
        "{each: 1 for each in ()}",
    ],
)
def test_private_word_is_found_wherever_it_names_something(source: str) -> None:
    ((line, _, standard),) = private_words(source)
    assert line == 1
    assert standard


def test_words_of_others_and_parts_of_words_are_no_matter() -> None:
    assert list(private_words("x.told = other.said(given=1)\nplaced = 'anew'\ndef it_is(): ...")) == []


def test_only_some_words_have_no_place_in_tests() -> None:
    names = [name for _, name, _ in private_words("def f(told, each): ...\nfor _each in (): ...", IN_TESTS)]
    assert names == ["each", "_each"]
