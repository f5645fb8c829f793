"""The benchmark of a whole folder: what predict.py prints is understood, and the numbers fit together."""

from argparse import Namespace

from tools.speed import end_to_end as benchmark_end_to_end
from tools.speed import model as benchmark_model


def test_folders_of_two_sizes_are_measured(monkeypatch, capsys):
    monkeypatch.setitem(benchmark_model.SIZES, "small", (96, 160))
    flags = {"size": "small", "src": None, "bgr": None, "engine": "paddle", "output_types": ["pha"]}
    rows = benchmark_end_to_end.measure_end_to_end(Namespace(pairs=[1, 2], one_background=True, **flags))
    assert [row["pairs"] for row in rows] == [1, 2]
    for row in rows:
        assert max(row["read"], row["write"]) <= row["network"] <= row["stream"] < row["wall"]
        assert row["share"] == row["network"] / row["wall"] and row["slowest"] >= 1
        assert 100 < row["peak_mib"] < 10_000
    said = capsys.readouterr().out
    assert "     2 pairs, small: " in said and "KiB a pair from 1 to 2 pairs" in said
