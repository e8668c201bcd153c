destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  concurrency = "many" # ERROR: Invalid value for "concurrency"
}
