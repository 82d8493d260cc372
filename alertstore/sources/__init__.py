"""Reading tools' files: framing and recognition (`readers`), one file a tool, and the registry that finds them."""
