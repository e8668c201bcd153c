destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  timeout = "1ms" # ERROR: Invalid value for "timeout"
}
