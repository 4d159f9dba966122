"""The tools of the sample data, as OpenAI function schemas: twenty-one, with optional, nested and listed parameters."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]


def _text(description: str, *choices: str) -> Schema:
    return {"type": "string", "description": description} | ({"enum": list(choices)} if choices else {})


def _whole(description: str) -> Schema:
    return {"type": "integer", "description": description}


def _object(properties: dict[str, Schema], optional: str = "", description: str = "") -> Schema:
    required = [name for name in properties if name not in optional.split()]
    return (
        {"type": "object"}
        | ({"description": description} if description else {})
        | {"properties": properties, "required": required}
    )


def _list(items: Schema, description: str) -> Schema:
    return {"type": "array", "description": description, "items": items}


def _tool(name: str, description: str, properties: dict[str, Schema], optional: str = "") -> Schema:
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": _object(properties, optional)},
    }


_ALL = [
    _tool(
        "get_weather", "Weather forecast for a city.", {"city": _text("city name"), "day": _text("which day")}, "day"
    ),
    _tool(
        "convert_currency",
        "Convert money at today's rate.",
        {"amount": _whole("how much"), "source": _text("currency code"), "target": _text("currency code")},
    ),
    _tool("send_message", "Send a short message to a contact.", {"to": _text("contact"), "text": _text("message")}),
    _tool(
        "book_table",
        "Book a table in a restaurant.",
        {
            "restaurant": _text("name"),
            "people": _whole("guests"),
            "time": _text("hour"),
            "seating": _text("where to sit", "terrace", "window", "bar", "quiet"),
        },
        "time seating",
    ),
    _tool("set_reminder", "Remind the user of something.", {"text": _text("what"), "time": _text("when")}),
    _tool(
        "search_trains",
        "Find trains between two cities.",
        {
            "origin": _text("from"),
            "destination": _text("to"),
            "date": _text("day of travel"),
            "filters": _object(
                {"max_price": _whole("limit"), "direct_only": {"type": "boolean"}}, "max_price direct_only", "limits"
            ),
        },
        "date filters",
    ),
    _tool(
        "track_parcel", "Where a parcel is.", {"number": _text("parcel number"), "carrier": _text("company")}, "carrier"
    ),
    _tool(
        "create_event",
        "Put an event into the calendar.",
        {
            "title": _text("name"),
            "start": _object({"date": _text("day"), "time": _text("hour")}, "time", "when"),
            "attendees": _list({"type": "string"}, "who comes"),
        },
        "attendees",
    ),
    _tool(
        "play_music",
        "Play an artist on the speakers.",
        {"artist": _text("who"), "room": _text("where"), "volume": _whole("0 to 100")},
        "room volume",
    ),
    _tool("translate_text", "Translate a phrase.", {"text": _text("phrase"), "language": _text("into")}),
    _tool(
        "find_recipes",
        "Recipes for what is in the fridge.",
        {"ingredients": _list({"type": "string"}, "foods"), "diet": _text("diet")},
        "diet",
    ),
    _tool(
        "set_light",
        "Switch or dim a lamp.",
        {"room": _text("where"), "state": _text("on or off", "on", "off"), "brightness": _whole("percent")},
        "brightness",
    ),
    _tool("stock_price", "Price of a share.", {"symbol": _text("ticker")}),
    _tool(
        "order_groceries",
        "Order food from the shop.",
        {
            "items": _list(_object({"name": _text("food"), "quantity": _whole("how many")}), "what"),
            "delivery": _object(
                {"address": _text("street"), "slot": _text("part of the day")}, "address slot", "where and when"
            ),
        },
        "delivery",
    ),
    _tool(
        "find_route",
        "Way between two places in town.",
        {
            "origin": _text("from"),
            "destination": _text("to"),
            "mode": _text("how", "walking", "cycling", "driving", "transit"),
        },
        "mode",
    ),
    _tool("set_thermostat", "Set the heating of a room.", {"room": _text("where"), "degrees": _whole("Celsius")}),
    _tool("fire_recognition", "Recognise fire in an image.", {"image": _text("image file")}),
    _tool("fire_alert", "Sound the fire alarm.", {"place": _text("where")}),
    _tool("call_fireman", "Call the fire brigade.", {"place": _text("where")}),
    _tool("call_police", "Call the police.", {"place": _text("where")}),
    _tool(
        "calculator",
        "Work out one operation on two numbers.",
        {"a": _whole("number"), "operation": _text("which", "add", "subtract", "multiply"), "b": _whole("number")},
    ),
]

TOOLS: dict[str, Schema] = {tool["function"]["name"]: tool for tool in _ALL}
