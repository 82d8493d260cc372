"""Keys that sign checkpoints: Ed25519, kept outside the store."""
