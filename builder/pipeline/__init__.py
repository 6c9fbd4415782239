"""pipeline: the only place that knows every room; each file reads as a table of contents of one kind of work."""
