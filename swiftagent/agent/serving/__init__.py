"""`swiftagent serve`: one conversation behind the interfaces of OpenAI (chat completions, responses) and Anthropic.

In reading order: asked (a request as the loop needs it), forms (grammars of an answer), visible (what of a step's text
a client may see), recording (finished turns as rows), reply (drives the loop), streams (a reply as events), chat,
responses and anthropic (the interfaces), server (HTTP), upstream (a gateway to another server).
"""

PUBLIC = ("recording", "server", "upstream")
