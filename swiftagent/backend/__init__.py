"""The only folder that imports ms-swift, torch, transformers, peft, deepspeed and modelscope, each inside the function that needs it."""
