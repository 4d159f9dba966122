"""swiftagent: tool-calling data to ReAct records, LoRA training on ms-swift, and agents that run."""

__version__ = "0.1.0"
