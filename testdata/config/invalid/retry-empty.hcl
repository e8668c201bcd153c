destination "d" {
  url = "https://example.com/hooks"
  secrets = [env("SECRET")]
  retry {
    schedule = [] # ERROR: A schedule has 1 to 50 waits
  }
}
