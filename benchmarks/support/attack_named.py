"""The faults that an attack on an earlier version found, each in its smallest form: none of them may come back."""

from __future__ import annotations

import gzip
import http.server
import json
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from attack_code import generate_in_a_folder
from attack_files import TEXT, attack_file, bomb, call_of, zlib_packer
from attack_run import FINAL, Outcome, Target, listening, model, reply, step
from attack_tools import attack_tools
from mix_data import agent_row, chat_row, jsonl

# point: attacks of the part `tools`, by a pattern of their names
OF_TOOLS = {
    "5 references of a spec": "^spec recursion",
    "5 pattern": "^server pattern",
    "5 definitions": "^server doubled",
    "5 unique items": "^server unique",
    "6 slow page": "^page slow$",
    "6 zstd page": "^page zstd",
    "6 answer without end": "^server flood$",
    "6 grandchild": "^function daemon$",
    "7 terminal": "^function steering|^server steering",
    "10 structured content": "^server misfit",
    "11 host of a spec": "^spec elsewhere",
}
SECRET = 'pass"word\\of\n12'


def _code(place: Target) -> str:
    shutil.copytree(place.checkout / "datasets" / "tiny-base", place.folder / "model")
    generate_in_a_folder(place.folder / "model")
    place.run("infer", "--model", "model", "--device", "cpu", "--max-tokens", "4", "q", seconds=120)
    return "the model's code ran" if (place.folder / "owned").exists() else ""


def _tokens(place: Target) -> str:
    tokens = ["<|turn>", "]~b]", "<seed:eos>", "｜DSML｜", "<eoa>", "[UNUSED_TOKEN_145]", "<BOS_TOKEN>", "[USER]"]
    turns = [{"role": "user", "content": "q " + " ".join(tokens)}, {"role": "assistant", "content": "a"}]
    (place.folder / "a.jsonl").write_bytes(jsonl([{"messages": turns}]))
    place.run("convert", "a.jsonl", "-o", "o.jsonl", "-q")
    written = json.loads((place.folder / "o.jsonl").read_text().splitlines()[0])
    text = "".join(turn["content"] for turn in written["messages"])
    return f"not escaped: {[token for token in tokens if token in text]}" * any(token in text for token in tokens)


def _secrets(place: Target) -> str:
    (place.folder / "f.py").write_text(f"def act() -> dict: return {{'a': {SECRET!r}, 'b': 'standard'}}\n")
    with model(step("act", {}), FINAL) as scripted:
        words = ("infer", "--react", "--json", "--tools", "f.py", *scripted.words, "q")
        done = place.run(*words, environment={"MY_PASSWORD": SECRET, "MY_MODE": "standard"})
    said = json.loads(done.stdout)["steps"][0]["observation"]
    problems = ["the secret passes"] * ("word" in said) + ["a harmless value is blanked"] * ("standard" not in said)
    return "; ".join(problems)


def _one_row(place: Target) -> str:
    (place.folder / "a.jsonl").write_bytes(call_of('{"a": "\\ud83d"}') + jsonl([chat_row(1)]))
    return place.run("convert", "a.jsonl", "-o", "o.jsonl", "-q", "--max-rejects", "100%").fault


def _bomb_of_rows(place: Target) -> str:
    return attack_file(
        place, "bomb.jsonl.gz", bomb(zlib_packer(), TEXT), ("convert", "bomb.jsonl.gz", "-o", "o.jsonl")
    ).fault


def _gzip_in_gzip(place: Target) -> str:
    data = gzip.compress(gzip.compress(jsonl([chat_row(1)])))
    return attack_file(place, "a.jsonl.gz", data, ("convert", "a.jsonl.gz", "-o", "o.jsonl")).fault


def _odd_utf16(place: Target) -> str:
    data = jsonl([chat_row(1)]).decode().encode("utf-16") + b"x"
    return attack_file(place, "a.jsonl", data, ("convert", "a.jsonl", "-o", "o.jsonl")).fault


def _leftover(place: Target) -> str:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = place.folder / f".o.jsonl.{gone.pid}.part"
    left.write_text("half")
    (place.folder / "a.jsonl").write_bytes(jsonl([chat_row(1)]))
    place.run("convert", "a.jsonl", "-o", "o.jsonl", "-q")
    return "what a killed run left is there" if left.exists() else ""


def _two_at_once(place: Target) -> str:
    (place.folder / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(20_000)]))
    code = "import runpy; runpy.run_module('swiftagent', run_name='__main__')"
    words = [sys.executable, "-c", code, "convert", "a.jsonl", "-o", "o.jsonl", "-q", "-j", "1"]
    environment = {"PYTHONPATH": str(place.checkout), "PATH": "/usr/bin:/bin", "HOME": str(place.folder)}
    with subprocess.Popen(words, cwd=place.folder, env=environment) as first:
        while not list(place.folder.glob(".o.jsonl.*.part")) and first.poll() is None:
            time.sleep(0.01)
        second = place.run("convert", "a.jsonl", "-o", "o.jsonl", "-q", "-j", "1")
    return "" if second.code == 4 else f"the second run ends with {second.code}"


def _handles(place: Target) -> str:
    (place.folder / "a.jsonl").write_bytes(jsonl([agent_row(number) for number in range(20_000)]))
    return place.run("convert", "a.jsonl", "-o", "o.jsonl", "-j", "2", limits={resource.RLIMIT_NOFILE: 8}).fault


def _ascii(place: Target) -> str:
    (place.folder / "问.jsonl").write_bytes(jsonl([{"messages": [{"role": "user", "content": "问"}]}]))
    environment = {"PYTHONIOENCODING": "ascii"}
    return "; ".join(
        filter(
            None,
            (
                place.run(*words, environment=environment).fault
                for words in (("formats", "--of", "问.jsonl"), ("inspect", "问.jsonl"))
            ),
        )
    )


def _sent_twice(place: Target) -> str:
    command = f"mcp:{sys.executable} {Path(__file__).with_name('attack_mcp.py')} die"
    with model(step("act", {}), FINAL) as scripted:
        place.run("infer", "--react", "--tools", command, *scripted.words, "q")
    calls = len((place.folder / "calls").read_text().split())
    return f"the call was sent {calls} times" if calls > 1 else ""


def _host_header(place: Target) -> str:
    heads: list[str] = []

    def answer(request: http.server.BaseHTTPRequestHandler) -> None:
        heads.append(request.headers["Host"])
        reply(request, b"{}")

    with listening(answer) as url:
        parameters = [{"name": "Host", "in": "header", "schema": {"type": "string"}}]
        spec = {
            "openapi": "3.1.0",
            "servers": [{"url": url}],
            "paths": {"/x": {"get": {"operationId": "act", "parameters": parameters}}},
        }
        (place.folder / "spec.json").write_text(json.dumps(spec))
        with model(step("act", {"Host": "evil.example"}), FINAL) as scripted:
            place.run("infer", "--react", "--tools", "spec.json", *scripted.words, "q")
    return "the model sets Host" if "evil.example" in heads else ""


def _locks(place: Target) -> str:
    locks = sorted((place.checkout / "scripts" / "locks").glob("*.txt"))
    hashed = [lock for lock in locks if "--hash=sha256:" in lock.read_text()]
    return "" if len(hashed) >= 3 else f"{len(hashed)} locks with hashes"


NAMED: dict[str, Callable[[Target], str]] = {
    "1 code below a model": _code,
    "2 control tokens": _tokens,
    "3 secrets": _secrets,
    "4 one row": _one_row,
    "6 gz bomb": _bomb_of_rows,
    "8 leftovers": _leftover,
    "8 two runs at once": _two_at_once,
    "9 gzip in gzip": _gzip_in_gzip,
    "9 odd UTF-16": _odd_utf16,
    "9 file handles": _handles,
    "9 ASCII terminal": _ascii,
    "10 call sent twice": _sent_twice,
    "11 host header": _host_header,
    "12 locks": _locks,
}


def attack_named(target: Target) -> Iterator[Outcome]:
    for name, attack in NAMED.items():
        began = time.monotonic()
        fault = attack(target.inside(name.replace(" ", "-")))
        yield Outcome("named", name, fault, time.monotonic() - began)
    for name, pattern in OF_TOOLS.items():
        found = list(attack_tools(target.inside(name.replace(" ", "-")), pattern))
        yield Outcome(
            "named", name, "; ".join(each.fault for each in found if each.fault), max(each.seconds for each in found)
        )
