"""Trade options and other derivatives directly with each other, over channels on an EVM chain."""
