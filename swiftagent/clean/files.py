"""`clean` on files: what `convert` does, with the step that this package makes of all rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from swiftagent.clean.cleaner import Cleaner
from swiftagent.clean.codes import parse_actions
from swiftagent.clean.drift import Renames, read_renames
from swiftagent.clean.survey import survey_files
from swiftagent.convert.rows import Job
from swiftagent.errors import ConfigError
from swiftagent.io.workers import Workers
from swiftagent.tools.toolbox import open_toolbox
from swiftagent.trajectory.schema import faults
from swiftagent.trajectory.types import Tool
from swiftagent.trajectory.wellformed import parse_policy


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
