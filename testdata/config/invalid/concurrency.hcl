destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  concurrency = 0 # ERROR: Invalid value for "concurrency"
}
