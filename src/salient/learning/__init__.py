"""What is learned from text: arrays in, arrays out. No stores, no documents."""
