"""Writes the sample data of `datasets/`: word lists, tools, scenes, chat and the text of the tiny base model."""
