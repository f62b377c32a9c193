"""A node's local, authenticated HTTP API, and the client commands use."""
