"""The only folder that imports ms-swift, torch, transformers, peft, deepspeed and modelscope: in the function that needs it."""
