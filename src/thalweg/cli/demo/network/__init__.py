"""The demonstration of the network: twenty processes that know one address."""
