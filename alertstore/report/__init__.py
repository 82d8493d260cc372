"""Reports for people: text made from values, the same bytes for the same input."""
