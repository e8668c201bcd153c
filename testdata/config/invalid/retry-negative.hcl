destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  retry {
    schedule = ["0s", "-5s"] # ERROR: Invalid value for "schedule"
  }
}
