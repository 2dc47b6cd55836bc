"""How much a run or a command will cost, told before it begins, and refused where it is beyond all measure."""
