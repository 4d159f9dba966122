"""`swiftagent clean` on files: what is found, what is done about it by default, and what is written of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from swiftagent.cli import main
from swiftagent.convert.reading import read_trajectories
from swiftagent.io.rows import read_rows
from swiftagent.trajectory.types import Call, Trajectory

WEATHER = {
    "name": "get_weather",
    "description": "The forecast for a city on a day.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "city name"}, "unit": {"enum": ["celsius", "kelvin"]}},
        "required": ["city"],
    },
}
CITIES = ("Oslo", "Rome", "Lima", "Bern", "Cairo", "Quito", "Delhi", "Paris", "Tunis", "Accra", "Sofia", "Minsk")


def call(tool: str, arguments: Any, result: str, number: int = 0) -> list[dict[str, Any]]:
    function = {"name": tool, "arguments": json.dumps(arguments)}
    return [
        {"role": "assistant", "tool_calls": [{"id": f"c{number}", "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": f"c{number}", "content": result},
    ]


def row(question: str, *steps: list[dict[str, Any]], answer: str = "Done.", tools: Any = (WEATHER,)) -> dict[str, Any]:
    messages = [{"role": "user", "content": question}, *(turn for step in steps for turn in step)]
    messages += [{"role": "assistant", "content": answer}] if answer else []
    return {"messages": messages, "tools": [{"type": "function", "function": tool} for tool in tools]}


def good(city: str) -> dict[str, Any]:
    return row(f"Weather in {city}?", call("get_weather", {"city": city}, '{"sky": "blue"}'), answer=f"Blue in {city}.")


GOOD = [good(city) for city in CITIES]


class Result:
    def __init__(self, out: Path, code: int) -> None:
        self.code = code
        self.report = json.loads(out.with_suffix(".report.json").read_text("utf-8"))
        self.decisions = [
            json.loads(line) for line in out.with_suffix(".decisions.jsonl").read_text("utf-8").split("\n")[:-1]
        ]
        self.rows = list(read_trajectories(read_rows(str(out))))

    @property
    def said(self) -> list[tuple[int, str, str]]:
        """(line of the input, code, action) of every decision."""
        return [(int(each["place"].rpartition(":")[2]), each["code"], each["action"]) for each in self.decisions]

    def calls(self, number: int) -> list[tuple[str, Any, bool]]:
        found: Trajectory = self.rows[number]
        return [(event.tool, event.arguments, event.trained) for event in found.events if isinstance(event, Call)]


def cleaned(folder: Path, rows: list[dict[str, Any]], *options: str) -> Result:
    source, out = folder / "in.jsonl", folder / "out.jsonl"
    source.write_text("".join(json.dumps(each) + "\n" for each in rows), "utf-8")
    return Result(out, main(["clean", str(source), "-o", str(out), "-q", "--max-rejects", "1", "-j", "1", *options]))


def today(folder: Path, *tools: dict[str, Any]) -> list[str]:
    (folder / "tools.json").write_text(json.dumps(tools or [WEATHER]), "utf-8")
    return ["--tools", str(folder / "tools.json")]


def old(**changes: Any) -> dict[str, Any]:
    return {**WEATHER, **changes}


def test_good_rows_come_out_as_convert_writes_them(tmp_path: Path):
    near = [good("Oslo"), row("Weather in Oslo??", call("get_weather", {"city": "Oslo"}, "{}"))]
    result = cleaned(tmp_path, [*GOOD[1:], *near])
    assert {action for _, _, action in result.said} <= {"keep"}
    main(["convert", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "plain.jsonl"), "-q", "-j", "1"])
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "plain.jsonl").read_bytes()


def _parameters(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required}


TEXT = {"type": "string"}
DRIFT: dict[str, tuple[dict[str, Any], Any]] = {
    "a tool renamed": (old(name="forecast_for"), {"city": "Lagos"}),
    "a tool in another spelling": (old(name="getWeather_v2", description=""), {"city": "Lagos"}),
    "an argument renamed": (old(parameters=_parameters({"city_name": TEXT}, ["city_name"])), {"city_name": "Lagos"}),
    "an argument with no like name": (old(parameters=_parameters({"where": TEXT}, ["where"])), {"where": "Lagos"}),
    "nesting moved": (
        old(parameters=_parameters({"place": _parameters({"city": TEXT}, [])}, [])), {"place": {"city": "Lagos"}},
    ),
    "a default dropped": (
        old(parameters=_parameters({"city": TEXT, "days": {"type": "integer", "default": 1}}, ["city"])),
        {"city": "Lagos", "days": 1},
    ),
    "a type": (old(parameters=_parameters({"city": {"type": "array"}}, ["city"])), {"city": ["Lagos"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", DRIFT)
@pytest.mark.parametrize("is_told", [True, False], ids=["tools", "majority"])
def test_drift_is_rewritten_for_the_tools_of_today(name: str, is_told: bool, tmp_path: Path):
    tool, arguments = DRIFT[name]
    stale = row("Weather in Lagos?", call(tool["name"], arguments, "{}"), tools=[tool])
    result = cleaned(tmp_path, [*GOOD, stale], *(today(tmp_path) if is_told else ()))
    assert set(result.said) == {(13, "drifted", "migrate")}
    assert result.calls(12) == [("get_weather", {"city": "Lagos"}, True)]
    assert [tool.name for tool in result.rows[12].tools] == ["get_weather"]


def test_a_tool_of_like_name_and_arguments_is_another_tool(tmp_path: Path):
    other = old(name="set_weather", description="Change the weather in a city on a day.")
    rows = [*GOOD, row("Make it rain in Lagos", call("set_weather", {"city": "Lagos"}, "{}"), tools=[other])]
    assert cleaned(tmp_path, rows).said == []
    assert cleaned(tmp_path, rows, *today(tmp_path)).said == []


def test_a_description_copied_to_another_tool_makes_it_no_successor(tmp_path: Path):
    copied = old(name="modify_weather", description="This deletes the weather in a city.")
    rows = [row(f"Rain in {city}", call("modify_weather", {"city": city}, "{}"), tools=[copied]) for city in CITIES]
    rows += [
        row(
            "No rain in Lagos",
            call("delete_weather", {"city": "Lagos"}, "{}"),
            tools=[{**copied, "name": "delete_weather"}],
        )
    ]
    assert cleaned(tmp_path, rows).said == []


def test_declared_mappings_rename_convert_and_translate(tmp_path: Path):
    rain = {"name": "rain", "description": "", "parameters": _parameters({"millimetres": {"type": "number"}}, [])}
    mapping = {
        "tools": {"wet": "rain"},
        "arguments": {"rain.inches": "millimetres"},
        "units": {"rain.inches": 25.4},
        "values": {"get_weather.unit": {"C": "celsius", "metric": "kelvin"}},
    }
    (tmp_path / "map.json").write_text(json.dumps(mapping), "utf-8")
    rows = [
        row("2 inches", call("wet", {"inches": 2}, "{}"), tools=[old(name="wet")]),
        row("Weather in Oslo?", call("get_weather", {"city": "Oslo", "unit": "metric"}, "{}")),
    ]
    result = cleaned(tmp_path, rows, *today(tmp_path, WEATHER, rain), "--map", str(tmp_path / "map.json"))
    assert result.calls(0) == [("rain", {"millimetres": 50.8}, True)]
    assert result.calls(1) == [("get_weather", {"city": "Oslo", "unit": "kelvin"}, True)]


def test_a_call_that_cannot_be_rewritten_for_certain_is_masked_or_drops_its_row(tmp_path: Path):
    tools = [WEATHER, old(name="moon", description="Its phase.", parameters=_parameters({"night": TEXT}, []))]
    both = row(
        "Weather in Oslo?",
        call("moon", {"night": "x"}, "{}"),
        call("get_weather", {"city": "Oslo"}, "{}", 1),
        tools=tools,
    )
    alone = row("Weather in Rome?", call("get_weather", {"a": 1, "b": 2}, "{}"), answer="")
    result = cleaned(tmp_path, [both, alone], *today(tmp_path))
    assert result.calls(0) == [("moon", {"night": "x"}, False), ("get_weather", {"city": "Oslo"}, True)]
    assert result.report["reasons"] == {"stale-call": 1}
    assert result.report["masked"] == {"stale-call": 1}


@pytest.mark.parametrize(
    "result", ["Error: no such city", '{"error": "bad city"}', '{"success": false}', "HTTP 400: x"]
)
def test_a_failed_call_is_masked_and_the_corrected_one_trained(result: str, tmp_path: Path):
    steps = call("get_weather", {"city": "Olso"}, result), call("get_weather", {"city": "Oslo"}, "{}", 1)
    found = cleaned(tmp_path, [row("Weather in Oslo?", *steps)])
    assert found.said == [(1, "corrected-error", "mask")]
    assert [trained for *_, trained in found.calls(0)] == [False, True]


@pytest.mark.parametrize("result", ["no result", '{"error": ""}', '{"status": "ok"}', "The error rate is 3 %."])
def test_a_result_that_is_no_error_masks_nothing(result: str, tmp_path: Path):
    steps = call("get_weather", {"city": "Olso"}, result), call("get_weather", {"city": "Oslo"}, "{}", 1)
    assert cleaned(tmp_path, [row("Weather in Oslo?", *steps)]).said == []


BIRD = old(name="bird", description="A bird.", parameters=_parameters({"wings": TEXT, "sizes": {"type": "array"}}, []))


@pytest.mark.parametrize(
    ("tool", "given", "expected"),
    [
        ("bird", {"old_wings": "red"}, [("bird", {"wings": "red"}, True)]),
        ("bird_v1", {"wings": "red"}, [("bird", {"wings": "red"}, True)]),
        ("bird", {"feet": "red", "beak": "red"}, [("bird", {"feet": "red", "beak": "red"}, False)]),
    ],
)
def test_a_call_that_its_own_declaration_refuses_is_rewritten_for_it_or_masked(
    tool: str, given: dict[str, Any], expected: list[Any], tmp_path: Path
):
    """Also of a tool that no other row declares."""
    result = cleaned(tmp_path, [*GOOD, row("A red bird?", call(tool, given, "{}"), tools=[BIRD])])
    is_drifted = expected[0][2]
    assert result.said == [(13, "drifted" if is_drifted else "stale-call", "migrate" if is_drifted else "mask")]
    assert result.calls(12) == expected


def test_a_text_that_is_a_list_of_python_becomes_one_where_a_list_is_asked_for(tmp_path: Path):
    rows = [row("Sizes?", call("bird", {"sizes": "['big', 'small']"}, "{}"), tools=[BIRD])]
    result = cleaned(tmp_path, rows, *today(tmp_path, BIRD))
    assert result.calls(0) == [("bird", {"sizes": ["big", "small"]}, True)]


def test_a_value_that_the_words_of_rows_lead_to_is_no_fault(tmp_path: Path):
    stock = old(name="stock", description="Prices.", parameters=_parameters({"symbol": TEXT}, ["symbol"]))

    def priced(question: str, symbol: str) -> dict[str, Any]:
        return row(question, call("stock", {"symbol": symbol}, "{}"), tools=[stock])

    said = [priced(f"What is {name} at?", name) for name in ("IBM", "SAP", "BMW", "UPS", "KLM", "HSBC", "AXA", "ING")]
    apples = [priced(f"What is Apple at {when}?", "AAPL") for when in ("noon", "five", "dawn")]
    result = cleaned(tmp_path, [*said, *apples, priced("What is Boeing worth?", "AAPL")])
    assert [line for line, code, _ in result.said if code == "ungrounded-value"] == [12]


def test_a_value_that_another_argument_of_the_call_leads_to_is_no_fault(tmp_path: Path):
    login = old(name="login", description="Sign in.", parameters=_parameters({"user": TEXT, "key": TEXT}, ["user"]))

    def signed_in(question: str, user: str, key: str) -> dict[str, Any]:
        return row(question, call("login", {"user": user, "key": key}, "{}"), tools=[login])

    keys = {city: f"{city[::-1]}77" for city in CITIES[:4]}
    said = [
        signed_in(f"{when}: I am {user} with {key}", user, key)
        for user, key in keys.items()
        for when in ("Noon", "Dusk", "Dawn")
    ]
    unsaid = [signed_in("I am Oslo", "Oslo", keys["Oslo"]), signed_in("I am Oslo", "Oslo", keys["Rome"])]
    result = cleaned(tmp_path, [*said, *unsaid])
    assert [line for line, code, _ in result.said if code == "ungrounded-value"] == [14]


LOOP = [call("get_weather", {"city": "Oslo"}, "{}", number) for number in range(3)]
OTHER = old(name="rain", description="Rain.", parameters=_parameters({"street": TEXT}, ["street"]))


def asked(question: str, city: str, result: str = "{}", answer: str = "Done.") -> dict[str, Any]:
    return row(question, call("get_weather", {"city": city}, result), answer=answer)


WRONG = {(1, "contradicted-answer")}
BONN = "Weather in Bonn?"
LONG = row(
    "All?", *[call("get_weather", {"city": city}, f"{number}", number) for number, city in enumerate(CITIES * 2)]
)
REPORTED: dict[str, tuple[list[dict[str, Any]], set[tuple[int, str]]]] = {
    "circular": ([row("Weather in Oslo?", *LOOP)], {(1, "circular-run")}),
    "wrong tool": ([row(BONN, call("rain", {"city": "Bonn"}, "{}"), tools=[WEATHER, OTHER])], {(1, "wrong-tool")}),
    "a number": ([asked("What is 2 + 3?", "2", "5", "It is 6.")], WRONG),
    "a rounded number": ([asked("Pi?", "Pi", "3.14159", "It is 3.14.")], set()),
    "a date": ([asked("When?", "When", "2024-03-05", "March 6, 2024")], WRONG),
    "the same date": ([asked("When?", "When", "2024-03-05", "March 5, 2024")], set()),
    "a name": ([asked("Who?", "Who", "Ada Lovelace", "Alan Turing")], WRONG),
    "a pair": ([asked(BONN, "Bonn"), asked(BONN, "Oslo")], {(1, "contradictory-pair"), (2, "contradictory-pair")}),
    "truncated": ([*GOOD, asked(BONN, "Bonn", answer="")], {(13, "truncated-run")}),
    "a value": ([*GOOD, asked(BONN, "Kyoto")], {(13, "ungrounded-value")}),
    "long": ([*GOOD, LONG], {(13, "over-long-run")}),
}


@pytest.mark.parametrize("name", REPORTED)
def test_what_is_only_probable_is_reported_and_not_acted_on(name: str, tmp_path: Path):
    rows, expected = REPORTED[name]
    result = cleaned(tmp_path, rows)
    assert {(line, code) for line, code, _ in result.said if not code.endswith("duplicate")} == expected
    assert {action for _, code, action in result.said if code != "exact-duplicate"} <= {"keep"}


def test_actions_are_asked_for_by_code(tmp_path: Path):
    rows = [
        *REPORTED["a value"][0],
        row("Weather in Bali?", *[call("get_weather", {"city": "Bali"}, "{}", n) for n in range(3)]),
    ]
    result = cleaned(tmp_path, rows, "--on", "ungrounded-value=drop", "--on", "circular-run=mask")
    assert result.report["reasons"] == {"ungrounded-value": 1}
    assert [trained for *_, trained in result.calls(12)] == [True, False, False]


def test_exact_duplicates_are_dropped_and_counted_as_no_fault_of_reading(tmp_path: Path):
    rows = [good("Oslo"), good("Oslo"), good("Rome")]
    result = cleaned(tmp_path, rows, "--max-rejects", "0")
    assert (result.code, result.report["reasons"], len(result.rows)) == (0, {"exact-duplicate": 1}, 2)


PASTA = {"name": "find_recipe", "description": "Recipes.", "parameters": _parameters({"dish": TEXT}, ["dish"])}
STRANGE = [
    row(f"How do I cook {dish} with butter?", call("find_recipe", {"dish": dish}, "{}"), tools=[PASTA])
    for dish in ("rice", "pasta", "soup")
]


def test_foreign_rows_stand_apart_from_the_majority_or_from_examples(tmp_path: Path):
    result = cleaned(tmp_path, [*GOOD, *STRANGE], "--on", "foreign-domain=drop")
    assert result.report["reasons"] == {"foreign-domain": 3}
    (tmp_path / "like.jsonl").write_text(json.dumps(GOOD[0]) + "\n", "utf-8")
    result = cleaned(tmp_path, [*STRANGE, GOOD[1]], "--like", str(tmp_path / "like.jsonl"))
    assert [line for line, code, _ in result.said if code == "foreign-domain"] == [1, 2, 3]


def test_bad_input_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "two.json").write_text(json.dumps([old(parameters=PASTA["parameters"])]), "utf-8")
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(each) + "\n" for each in (GOOD[0], STRANGE[0])), "utf-8")
    begin = ["clean", str(tmp_path / "in.jsonl"), "-o", str(tmp_path / "x.jsonl")]
    assert main([*begin, *today(tmp_path), "--tools", str(tmp_path / "two.json")]) == 2
    assert "get_weather is declared twice" in capsys.readouterr().err
    assert main([*begin, "--on", "foreign-domain=drop"]) == 2
    assert "no domain holds most rows" in capsys.readouterr().err
    assert main([*begin, str(tmp_path / "in.jsonl")]) == 2
    assert "given twice" in capsys.readouterr().err
    assert main([*begin, "--on", "drifted=always"]) == 2
    assert "migrate, keep, mask, drop" in capsys.readouterr().err
    assert main([*begin, "--on", "drfted=drop"]) == 2
    assert "--on drfted=drop: no policy for 'drfted'; did you mean drifted?" in capsys.readouterr().err
    (tmp_path / "map.json").write_text('{"tools": {"get_weather": "nothing_of_today"}}', "utf-8")
    assert main([*begin, *today(tmp_path), "--map", str(tmp_path / "map.json")]) == 2
    assert "--map: nothing_of_today: no tool of today" in capsys.readouterr().err
    recipe = tmp_path / "recipe.yaml"
    for clean, said in (
        ("{actions: {foo: drop}}", "clean: --on foo=drop: no policy for"),
        ("maybe", "is not a choice of true, false"),
    ):
        recipe.write_text(
            f"sources:\n  - {{source: {tmp_path / 'in.jsonl'}, channel: agent, clean: {clean}}}\n", "utf-8"
        )
        assert main(["mix", str(recipe), "-o", str(tmp_path / "mix.jsonl")]) == 2
        assert said in capsys.readouterr().err


def test_rows_without_calls_are_written_and_the_report_says_what_was_not_judged(tmp_path: Path):
    result = cleaned(tmp_path, [row("Hello?", answer="Hello.")])
    assert len(result.rows) == 1
    assert result.report["clean"]["not_judged"][-1] == "no row calls a tool, so only duplicates are looked for"


def test_explain_shows_the_decisions_on_one_row_and_a_dry_run_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    cleaned(tmp_path, REPORTED["a value"][0])
    out = str(tmp_path / "out.jsonl")
    source = str(tmp_path / "in.jsonl")
    assert main(["clean", source, "-o", out, "--explain", f"{source}:13"]) == 0
    assert 'argument: "city"\n  value: "Kyoto"' in capsys.readouterr().out
    assert main(["clean", "-o", out, "--explain", f"{source}:13", "--json"]) == 0
    assert [each["code"] for each in json.loads(capsys.readouterr().out)["decisions"]] == ["ungrounded-value"]
    assert main(["clean", source, "-o", out, "--explain", "nothing"]) == 2
    before = {path.name for path in tmp_path.iterdir()}
    upload = ["--upload", f"file://{tmp_path}/uploaded"]
    assert main(["clean", str(tmp_path / "in.jsonl"), "--dry-run", "--json", *upload]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["kept"]["ungrounded-value"], told["output"]) == (1, "cleaned.jsonl")
    assert {path.name for path in tmp_path.iterdir()} == before


def test_processes_write_the_same_bytes(tmp_path: Path):
    from swiftagent.clean.cleaner import Cleaning, with_cleaning
    from swiftagent.convert.files import convert_files
    from swiftagent.convert.rows import Job
    from swiftagent.io.workers import Workers

    lines = [json.dumps(asked(f"{'word ' * 9000}Weather in {city}?", city)) for city in CITIES * 4]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), "utf-8")
    found = []
    for count in (1, 2):
        job = Job((str(tmp_path / "in.jsonl"),), tmp_path / f"{count}.jsonl")
        with Workers(count) as workers:
            convert_files(with_cleaning(job, Cleaning(), workers), workers=workers)
        found.append(
            [(tmp_path / f"{count}{end}").read_bytes() for end in (".jsonl", ".decisions.jsonl", ".rejects.jsonl")]
        )
    assert found[0] == found[1]
    assert b"exact-duplicate" in found[0][2]


def test_a_recipe_cleans_a_source_before_it_is_mixed(tmp_path: Path):
    rows = "".join(json.dumps(each) + "\n" for each in (*GOOD, *STRANGE, GOOD[0]))
    (tmp_path / "in.jsonl").write_text(rows, "utf-8")
    recipe = (
        f"val: 0\nsources:\n  - source: {tmp_path / 'in.jsonl'}\n    clean: {{actions: {{foreign-domain: drop}}}}\n"
    )
    (tmp_path / "recipe.yaml").write_text(recipe, "utf-8")
    assert main(["mix", str(tmp_path / "recipe.yaml"), "-o", str(tmp_path / "mix.jsonl"), "-q", "-j", "1"]) == 0
    assert len((tmp_path / "mix.jsonl").read_text("utf-8").splitlines()) == 12
    report = json.loads((tmp_path / "mix.clean-0.report.json").read_text("utf-8"))
    assert report["reasons"] == {"foreign-domain": 3, "exact-duplicate": 1}
