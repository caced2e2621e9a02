"""Models, prices, aliases, upstreams and routes as data. Code never holds a price."""
