"""What is said of a note: words.json has one table from kind to sentence, in English and Chinese.

`en` is what programs say; `page`, if there is one, is what the web page says in English, whose readers have no flags.
"""

import json
from pathlib import Path

from utils.system.notes import Note

# Figures, only with --verbose; what was done; what failed; what may have gone wrong, and the remedy; why something
# could not be done, which is a part of other sentences or an error.
TABLES = json.loads(Path(__file__).with_name("words.json").read_text(encoding="utf-8"))
DETAILS, NOTES, ERRORS, WARNINGS, REASONS = TABLES.values()
WORDS = {**DETAILS, **NOTES, **ERRORS, **WARNINGS, **REASONS}


def say(note, versions=(), table=WORDS):
    """The sentence of a utils.system.notes.Note, without the file that it is about: the first version that it has."""
    sentence = next(table[note.kind][version] for version in (*versions, "en") if version in table[note.kind])
    values = {k: say(v, versions, table) if isinstance(v, Note) else v for k, v in note.values.items()}
    return sentence.format(**values)
