"""The blocks of docs/deploy.md that are no Python: containers, units' variables, commands, the proxy."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn.main  # noqa: F401 - for the module; the package has a function of that name
import yaml
from django.core.management import CommandParser, get_commands, load_command_class
from django.urls import Resolver404, resolve

from jobs.conf import Settings
from tests.docs.documents import Block, blocks
from tests.docs.test_units import FOLDER, LONGEST_STOP_BEYOND_GRACE_SECONDS, UNITS, read
from tests.support import PROJECT

PAGE = PROJECT / "docs" / "deploy.md"
OURS = {path.stem for path in (PROJECT / "jobs" / "management" / "commands").glob("jobs_*.py")}
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
"""Where it is installed, it judges the block itself."""
WEBSOCKET = {
    "proxy_http_version 1.1",
    "proxy_set_header Upgrade $http_upgrade",
    'proxy_set_header Connection "upgrade"',
    "proxy_set_header X-Forwarded-Proto $scheme",
    "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for",
}
"""Without these directives live pages, links or the limits for visitors do not work behind a proxy."""

pytestmark = [pytest.mark.fast, pytest.mark.one_ledger]


def check_command(words: list[str]) -> bool:
    """Parse a command as its program would, if it is one of ours; say whether it was."""
    if "manage.py" in words:
        name, *options = words[words.index("manage.py") + 1 :]
        assert name in get_commands(), name
        command: Any = load_command_class(get_commands()[name], name)
        parser: CommandParser = command.create_parser("manage.py", name)
        parser.called_from_command_line = False  # an error is an exception
        parser.parse_args(options)
        return True
    if "uvicorn" in words:
        server: Any = sys.modules["uvicorn.main"]
        server.main.make_context("uvicorn", words[words.index("uvicorn") + 1 :])
        return True
    return False


def found_in(content: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each key of a YAML document with its value, at any depth; parts of a list come with the list's key."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield name, value
            yield from found_in(value, name)
    elif isinstance(content, list):
        for item in content:
            if isinstance(item, dict | list):
                yield from found_in(item, key)


def yaml_parts() -> list[tuple[str, Any]]:
    texts = (block.text for block in blocks(PAGE, "yaml"))
    return [part for text in texts for content in yaml.safe_load_all(text) for part in found_in(content)]


def test_commands_of_containers_are_ones_that_their_programs_understand() -> None:
    told = [value for name, value in yaml_parts() if name in {"command", "test"}]
    checked = [check_command(value if isinstance(value, list) else shlex.split(value)) for value in told]
    assert checked.count(True) >= 3


def test_containers_are_given_the_time_that_an_orderly_stop_takes() -> None:
    longest_seconds = Settings().shutdown_grace_seconds + LONGEST_STOP_BEYOND_GRACE_SECONDS
    names = {"stop_grace_period", "terminationGracePeriodSeconds"}
    told = [str(value).removesuffix("s") for name, value in yaml_parts() if name in names]
    assert len(told) >= 3
    assert all(int(seconds) > longest_seconds for seconds in told)


def test_probes_ask_for_addresses_that_exist() -> None:
    text = PAGE.read_text(encoding="utf-8")
    asked = set(re.findall(r"localhost:8000(/\w+)", text))
    asked |= {value for name, value in yaml_parts() if name == "path" and isinstance(value, str)}
    assert "/healthz" in asked
    for path in asked:
        try:
            resolve(path)
        except Resolver404:
            pytest.fail(f"no page has the address {path}")


def _shell_lines() -> list[list[str]]:
    lines = "\n".join(block.text for block in blocks(PAGE, "sh")).splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.strip()]


def test_commands_in_shells_name_what_is_there() -> None:
    assert sum(check_command(line) for line in _shell_lines()) >= 2
    units = {unit.name.removesuffix(".service").partition("@")[0] for unit in UNITS}
    for line in _shell_lines():
        if line[0] == "cp":
            assert list(PROJECT.glob(line[1])), line
        named = {word.partition("@")[0] for word in line[1:] if line[0] == "systemctl" and word.startswith("queuehub")}
        assert named <= units, line


def test_files_of_variables_are_those_of_the_units_and_hold_what_these_read() -> None:
    asked = {value for unit in UNITS for value in _values(unit, "EnvironmentFile")}
    texts = [block.text for block in blocks(PAGE, "ini") if block.text.startswith("# /etc/mysite/")]
    assert len(texts) >= 2
    code = "\n".join(path.read_text() for folder in ("jobs", "queuehub") for path in (PROJECT / folder).rglob("*.py"))
    units = "\n".join(unit.read_text() for unit in UNITS)
    for text in texts:
        file = text.split()[1].rstrip(":")
        assert file in asked or re.sub(r"-\w+(\.env)$", r"-%i\1", file) in asked, file
        for name, value in re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE):
            assert f'"{name}"' in code or f"${name}" in units, name
            if name == "WORKER_OPTIONS":
                assert check_command(["manage.py", "jobs_worker", *shlex.split(value)])


def _values(unit: Path, key: str) -> list[str]:
    return re.findall(rf"^{key}=-?(.+)$", unit.read_text(encoding="utf-8"), re.MULTILINE)


def test_commands_of_units_are_ones_that_their_programs_understand() -> None:
    for unit in UNITS:
        words = [word for word in shlex.split(read(FOLDER / unit.name)["Service"]["ExecStart"]) if word[0] != "$"]
        assert check_command(words), unit.name


def _proxy() -> Block:
    (block,) = blocks(PAGE, "nginx")
    return block


def test_the_proxy_passes_on_what_the_pages_need(tmp_path: Path) -> None:
    statements = {statement.strip() for statement in re.split(r"[;{}]", _proxy().text)}
    assert statements >= WEBSOCKET
    lines = [line.strip() for line in _proxy().text.splitlines()]
    assert all(line.endswith((";", "{", "}")) for line in lines if line)
    assert _proxy().text.count("{") == _proxy().text.count("}")
    (address,) = re.findall(r"proxy_pass http://([\d.:]+);", _proxy().text)
    host, port = address.split(":")
    assert f"--host {host} --port {port}" in (FOLDER / "queuehub-web.service").read_text()
    if NGINX:
        _let_nginx_judge(NGINX, tmp_path)


def _let_nginx_judge(program: str, folder: Path) -> None:
    file, kinds = folder / "nginx.conf", ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    places = " ".join(f"{kind}_temp_path {folder}/{kind};" for kind in kinds)
    server = f"server {{ listen 127.0.0.1:65009; access_log off; {_proxy().text} }}"
    file.write_text(f"error_log {folder}/error.log; pid {folder}/pid; events {{}} http {{ {places} {server} }}")
    command = [program, "-t", "-p", folder, "-c", file]
    checked = subprocess.run(command, capture_output=True, text=True)
    assert checked.returncode == 0, checked.stderr
