destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  allow = ["10.0.0.0/33"] # ERROR: This is not a network
}
