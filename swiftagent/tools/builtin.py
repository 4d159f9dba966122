"""Small tools that are always there: calculator, clock, units, memory, http:HOST, human. None evaluates what it is
given."""

from __future__ import annotations

import ast
import datetime
import math
import operator
import zoneinfo
from collections.abc import Callable
from typing import Annotated, Any

from swiftagent.errors import ConfigError, ToolError
from swiftagent.tools.function_schema import describe
from swiftagent.tools.http_client import request
from swiftagent.tools.source import Functions, NoCode, Options, ToolSource
from swiftagent.trajectory.types import Json, Tool

# A power tower must not eat the machine.
_LARGEST = 10**400
_MOST_DIGITS = 400
# No factor between two units makes it infinite.
_LARGEST_QUANTITY = 1e280
_LONGEST_EXPRESSION = 1000
_LARGEST_PAGE = 1 << 20


def _tool(name: str, function: Callable[..., Json], about: str = "") -> tuple[Tool, Callable[..., Json]]:
    known = describe(function, name)
    properties, required = known["parameters"]["properties"], known["parameters"].get("required", [])
    for each in properties.values():
        # Where one were declared, `--prompt auto` could not list the tool in ReAct's short form.
        each.pop("default", None)
    parameters = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return Tool(name, about or known["description"], parameters), function


def open_source(word: str, options: Options) -> list[ToolSource]:
    """Raises ConfigError for `http` without a host."""
    name, _, hosts = word.partition(":")
    if name == "http":
        return [_http(hosts, options)]
    if name == "memory":
        return [_memory()]
    if name in _PLAIN:
        return [Functions(name, _tool(_NAMES.get(name, name), _PLAIN[name]))]
    return [source for each in ("calculator", "clock", "units", "memory") for source in open_source(each, options)]


def _ask_human(question: Annotated[str, "what to ask"]) -> Json:
    """Ask the user something that only they know."""
    raise NoCode("the user answers this")


def _memory() -> ToolSource:
    kept: dict[str, str] = {}

    def put(key: Annotated[str, "its key"], value: Annotated[str, "the text"]) -> Json:
        """Remember a text under a key."""
        kept[key] = value
        return "kept"

    def get(key: Annotated[str, "its key"]) -> Json:
        """What is remembered under a key."""
        if key not in kept:
            raise ToolError(f"nothing is kept under {key!r}; there is {', '.join(kept) or 'nothing yet'}")
        return kept[key]

    def names() -> Json:
        """The keys under which something is remembered."""
        return list(kept)

    return Functions("memory", _tool("memory_set", put), _tool("memory_get", get), _tool("memory_list", names))


_BINARY: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    **{ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv},
    **{ast.FloorDiv: operator.floordiv, ast.Mod: operator.mod, ast.Pow: operator.pow},
}
_SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {ast.USub: operator.neg, ast.UAdd: operator.pos}
_OF_MATH = "sqrt log log2 log10 exp floor ceil sin cos tan asin acos atan degrees radians"


def _rounded(value: Any, digits: int = 0) -> Any:
    """`round` in bounds: for an integer and digits below zero, Python would raise ten to that power first."""
    if abs(digits) > _MOST_DIGITS:
        raise ToolError(f"round takes from -{_MOST_DIGITS} to {_MOST_DIGITS} digits")
    return round(value, digits) if digits else round(value)


_FUNCTIONS: dict[str, Callable[..., Any]] = {name: getattr(math, name) for name in _OF_MATH.split()}
_FUNCTIONS |= {"abs": abs, "round": _rounded, "min": min, "max": max, "ln": math.log}
_CONSTANTS = {"pi": math.pi, "e": math.e, "tau": math.tau}


def calculate(expression: Annotated[str, "for example (3 + 4) * 2"]) -> Json:
    """Compute an arithmetic expression: + - * / // % **, brackets, sqrt, abs, round, min, max, log, exp, sin, cos, tan,
    pi, e.

    :raises ToolError: what stands in its way
    """
    if len(expression) > _LONGEST_EXPRESSION:
        raise ToolError(f"the expression is longer than {_LONGEST_EXPRESSION} characters")
    text = expression.strip().replace("×", "*").replace("÷", "/").replace("−", "-").replace("^", "**")
    try:
        value = _value(ast.parse(text, mode="eval").body)
    except (SyntaxError, RecursionError, MemoryError):
        raise ToolError(f"{expression!r} is not an arithmetic expression") from None
    except ZeroDivisionError:
        raise ToolError("division by zero") from None
    except (ValueError, OverflowError, TypeError) as error:
        raise ToolError(str(error)) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ToolError("the value is not finite")
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e15 else value


def _value(node: ast.expr) -> Any:
    match node:
        case ast.Constant(value=int() | float() as value) if not isinstance(value, bool):
            return value
        case ast.Name(id=name) if name in _CONSTANTS:
            return _CONSTANTS[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in _SIGNS:
            return _SIGNS[type(op)](_value(operand))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
            return _combined(type(op), _value(left), _value(right))
        case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]) if name in _FUNCTIONS:
            return _FUNCTIONS[name](*map(_value, arguments))
    raise ToolError(f"{ast.unparse(node)[:60]!r} is not arithmetic that the calculator knows")


def _combined(op: type[ast.operator], left: Any, right: Any) -> Any:
    if op is ast.Pow and abs(left) > 1 and abs(right) * math.log10(abs(left)) > 400:
        raise ToolError("the power is too large")
    value = _BINARY[op](left, right)
    if isinstance(value, complex):
        raise ToolError("the value is not a real number")
    if isinstance(value, int) and abs(value) > _LARGEST:
        raise ToolError("the value is too large")
    return value


def now(timezone: Annotated[str, "for example Europe/Oslo; UTC where it is left out"] = "UTC") -> Json:
    """The date and time now.

    :raises ToolError: an unknown zone
    """
    is_utc = timezone.upper() in ("", "UTC", "GMT", "Z")
    try:
        zone = datetime.timezone.utc if is_utc else zoneinfo.ZoneInfo(timezone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ToolError(f"unknown time zone {timezone!r}; write it like Europe/Oslo") from None
    return datetime.datetime.now(zone).strftime("%A %Y-%m-%dT%H:%M:%S%z")


_SI = {"m": 1e-3, "c": 1e-2, "d": 0.1, " ": 1, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


def _metric(unit: str, factor: float, prefixes: str) -> dict[str, float]:
    return {prefix.strip() + unit: factor * _SI[prefix] for prefix in prefixes}


# kind: the factor of each unit to the kind's base
_KINDS: dict[str, dict[str, float]] = {
    "length": {**_metric("m", 1, "mc k"), "inch": 0.0254, "ft": 0.3048, "yd": 0.9144, "mi": 1609.344, "nmi": 1852},
    "mass": {**_metric("g", 1e-3, "m k"), "t": 1e3, "oz": 0.028349523125, "lb": 0.45359237, "斤": 0.5},
    "volume": {**_metric("l", 1, "mcd "), "m3": 1e3, "gal": 3.785411784, "qt": 0.946352946, "cup": 0.2365882365},
    "time": {"ms": 1e-3, "s": 1, "min": 60, "h": 3600, "d": 86400, "week": 604800},
    "speed": {"m/s": 1, "km/h": 1 / 3.6, "mph": 0.44704, "kn": 1852 / 3600},
    "data": {"b": 0.125, **_metric("B", 1, " kMGT"), "KiB": 2**10, "MiB": 2**20, "GiB": 2**30},
    "energy": _metric("J", 1, " k") | _metric("cal", 4.184, " k") | _metric("Wh", 3600, " k"),
    "area": {"m2": 1, "km2": 1e6, "ha": 1e4, "acre": 4046.8564224, "亩": 2000 / 3},
    "temperature": {"K": 1, "C": 1, "F": 5 / 9},
}
_ZEROS = {"C": 273.15, "F": 459.67 * 5 / 9}
_UNITS = {unit: (kind, factor) for kind, units in _KINDS.items() for unit, factor in units.items()}
_ALIASES = {"in": "inch", "inches": "inch", "feet": "ft", "foot": "ft", "mile": "mi", "kph": "km/h", "kmh": "km/h"}
_ALIASES |= {"meter": "m", "metre": "m", "kilometer": "km", "kilometre": "km", "hour": "h"}
_ALIASES |= {"pound": "lb", "lbs": "lb", "kilogram": "kg", "gram": "g"}
_ALIASES |= {"°c": "C", "celsius": "C", "°f": "F", "fahrenheit": "F", "kelvin": "K"}
_BY_CASE = {unit.lower(): unit for unit in _UNITS if unit not in ("b", "B")}


def convert(
    value: float, from_: Annotated[str, "for example km, lb, C, l, kWh, MB"], to: Annotated[str, "the unit wanted"]
) -> Json:
    """Convert a quantity to another unit.

    :raises ToolError: an unknown unit, another kind of quantity, or a number that is too large
    """
    one, other = _unit(from_), _unit(to)
    if not abs(value) < _LARGEST_QUANTITY:
        raise ToolError("the value is too large")
    (kind, factor), (other_kind, other_factor) = _UNITS[one], _UNITS[other]
    if kind != other_kind:
        raise ToolError(f"{from_} cannot be converted to {to}")
    found = (value * factor + _ZEROS.get(one, 0) - _ZEROS.get(other, 0)) / other_factor
    # A difference of zeros leaves its rounding in the last digits, and where the value is small there are no others.
    return {"value": round(found, 10) if kind == "temperature" else float(f"{found:.12g}"), "unit": other}


def _unit(name: str) -> str:
    """A unit by its sign, else by its name, singular or plural, else in any case; a bit is not a byte."""
    name = name.strip()
    low = name.lower()
    found = name if name in _UNITS else _ALIASES.get(low) or _ALIASES.get(low.removesuffix("s")) or _BY_CASE.get(low)
    if found is None:
        raise ToolError(f"unknown unit {name!r}")
    return found


# source: its tool
_PLAIN: dict[str, Callable[..., Json]] = {"calculator": calculate, "clock": now, "units": convert, "human": _ask_human}
_NAMES = {"units": "convert_units", "human": "ask_human"}


def _http(hosts: str, options: Options) -> ToolSource:
    allowed = tuple(host.strip().lower() for host in hosts.split(",") if host.strip())
    if not allowed:
        raise ConfigError("--tools http: name the hosts that may be read, as in http:example.com,127.0.0.1:8000")

    def check(url: Any) -> None:
        host = url.host.lower()
        with_port = f"{host}:{url.port}" if url.port else host
        if url.scheme not in ("http", "https") or (host not in allowed and with_port not in allowed):
            raise ToolError(f"only {', '.join(allowed)} may be read, not {url.scheme}://{with_port}")

    def read(url: Annotated[str, "its full address"]) -> Json:
        import httpx

        try:
            page = request("GET", url, options.seconds, _LARGEST_PAGE, check)
        # Of idna too, which are UnicodeErrors.
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            raise ToolError(f"{url[:200]!r} cannot be read: {error}") from None
        if page.status_code >= 400:
            raise ToolError(f"HTTP {page.status_code}: {page.text[:300]}")
        return page.text

    return Functions("http", _tool("http_get", read, f"Read a page of {', '.join(allowed)}."))
