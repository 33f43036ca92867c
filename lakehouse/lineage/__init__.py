"""From a row of gold back to the rows of bronze, the objects and the offsets that it came from."""
