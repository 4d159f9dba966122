"""Names that LLaMA-Factory, Axolotl, Unsloth and older ms-swift use, with today's name: a config that holds one is
answered, not just refused."""

from __future__ import annotations

# The name in ms-swift 4.6, or our own top-level key: its names in LLaMA-Factory, in ms-swift 1.x to 3.x, in Axolotl
# and in Unsloth with TRL.
FORMER = {
    "model": "model_name_or_path model_id_or_path model_cache_dir base_model",
    "data": "dataset_dir custom_train_dataset_path train_dataset_sample self_cognition_sample",
    "val": "eval_dataset custom_val_dataset_path",
    "max_length": "cutoff_len sequence_len max_seq_length",
    "tuner_type": "finetuning_type sft_type train_type",
    "target_modules": "lora_target lora_target_modules lora_target_linear",
    "modules_to_save": "additional_target lora_modules_to_save",
    "split_dataset_ratio": "val_size dataset_test_ratio val_set_size",
    "dataset_num_proc": "preprocessing_num_workers preprocess_num_proc",
    "attn_impl": "flash_attn use_flash_attn flash_attention sdp_attention",
    "use_liger_kernel": "enable_liger_kernel",
    "quant_bits": "quantization_bit quantization_bits load_in_4bit load_in_8bit",
    "quant_method": "quantization_method",
    "bnb_4bit_use_double_quant": "double_quantization",
    "adapters": "adapter_name_or_path",
    "packing": "neat_packing sample_packing",
    "loss_scale": "train_on_prompt train_on_inputs mask_history use_loss_scale loss_scale_config_path",
    "lorap_lr_ratio": "loraplus_lr_ratio lora_lr_ratio",
    "eval_strategy": "evaluation_strategy",
    "trainable_parameters": "freeze_trainable_layers",
    "neftune_noise_alpha": "neftune_alpha",
    "system": "default_system",
    "agent_template": "tool_format tools_prompt",
    "gradient_checkpointing": "disable_gradient_checkpointing use_gradient_checkpointing",
    "template": "template_type",
    "per_device_train_batch_size": "batch_size micro_batch_size",
    "per_device_eval_batch_size": "eval_batch_size",
    "num_train_epochs": "num_epochs",
    "optim": "optimizer",
    "lr_scheduler_type": "lr_scheduler",
    "lora_rank": "lora_r",
    "seed": "random_state",
    "eval_steps": "evals_per_epoch",
    "save_steps": "saves_per_epoch",
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
MODELS = ("model", "model_name_or_path", "model_id_or_path", "base_model")
ADAPTERS = ("adapter_name_or_path", "adapters", "ckpt_dir", "lora_model_dir")
TRAINED_ON = ("dataset", "datasets", "custom_train_dataset_path")
HELD_OUT = ("eval_dataset", "val_dataset", "test_datasets", "custom_val_dataset_path")
TODAY = {former: today for today, names in FORMER.items() for former in names.split()}
# Settings that say what we do anyway, or that belong to the other program's own files; and those that become commands.
NEEDLESS = {
    "do_train", "do_eval", "do_predict", "overwrite_cache", "overwrite_output_dir", "plot_loss", "dataset_dir",
    "output_dir", "add_output_dir_suffix", "logging_dir", "run_name", "resume_from_checkpoint", "model_cache_dir",
    "include_tokens_per_second", "include_num_input_tokens_seen", "cache_dir", "use_fast_tokenizer", "print_config",
    *MODELS, *TRAINED_ON, *HELD_OUT, "tokenizer", "train_dataset", "dataset_text_field", "dataset_prepared_path",
    "strict", "tokenizer_type", "node_rank", "master_addr", "master_port", "save_merge", "save_gguf",
    "quantization_method", "wandb_entity", "wandb_watch", "wandb_name", "wandb_log_model", "predict_with_generate",
    "max_new_tokens", "do_sample", "infer_backend", "result_path", "export_dir", "export_size", "export_device",
    "export_legacy_format", "export_hub_model_id", "merge_lora", "load_args", "load_dataset_config",
    "args", "plugins", "data_collator", "tuner_backend", "model_revision", "report_to_none",
    "split", "save_method",
}  # fmt: skip
