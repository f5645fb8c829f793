"""The alignment table, and the one of its rows that no other test covers: the sample pair from files to alpha."""

import numpy as np
import pytest

from tests.parity import report


def test_the_sample_pair_is_matted_as_by_the_original():
    value, levels, cells = report.inference_errors()
    assert value <= 1e-4
    assert levels.max() <= 1 and np.count_nonzero(levels) <= 1e-4 * levels.size
    assert cells == 0


def test_each_row_tells_step_comparison_difference_and_command(capsys):
    report.main(["metric", "rates"])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4 and all(line.count("|") == 5 for line in lines)
    assert lines[2].startswith("| metric |") and "Octave" in lines[2]
    assert lines[3].startswith("| learning rate and regularisation |")
    assert "`python -m tests.parity.report rates`" in lines[3]


def test_an_unknown_step_is_named(capsys):
    with pytest.raises(SystemExit):
        report.main(["everything"])
    assert "no step everything" in capsys.readouterr().err
