"""What acts on guests: scaling, faults, moves, resizes, memory that runs out or is taken back."""
