"""The MCP server: tools that let a model quote, generate and edit images through a gateway, within a cap of credits.

It is a client of a gateway, by its public API alone. Its library is an extra of this distribution: `imagegate[mcp]`.
"""
