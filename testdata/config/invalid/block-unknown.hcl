sink "d" {} # ERROR: A block of type "sink" is not expected here. The configuration takes bridge,
