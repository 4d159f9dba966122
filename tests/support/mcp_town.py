"""A real MCP server for the tests, on stdio or streamable HTTP: `python mcp_town.py [PORT]`."""

import os
import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("town")


@server.tool()
def weather(city: str, days: int = 1) -> str:
    """The weather of a city."""
    if city == "Atlantis":
        raise ValueError("no such town")
    return f"{city}: 3C for {days}"


@server.tool()
def die() -> str:
    """Ends the server."""
    os._exit(3)


@server.tool()
def variables() -> str:
    """The names and values that the server sees."""
    return str(dict(os.environ))


if len(sys.argv) > 1:
    server.run("streamable-http", port=int(sys.argv[1]))
else:
    server.run("stdio")
