"""What each key does, and what a terminal sends for it."""

import pytest
from made_up import activity, history

from raidsim.tui.keys import keys_of
from raidsim.tui.state import Action, ScreenState, members_in_order

NOW = activity(20)


def press(*keys, state=None):
    state = state or ScreenState()
    done = [state.press(key, NOW, history().rates[-1]) for key in keys]
    return state, [action for action in done if action is not None]


def test_numbers_and_tab_choose_the_view():
    assert press("3")[0].view == "stripes"
    assert press("5", "tab")[0].view == "overview"
    assert press("9")[0].view == "overview"


def test_space_stands_still_and_goes_on():
    assert press(" ")[0].paused
    assert not press("p", "p")[0].paused


def test_sorting_goes_round():
    assert [press(*"s" * n)[0].sort for n in range(4)] == ["slot", "throughput", "latency", "slot"]


def test_members_come_in_the_order_asked_for():
    rates = history().rates[-1]
    assert [m.number for m in members_in_order(NOW, rates, "slot")] == [0, 5, 2, 3, 4, 1]
    assert [m.number for m in members_in_order(NOW, rates, "latency")] == [5, 4, 3, 2, 1, 0]
    assert [m.number for m in members_in_order(NOW, None, "latency")] == [0, 5, 2, 3, 4, 1]


def test_failing_asks_first():
    state, actions = press("j", "j", "f")
    assert (state.asked, actions) == (Action("fail", "disk2.img"), [])
    assert press("y", state=state)[1] == [Action("fail", "disk2.img")]
    assert press("y", state=state)[1] == []


@pytest.mark.parametrize("key", ["n", "enter", "q", "escape", "f"])
def test_any_other_key_is_no(key):
    state, actions = press("f", key)
    assert (actions, state.asked, state.quit) == ([], None, False)
    assert state.message == "nothing was done"


def test_a_failed_member_is_not_failed_again():
    state, actions = press("k", "f")
    assert (actions, state.asked) == ([], None)
    assert state.message == "select a member that works"


def test_adding_asks_for_an_image_and_then_whether():
    state, actions = press("a", *"/x/nex", "backspace", "w", "enter")
    assert (state.asked, state.typed, actions) == (Action("add", "/x/new"), None, [])
    assert press("y", state=state)[1] == [Action("add", "/x/new")]


def test_typing_is_left_with_escape_or_with_nothing():
    for keys in (("a", "x", "escape"), ("a", "enter")):
        state, actions = press(*keys)
        assert (state.typed, state.asked, actions, state.quit) == (None, None, [], False)


def test_q_quits_also_from_the_help():
    assert press("q")[0].quit
    assert press("?", "q")[0].quit
    state, _ = press("?", "escape")
    assert (state.help, state.quit) == (False, False)


@pytest.mark.parametrize(
    ("raw", "keys"),
    [
        (b"jq", ["j", "q"]),
        (b"\x1b[A\x1b[B\x1bOA", ["up", "down", "up"]),
        (b"\x1b[5~x\x1b[1;5Cy", ["x", "y"]),
        (b"\x1b", ["escape"]),
        (b"\r\t\x7f", ["enter", "tab", "backspace"]),
        ("é→".encode(), ["é", "→"]),
        (b"\x00\x01a\xff", ["a"]),
        (b"\x1b[", []),
    ],
)
def test_what_a_terminal_sends(raw, keys):
    assert keys_of(raw) == keys
