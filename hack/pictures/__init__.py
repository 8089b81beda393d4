"""Pictures of what users see, as SVG, drawn from real output: a change of that changes them."""
