"""The page says everything that a result may come with in both languages."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from tools.web.words import NOTES, Refused, refusal, say_note
from utils.background.checks import Misfit
from utils.system import words
from utils.system.notes import Note

ROOT = Path(__file__).resolve().parents[2]
KEPT = {"HDR", "SDR", "BT"}  # names, which are not translated
# Said by programs alone: their flags, files and figures.
PROGRAMS = {
    "green",
    "nothing_missing",
    "passed_over",
    "pairs_done",
    "rank",
    "results_left_out",
    "skipped",
    "written",
    "matted",
    "opened",
    "failed",
    "pairs_failed",
    "rank_ended",
    "no_background",
    "cache_damaged",
    "cache_not_writable",
    "cache_open_to_others",
    "engine_failed",
    "engines_passed_over",
    "int8_not_used",
    "first_frame",
    "transparent",
    "begun_anew",
    "numbered",
}


def fields(sentence):
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_every_note_of_a_result_is_said_on_the_page():
    ours = {kind for kind in {**words.NOTES, **words.ERRORS, **words.WARNINGS, **words.REASONS} if kind not in PROGRAMS}
    assert ours - set(NOTES) == set() and set(NOTES) - set(words.WORDS) == {"took"}


@pytest.mark.parametrize("kind", NOTES)
def test_sentences_fill_in_what_the_note_has(kind):
    chinese, *english = NOTES[kind]
    assert not set(re.findall(r"[A-Za-z]{2,}", re.sub(r"\{.*?\}", "", chinese))) - KEPT
    known = fields(words.WORDS[kind]) if kind in words.WORDS else fields(english[0])
    assert all(fields(sentence) <= known for sentence in (chinese, *english))
    assert not any("--" in sentence for sentence in (chinese, *(english or [words.WORDS[kind]])))


def test_every_kind_that_is_noted_has_its_words():
    """Each Note("kind") in the rooms, and no sentence without one."""
    paths = [path for top in ("utils", "tools") for path in (ROOT / top).rglob("*.py")] + [ROOT / "predict.py"]
    calls = [node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    calls = [call for call in calls if getattr(call.func, "id", "") in ("Note", "Misfit") and call.args]
    texts = (getattr(node, "value", None) for call in calls for node in ast.walk(call.args[0]))
    noted = {text for text in texts if isinstance(text, str)}
    noted |= {"turned", "other_shape"}  # by a variable
    assert noted - {"took"} == set(words.WORDS)


def test_a_note_within_a_note_is_said_in_its_language():
    note = Note("not_aligned", reason=Note("moved_far", limit=0.2))
    assert say_note(note).startswith("could not align the background: the features found would move it by more")
    assert say_note(note, "zh").startswith("未能对齐背景：按找到的特征，移动量超过画面的 20%")


def test_an_error_with_a_note_is_refused_in_both_languages():
    error = Misfit(Note("turned", bgr_name="b", src_name="s", bgr="72x96", src="96x72"))
    assert "turned by 90 degrees" in str(error) and "旋转" in refusal(error).line("zh")
    assert "72x96" in str(refusal(error)) and isinstance(refusal(error), Refused)
    assert str(refusal(ValueError("/tmp/x/a.mp4 is damaged"), "a.mp4")) == "a.mp4 cannot be matted: a.mp4 is damaged"
