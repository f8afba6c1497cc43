"""
What tests of this package use, shipped so that yours can use it too.

`scenario` states given/when/then for projections and deciders, `strategies` makes events and
histories with hypothesis, `store_contract` is what every event store has to pass. They need
the development tools they are named after: pytest and hypothesis.
"""
