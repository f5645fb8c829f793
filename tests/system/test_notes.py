"""Notes are data; a program prints them as sentences."""

import pytest

from utils.system import notes
from utils.system.command_line import printer
from utils.system.notes import Note


def test_notes_are_equal_by_kind_and_values():
    assert Note("aligned", motion=1.0) == Note("aligned", motion=1.0) != Note("aligned", motion=2.0)
    assert Note("aligned", motion=1.0).on("a.png") == Note("aligned", motion=1.0, about="a.png")
    with pytest.raises(AttributeError):
        Note("aligned").kind = "other"


@pytest.mark.parametrize(
    ("table", "verbose", "out", "err"),
    [
        ("DETAILS", False, "", ""),
        ("DETAILS", True, "a.png: moved by 3.4\n", ""),
        ("NOTES", False, "a.png: moved by 3.4\n", ""),
        ("WARNINGS", False, "", "warning: a.png: moved by 3.4\n"),
    ],
)
def test_what_a_program_prints_of_a_note(table, verbose, out, err, monkeypatch, capsys):
    for names in (notes.WORDS, getattr(notes, table)):
        monkeypatch.setitem(names, "moved", {"en": "moved by {motion:.1f}"})
    printer(verbose)(Note("moved", motion=3.41, about="a.png"))
    assert tuple(capsys.readouterr()) == (out, err)


@pytest.mark.parametrize(
    ("path", "printed"),
    [
        ("/at/home/image/a.png", "image/a.png"),
        ("/other/at/home/a.png", "/other/at/home/a.png"),
        ("/at/a.png", "/at/a.png"),
    ],
)
def test_files_below_the_working_folder_are_named_from_there(path, printed, monkeypatch, capsys):
    monkeypatch.setattr("os.getcwd", lambda: "/at/home")
    printer()(Note("nothing_missing", about=path))
    assert capsys.readouterr().out == f"{printed}: nothing is missing\n"
