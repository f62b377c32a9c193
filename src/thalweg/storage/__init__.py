"""Journal, keystore and backup on disk."""
