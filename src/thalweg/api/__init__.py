"""The node's local authenticated HTTP API."""
