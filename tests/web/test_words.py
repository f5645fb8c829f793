"""The page says everything that a result may come with in both languages."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

from dataset.picture import PictureError
from tools.web.words import say, why
from utils.background.checks import Misfit
from utils.system import notes
from utils.system.notes import Note

ROOT = Path(__file__).resolve().parents[2]
KEPT = {"HDR", "SDR", "BT"}  # names, which are not translated
# Said by programs alone: their flags, files and figures.
PROGRAMS = {
    "green",
    "nothing_missing",
    "passed_over",
    "pairs_done",
    "preparing",
    "rank",
    "results_left_out",
    "skipped",
    "written",
    "opened",
    "failed",
    "pairs_failed",
    "no_background",
    "cache_damaged",
    "cache_not_used",
    "engine_passed_over",
    "first_frame",
    "transparent",
    "begun_anew",
    "numbered",
}


def fields(sentence):
    return {name for _, name, _, _ in Formatter().parse(sentence) if name}


def test_every_note_of_a_result_is_said_on_the_page():
    ours = {kind for kind in {**notes.NOTES, **notes.ERRORS, **notes.WARNINGS, **notes.REASONS} if kind not in PROGRAMS}
    assert {kind for kind, said in notes.WORDS.items() if "zh" in said} == ours


@pytest.mark.parametrize("kind", [kind for kind, said in notes.WORDS.items() if "zh" in said])
def test_sentences_fill_in_what_the_note_has(kind):
    said = notes.WORDS[kind]
    chinese, english = said["zh"], said.get("page", said["en"])
    assert not set(re.findall(r"[A-Za-z]{2,}", re.sub(r"\{.*?\}", "", chinese))) - KEPT
    assert all(fields(x) <= fields(said["en"]) and "--" not in x for x in (chinese, english))


def test_every_kind_that_is_noted_has_its_words():
    """Each Note("kind") in the rooms, and no sentence without one."""
    paths = [path for top in ("utils", "tools") for path in (ROOT / top).rglob("*.py")] + [ROOT / "predict.py"]
    calls = [node for path in paths for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    calls = [call for call in calls if getattr(call.func, "id", "") in ("Note", "Misfit") and call.args]
    texts = (getattr(node, "value", None) for call in calls for node in ast.walk(call.args[0]))
    noted = {text for text in texts if isinstance(text, str)}
    noted |= {"turned", "other_shape"}  # by a variable
    assert noted - {"took", "no_memory"} == set(notes.WORDS)


def test_a_note_within_a_note_is_said_in_its_language():
    note = Note("refused", path="b", reason=Note("other_scene", share=0.9))
    said = [say(note.kind, language, **note.values) for language in ("en", "zh")]
    assert said[0].startswith("source and background differ in 90% of the picture")
    assert said[1].startswith("原图与背景图有 90% 的画面不同")


def test_an_error_with_a_note_is_refused_in_both_languages():
    error = Misfit(Note("turned", bgr_name="b", src_name="s", bgr="72x96", src="96x72"))
    note = why(error)
    assert "turned by 90 degrees" in str(error) and "旋转" in say(note.kind, "zh", **note.values)
    note = why(PictureError("/tmp/x/a.mp4 is damaged"))
    assert say(note.kind, **note.values) == "This cannot be matted: a.mp4 is damaged"
    assert why(ValueError("a mistake of ours")) is None
