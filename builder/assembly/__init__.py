"""assembly: Document -> root tar."""
