bridge "main" {} # ERROR: The bridge block has no name
