"""What programs say of a note, in English: one table from kind to sentence."""

# Only with --verbose: figures and what went as it should.
DETAILS = {}
# What was done otherwise than one might think.
NOTES = {}
# What may have gone wrong, and the remedy.
WARNINGS = {}


def say(note):
    """The English sentence of a utils.system.notes.Note, without the file that it is about."""
    words = {**DETAILS, **NOTES, **WARNINGS}[note.kind]
    return words.format(**note.values)
