"""Tables become dataclasses, or all that is wrong with them is said at once."""

from dataclasses import dataclass, field

import pytest

from raidsim.errors import UsageError
from raidsim.tables import TableError, from_table, suggest


class Even:
    def __init__(self, value):
        self.value = value

    @classmethod
    def from_plain(cls, value):
        if not isinstance(value, int) or value % 2:
            raise UsageError(f"{value!r} is not even")
        return cls(value)


@dataclass
class Part:
    weight: int
    label: str = ""

    def __post_init__(self):
        if self.weight < 0:
            raise TableError("part", [f"weight = {self.weight}: at least 0"])


@dataclass
class Thing:
    name: str
    size: int = 1
    ratio: float = 0.5
    solid: bool = True
    words: tuple[str, ...] = ()
    pairs: tuple[tuple[int, int], ...] = ()
    rates: dict[str, int] = field(default_factory=dict)
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    even: Even | None = None
    hidden: int = field(default=0, init=False)

    def __post_init__(self):
        if self.size == 13:
            raise UsageError("size = 13: brings bad luck")


def test_a_table_becomes_an_instance():
    table = {
        "name": "x",
        "size": 3,
        "ratio": 1,
        "solid": False,
        "words": ["a", "b"],
        "pairs": [[1, 2], [3, 4]],
        "rates": {"xor": 7},
        "part": {"weight": 1},
        "parts": [{"weight": 2, "label": "y"}],
        "even": 4,
    }
    thing = from_table(Thing, table, "thing")
    assert (thing.size, thing.ratio, thing.solid, thing.words) == (3, 1, False, ("a", "b"))
    assert (thing.pairs, thing.rates, thing.even.value) == (((1, 2), (3, 4)), {"xor": 7}, 4)
    assert (thing.part, thing.parts) == (Part(1), (Part(2, "y"),))


@pytest.mark.parametrize(
    ("table", "mistakes"),
    [
        ({}, ["no name"]),
        ({"name": 1}, ["name = 1: expected a text"]),
        ({"name": "x", "szie": 1}, ["unknown szie: did you mean 'size'?"]),
        (
            {"name": "x", "part": {"weight": 1, "q": 2}},
            ["unknown part.q: choose from label, weight"],
        ),
        ({"name": "x", "hidden": 1}, ["unknown hidden: choose from even, name, pair"]),
        ({"name": "x", "size": True}, ["size = True: expected a whole number"]),
        ({"name": "x", "size": 1.0}, ["size = 1.0: expected a whole number"]),
        ({"name": "x", "ratio": "1"}, ["ratio = '1': expected a number"]),
        ({"name": "x", "solid": 1}, ["solid = 1: expected true or false"]),
        ({"name": "x", "words": "ab"}, ["words = 'ab': expected a list"]),
        ({"name": "x", "words": ["a", 2]}, ["words[1] = 2: expected a text"]),
        ({"name": "x", "pairs": [[1]]}, ["pairs[0] = [1]: expected 2 values"]),
        ({"name": "x", "rates": 3}, ["rates = 3: expected a table"]),
        ({"name": "x", "rates": {"a": "b"}}, ["rates.a = 'b': expected a whole number"]),
        ({"name": "x", "part": 3}, ["part = 3: expected a table"]),
        ({"name": "x", "part": {}}, ["no part.weight"]),
        ({"name": "x", "part": {"weight": -1}}, ["part.weight = -1: at least 0"]),
        ({"name": "x", "even": 3}, ["even: 3 is not even"]),
        ({"name": "x", "size": 13}, ["size = 13: brings bad luck"]),
        (
            {"size": "big", "color": 1, "part": {"weight": -1}},
            [
                "size = 'big': expected a whole number",
                "unknown color: choose from",
                "part.weight = -1: at least 0",
                "no name",
            ],
        ),
    ],
)
def test_all_mistakes_are_told_at_once_with_their_place(table, mistakes):
    with pytest.raises(TableError) as caught:
        from_table(Thing, table, "thing 'x'")
    found = caught.value.mistakes
    assert len(found) == len(mistakes)
    for mistake, expected in zip(found, mistakes, strict=True):
        assert mistake.startswith(expected)
    assert str(caught.value) == f"thing 'x': {'; '.join(found)}"


def test_a_suggestion_is_the_nearest_word_or_all_of_them():
    assert suggest("raed", ["read", "write"]) == "did you mean 'read'?"
    assert suggest("zzz", ["write", "read"]) == "choose from read, write"
