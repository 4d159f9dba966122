"""The plugin that ms-swift loads inside the training process."""

PUBLIC = ()
