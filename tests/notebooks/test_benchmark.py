"""The table of costs marks what is over a limit."""

from nbformat.v4 import new_code_cell, new_notebook

from benchmarks.notebooks import Cost, Row, measure, table

FINE, SLOW, LARGE = Cost(30.0, 20.0, 500.0), Cost(61.0, 50.0, 500.0), Cost(30.0, 20.0, 2049.0)


def test_what_is_over_a_limit_is_marked():
    rows = [Row("a", FINE, FINE), Row("b", SLOW, FINE), Row("c", FINE, LARGE)]
    lines = table(rows).splitlines()
    assert [row.within_limits for row in rows] == [True, False, False]
    assert ["!" in line for line in lines] == [False, False, True, True, False]
    assert lines[-1].split() == ["total", "121.0", "90.0", "90.0"]


def test_a_run_is_measured_with_the_given_cache(tmp_path):
    cell = new_code_cell("import os\nfolder = os.environ['COURSE_CACHE_DIR']\nx = bytearray(200 * 2**20)")
    notebook = new_notebook(cells=[cell])
    cost = measure(notebook, str(tmp_path))
    assert 0 < cost.cpu_seconds <= cost.seconds + 5
    assert 200 < cost.peak_mib < 2000
