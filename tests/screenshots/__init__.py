"""Makes the pictures of the pages: `python -m tests.screenshots`, on servers and made-up data of its own."""
