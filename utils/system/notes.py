"""What the library has to say to people: data, which programs and the web page turn into sentences of their language.

from utils.system.notes import Note

Note("aligned", motion=3.4, uncovered=0.02)  # utils.system.words.say makes English of it

What a function finds it returns; what comes up on the way goes to its argument `tell`, a function of one Note. The
library never prints and never compares sentences, but may compare kinds.
"""

from dataclasses import dataclass


@dataclass(frozen=True, init=False)
class Note:
    """A thing worth saying.

    Attributes:
        kind: short word that names it, a key of utils.system.words.
        values: dict, what the sentence says of it: numbers, paths, other Notes. `about` is the file that it is about.
    """

    kind: str
    values: dict

    def __init__(self, kind, **values):
        object.__setattr__(self, "kind", kind)
        object.__setattr__(self, "values", values)

    def __hash__(self):
        return hash(self.kind)

    def on(self, path):
        """The same note, about a file."""
        return Note(self.kind, **{**self.values, "about": path})


def silent(note):
    """The `tell` of those who do not want to know."""


def once(tell, path):
    """A `tell` for what is about one file: each note is told once."""
    told = set()

    def tell_once(note):
        if note not in told:
            told.add(note)
            tell(note.on(path))

    return tell_once
