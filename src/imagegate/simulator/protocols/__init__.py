"""One module for each wire protocol: how it parses a request, responds, and reports an error."""
