"""What the network costs, beside py-libp2p in the same run where it is installed (`make interop`)."""
