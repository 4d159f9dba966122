"""How well `swiftagent clean` finds what was put wrong: precision and recall on corrupted rows, by row.

python benchmarks/clean.py                    the sample data
python benchmarks/clean.py --real FOLDER      also real rows in it: glaive, API-Bank (two forms), tau-bench
python benchmarks/clean.py --train            what a tiny model regains of call_exact on cleaned rows (minutes)
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from swiftagent.cli import main as swiftagent
from swiftagent.convert.reading import read_trajectories
from swiftagent.formats.writers.table import writer_of
from swiftagent.io.rows import read_rows
from swiftagent.io.shipped import find
from swiftagent.trajectory.schema import faults_of
from swiftagent.trajectory.types import Call, Event, Observation, Thought, Tool, Trajectory

Corrupt = Callable[[Trajectory, random.Random, "Values"], Trajectory | None]
Values = dict[str, list[Any]]  # argument name -> what rows give it
SAMPLES = ("agent_openai.jsonl", "agent_ms_agent.jsonl", "agent_sharegpt.jsonl")
REAL = ("lf_glaive_en.json", "apibank", "taubench_gpt4o_airline.json", "hammer_apibank_l1.json")
ERRORS = (
    "Error: {}", '{{"error": "{}"}}', '{{"success": false, "message": "{}"}}', '{{"status": "error", "detail": "{}"}}',
    "ToolError: {}", "Traceback (most recent call last): ValueError: {}", "HTTP 400: {}",
)  # fmt: skip
REASONS = ("not a valid value", "bad request", "no such record", "cannot be parsed", "out of range")
OTHER_WORD = {"get": "fetch", "set": "create", "call": "phone", "city": "town", "text": "message", "place": "location",
              "time": "at", "image": "picture", "day": "date", "language": "target"}  # fmt: skip
KINDS_OF_NOISE = ("another row's", "changed", "invented")


def good_rows(files: Iterable[str], most: int = 10**9) -> list[Trajectory]:
    """The rows of files, those that are exactly alike once."""
    found: dict[bytes, Trajectory] = {}
    for file in files:
        for path in sorted(Path(file).rglob("*")) if Path(file).is_dir() else [file]:
            for row in read_trajectories(read_rows(str(path))) if Path(path).is_file() else ():
                found.setdefault(msgspec.json.encode([row.events, row.tools]), row)
    return list(found.values())[:most]


def values_of(rows: Iterable[Trajectory]) -> Values:
    found: Values = {}
    for row in rows:
        for event in row.events:
            if isinstance(event, Call) and isinstance(event.arguments, dict):
                for name, value in event.arguments.items():
                    if isinstance(value, (str, int, float)) and not isinstance(value, bool):
                        found.setdefault(name, []).append(value)
    return found


def said(row: Trajectory, place: int) -> str:
    texts = [event.text for event in row.events[:place] if not isinstance(event, Call)]
    return "\n".join(texts).casefold()


def a_call(row: Trajectory, rng: random.Random, *, trained: bool = False) -> tuple[int, Call] | None:
    calls = [(at, e) for at, e in enumerate(row.events) if isinstance(e, Call) and e.arguments]
    calls = [(at, call) for at, call in calls if call.trained or not trained]
    return rng.choice(calls) if calls else None


def with_call(row: Trajectory, place: int, call: Call) -> Trajectory:
    return msgspec.structs.replace(row, events=(*row.events[:place], call, *row.events[place + 1 :]))


def wrong_value(value: Any, name: str, rng: random.Random, values: Values) -> Any:
    kind = rng.choice(KINDS_OF_NOISE)
    others = [other for other in values.get(name, ()) if type(other) is type(value) and other != value]
    if kind == "another row's" and others:
        return rng.choice(others)
    if not isinstance(value, str):
        return value + rng.choice((1, 7, 30, 400))
    if kind == "changed" and any(map(str.isdigit, value)):
        return "".join(rng.choice("0123456789".replace(c, "")) if c.isdigit() else c for c in value)
    return "".join(rng.sample("bdfgklmnprstvz", 5)).title() + rng.choice(("", "", f" {rng.randint(2, 99)}"))


def value_noise(row: Trajectory, rng: random.Random, values: Values) -> Trajectory | None:
    """One value of a call that stands in the conversation, replaced by one that does not; nothing else shows it."""
    found = a_call(row, rng, trained=True)
    if not found:
        return None
    place, call = found
    known = [name for name, value in call.arguments.items() if str(value).casefold() in said(row, place)]
    known = [name for name in known if isinstance(call.arguments[name], (str, int, float)) and call.arguments[name]]
    if not known:
        return None
    name = rng.choice(known)
    value = wrong_value(call.arguments[name], name, rng, values)
    if str(value).casefold() in said(row, place):
        return None
    return with_call(row, place, msgspec.structs.replace(call, arguments={**call.arguments, name: value}))


def failed_call(row: Trajectory, rng: random.Random, values: Values) -> Trajectory | None:
    """A wrong call with an error for a result, before the right one."""
    found = a_call(row, rng)
    results = [e.text for e in row.events if isinstance(e, Observation) and found and e.call_id == found[1].id]
    if not found or not results or '"error"' in results[0] or results[0].startswith("Error"):
        return None
    place, call = found
    name = rng.choice(list(call.arguments))
    kept = {key: value for key, value in call.arguments.items() if key != name}
    value = call.arguments[name]
    if isinstance(value, (str, int, float)) and not isinstance(value, bool) and rng.random() < 0.7:
        kept[name] = wrong_value(value, name, rng, values)
    failed = Observation(rng.choice(ERRORS).format(rng.choice(REASONS)), "x")
    events: list[Event] = [Thought("I will try this."), Call(call.tool, kept, "x"), failed]
    start = place
    while isinstance(row.events[start - 1], (Thought, Call)):
        start -= 1
    return msgspec.structs.replace(row, events=(*row.events[:start], *events, *row.events[start:]))


def renamed(name: str, rng: random.Random) -> str:
    parts = name.split("_")
    ways = [name + "_v1", parts[0] + "".join(map(str.title, parts[1:])), "old_" + name, name + "_value"]
    other = "_".join(OTHER_WORD.get(part, part) for part in parts)
    return rng.choice([way for way in (*ways, other, other) if way != name])


def old_version(tool: Tool, kind: str, rng: random.Random) -> tuple[Tool, Callable[[dict[str, Any]], dict[str, Any]]]:
    """A tool as it was before, and its arguments as they were."""
    properties = dict(tool.parameters.get("properties", {}))
    required = list(tool.parameters.get("required", ()))
    if kind == "tool" or not properties:
        return Tool(renamed(tool.name, rng), tool.description, tool.parameters), dict
    name = rng.choice(required or list(properties))
    if kind == "argument":
        other = renamed(name, rng)
        schema = {(other if key == name else key): value for key, value in properties.items()}
        needed = [other if key == name else key for key in required]
        return _tool(tool, schema, needed), lambda given: {(other if k == name else k): v for k, v in given.items()}
    if kind == "nesting":
        inner = {"type": "object", "properties": properties, "required": required}
        return _tool(tool, {"params": inner}, ["params"]), lambda given: {"params": given}
    old = {"type": "string", "description": "output format", "default": "json"}
    return _tool(tool, {**properties, "format": old}, required), lambda given: {**given, "format": "json"}


def _tool(tool: Tool, properties: dict[str, Any], required: list[str]) -> Tool:
    schema = {**tool.parameters, "properties": properties, "required": required}
    return Tool(tool.name, tool.description, schema)


DRIFT = ("tool", "argument", "nesting", "default")


def drifted(kind: str, seed: int) -> Corrupt:
    """Every call of one tool, and in half of the rows its declaration, as before; one old version a tool."""

    def corrupt(row: Trajectory, rng: random.Random, values: Values) -> Trajectory | None:
        called = {event.tool for event in row.events if isinstance(event, Call) and event.arguments and event.trained}
        own = [tool for tool in row.tools if tool.name in called and tool.parameters.get("properties")]
        if not own:
            return None
        tool = own[0]
        old, before = old_version(tool, kind, random.Random(f"{seed} {kind} {tool.name}"))
        events = [
            msgspec.structs.replace(event, tool=old.name, arguments=before(event.arguments))
            if isinstance(event, Call) and event.tool == tool.name and isinstance(event.arguments, dict)
            else event
            for event in row.events
        ]
        declares_old = rng.random() < 0.5
        tools = [old if each.name == tool.name and declares_old else each for each in row.tools]
        old_row = msgspec.structs.replace(row, events=tuple(events), tools=tuple(tools))
        return None if (old_row.events, old_row.tools) == (row.events, row.tools) else old_row

    return corrupt


def wrong_tool(row: Trajectory, rng: random.Random, values: Values) -> Trajectory | None:
    found = a_call(row, rng)
    others = [tool.name for tool in row.tools if found and tool.name != found[1].tool]
    if not found or not others:
        return None
    return with_call(row, found[0], msgspec.structs.replace(found[1], tool=rng.choice(others)))


def truncated(row: Trajectory, rng: random.Random, values: Values) -> Trajectory | None:
    found = a_call(row, rng)
    return found and msgspec.structs.replace(row, events=row.events[: found[0] + rng.randint(1, 2)])


def circular(row: Trajectory, rng: random.Random, values: Values) -> Trajectory | None:
    found = a_call(row, rng)
    result = found and next((e for e in row.events if isinstance(e, Observation) and e.call_id == found[1].id), None)
    if not found or not result:
        return None
    place = row.events.index(result) + 1
    again: list[Event] = []
    for number in range(rng.randint(2, 4)):
        call = msgspec.structs.replace(found[1], id=f"x{number}")
        again += [Thought("Once more."), call, Observation(result.text, call.id)]
    return msgspec.structs.replace(row, events=(*row.events[:place], *again, *row.events[place:]))


def corrupted(
    rows: Sequence[Trajectory], share: float, corrupt: Corrupt, seed: int
) -> tuple[list[Trajectory], set[int]]:
    """The rows with about this share of those that call a tool corrupted, and their numbers from 1."""
    rng, values = random.Random(seed), values_of(rows)
    made, wrong = [], set()
    for number, row in enumerate(rows, 1):
        bad = corrupt(row, rng, values) if rng.random() < share else None
        made.append(bad or row)
        wrong |= {number} if bad else set()
    return made, wrong


def write(rows: Sequence[Trajectory], path: Path) -> None:
    to_row = writer_of("native", "auto", "auto")
    path.write_text("".join(json.dumps(to_row(row)[0], ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


class Cleaned(msgspec.Struct):
    decisions: list[dict[str, Any]]
    report: dict[str, Any]
    rows: dict[str, Trajectory]  # by source
    path: Path

    def flagged(self, *codes: str) -> set[int]:
        return {int(each["place"].rpartition(":")[2]) for each in self.decisions if each["code"] in codes}

    def changed(self) -> set[int]:
        return {int(each["place"].rpartition(":")[2]) for each in self.decisions if each["action"] != "keep"}


def clean(rows: Sequence[Trajectory], folder: Path, *options: str) -> Cleaned:
    """The command itself on these rows."""
    source, out = folder / "in.jsonl", folder / "out.jsonl"
    write(rows, source)
    with contextlib.redirect_stdout(io.StringIO()) as told:
        code = swiftagent(["clean", str(source), "-o", str(out), "--json", "-j", "1", "--max-rejects", "1", *options])
    if code:
        raise SystemExit(code)
    decisions = [json.loads(line) for line in (folder / "out.decisions.jsonl").read_text("utf-8").splitlines()]
    written = {row.source: row for row in read_trajectories(read_rows(str(out)))}
    return Cleaned(decisions, json.loads(told.getvalue()), written, out)


def scored(name: str, wrong: set[int], found: set[int], total: int, more: str = "") -> None:
    right = len(wrong & found)
    precision = right / len(found) if found else 1.0
    recall = right / len(wrong) if wrong else 1.0
    alarms = len(found - wrong)
    print(f"| {name} | {len(wrong)} of {total} | {precision:.3f} | {recall:.3f} | {alarms} | {more} |", flush=True)


def same_calls(before: Trajectory, after: Trajectory | None) -> bool:
    def calls(row: Trajectory) -> list[tuple[str, Any]]:
        return [(event.tool, event.arguments) for event in row.events if isinstance(event, Call)]

    return after is not None and calls(before) == calls(after)


def tools_of(rows: Sequence[Trajectory], folder: Path) -> list[str]:
    """The tools that rows declare, each as it stands in the first of them, as a file for --tools."""
    tools: dict[str, Tool] = {}
    for row in rows:
        for tool in row.tools:
            tools.setdefault(tool.name, tool)
    path = folder / "tools.json"
    path.write_text(json.dumps([msgspec.to_builtins(tool) for tool in tools.values()]), encoding="utf-8")
    return ["--tools", str(path)]


def one_version(rows: Sequence[Trajectory]) -> list[Trajectory]:
    """Rows whose tools all are as the first row with them declares them: there is one truth to drift from."""
    first: dict[str, Tool] = {}
    kept = []
    for row in rows:
        for tool in row.tools:
            first.setdefault(tool.name, tool)
        if all(first[tool.name].parameters == tool.parameters for tool in row.tools):
            kept.append(row)
    return kept


def fits(row: Trajectory) -> bool:
    """Whether every call takes what its row declares: one that does not has drifted before anything is corrupted."""
    return not any(faults_of(event, row.tools) for event in row.events if isinstance(event, Call))


def breaks_names(row: Trajectory) -> bool:
    """Whether a call has arguments that the row's own declaration has not, or lacks one that it asks for."""
    codes = {fault.code for event in row.events if isinstance(event, Call) for fault in faults_of(event, row.tools)}
    return not codes.isdisjoint(("missing-argument", "unknown-argument"))


def has_failure(row: Trajectory) -> bool:
    """Whether a call failed before anything is corrupted, and its tool is called otherwise later."""
    results = {event.call_id: event.text for event in row.events if isinstance(event, Observation)}
    calls = [event for event in row.events if isinstance(event, Call)]
    return any(
        results.get(call.id, "").startswith("Error")
        and any(later.tool == call.tool and later.arguments != call.arguments for later in calls[number:])
        for number, call in enumerate(calls)
    )


def is_hidden(row: Trajectory, before: Trajectory, declared: Counter[str]) -> bool:
    """Whether nothing in the file shows that a row is old: it declares its calls, and few rows show today's tool."""
    gone = [tool for tool in before.tools if tool not in row.tools]
    most = max(10, 0.02 * declared[""])
    return bool(gone) and all(declared[json.dumps([tool.name, tool.parameters])] < most for tool in gone)


def declarations(rows: Iterable[Trajectory]) -> Counter[str]:
    """In how many rows each tool stands as it does; "": the rows with tools."""
    found: Counter[str] = Counter()
    for row in rows:
        found.update(json.dumps([tool.name, tool.parameters]) for tool in row.tools)
        found[""] += bool(row.tools)
    return found


def measure_drift(rows: list[Trajectory], kind: str, folder: Path, seed: int) -> None:
    made, wrong = corrupted(rows, 0.3, drifted(kind, seed), seed)
    if not wrong:  # rows that declare no tools show no drift
        return
    declared = declarations(made)
    hidden = {at for at in wrong if is_hidden(made[at - 1], rows[at - 1], declared)}
    for told in ([], tools_of(rows, folder)):
        done = clean(made, folder, *told)
        found, source = done.flagged("drifted", "stale-call"), str(folder / "in.jsonl")
        back = {at for at in wrong if same_calls(rows[at - 1], done.rows.get(f"{source}:{at}"))}
        shown = wrong if told else wrong - hidden
        label = f"drift, {kind}, {'--tools' if told else 'majority'}"
        more = f"{len(back & shown)} of {len(shown)} rewritten exactly"
        more += "" if told or not hidden else f"; where nothing shows it {len(hidden & found)} of {len(hidden)} found"
        scored(label, shown, found - hidden if not told else found, len(rows), more)


def measure(name: str, rows: list[Trajectory], foreign: list[Trajectory], folder: Path, seed: int) -> None:
    print(f"\n{name}: {len(rows)} rows\n\n| corruption | rows | precision | recall | false alarms | |")
    print("| --- | --- | --- | --- | --- | --- |")
    untouched = clean(rows, folder)
    faulty = {number for number, row in enumerate(rows, 1) if breaks_names(row) or has_failure(row)}
    changed, good = untouched.changed(), len(rows) - len(faulty)
    more = f"{len(changed - faulty)} changed of {good} good rows, {len(changed & faulty)} of {len(faulty)} others"
    scored("none, default actions", set(), changed - faulty, good, more)

    for share in (0.1, 0.3, 0.5):
        sound = [row for row in rows if not has_failure(row)]
        made, wrong = corrupted(sound, share, failed_call, seed)
        scored(f"failed call {share:.0%}", wrong, clean(made, folder).flagged("corrected-error"), len(sound))
    measure_values(rows, folder, seed, untouched.flagged("ungrounded-value"))
    versions = one_version(rows)
    given = clean(versions, folder, *tools_of(versions, folder)).flagged("drifted", "stale-call")
    scored("none, --tools", set(), given, len(versions), "calls that break the schema of their own row")
    for kind in DRIFT:
        measure_drift([row for row in versions if fits(row)], kind, folder, seed)
    for kind, code, corrupt in (
        ("wrong tool", "wrong-tool", wrong_tool),
        ("truncated", "truncated-run", truncated),
        ("circular", "circular-run", circular),
    ):
        share = 0.09 if kind == "truncated" else 0.3
        made, wrong = corrupted(rows, share, corrupt, seed)
        scored(f"{kind} {share:.0%}", wrong, clean(made, folder).flagged(code), len(rows))
    measure_foreign(rows, foreign, folder, seed)


def measure_values(rows: list[Trajectory], folder: Path, seed: int, before: set[int]) -> None:
    """Silent noise by its share, and at 10 % with five seeds, as a tenth of some files is seven rows. before: what is
    found in the file without noise."""
    pooled: Counter[str] = Counter()
    for share, number in ((0.1, 0), (0.3, 0), (0.5, 0), (0.1, 1), (0.1, 2), (0.1, 3), (0.1, 4)):
        made, wrong = corrupted(rows, share, value_noise, seed + number)
        found = clean(made, folder).flagged("ungrounded-value")
        if not number:
            old = f"{len((found - wrong) & before)} of the false alarms in the untouched file too"
            scored(f"silent value {share:.0%}", wrong, found, len(rows), old)
        if share == 0.1:
            pooled.update(right=len(found & wrong), found=len(found), wrong=len(wrong))
    precision, recall = pooled["right"] / max(1, pooled["found"]), pooled["right"] / max(1, pooled["wrong"])
    alarms = f"{(pooled['found'] - pooled['right']) / 5:.1f} a seed"
    print(
        f"| silent value 10%, five seeds | {pooled['wrong']} | {precision:.3f} | {recall:.3f} | {alarms} | |",
        flush=True,
    )


def measure_foreign(rows: list[Trajectory], foreign: list[Trajectory], folder: Path, seed: int) -> None:
    rows = [row for row in rows if row.tools]
    for share in (0.2, 0.5, 0.8) if foreign else ():
        rng = random.Random(seed)
        count = min(len(rows), int(len(foreign) * (1 - share) / share))
        strange = rng.sample(foreign, min(len(foreign), int(count * share / (1 - share))))
        mixed = [(row, False) for row in rng.sample(rows, count)] + [(row, True) for row in strange]
        rng.shuffle(mixed)
        wrong = {number for number, (_, is_strange) in enumerate(mixed, 1) if is_strange}
        like = folder / "like.jsonl"
        write([row for row in rows if row.is_agentic][:5], like)
        for told in ([], ["--like", str(like)]):
            done = clean([row for row, _ in mixed], folder, *told)
            label = f"foreign {share:.0%}, {'--like' if told else 'majority'}"
            scored(
                label, wrong, done.flagged("foreign-domain"), len(mixed), "; ".join(done.report["clean"]["not_judged"])
            )


def train(folder: Path, seeds: int) -> None:
    """call_exact of the tiny model trained on good, on corrupted and on cleaned rows."""
    rows = good_rows([str(find(f"datasets/{SAMPLES[0]}"))])
    made = corrupted(rows, 0.3, failed_call, 1)[0]
    made = corrupted(made, 0.4, drifted("argument", 1), 2)[0]
    tools = tools_of(rows, folder)
    cleaned = clean(made, folder, *tools).path.rename(folder / "cleaned.jsonl")
    for name, given in (("good", rows), ("corrupted", made)):
        write(given, folder / f"{name}.raw.jsonl")
        swiftagent(["convert", str(folder / f"{name}.raw.jsonl"), "-o", str(folder / f"{name}.jsonl"), "-q",
                    "--on", "undeclared-tool=keep"])  # fmt: skip
    for seed in range(seeds):
        found = {name: exact_after(folder, name, seed) for name in ("good", "corrupted", cleaned.stem)}
        lost = found["good"] - found["corrupted"]
        regained = (found["cleaned"] - found["corrupted"]) / lost if lost > 0 else float("nan")
        print(f"seed {seed}: {json.dumps(found)}; regained {regained:.0%} of {lost:.3f}", flush=True)


def exact_after(folder: Path, name: str, seed: int) -> float:
    """call_exact on the held-out rows after training on one file, as `swiftagent demo` trains."""
    run, where = f"{name}-{seed}", ["--runs", str(folder)]
    base, data = str(find("datasets/tiny-base")), str(folder / f"{name}.jsonl")
    words = ["sft", "configs/tiny_cpu.yaml", f"model={base}", f"data={data}", f"runs={folder}", f"name={run}"]
    subprocess.run([sys.executable, "-m", "swiftagent", *words, f"seed={seed}"], check=True, stdout=sys.stderr)
    words = ["eval", run, *where, "--data", str(find("datasets/heldout.jsonl")), "--device", "cpu", "--json"]
    # Exit code 7 says that the gate of the recipe is not reached, which is no matter here.
    done = subprocess.run([sys.executable, "-m", "swiftagent", *words], stdout=subprocess.PIPE, text=True, check=False)
    return float(json.loads(done.stdout)["tuned"]["call_exact"]["value"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", type=Path, help="a folder with " + ", ".join(REAL))
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one data set by its name")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.train:
            train(folder, args.seeds)
            return
        samples = good_rows([str(find(f"datasets/{file}")) for file in SAMPLES])
        real = {file: good_rows([str(args.real / file)]) for file in REAL} if args.real else {}
        sets: Iterator[tuple[str, list[Trajectory], list[Trajectory]]] = iter(
            [("sample data", samples[:2000], [row for row in real.get(REAL[0], []) if row.tools])]
            # Glaive's rows are of many domains, so none is foreign among them.
            + [(file, rows, [row for row in samples if row.tools and file != REAL[0]]) for file, rows in real.items()]
        )
        for title, rows, foreign in sets:
            if not args.only or args.only == title:
                measure(title, rows, foreign, folder, args.seed)


if __name__ == "__main__":
    main()
