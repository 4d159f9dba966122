"""Names that LLaMA-Factory and older ms-swift use, with today's name: a config that holds one is answered, not just
refused."""

from __future__ import annotations

# The name in ms-swift 4.6, or our own top-level key: its names in LLaMA-Factory and in ms-swift 1.x to 3.x.
FORMER = {
    "model": "model_name_or_path model_id_or_path model_cache_dir",
    "data": "dataset_dir custom_train_dataset_path train_dataset_sample self_cognition_sample",
    "val": "eval_dataset custom_val_dataset_path",
    "max_length": "cutoff_len",
    "tuner_type": "finetuning_type sft_type train_type",
    "target_modules": "lora_target lora_target_modules",
    "modules_to_save": "additional_target lora_modules_to_save",
    "split_dataset_ratio": "val_size dataset_test_ratio",
    "dataset_num_proc": "preprocessing_num_workers preprocess_num_proc",
    "attn_impl": "flash_attn use_flash_attn",
    "use_liger_kernel": "enable_liger_kernel",
    "quant_bits": "quantization_bit quantization_bits",
    "quant_method": "quantization_method",
    "bnb_4bit_use_double_quant": "double_quantization",
    "adapters": "adapter_name_or_path",
    "packing": "neat_packing",
    "loss_scale": "train_on_prompt mask_history use_loss_scale loss_scale_config_path",
    "lorap_lr_ratio": "loraplus_lr_ratio lora_lr_ratio",
    "eval_strategy": "evaluation_strategy",
    "trainable_parameters": "freeze_trainable_layers",
    "neftune_noise_alpha": "neftune_alpha",
    "system": "default_system",
    "agent_template": "tool_format tools_prompt",
    "gradient_checkpointing": "disable_gradient_checkpointing",
    "template": "template_type",
    "per_device_train_batch_size": "batch_size",
    "per_device_eval_batch_size": "eval_batch_size",
    "lora_dropout": "lora_dropout_p",
    "torch_dtype": "dtype",
    "bnb_4bit_compute_dtype": "bnb_4bit_comp_dtype",
    "strict": "check_dataset_strategy",
    "deepspeed": "deepspeed_config_path",
    "external_plugins": "custom_register_path",
    "shuffle_buffer_size": "streaming_buffer_size",
    "save_only_model": "only_save_model",
    "gpus": "nproc_per_node",
    "nodes": "nnodes",
    "master": "master_addr master_port",
    "sequences_per_step": "global_batch_size",
}
TODAY = {former: today for today, names in FORMER.items() for former in names.split()}
