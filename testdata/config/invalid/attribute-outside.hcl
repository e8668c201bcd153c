url = "https://example.com" # ERROR: An argument named "url" is not expected here. The configuration takes bridge,
