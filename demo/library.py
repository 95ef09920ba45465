"""The files to work on: the standard library, the installed packages and a folder of broken files.

A file has a label such as `stdlib/asyncio/queues.py`: short, the same on every node, and confined to the
three roots whatever an operator types into a dead letter.
"""

import os
import sysconfig
from collections import defaultdict
from pathlib import Path

ROOTS = {
    "broken": Path(__file__).parent / "broken",
    "site": Path(sysconfig.get_path("purelib")),
    "stdlib": Path(sysconfig.get_path("stdlib")),
}
SUFFIXES = {"broken": ".py.txt"}  # so that no linter or packaging tool stumbles over them
SKIPPED_FOLDERS = frozenset({"__pycache__", "site-packages", "dist-packages"})


def locate(label: str) -> Path:
    """Return the path of a label.

    Raises: ValueError for an unknown root or a path that leaves it.
    """
    root, _, rest = label.partition("/")
    if root not in ROOTS:
        raise ValueError(f"path: {label!r} must begin with one of {', '.join(ROOTS)} and a slash")
    # normpath, not resolve: Debian links stdlib/sitecustomize.py to a file in /etc, and that is all right
    path = Path(os.path.normpath(ROOTS[root] / rest))
    if not path.is_relative_to(ROOTS[root]) or "\0" in label:
        raise ValueError(f"path: {label!r} leaves the folder of {root}")
    return path


def package_of(label: str) -> str:
    """Return the top-level package of a label; a root's single modules make one package together."""
    parts = label.split("/")
    return "/".join(parts[: min(2, len(parts) - 1)])


def find_packages(roots: dict[str, Path] = ROOTS) -> dict[str, list[str]]:
    """Return every package with the labels of its files, both in a fixed order."""
    packages: dict[str, list[str]] = defaultdict(list)
    for root in sorted(roots):
        for label in _labels(root, roots[root]):
            packages[package_of(label)].append(label)
    return dict(packages)


def _labels(root: str, folder: Path) -> list[str]:
    suffix = SUFFIXES.get(root, ".py")
    labels = []
    for directory, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if name not in SKIPPED_FOLDERS]
        for name in names:
            path = Path(directory, name)
            label = f"{root}/{path.relative_to(folder).as_posix()}"
            # a name that is no text, or a dangling link, cannot become a job's argument
            if name.endswith(suffix) and label.isprintable() and path.is_file():
                labels.append(label)
    return sorted(labels)
