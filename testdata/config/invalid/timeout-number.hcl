destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  timeout = 30 # ERROR: "timeout" is a duration in quotes, such as "30s", "5m" or "1h30m", not a number
}
