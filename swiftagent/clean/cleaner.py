"""The step that `convert` and `mix` put every row through: what is found is rewritten, masked, dropped or reported."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from swiftagent.clean.codes import Finding, parse_actions
from swiftagent.clean.drift import Renames, has_changed, migrate, read_renames, successor
from swiftagent.clean.runs import findings_of_row, shown, wrong_tools
from swiftagent.clean.survey import Survey, findings_of_file, majority_tools, survey_files
from swiftagent.convert.rows import Job
from swiftagent.errors import ConfigError, RowError
from swiftagent.io.workers import Workers
from swiftagent.tools.toolbox import open_toolbox
from swiftagent.trajectory.schema import faults
from swiftagent.trajectory.types import Call, Event, Thought, Tool, Trajectory
from swiftagent.trajectory.wellformed import Policy, last_trained_step, mask_steps, parse_policy, trim


class Cleaner:
    """What is known of a whole file, applied to one row after the other. `decisions` are those of the rows since it was
    last drained."""

    def __init__(
        self, survey: Survey, actions: Mapping[str, str], tools: Sequence[Tool], like: Survey | None, renames: Renames
    ) -> None:
        self.actions, self.renames, self.is_told = dict(actions), renames, bool(tools)
        self.today = {tool.name: tool for tool in tools} if tools else majority_tools(survey)
        self.versions: dict[str, list[Tool]] = defaultdict(list)
        for tool in survey.tools.values():
            self.versions[tool.name].append(tool)
        # A rename to a tool that is not one of today's would mask its calls as stale.
        named = {place.partition(".")[0] for place in (*renames.arguments, *renames.values, *renames.units)}
        if unknown := sorted({*renames.tools.values(), *named} - set(self.today)):
            known = ", ".join(sorted(self.today)) or "none that enough rows declare alike; name them with --tools"
            raise ConfigError(f"--map: {', '.join(unknown)}: no tool of today, which are {known}")
        self.of_file, self.notes = findings_of_file(survey, like)
        if self.notes and actions["foreign-domain"] != "keep":
            raise ConfigError(f"--on foreign-domain={actions['foreign-domain']}: {self.notes[0]}")
        if not any(row.calls for row in survey.rows):
            self.notes.append("no row calls a tool, so only duplicates are looked for")
        elif not self.today:
            self.notes.append(
                "no tool is declared alike by enough rows, so drift is not judged; --tools names those of today"
            )
        self.decisions: list[dict[str, Any]] = []

    def __call__(self, given: Trajectory, place: str) -> Trajectory:
        """The row as it is trained. Raises RowError, with the code that drops it."""
        wrong_tool = list(wrong_tools(given))
        row, drifted = self._up_to_date(given, {place for each in wrong_tool for place in each.events})
        found = [*self.of_file.get(place, ()), *findings_of_row(given), *drifted, *wrong_tool]
        events = list(row.events)
        notes: list[str] = []
        for finding in found:
            self._act(given, place, finding, events, notes)
        if not notes:
            return given
        if not last_trained_step(tuple(events)):
            code = next(note for note in notes if self.actions[note] == "mask")
            raise RowError(code, "nothing is left to train where its faulty steps are masked")
        row = msgspec.structs.replace(row, events=tuple(events), repairs=(*row.repairs, *dict.fromkeys(notes)))
        return trim(row, Policy(on=self.actions))

    def drain(self) -> list[dict[str, Any]]:
        """The decisions so far, once."""
        taken, self.decisions = self.decisions, []
        return taken

    def about(self) -> dict[str, Any]:
        """What the report says of the file."""
        origin = "--tools" if self.is_told else "the majority of the file"
        return {"tools": sorted(self.today), "tools_from": origin, "actions": self.actions, "not_judged": self.notes}

    def _act(self, row: Trajectory, place: str, finding: Finding, events: list[Event], notes: list[str]) -> None:
        code, action = finding.code, self.actions[finding.code]
        decision = {"id": row.id, "source": row.source, "place": place, "action": action}
        self.decisions.append(decision | msgspec.structs.asdict(finding))
        if action == "drop":
            raise RowError(code, finding.reason)
        notes.append(code)
        if action == "mask":
            events[:] = mask_steps(tuple(events), set(finding.events))

    def _up_to_date(self, row: Trajectory, passed: set[int]) -> tuple[Trajectory, list[Finding]]:
        """The row with the calls and tools of today, where every step of the way is certain, and what was found.
        passed: the places of calls that are wrong in another way."""
        own = {tool.name: tool for tool in row.tools}
        names = {event.tool for event in row.events if isinstance(event, Call)} | set(own)
        heirs = {name: self._heir(self._declared(name, row), own) for name in names}
        events, found, stale = list(row.events), [], []
        for place, event in enumerate(row.events):
            if not isinstance(event, Call) or place in passed:
                continue
            mine = own.get(event.tool)
            today = self.today.get(heirs[event.tool]) or (None if self.is_told else own.get(heirs[event.tool], mine))
            if today and self._fits(event, today, mine):
                continue
            versions = [tool for tool in row.tools if tool.name == event.tool] + self.versions[event.tool]
            if done := migrate(event, today, versions, self.renames) if today else None:
                events[place] = done[0]
                evidence = {"before": shown(event), "after": shown(done[0]), "changes": done[1]}
                found.append(Finding("drifted", f"a call of {event.tool} as its tool is today", evidence, (place,)))
            elif event.trained and today and mine and not self.is_told and not faults(mine.parameters, event.arguments):
                return row, []  # its own declaration takes the call: two versions, of which none is known to be right
            elif event.trained and (today or not mine or self.is_told and any(heirs.values())):
                reason = "today's tools refuse the call" if today else "today's tools have no such tool"
                stale.append(Finding("stale-call", reason, {"call": shown(event)}, (place,)))
        if self.actions["drifted"] != "migrate":
            return row, found + stale
        tools = self._tools(row, heirs, found)
        renamed = {old: new for old, new in heirs.items() if new and new != old and re.search(r"_|[a-z][A-Z]", old)}
        events = [_with_names(event, renamed) for event in events]
        return msgspec.structs.replace(row, events=tuple(events), tools=tools), found + stale

    def _fits(self, call: Call, today: Tool, mine: Tool | None) -> bool:
        """Where no tools were named, only names show that a call is old: a wrong type may always have been wrong."""
        codes = {fault.code for fault in faults(today.parameters, call.arguments)}
        if self.is_told or mine is None or has_changed(mine, today):
            return call.tool == today.name and not codes
        return codes.isdisjoint(("missing-argument", "unknown-argument"))

    def _heir(self, tool: Tool, own: Mapping[str, Tool]) -> str:
        """Today's name of a tool, "" where it has none. What a row calls and does not declare may be called otherwise
        there."""
        if tool.name in self.today:
            return tool.name
        known = self.today if self.is_told or tool.name in own else {**own, **self.today}
        return successor(tool, known, own, self.renames)

    def _declared(self, name: str, row: Trajectory) -> Tool:
        """A tool as the row declares it, else as others do, else as it is called."""
        if declared := [tool for tool in row.tools if tool.name == name] + self.versions[name]:
            return declared[0]
        given = [event.arguments for event in row.events if isinstance(event, Call) and event.tool == name]
        names = {key for arguments in given if isinstance(arguments, dict) for key in arguments}
        return Tool(name, "", {"properties": {key: {} for key in sorted(names)}})

    def _tools(self, row: Trajectory, heirs: Mapping[str, str], found: list[Finding]) -> tuple[Tool, ...]:
        """The row's tools with those that changed since as they are today."""
        tools: dict[str, Tool] = {}
        changed = []
        for tool in row.tools:
            today = self.today.get(heirs[tool.name])
            if today and has_changed(tool, today) and (self.is_told or found or tool.parameters):
                changed.append(f"{tool.name} -> {today.name}")
                tool = today
            tools.setdefault(tool.name, tool)
        if changed:
            found.append(Finding("drifted", "declared as they are today", {"declarations": changed}))
        return tuple(tools.values())


def _with_names(event: Event, renamed: Mapping[str, str]) -> Event:
    """A thought that names a tool by today's name."""
    if not renamed or not isinstance(event, Thought):
        return event
    pattern = re.compile(rf"\b({'|'.join(map(re.escape, renamed))})\b")
    return msgspec.structs.replace(event, text=pattern.sub(lambda found: renamed[found.group()], event.text))


class Cleaning(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What rows are held against. `tools`: words of `--tools`; `map` and `like`: files; `actions`: by code."""

    tools: tuple[str, ...] = ()
    map: str = ""
    like: str = ""
    actions: dict[str, str] = {}


def with_cleaning(
    job: Job, cleaning: Cleaning, workers: Workers, seen: Callable[[int], None] = lambda count: None
) -> Job:
    """The job with the step that cleans its rows; reads the inputs once. Raises ConfigError."""
    actions, others = parse_actions([f"{code}={action}" for code, action in cleaning.actions.items()])
    # A call of yesterday's tool is what clean is for, so it is no reason to reject the row.
    on = {"undeclared-tool": "keep", **job.policy.on, **parse_policy(others), **actions}
    job = msgspec.structs.replace(job, policy=msgspec.structs.replace(job.policy, on=on))
    renames = read_renames(cleaning.map) if cleaning.map else Renames()
    tools = tools_of_today(cleaning.tools) if cleaning.tools else ()
    like = survey_files(msgspec.structs.replace(job, inputs=(cleaning.like,)), workers) if cleaning.like else None
    if like and not any(row.tools for row in like.rows):
        raise ConfigError(f"--like {cleaning.like}: holds no row with tools; name a few rows of the right domain")
    cleaner = Cleaner(survey_files(job, workers, seen), actions, tools, like, renames)
    return msgspec.structs.replace(job, policy=msgspec.structs.replace(job.policy, step=cleaner))


def tools_of_today(words: Sequence[str]) -> tuple[Tool, ...]:
    """Raises ConfigError for tools that contradict each other, or whose schema is wrong."""
    with open_toolbox(words) as box:
        tools = [Tool(tool.inner, tool.spec.description, tool.spec.parameters) for tool in box.tools]
    problems = []
    for number, tool in enumerate(tools):
        if any(tool.name == other.name and tool.parameters != other.parameters for other in tools[:number]):
            problems.append(f"--tools: {tool.name} is declared twice, with other parameters; name the true one alone")
        broken = [fault.sentence for fault in faults(tool.parameters, {}) if fault.code == "bad-schema"]
        problems += [f"--tools: {tool.name}: {sentence}" for sentence in broken]
    if problems:
        raise ConfigError(problems)
    return tuple(tools)
