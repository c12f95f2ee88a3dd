"""What turns a source text into bytes: one module a family of formats."""
