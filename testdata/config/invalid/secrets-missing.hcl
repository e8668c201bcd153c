destination "d" { # ERROR: Make one with: hookbridge secret new
  url = "https://example.com/hooks"
}
