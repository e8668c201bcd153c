destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")] # ERROR: With signature = "none" nothing is signed
  signature = "none"
}
