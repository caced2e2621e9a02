"""All SQL of imagegate, one file per noun, in one text for both engines.

Glossary. A *command* is a plain function of a transaction (`Tx`) that writes; it is repeatable, because ids are made
by its caller and its inserts name what they collide with. A *query* is a plain function of a transaction that only
reads. A *refusal* (no credit, lost lease, other body) is a returned value, never an exception. Times are UTC
microseconds, money is nanos, flags are moments or NULL.
"""
