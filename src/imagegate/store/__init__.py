"""All SQL of imagegate: one module per noun, one text for both engines.

A *command* is a plain function of a transaction (`Tx`) that writes. It can be run again: its caller makes the ids, and
its inserts name what they may collide with. A *query* is one that only reads. A refusal (no credit, lost lease) is a
returned value, never an exception. Times are UTC microseconds, money is nanos, flags are times or NULL.
"""
