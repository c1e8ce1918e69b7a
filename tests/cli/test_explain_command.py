"""`raidsim explain` prints, draws and refuses."""

import json

import pytest


@pytest.fixture
def array(done):
    done("create arr --level 5 --raid-devices 4 --size 4M --chunk 64K")


@pytest.mark.usefixtures("array")
def test_text_tells_the_request_the_way_the_steps_and_the_sum(done):
    lines = done("explain arr write 0 4K").splitlines()
    assert lines[0] == (
        "write of 4K at 0: RAID5 of 4 disks, left-symmetric, chunks of 64K, no engine"
    )
    assert any(line.startswith("reconstruct-write: both cost the same") for line in lines)
    assert "2. biodrain (D0), reconstruct5 (P)" in lines
    assert lines[-1] == "disks: 2 reads of 8K in all, 2 writes of 8K in all"


@pytest.mark.usefixtures("array")
def test_json_has_every_stripe_and_text_the_first_few(done):
    facts = json.loads(done("explain arr write 0 3M --json"))
    assert len(facts["stripes"]) == 16
    text = done("explain arr write 0 3M")
    assert "... and 10 more; --json has them all" in text


@pytest.mark.usefixtures("array")
def test_wide_arrays_are_drawn_in_several_tables(done):
    done("create wide --level 6 --raid-devices 12 --size 4M --chunk 64K")
    text = done("explain wide write 0 4K")
    assert text.count("┌") == 2
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.usefixtures("array")
def test_the_picture_is_drawn_the_same_each_time(done, tmp_path):
    done("explain arr read 0 4K --svg one.svg")
    done("explain arr read 0 4K --svg two.svg --json")
    picture = (tmp_path / "one.svg").read_text()
    assert picture.startswith("<svg")
    assert "disk0.img" in picture
    assert picture == (tmp_path / "two.svg").read_text()


@pytest.mark.usefixtures("array")
@pytest.mark.parametrize(
    ("line", "status", "message"),
    [
        ("explain arr read 0 1T", 2, "can be explained"),
        ("explain arr read 1T 1", 2, "beyond the end"),
        ("explain nothing read 0 1", 1, "no array here"),
        ("explain arr erase 0 1", 2, "'erase' is not one of"),
        ("explain arr read 0 4K --svg nowhere/a.svg", 1, "No such file"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(cli, line, status, message):
    outcome = cli(line)
    assert outcome.status == status
    assert message in outcome.err
    assert "Traceback" not in outcome.err
