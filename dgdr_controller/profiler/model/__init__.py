"""What is known of a model: where its config is, what it says, what it weighs."""
