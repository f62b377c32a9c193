"""The thalweg command."""
