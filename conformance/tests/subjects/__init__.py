"""Realistic third-party components, written before the suite looked at them, with what is known of each."""
