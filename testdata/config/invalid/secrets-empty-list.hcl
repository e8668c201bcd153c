destination "d" {
  url = "https://example.com/hooks"
  secrets = [] # ERROR: There is no secret in the list
}
