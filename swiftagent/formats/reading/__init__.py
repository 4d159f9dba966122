"""What the readers share: the builder, turns, calls, arguments, tools and the texts that hold them."""

PUBLIC = (
    "accounting",
    "training_marks",
    "branches",
    "builder",
    "calls",
    "delegate",
    "marks",
    "messages",
    "python_calls",
    "react_steps",
    "react_text",
    "schemas",
    "tags",
    "tools",
    "user_results",
    "view",
)
