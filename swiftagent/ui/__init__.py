"""The whole way in a browser: pages over the same command lines, each shown on its page.

In reading order: jobs (command lines that run on their own), forms (their options as fields), chats (`infer --events`),
views (what is on disk), pages (what each page shows), app (addresses, the token, the server).
"""

PUBLIC = ("app",)
