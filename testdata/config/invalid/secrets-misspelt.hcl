destination "d" {
  url = "https://example.com/hooks"
  secret = [env("SECRET")] # ERROR: Did you mean "secrets"?
}
