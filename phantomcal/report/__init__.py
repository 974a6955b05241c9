"""The pictures and the page: every view is made from the result records."""
