"""Sync: what goes to the remote API and what comes from it, and the bundle for the stick where there is no link."""
