"""`swiftagent serve`: one conversation behind the interfaces of OpenAI (chat completions, responses) and Anthropic.

In reading order: asked (a request as the loop needs it), conversation (messages to a trajectory), shown (what of a
step's text a client may see), reply (drives the loop), chat, responses and anthropic (the interfaces), server (HTTP).
"""

PUBLIC = ("server",)
