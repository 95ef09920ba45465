"""What whoever can write to Redis may put there: bombs that touch a file when somebody deserialises or runs them."""

import json
import marshal
import os
import pickle
import random
import zlib
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import redis

MEGABYTE = 1024 * 1024


class Bomb:
    """Touches a file when it is unpickled."""

    def __init__(self, hole: Path) -> None:
        self.hole = hole

    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, (f"touch {self.hole}",)


def bodies(hole: Path) -> list[bytes]:
    """Return bodies of jobs in every form that RQ knows, or knew, or that looks like one."""
    command = f"touch {hole}"
    bomb = pickle.dumps(Bomb(hole))
    calls = [
        ["os.system", None, [command], {}],
        ["tests.rq.plain_functions.operating_system.system", None, [command], {}],
        ["builtins.eval", None, [f"__import__('os').system('{command}')"], {}],
        ["subprocess.getoutput", None, [command], {}],
        ["tests.rq.plain_functions.add", {"py/object": "os.system"}, [command], {}],
        ["jobs.perform.perform", None, [str(uuid4())], {}],
        ["tests.security.landmine.explode", None, [str(hole)], {}],
        [command] * 4,
        {"py/reduce": [{"py/function": "os.system"}, [command]]},
        [["os.system"], None, [], {}],
    ]
    texts = [json.dumps(call).encode() for call in calls]
    odd = [
        bomb,
        zlib.compress(bomb),
        pickle.dumps(("os.system", None, (command,), {}), protocol=2),
        marshal.dumps(compile(f"__import__('os').system('{command}')", "x", "exec")),
        f"!!python/object/apply:os.system ['{command}']".encode(),
        b"[" * 100_000,
        zlib.compress(b"[" + b"1," * 2 * MEGABYTE + b"1]", 9),
        b'["tests.rq.plain_functions.add", null, [NaN, Infinity], {"a\\u0000": "\\ud800"}]',
        b'["tests.rq.plain_functions.add", null, [' + b"9" * 10_000 + b"], {}]",
        b"\x00" * 100,
        b"",
    ]
    return [*texts, *(zlib.compress(text) for text in texts), *odd]


def packed_zeros(megabytes: int) -> bytes:
    """Return what zlib makes of so many, by packing one of them: after a full flush, the next packs to the same."""
    block, checksum, packer = bytes(MEGABYTE), 1, zlib.compressobj(9)
    first, other = (packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    for _ in range(megabytes):
        checksum = zlib.adler32(block, checksum)
    return first + other * (megabytes - 1) + b"\x03\x00" + checksum.to_bytes(4, "big")


def plant(client: redis.Redis, hole: Path, queue: str = "default") -> list[str]:
    """Write hashes with every body, results and meta that are bombs, and push their ids; return them."""
    bomb, ids = pickle.dumps(Bomb(hole)), []
    for number, body in enumerate(bodies(hole)):
        job_id = f"hostile-{number}"
        client.hset(
            f"rq:job:{job_id}",
            mapping={
                "data": body, "status": "queued", "origin": queue, "created_at": "2026-01-01T00:00:00Z",
                "meta": bomb, "result": bomb, "exc_info": bomb, "description": "\x1b[31mred\r\nforged line",
            },
        )  # fmt: skip
        if number % 2:
            client.xadd(f"rq:results:{job_id}", {"type": "1", "return_value": bomb, "created_at": "1"})
        ids.append(job_id)
    client.rpush(f"rq:queue:{queue}", *ids)
    return ids


def litter(client: redis.Redis, seed: int, queue: str = "default") -> int:
    """Push what is no id at all, and put values of wrong types and sizes where hashes belong; return how many ids."""
    draw = random.Random(seed)
    garbage: list[bytes | str] = [
        b"", b"\xff\xfe\x00", b"\x80\x04K\x01.", "x" * 5 * MEGABYTE, f"{uuid4()}-1\n", f"{uuid4()}-{10**30}",
        "../../etc/passwd", "\x1b[2J\r\nforged", str(uuid4()).upper() + "-1", "rq:job:x",
        *(draw.randbytes(draw.randrange(1, 200)) for _ in range(50)),
    ]  # fmt: skip
    for name, value in {"a-string": "x", "another-string": "y" * 5 * MEGABYTE}.items():
        client.set(f"rq:job:{name}", value)
        garbage.append(name)
    client.rpush("rq:job:a-list", "x")
    client.hset("rq:job:too-large", mapping={"data": "z" * 20 * MEGABYTE, "status": "queued"})
    good = json.dumps(["tests.rq.plain_functions.add", None, [1], {}])
    client.hset(
        "rq:job:unpacks-to-a-gigabyte",
        mapping={"data": good, "status": "queued", "exc_info": packed_zeros(1000)},
    )
    garbage += ["a-list", "too-large", "unpacks-to-a-gigabyte"]
    draw.shuffle(garbage)
    client.rpush(f"rq:queue:{queue}", *garbage)
    return len(garbage)
