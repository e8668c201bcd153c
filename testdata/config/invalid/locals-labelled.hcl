locals "x" {} # ERROR: A locals block has no name
