"""Offline enrichment: what local lists, databases and registries know of indicators. Nothing here touches the network."""
