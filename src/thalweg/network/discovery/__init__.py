"""Discovery: who is there, where, and whom to dial. Strangers find each other, and nobody can surround a node."""
