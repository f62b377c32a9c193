"""A channel: a signed balance sheet plus conditional claims. Pure."""
