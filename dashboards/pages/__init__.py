"""The pages, one file each: what they show, and for whom."""
