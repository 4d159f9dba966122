"""What the readers share: the builder, turns, calls, arguments, tools and the texts that hold them."""

PUBLIC = (
    "accounting",
    "training_marks",
    "branches",
    "builder",
    "calls",
    "delegate",
    "framework_turns",
    "marks",
    "messages",
    "python_calls",
    "react_steps",
    "react_text",
    "schemas",
    "spans",
    "tags",
    "tools",
    "user_results",
    "view",
)
