"""Finding the files: labels, packages, order, and the fence around the three roots."""

import pytest

from demo import library

fast = pytest.mark.fast


@fast
@pytest.mark.parametrize(
    ("label", "package"),
    [
        ("stdlib/asyncio/queues.py", "stdlib/asyncio"),
        ("stdlib/xml/dom/minidom.py", "stdlib/xml"),
        ("stdlib/os.py", "stdlib"),
        ("broken/utf16.py.txt", "broken"),
    ],
)
def test_a_file_belongs_to_its_top_level_package(label, package):
    assert library.package_of(label) == package


def test_this_interpreter_yields_its_library_and_the_broken_files():
    packages = library.find_packages()
    labels = [label for group in packages.values() for label in group]
    assert "stdlib/os.py" in labels
    assert any(label.startswith("site/django/") for label in labels)
    assert len(packages["broken"]) >= 12
    assert len(labels) == len(set(labels)) >= 1500


@fast
def test_the_order_is_the_same_each_time(tmp_path):
    for name in ("b/two.py", "b/one.py", "a.py", "b/__pycache__/one.py", "site-packages/c.py", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    found = library.find_packages({"stdlib": tmp_path})
    assert found == {"stdlib": ["stdlib/a.py"], "stdlib/b": ["stdlib/b/one.py", "stdlib/b/two.py"]}


@fast
@pytest.mark.parametrize("label", ["stdlib/../../etc/passwd", "/etc/passwd", "other/x.py", "broken/\0", ""])
def test_a_label_cannot_leave_its_root(label):
    with pytest.raises(ValueError, match="path:"):
        library.locate(label)
