"""What the repository needs to build and measure itself; never installed, never imported by a package."""
