"""A page to ask questions and open their receipts. It knows the API only by its wire format."""
